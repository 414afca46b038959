"""What people and offices do from outside: acknowledge, report, resend, release, reject."""

import asyncio

import pytest

from gateway.errors import NeedsOperator, Refused, Unreachable
from gateway.model import Staff
from gateway.pipeline.acts import NotFound
from tests.pipeline.road import (
    ALSO_OURS,
    FAR,
    NEIGHBOUR,
    NEIGHBOURS,
    OFFICE,
    OURS,
    PULLED,
    PULLS,
    document_file,
)


async def codes(awaitable):
    with pytest.raises(Refused) as caught:
        await awaitable
    return {problem.code for problem in caught.value.problems}


# --- acknowledge ------------------------------------------------------------------------------------------------


async def test_an_office_that_pulls_finds_a_document_and_01_goes_when_it_acknowledges(road):
    message_id = await road.receive(document_file(PULLED))
    assert await road.state(message_id) == "trusted"
    assert await road.owed(message_id) == []
    await road.later(days=40)
    assert (await road.state(message_id), await road.held(message_id)) == ("trusted", None), "it waits for the office"
    await road.office_acts.acknowledge(PULLS, message_id)
    await road.run()
    assert await road.state(message_id) == "closed"
    assert await road.owed(message_id) == [(PULLED, "01")]


async def test_acknowledging_twice_changes_nothing(road):
    message_id = await road.receive(document_file(PULLED))
    await asyncio.gather(*(road.office_acts.acknowledge(PULLS, message_id) for _ in range(5)))
    entries = await road.codes(message_id)
    await road.office_acts.acknowledge(PULLS, message_id)
    assert await road.codes(message_id) == entries
    assert await road.owed(message_id) == [(PULLED, "01")]


async def test_what_is_not_in_an_offices_inbox_is_not_found_there(road):
    pulled = await road.receive(document_file(PULLED))
    waiting = await road.announce(document_file(PULLED))
    for office, message_id in [(NEIGHBOURS, pulled), (PULLS, waiting), (PULLS, "no-such-message")]:
        with pytest.raises(NotFound):
            await road.office_acts.acknowledge(office, message_id)


async def test_an_office_that_pulls_and_one_that_is_told_do_not_wait_for_each_other(road):
    road.offices[OFFICE].failures = [Unreachable("refused")]
    message_id = await road.receive(document_file(OURS, PULLED))
    await road.office_acts.acknowledge(PULLS, message_id)
    await road.run()
    assert (await road.state(message_id), await road.owed(message_id)) == ("trusted", [(PULLED, "01")])
    await road.later(minutes=5)
    assert await road.state(message_id) == "closed"
    assert await road.owed(message_id) == [(OURS, "01"), (PULLED, "01")]
    assert road.told() == ["document.received"]


async def test_what_was_acknowledged_while_it_was_handed_to_another_is_lost_by_neither(road):
    message_id = await road.announce(document_file(OURS, PULLED))
    office = road.offices[OFFICE]
    handing = office.hand_over

    async def slow(handover):
        await handing(handover)
        await road.office_acts.acknowledge(PULLS, message_id)

    office.hand_over = slow
    await road.run()
    assert await road.state(message_id) == "closed"
    assert await road.owed(message_id) == [(OURS, "01"), (PULLED, "01")]
    assert road.told() == ["document.received"]


@pytest.mark.parametrize("failure", [NeedsOperator("webhook-gone"), Unreachable("refused"), KeyError("a bug")])
async def test_an_office_that_pulls_has_its_item_whatever_becomes_of_another_offices_road(road, failure):
    road.offices[OFFICE].failures = [failure]
    await road.announce(document_file(OURS, PULLED))
    await road.run()
    [row] = await road.journal.inbox(PULLS, 0, 10)
    await road.office_acts.acknowledge(PULLS, row.message.message_id)
    await road.run()
    assert await road.owed(row.message.message_id) == [(PULLED, "01")]


async def test_acknowledging_does_not_free_what_another_office_is_held_for(road):
    road.offices[OFFICE].failures = [NeedsOperator("webhook-gone")]
    message_id = await road.receive(document_file(OURS, PULLED))
    assert await road.held(message_id) == "webhook-gone"
    await road.office_acts.acknowledge(PULLS, message_id)
    await road.run()
    assert await road.held(message_id) == "webhook-gone"
    await road.acts.release(message_id, "lan", "they are back")
    await road.run()
    assert await road.state(message_id) == "closed"


# --- report -----------------------------------------------------------------------------------------------------


async def test_an_office_says_what_became_of_a_document(road):
    message_id = await road.receive(document_file(OURS))
    status = await road.office_acts.report_status(
        OFFICE, message_id, "03", "", staff=Staff(department="Văn phòng", staff="Trần Thị Thử")
    )
    await road.run()
    assert await road.owed(message_id) == [(OURS, "01"), (OURS, "03")]
    assert await road.state(status) == "closed"
    assert b"<edXML:StatusCode>03<" in road.axis.held[-1][2]
    assert "Trần Thị Thử".encode() in road.axis.held[-1][2]


@pytest.mark.parametrize(
    ("code", "reason", "organ", "problem"),
    [
        ("01", "", None, "status-code"),
        ("13", "", None, "status-code"),
        ("99", "", None, "status-code"),
        ("3", "", None, "status-code"),
        ("02", "  ", None, "reason-required"),
        ("03", "", NEIGHBOUR, "organ-not-yours"),
        ("03", "", FAR, "organ-not-yours"),
    ],
)
async def test_a_status_that_is_not_the_offices_to_give_is_refused(road, code, reason, organ, problem):
    message_id = await road.receive(document_file(OURS, NEIGHBOUR))
    assert await codes(road.office_acts.report_status(OFFICE, message_id, code, reason, organ)) == {problem}
    assert await road.owed(message_id) == [(OURS, "01"), (NEIGHBOUR, "01")]


async def test_nobody_reports_about_anothers_document_or_about_a_status(road):
    message_id = await road.receive(document_file(OURS))
    with pytest.raises(NotFound):
        await road.office_acts.report_status(NEIGHBOURS, message_id, "03", "")
    sent = await road.submit(FAR)
    await road.run()
    status = await road.hear(sent, "01")
    assert await codes(road.office_acts.report_status(OFFICE, status, "03", "")) == {"not-a-document"}


async def test_the_organ_that_speaks_is_the_one_that_is_named(road):
    message_id = await road.receive(document_file(OURS, ALSO_OURS))
    await road.office_acts.report_status(OFFICE, message_id, "03", "", ALSO_OURS)
    assert (ALSO_OURS, "03") in await road.owed(message_id)


async def test_a_status_reported_again_because_its_answer_was_lost_is_one_status(road):
    message_id = await road.receive(document_file(OURS))
    reports = [road.office_acts.report_status(OFFICE, message_id, "02", "thiếu phụ lục") for _ in range(4)]
    assert len(set(await asyncio.gather(*reports))) == 1
    await road.later(minutes=1)
    await road.office_acts.report_status(OFFICE, message_id, "02", "thiếu phụ lục")
    assert await road.owed(message_id) == [(OURS, "01"), (OURS, "02")]


async def test_another_reason_or_a_later_time_makes_another_status(road):
    message_id = await road.receive(document_file(OURS))
    first = await road.office_acts.report_status(OFFICE, message_id, "05", "")
    second = await road.office_acts.report_status(OFFICE, message_id, "05", "đã phân công lại")
    await road.later(days=1)
    third = await road.office_acts.report_status(OFFICE, message_id, "05", "")
    assert len({first, second, third}) == 3


async def test_a_reported_status_that_is_rejected_is_told_to_its_office(road):
    from gateway.errors import Rejection

    message_id = await road.receive(document_file(OURS))
    road.axis.replies = [Rejection("organ-unknown")]
    status = await road.office_acts.report_status(OFFICE, message_id, "03", "")
    await road.run()
    assert await road.state(status) == "rejected"
    assert road.told() == ["document.received", "message.rejected"]


# --- resend, release, reject ------------------------------------------------------------------------------------


async def test_impossible_acts_are_refused_and_leave_no_trace(road):
    sent = await road.submit(FAR)
    await road.run()
    closed = await road.receive(document_file(OURS))
    before = [await road.codes(each) for each in (sent, closed)]
    assert await codes(road.acts.resend(sent, "lan", "x")) == {"cannot-resend"}
    assert await codes(road.acts.resend(closed, "lan", "x")) == {"cannot-resend"}
    assert await codes(road.acts.release(sent, "lan", "x")) == {"cannot-release"}
    assert await codes(road.acts.reject(sent, "lan", "x")) == {"cannot-reject"}
    assert await codes(road.acts.reject(closed, "lan", "x")) == {"cannot-reject"}
    assert [await road.codes(each) for each in (sent, closed)] == before
    for act in (road.acts.resend, road.acts.release, road.acts.reject):
        with pytest.raises(NotFound):
            await act("no-such-message", "lan", "x")


async def test_a_person_rejects_what_waits_and_its_office_hears_why(road):
    road.axis.down = Unreachable("refused")
    message_id = await road.submit(FAR)
    await road.run()
    await road.acts.reject(message_id, "lan", "gửi nhầm")
    await road.run()
    assert await road.state(message_id) == "rejected"
    [notice] = road.offices[OFFICE].got
    assert (notice.event.type, notice.event.data["code"]) == ("message.rejected", "rejected-by-operator")
    entry = (await road.journal.timeline(message_id))[-1]
    assert (entry.who, entry.detail) == ("lan", "gửi nhầm")
    road.axis.down = None
    await road.later(hours=1)
    assert road.axis.held == []


async def test_a_person_rejects_a_received_document_and_it_is_handed_to_nobody(road):
    message_id = await road.receive(document_file(OURS, signer="stranger"))
    assert await road.held(message_id) == "signer-unknown"
    await road.acts.reject(message_id, "lan", "nobody knows them")
    await road.later(days=1)
    assert (await road.state(message_id), await road.held(message_id)) == ("rejected", None)
    assert road.told() == []


@pytest.mark.parametrize(
    ("tell_why", "reason"),
    [(False, "Hệ thống không nhận được văn bản (rejected-by-operator)"), (True, "không thuộc thẩm quyền")],
)
async def test_the_sender_hears_of_a_persons_rejection_from_each_organ_and_the_reason_only_where_said_so(
    road, tell_why, reason
):
    message_id = await road.receive(document_file(OURS, NEIGHBOUR, FAR, signer="stranger"))
    await road.acts.reject(message_id, "lan", "không thuộc thẩm quyền", tell_why=tell_why)
    await road.run()
    assert await road.owed(message_id) == [(OURS, "02"), (NEIGHBOUR, "02")]
    received = await road.message(message_id)
    born = [each for each in await road.journal.submission(received.submission_id) if each.direction == "out"]
    assert {each.detail["status"]["description"] for each in born} == {reason}
    assert {each.state.value for each in born} == {"closed"}


async def test_an_organ_whose_office_has_the_document_does_not_refuse_it_when_a_person_ends_it_for_the_other(road):
    road.offices[NEIGHBOURS].failures = [NeedsOperator("webhook-gone")] * 9
    message_id = await road.receive(document_file(OURS, NEIGHBOUR))
    await road.later(minutes=5)
    assert await road.held(message_id) == "webhook-gone"
    await road.acts.reject(message_id, "lan", "x")
    await road.run()
    assert await road.owed(message_id) == [(OURS, "01"), (NEIGHBOUR, "02")]


async def test_words_that_no_status_can_carry_reject_nothing(road):
    message_id = await road.receive(document_file(OURS, signer="stranger"))
    for words in ("x" * 501, "a\x1bb"):
        assert await codes(road.acts.reject(message_id, "lan", words, tell_why=True)) == {"reason"}
    assert await road.held(message_id) == "signer-unknown"


async def test_resending_what_is_due_anyway_makes_it_due_now_and_doubles_nothing(road):
    road.axis.down = Unreachable("refused")
    message_id = await road.submit(FAR)
    await road.run()
    road.axis.down = None
    await road.acts.resend(message_id, "lan", "try now")
    await road.later(minutes=1)
    assert (await road.state(message_id), len(road.axis.held)) == ("sent", 1)


async def test_a_notice_reaches_an_office_that_pulls_and_is_acknowledged_like_a_document(road):
    road.axis.down = Unreachable("refused")
    message_id = await road.submit(FAR, office=PULLS, sender=PULLED)
    await road.run()
    await road.acts.reject(message_id, "lan", "gửi nhầm")
    await road.run()
    [row] = await road.journal.inbox(PULLS, 0, 10)
    assert row.message.detail["event"] == "message.rejected"
    await road.office_acts.acknowledge(PULLS, row.message.message_id)
    await road.run()
    assert await road.journal.inbox(PULLS, 0, 10) == []
    assert await road.state(row.message.message_id) == "closed"
