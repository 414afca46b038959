"""A status handed in as a ready edXML file that answers what the office received: its word, like by every other way."""

import pytest

from gateway.errors import Refused
from gateway.model import Business
from gateway.states import State
from tests.pipeline.road import FAR, OFFICE, OURS, document_file, status_file


async def hand_in(road, code, document_id="d-1", **more):
    async def chunks():
        yield status_file(document_id, code, OURS, signer=None, to=FAR, description="Đã xem", **more)

    return await road.intake.submit_edxml(OFFICE, chunks())


async def recalled(road):
    document = await road.receive(document_file(OURS, document_id="d-1"))
    await road.receive(status_file("d-1", "13"))
    await road.run()
    return document


@pytest.mark.parametrize("code", ["15", "14"])
async def test_agreement_to_a_recall_destroys_the_document_and_travels_back_once(road, code):
    document = await recalled(road)
    first = await hand_in(road, code)
    await road.run()
    assert (await road.message(document)).purged_at is not None
    assert [row.answer for row in await road.journal.recalls(document)] == ["15"]
    again = await hand_in(road, code)
    await road.run()
    assert (again.messages, again.repeated) == (first.messages, True)
    [answer] = [held[2] for held in road.axis.held if b"StatusCode>15<" in held[2]]
    assert f"OrganId>{FAR}<".encode() in answer


async def test_agreement_to_an_update_destroys_nothing(road):
    await road.receive(document_file(OURS, document_id="d-1"))
    update = Business(type=2, document_id="d-1", reason="Sửa")
    later = await road.receive(document_file(OURS, document_id="d-2", business=update))
    await hand_in(road, "15", "d-2")
    await road.run()
    assert [row.answer for row in await road.journal.change_answers(later)] == ["15"]
    assert (await road.message(later)).purged_at is None


async def test_an_answer_that_nobody_asked_for_is_refused(road):
    await road.receive(document_file(OURS, document_id="d-1"))
    with pytest.raises(Refused) as caught:
        await hand_in(road, "15")
    assert (caught.value.status, [each.code for each in caught.value.problems]) == (409, ["recall-not-asked"])


@pytest.mark.parametrize(("code", "document_id"), [("03", "d-1"), ("15", "never-came")])
async def test_any_other_status_is_sent_on_as_it_came(road, code, document_id):
    await recalled(road)
    submitted = await hand_in(road, code, document_id)
    await road.run()
    assert (await road.message(submitted.messages[0]["message_id"])).state == State.CLOSED
    assert f"StatusCode>{code}<".encode() in road.axis.held[-1][2]
