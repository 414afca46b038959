from structlog.testing import capture_logs

from tests import doors
from tests.pipeline.road import FAR, OURS, PULLED, PULLS, document_file


def lines(caught, message_id):
    return [(each["log_level"], each["event"]) for each in caught if each.get("message_id") == message_id]


async def test_the_log_tells_how_far_a_message_came_and_nothing_of_what_it_says(road):
    with capture_logs() as caught:
        message_id = await road.submit(FAR, subject="V/v chuyện kín")
        await road.run()
        await road.hear(message_id, "03")
    assert lines(caught, message_id) == [("info", "accepted"), ("info", "sent")]
    assert [(each["event"], each["kind"]) for each in caught if each.get("about") == message_id] == [
        ("closed", "status")
    ]
    assert "chuyện kín" not in repr(caught)


async def test_a_receipt_that_does_not_match_is_a_warning(road):
    road.axis.alter = {"size": 1}
    with capture_logs() as caught:
        message_id = await road.submit(FAR)
        await road.run()
    assert ("warning", "receipt mismatch") in lines(caught, message_id)
    assert ("info", "sent") not in lines(caught, message_id)


async def test_a_rejection_is_told_with_its_code(road):
    with capture_logs() as caught:
        forged = document_file(OURS).replace("chiều đến".encode(), "chiều kia".encode())
        message_id = await road.receive(forged)
    [line] = [each for each in caught if each["event"] == "rejected"]
    assert (line["message_id"], line["reason"]) == (message_id, "edxml-signature-invalid")


async def test_what_a_person_or_an_office_ends_is_told_too(road):
    with capture_logs() as caught:
        acknowledged = await road.receive(document_file(PULLED))
        await road.office_acts.acknowledge(PULLS, acknowledged)
        stranger = await road.receive(document_file(OURS, signer="stranger"))
        await road.acts.reject(stranger, "lan", "nobody knows them")
    assert lines(caught, acknowledged)[-1] == ("info", "closed")
    assert lines(caught, stranger)[-1] == ("info", "rejected")
    assert "nobody knows them" not in repr(caught)


async def test_a_submission_that_is_repeated_is_accepted_once(tmp_path):
    async with doors.open_house(tmp_path) as house:
        with capture_logs() as caught:
            for _ in range(2):
                told = await house.door.submit(doors.OFFICE, "k1", doors.record(), doors.uploads())
    [line] = [each for each in caught if each["event"] == "accepted"]
    assert (line["message_id"], line["office"]) == (told.submission_id, doors.OFFICE)
