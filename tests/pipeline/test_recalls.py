"""Recalls, updates and replacements over the whole road: what is asked, what is answered, and what both sides see."""

import asyncio
import dataclasses
import datetime as dt

import pytest

from gateway.errors import GatewayError, Refused, Unreachable
from gateway.journal import PurgeLedger
from gateway.journal.purge_ledger import LedgerBroken
from gateway.model import Business, Kind, Organ, Replacement, ResponseFor
from gateway.pipeline import deadlines
from gateway.pipeline.acts import Acts
from gateway.pipeline.purging import Purging
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.secret_acts import Person, SecretActs
from gateway.states import State
from tests import pki
from tests.pipeline.road import (
    ALSO_FAR,
    ALSO_OURS,
    FAR,
    LEASE,
    MEDDLER,
    NEIGHBOUR,
    NEIGHBOURS,
    OFFICE,
    OURS,
    document_file,
    status_file,
)


async def sent(road, *to, **changes):
    message_id = await road.submit(*(to or (FAR,)), **changes)
    await road.run()
    return message_id


async def ask(road, message_id, key="recall-1", receivers=None, office=OFFICE):
    asked = await road.recalls.ask(office, key, message_id, "Gửi nhầm", receivers)
    await road.run()
    return asked


async def recalls(road, message_id):
    return {row.organ: row.state for row in await road.journal.recalls(message_id)}


async def relations(road, message_id):
    return {(row.act.value, row.message_id, row.earlier) for row in await road.journal.relations(message_id)}


async def refused(what, code, status=409):
    with pytest.raises(Refused) as caught:
        await what
    assert (caught.value.status, [each.code for each in caught.value.problems]) == (status, [code])


# --- we ask back ------------------------------------------------------------------------------------------------


async def test_each_organ_is_asked_by_a_status_13_and_both_timelines_tell_of_it(road):
    document = await sent(road, FAR, ALSO_FAR)
    asked = await ask(road, document)
    assert sorted(one["organs"] for one in asked.messages) == [[FAR], [ALSO_FAR]]
    by = {one["organs"][0]: one["message_id"] for one in asked.messages}
    assert await recalls(road, document) == {FAR: "asked", ALSO_FAR: "asked"}
    assert await relations(road, document) == {("recall", each, document) for each in by.values()}
    assert (await road.facts(by[FAR], "recalls")) == [{"message_id": document}]
    assert {"by": by[FAR], "organs": FAR} in await road.facts(document, "recall-asked")
    assert await road.state(by[FAR]) == "closed"
    written = road.axis.held[-1][2].decode()
    assert "<edXML:StatusCode>13<" in written
    assert "<edXML:Description>Gửi nhầm<" in written


async def test_the_status_13_names_us_as_sender_and_the_receiver_in_response_for(road):
    document = await sent(road)
    await ask(road, document)
    written = road.axis.held[-1][2].decode()
    assert written.index(OURS) < written.index("ResponseFor") < written.index(FAR)


@pytest.mark.parametrize(("code", "state"), [("15", "agreed"), ("14", "agreed"), ("16", "declined")])
async def test_the_answer_settles_the_recall_of_that_organ_alone_and_the_office_hears(road, code, state):
    document = await sent(road, FAR, ALSO_FAR)
    await ask(road, document)
    status = await road.hear(document, code, description="Đã hủy")
    assert await recalls(road, document) == {FAR: state, ALSO_FAR: "asked"}
    assert {"organ": FAR, "by": status} in await road.facts(document, f"recall-{state}")
    assert road.told() == ["status.received"]
    assert "finding" not in (await road.facts(status, "status-heard"))[0]


async def test_an_agreement_never_turns_but_a_refusal_may(road):
    document = await sent(road, FAR, ALSO_FAR)
    await ask(road, document)
    await road.hear(document, "15")
    await road.hear(document, "16")
    await road.hear(document, "16", ALSO_FAR)
    await road.hear(document, "15", ALSO_FAR)
    assert await recalls(road, document) == {FAR: "agreed", ALSO_FAR: "agreed"}


async def test_an_answer_that_nobody_asked_for_is_marked_and_recalls_nothing(road):
    document = await sent(road)
    status = await road.hear(document, "15")
    assert (await road.facts(status, "status-heard"))[0]["finding"] == "status-out-of-order"
    assert await recalls(road, document) == {}


async def test_who_never_answers_is_shown_so_the_office_is_told_and_nothing_waits(road):
    document = await sent(road)
    await road.hear(document, "01")
    await ask(road, document)
    await road.later(hours=73)
    await deadlines.look(road.journal, road.clock)
    await deadlines.look(road.journal, road.clock)
    await road.run()
    assert await recalls(road, document) == {FAR: "unanswered"}
    assert road.told(kind="recall.unanswered") == ["recall.unanswered"]
    assert (await road.codes(document)).count("recall-unanswered") == 1
    assert await road.state(document) == "closed"
    await road.hear(document, "15", at=road.clock())
    assert await recalls(road, document) == {FAR: "agreed"}


async def test_the_time_to_answer_begins_when_the_held_recall_leaves(road):
    document = await sent(road)
    named = [{"organ": OURS, "document_id": (await road.message(document)).document_id}]
    business = {"type": 1, "reason": "Ban hành sai"}
    later = await sent(road, FAR, response_for=named, business=business, subject="Độ mật: TỐI MẬT. Thu hồi")
    assert await road.held(later) == "secret-suspected"
    [row] = await road.journal.recalls(document)
    assert (row.state, row.due_at) == ("asked", None), "it has not begun"

    async def after(**delta):
        await road.later(**delta)
        await deadlines.look(road.journal, road.clock)
        await road.run()
        return await recalls(road, document), road.told(kind="recall.unanswered")

    assert await after(hours=71) == ({FAR: "asked"}, [])
    secrets = SecretActs(road.acts, road.journal, road.clock, road.acts._office_of)
    for person in (Person("Lan", "1001:lan"), Person("Minh", "1002:minh")):
        await secrets.release(later, person, "không mật")
    await road.run()
    [row] = await road.journal.recalls(document)
    assert row.due_at == (await road.message(later)).sent_at + dt.timedelta(hours=72)
    assert await after(hours=71) == ({FAR: "asked"}, [])
    assert await after(hours=1) == ({FAR: "unanswered"}, ["recall.unanswered"])


async def test_the_same_key_asks_once_and_another_key_is_told_that_it_is_asked(road):
    document = await sent(road)
    first = await ask(road, document)
    again = await ask(road, document)
    assert again == dataclasses.replace(first, repeated=True)
    await refused(ask(road, document, "recall-2"), "already-recalled")
    await refused(ask(road, document, "recall-2", [FAR]), "already-recalled")
    with pytest.raises(Refused, match="key"):
        await road.recalls.ask(OFFICE, "recall-1", document, "Lý do khác", None)


async def test_a_refused_or_unanswered_recall_may_be_asked_again(road):
    document = await sent(road)
    await ask(road, document)
    await road.hear(document, "16")
    await ask(road, document, "recall-2")
    assert await recalls(road, document) == {FAR: "asked"}
    await road.later(hours=73)
    await deadlines.look(road.journal, road.clock)
    await ask(road, document, "recall-3")
    assert await recalls(road, document) == {FAR: "asked"}


async def test_a_recall_that_never_got_there_is_shown_so_and_may_be_asked_again(road):
    document = await sent(road)
    asked = await road.recalls.ask(OFFICE, "recall-1", document, "Gửi nhầm", None)
    await road.acts.reject(asked.messages[0]["message_id"], "lan", "nhầm")
    assert await recalls(road, document) == {FAR: "not-asked"}
    await ask(road, document, "recall-2")
    assert await recalls(road, document) == {FAR: "asked"}


async def test_who_returned_it_is_not_asked(road):
    document = await sent(road, FAR, ALSO_FAR)
    await road.hear(document, "02", description="Gửi nhầm")
    await ask(road, document)
    assert await recalls(road, document) == {ALSO_FAR: "asked"}
    alone = await sent(road)
    await road.hear(alone, "02", description="Gửi nhầm")
    await refused(ask(road, alone, "recall-2"), "nothing-to-recall")


async def test_a_recall_of_what_has_not_left_ends_it_and_asks_nobody(road):
    document = await road.submit(FAR)
    asked = await ask(road, document)
    assert asked.messages == ()
    assert [one["message_id"] for one in asked.withdrawn] == [document]
    assert (await road.state(document), (await road.codes(document))[-1]) == ("rejected", "withdrawn")
    assert road.axis.held == []
    assert await ask(road, document) == dataclasses.replace(asked, repeated=True)
    await refused(ask(road, document, "recall-2"), "nothing-to-recall")


async def test_an_axis_that_could_not_be_reached_has_nothing_and_the_document_is_withdrawn(road):
    road.axis.down = Unreachable("down")
    document = await sent(road)
    assert await road.state(document) == "packed"
    await ask(road, document)
    road.axis.down = None
    await road.later(hours=1)
    assert (await road.state(document), road.axis.held) == ("rejected", [])


async def test_what_may_be_there_is_neither_withdrawn_nor_asked_back(road):
    from gateway.errors import Unknown

    road.axis.replies = [("after", Unknown("reply-lost"))]
    document = await sent(road)
    await refused(ask(road, document), "being-sent")
    await road.later(minutes=5)
    assert (await ask(road, document)).messages


async def test_what_is_being_sent_this_moment_is_not_withdrawn(road):
    document = await road.submit(FAR)
    [work] = await road.journal.claim("node-1", 1, dt.timedelta(minutes=2))
    assert work.message.state is State.PACKED
    await refused(ask(road, document), "being-sent")


async def test_another_offices_document_is_not_there(road):
    document = await sent(road)
    with pytest.raises(GatewayError, match="not-found"):
        await ask(road, document, office=NEIGHBOURS)


# --- we change --------------------------------------------------------------------------------------------------


async def change(road, earlier, kind, *to, **business):
    document_id = (await road.message(earlier)).document_id
    named = {2: {"document_id": document_id}, 3: {"replacements": [{"document_id": document_id, "organs": [FAR]}]}}
    return await sent(road, *to, business={"type": kind, "reason": "Sửa", **named[kind], **business})


@pytest.mark.parametrize(("kind", "act", "done"), [(2, "update", "updated-by"), (3, "replace", "replaced-by")])
async def test_an_update_or_replacement_is_told_in_both_timelines(road, kind, act, done):
    earlier = await sent(road)
    later = await change(road, earlier, kind)
    assert await road.state(later) == "sent"
    assert await relations(road, earlier) == await relations(road, later) == {(act, later, earlier)}
    assert await road.facts(earlier, done) == [{"by": later}]
    assert await road.facts(later, f"{act}s") == [{"message_id": earlier}]


@pytest.mark.parametrize("names", ["earlier", "later"])
@pytest.mark.parametrize(("kind", "act"), [(2, "update"), (3, "replace")])
async def test_an_answer_to_an_update_or_replacement_stands_in_both_timelines(road, kind, act, names):
    earlier = await sent(road)
    later = await change(road, earlier, kind)
    about = {"earlier": earlier, "later": later}[names]
    declined = await road.hear(about, "16", description="Không")
    agreed = await road.hear(about, "15", at=pki.NOW + dt.timedelta(minutes=1))
    for code, status in (("declined", declined), ("agreed", agreed)):
        assert await road.facts(later, f"{act}-{code}") == [{"organ": FAR, "by": status}]
        assert await road.facts(earlier, f"{act}-{code}") == [{"organ": FAR, "by": status, "message_id": later}]
    assert "finding" not in (await road.facts(declined, "status-heard"))[0]
    assert await recalls(road, earlier) == {}
    assert road.told() == ["status.received"] * 2
    assert (await road.journal.blocks.verify()).intact


async def test_an_answer_that_comes_twice_or_names_both_documents_counts_once(road):
    same = f"{OURS},2026/03/01,900/STN-VP"
    earlier = await sent(road, document_id=same)
    later = await sent(road, document_id=same, business={"type": 2, "reason": "Sửa", "document_id": same})
    for minutes in (0, 1):
        await road.hear(later, "15", at=pki.NOW + dt.timedelta(minutes=minutes))
    assert len(await road.facts(later, "update-agreed")) == len(await road.facts(earlier, "update-agreed")) == 1


async def test_each_update_is_answered_anew_and_by_whom_it_went_to(road):
    earlier = await sent(road, FAR, ALSO_FAR)
    first = await change(road, earlier, 2, FAR)
    await road.hear(earlier, "15")
    road.clock.advance(minutes=1)
    second = await change(road, earlier, 2, FAR)
    await road.hear(earlier, "15", at=road.clock())
    stranger = await road.hear(earlier, "15", ALSO_FAR)
    assert [len(await road.facts(each, "update-agreed")) for each in (first, second)] == [1, 1]
    assert (await road.facts(stranger, "status-heard"))[0]["finding"] == "status-out-of-order"


async def test_an_answer_that_a_recall_waits_for_is_the_recalls(road):
    earlier = await sent(road)
    later = await change(road, earlier, 2)
    await ask(road, earlier)
    await road.hear(earlier, "15")
    assert await recalls(road, earlier) == {FAR: "agreed"}
    assert await road.facts(later, "update-agreed") == []


async def test_a_document_that_is_asked_back_is_frozen_until_all_have_refused(road):
    document = await sent(road)
    await ask(road, document)
    await refused(change(road, document, 2), "recalled")
    await refused(change(road, document, 3), "recalled")
    await road.hear(document, "16")
    assert await road.state(await change(road, document, 2)) == "sent"


async def test_a_recall_that_comes_while_an_update_is_handed_in_wins(road):
    document = await sent(road)
    look = road.intake._earlier.of

    async def looked(*args):
        found = await look(*args)
        await road.recalls.ask(OFFICE, "recall-1", document, "Gửi nhầm", None)
        return found

    road.intake._earlier.of = looked
    before = (await road.journal.stats()).messages
    await refused(change(road, document, 2), "recalled")
    after = (await road.journal.stats()).messages
    assert sum(after.values()) - sum(before.values()) == 1  # the status 13, and no update


async def test_only_ones_own_documents_that_were_sent_can_be_changed(road):
    await refused(sent(road, business={"type": 2, "document_id": "d-0", "reason": "x"}), "earlier-unknown", 422)
    theirs = await sent(road, FAR, office=NEIGHBOURS, sender=NEIGHBOUR)
    await refused(change(road, theirs, 2), "earlier-unknown", 422)
    waiting = await road.submit(FAR)
    await refused(change(road, waiting, 2), "not-sent")
    mine = await sent(road)
    other = {"replacements": [{"document_id": (await road.message(mine)).document_id, "organs": [ALSO_FAR]}]}
    await refused(change(road, mine, 3, **other), "not-a-receiver", 422)


async def test_a_recall_by_a_document_asks_every_organ_it_goes_to(road):
    earlier = await sent(road, FAR, ALSO_FAR)
    named = [{"organ": OURS, "document_id": (await road.message(earlier)).document_id}]
    business = {"type": 1, "reason": "Ban hành sai"}
    later = await sent(road, FAR, response_for=named, business=business)
    assert await recalls(road, earlier) == {FAR: "asked"}
    assert await relations(road, later) == {("recall", later, earlier)}
    await refused(sent(road, FAR, response_for=named, business=business), "already-recalled")


async def test_a_recall_from_one_organ_leaves_the_document_to_the_others(road):
    road.axis.down = Unreachable("down")
    document = await sent(road, FAR, NEIGHBOUR)
    far, near = await both_ways(road, document)
    named = [{"organ": OURS, "document_id": (await road.message(document)).document_id}]
    await sent(road, NEIGHBOUR, response_for=named, business={"type": 1, "reason": "Gửi nhầm"})
    assert await recalls(road, near) == {NEIGHBOUR: "asked"}
    road.axis.down = None
    await road.later(hours=2)
    assert await road.state(far) == "sent"
    assert "withdrawn" not in await road.codes(far)


async def test_what_has_not_left_is_not_withdrawn_for_a_part_of_its_organs(road):
    road.axis.down = Unreachable("down")
    document = await sent(road, FAR, ALSO_FAR, NEIGHBOUR)
    far, _ = await both_ways(road, document)
    named = [{"organ": OURS, "document_id": (await road.message(document)).document_id}]
    recall = {"response_for": named, "business": {"type": 1, "reason": "Gửi nhầm"}}
    await refused(road.submit(FAR, NEIGHBOUR, **recall), "not-sent")
    await sent(road, FAR, ALSO_FAR, NEIGHBOUR, **recall)
    assert (await road.codes(far))[-1] == "withdrawn"


async def both_ways(road, document):
    """The messages of one document that goes over the axis and to a neighbour."""
    sent_ones = await road.journal.submission((await road.message(document)).submission_id)
    by_axis = {
        each.axis: each.message_id for each in sent_ones if each.kind is Kind.DOCUMENT and each.direction == "out"
    }
    return by_axis["national"], by_axis["local"]


# --- we are asked -----------------------------------------------------------------------------------------------


async def received(road, *to, document_id="d-1", **fields):
    message_id = await road.receive(document_file(*(to or (OURS,)), document_id=document_id, **fields))
    for office in road.offices.values():
        office.got.clear()
    return message_id


async def asked_back(road, document_id="d-1", sender=FAR, **fields):
    file = status_file(document_id, "13", sender, description="Gửi nhầm", **fields)
    return await road.receive(file, kind=Kind.STATUS)


async def test_a_status_13_of_the_sender_is_told_to_the_office_with_its_reason(road):
    document = await received(road)
    status = await asked_back(road)
    [told] = road.offices[OFFICE].got
    assert (told.event.type, told.event.data["about"], told.status.description) == (
        *("recall.asked", document),
        "Gửi nhầm",
    )
    assert await recalls(road, document) == {OURS: "asked"}
    assert await relations(road, document) == {("recall", status, document)}
    assert await road.facts(document, "recall-asked") == [{"by": status, "organs": OURS}]


@pytest.mark.parametrize(("code", "state"), [("15", "agreed"), ("16", "declined")])
async def test_the_offices_answer_travels_back_and_is_kept(road, code, state):
    document = await received(road)
    await asked_back(road)
    answer = await road.office_acts.report_status(OFFICE, document, code, "Đã xử lý xong")
    await road.run()
    assert await recalls(road, document) == {OURS: state}
    assert (OURS, code) in await road.owed(document)
    assert f"<edXML:StatusCode>{code}<" in road.axis.held[-1][2].decode()
    assert await road.facts(document, f"recall-{state}") == [{"organ": OURS, "by": answer}]


async def test_an_office_answers_only_what_was_asked_and_does_not_contradict_itself(road):
    document = await received(road)
    await refused(road.office_acts.report_status(OFFICE, document, "15", ""), "recall-not-asked")
    await asked_back(road)
    await refused(road.office_acts.report_status(OFFICE, document, "16", " "), "reason-required", 422)
    said = await road.office_acts.report_status(OFFICE, document, "15", "")
    assert await road.office_acts.report_status(OFFICE, document, "15", "") == said
    await refused(road.office_acts.report_status(OFFICE, document, "16", "Không"), "purged", 410)
    await refused(road.office_acts.report_status(OFFICE, document, "06", ""), "purged", 410)


async def test_what_the_office_destroyed_is_gone_here_too_and_the_recall_stays_told(road):
    document = await received(road)
    status = await asked_back(road)
    contents = [ref.content for ref in await road.journal.contents(document)]
    answer = await road.office_acts.report_status(OFFICE, document, "15", "Đã hủy")
    await road.run()
    after = await road.message(document)
    assert (after.detail, after.purged_at, await road.journal.contents(document)) == (None, road.clock(), [])
    assert contents
    assert set(await road.journal.purges.erasures(10)) == set(contents)
    assert await relations(road, document) == {("recall", status, document)}
    assert await recalls(road, document) == {OURS: "agreed"}
    assert await road.facts(document, "recall-agreed") == [{"organ": OURS, "by": answer}]
    assert (await road.codes(document))[-1] == "status-reported"
    assert (OURS, "15") in await road.owed(document)


@pytest.mark.parametrize("by_document", [False, True])
@pytest.mark.parametrize(("code", "state"), [("15", "agreed"), ("16", "declined")])
async def test_an_office_is_asked_for_its_own_copy_of_what_an_operator_purged_here_and_answers(
    road, by_document, code, state
):
    document = await received(road)
    await road.acts.purge(document, "lan", "hết hạn lưu")
    if by_document:
        named = (ResponseFor(FAR, "1/BTN-VP", "d-1"),)
        recall = Business(type=1, reason="Ban hành sai")
        await road.receive(document_file(document_id="d-2", response_for=named, business=recall))
    else:
        await asked_back(road, number="1/BTN-VP")
    [told] = [each for each in road.offices[OFFICE].got if each.event.type == "recall.asked"]
    assert told.event.data["about"] == document
    assert await recalls(road, document) == {OURS: "asked"}
    for word in ("06", "03"):
        await refused(road.office_acts.report_status(OFFICE, document, word, ""), "purged", 410)
    said = await road.office_acts.report_status(OFFICE, document, code, "Đã xử lý")
    assert await road.office_acts.report_status(OFFICE, document, code, "Đã xử lý") == said
    await road.run()
    assert await recalls(road, document) == {OURS: state}
    written = road.axis.held[-1][2].decode()
    for words in (f"StatusCode>{code}<", "DocumentId>d-1<", "Code>1/BTN-VP<", f"OrganId>{FAR}<"):
        assert words in written


async def test_after_a_purge_a_refusal_may_still_turn_and_a_later_recall_is_answered_anew(road):
    document = await received(road)
    await asked_back(road)
    await road.office_acts.report_status_once("k-1", OFFICE, document, "16", "Không")
    await road.acts.purge(document, "lan", "hết hạn lưu")
    road.clock.advance(minutes=2)
    await asked_back(road, at=road.clock())
    assert await recalls(road, document) == {OURS: "asked"}
    await road.office_acts.report_status_once("k-2", OFFICE, document, "16", "Không")
    assert await recalls(road, document) == {OURS: "declined"}
    await road.office_acts.report_status_once("k-3", OFFICE, document, "15", "")
    assert await recalls(road, document) == {OURS: "agreed"}


async def test_a_repeated_answer_after_a_purge_does_not_speak_for_another_organ(road):
    document = await received(road, OURS, ALSO_OURS)
    await road.acts.purge(document, "lan", "hết hạn lưu")
    await asked_back(road, to=FAR)
    said = await road.office_acts.report_status(OFFICE, document, "15", "")
    await road.later(hours=1)
    assert await road.office_acts.report_status(OFFICE, document, "15", "") == said
    assert await recalls(road, document) == {OURS: "agreed", ALSO_OURS: "asked"}
    await road.office_acts.report_status(OFFICE, document, "15", "", ALSO_OURS)
    assert await recalls(road, document) == {OURS: "agreed", ALSO_OURS: "agreed"}


async def test_who_gave_it_back_is_not_asked_again(road):
    document = await received(road)
    await asked_back(road)
    await road.office_acts.report_status(OFFICE, document, "15", "")
    road.offices[OFFICE].got.clear()
    again = await asked_back(road, at=road.clock() + dt.timedelta(minutes=1))
    assert (await road.state(again), road.told()) == ("closed", [])


async def test_a_second_recall_is_refused_anew_though_in_the_same_words(road):
    document = await received(road)
    await asked_back(road)
    first = await road.office_acts.report_status(OFFICE, document, "16", "Không")
    road.clock.advance(minutes=2)
    await asked_back(road, at=road.clock())
    assert await recalls(road, document) == {OURS: "asked"}
    assert await road.office_acts.report_status(OFFICE, document, "16", "Không") != first
    assert await recalls(road, document) == {OURS: "declined"}


async def test_of_two_words_at_once_that_contradict_each_other_one_is_refused(road):
    document = await received(road)
    await asked_back(road)
    said = await asyncio.gather(
        *(road.office_acts.report_status(OFFICE, document, code, "") for code in ("15", "03")), return_exceptions=True
    )
    codes = [code for _, code in await road.owed(document)]
    assert codes == (["01", "15"] if isinstance(said[1], Refused) else ["01", "03", "15"])


async def test_one_organs_consent_does_not_take_the_document_from_another_of_ours(road):
    document = await road.receive(document_file(OURS, NEIGHBOUR, document_id="d-1"))
    await asked_back(road)
    await asked_back(road, to=NEIGHBOUR)
    await road.office_acts.report_status(OFFICE, document, "15", "")
    assert (await road.message(document)).purged_at is None
    await road.office_acts.report_status(NEIGHBOURS, document, "15", "")
    assert (await road.message(document)).purged_at == road.clock()


async def test_nobody_can_recall_another_ones_document(road):
    document = await received(road)
    status = await asked_back(road, sender=ALSO_FAR)
    assert await recalls(road, document) == {}
    assert (await road.codes(status))[3] == "not-the-sender"
    assert road.told() == ["status.received"]  # it is seen, and not called a recall
    recall = Business(type=1, reason="x")
    named = (ResponseFor(FAR, "1/BTN-VP", "d-1"),)
    file = document_file(sender=Organ(ALSO_FAR, "Khác"), response_for=named, business=recall)
    second = await road.receive(file)
    assert await recalls(road, document) == {}
    assert {"code": "not-the-sender", "severity": "warning"} in (await road.journal.extra(second))["findings"]
    forged = await asked_back(road, signer=MEDDLER)
    assert (await road.state(forged), await recalls(road, document)) == ("rejected", {})


async def test_the_odd_forms_of_a_recall_are_understood(road):
    document = await received(road, OURS, ALSO_OURS, number="7", notation="BTN")
    await asked_back(road, document_id="another form", to="7/BTN", number=OURS)  # number and organ change places
    assert await recalls(road, document) == {OURS: "asked"}


async def test_a_recall_that_names_no_organ_of_ours_is_for_all_of_them(road):
    document = await received(road, OURS, ALSO_OURS)
    await asked_back(road, to=FAR)
    assert await recalls(road, document) == {OURS: "asked", ALSO_OURS: "asked"}


async def test_a_recall_of_what_no_organ_of_ours_received_any_more_is_held_for_a_person_to_see(road):
    await received(road)
    road.into._router._owner.pop(OURS)  # as after a change of configuration
    status = await asked_back(road)
    assert (await road.state(status), await road.held(status)) == ("confirmed", "organ-unowned")


async def test_a_document_id_written_another_way_is_found_by_number_and_date(road):
    document = await received(road, number="1", notation="STN-VP")
    await asked_back(road, document_id=f"{FAR},2026-03-01,1/STN-VP")
    assert await recalls(road, document) == {OURS: "asked"}


async def test_a_recall_of_what_is_not_here_looks_again_ever_later_though_it_was_first_looked_at_with_its_confirmation(
    road,
):
    message_id = await road.announce(status_file("d-0", "13", FAR), kind=Kind.STATUS)
    waited = []
    for _ in range(4):
        for work in await road.journal.claim("node-1", 10, LEASE):
            await road.runner._work(work)  # as far as it goes at once
        due = (await road.message(message_id)).due_at - road.clock()
        waited.append(due.total_seconds())
        road.clock.advance(seconds=waited[-1])
    assert waited == [5, 10, 20, 40]


async def test_a_recall_that_overtakes_its_document_waits_for_it(road):
    status = await asked_back(road)
    assert (await road.state(status), await road.held(status)) == ("confirmed", None)
    document = await road.receive(document_file(document_id="d-1"))
    await road.later(minutes=5)
    assert await recalls(road, document) == {OURS: "asked"}
    assert road.told() == ["document.received", "recall.asked"]


async def test_a_recall_of_nothing_we_know_is_shown_to_the_office_after_a_day(road):
    status = await asked_back(road)
    for _ in range(40):
        await road.later(hours=1)
    assert await road.state(status) == "closed"
    assert road.told() == ["status.received"]


async def test_what_is_recalled_before_it_was_handed_over_is_handed_over_as_recalled(road):
    road.offices[OFFICE].failures = [Unreachable("down")]
    document = await road.receive(document_file(document_id="d-1"))
    road.offices[OFFICE].failures = [Unreachable("down")] * 2
    status = await asked_back(road)
    road.offices[OFFICE].failures = []
    await road.later(hours=1)
    got = {each.event.type: each for each in road.offices[OFFICE].got}
    assert got["document.received"].event.data["recalled_by"] == status
    assert got["document.received"].document.document_id == "d-1"
    assert got["recall.asked"].event.data["about"] == document


async def test_a_recall_by_a_document_is_told_about_the_earlier_one(road):
    document = await received(road, OURS, NEIGHBOUR)
    named = (ResponseFor(FAR, "1/BTN-VP", "d-1"),)
    recall = document_file(OURS, response_for=named, business=Business(type=1, reason="Ban hành sai"))
    later = await road.receive(recall)
    got = {each.event.type: each.event.data for each in road.offices[OFFICE].got}
    assert (got["recall.asked"]["about"], got["document.received"]["concerns"]) == (document, [document])
    assert got["document.received"]["act"] == "recall"
    assert await recalls(road, document) == {OURS: "asked"}
    await road.office_acts.report_status(OFFICE, document, "15", "")
    assert await recalls(road, document) == {OURS: "agreed"}
    assert await relations(road, document) == {("recall", later, document)}


@pytest.mark.parametrize(
    ("business", "act"),
    [
        (Business(type=2, document_id="d-1"), "update"),
        (Business(type=3, replacements=(Replacement("d-1", (OURS,)),)), "replace"),
    ],
)
async def test_an_update_or_replacement_names_the_earlier_document_to_the_office(road, business, act):
    document = await received(road)
    later = await road.receive(document_file(document_id="d-2", business=business))
    [told] = road.offices[OFFICE].got
    assert (told.event.type, told.event.data["act"], told.event.data["concerns"]) == (
        "document.received",
        act,
        [document],
    )
    assert await relations(road, document) == {(act, later, document)}


async def test_an_update_of_nothing_we_know_is_handed_over_with_a_finding(road):
    later = await road.receive(document_file(business=Business(type=2, document_id="d-0")))
    assert await road.state(later) == "confirmed"
    for _ in range(5):
        await road.later(minutes=2)
    assert await road.state(later) == "closed"
    assert {"code": "earlier-unknown", "severity": "warning"} in (await road.journal.extra(later))["findings"]


async def test_between_two_offices_of_ours_a_recall_goes_there_and_back(road):
    document = await sent(road, NEIGHBOUR)
    theirs = road.offices[NEIGHBOURS].got[0].event.message_id
    await ask(road, document)
    assert road.told(NEIGHBOURS) == ["document.received", "recall.asked"]
    await road.office_acts.report_status(NEIGHBOURS, theirs, "15", "")
    await road.run()
    assert await recalls(road, document) == await recalls(road, theirs) == {NEIGHBOUR: "agreed"}


async def test_the_chains_still_hold(road):
    document = await sent(road, FAR, NEIGHBOUR)
    await ask(road, document)
    await road.hear(document, "15")
    waiting = await road.submit(FAR)
    await ask(road, waiting, "recall-2")
    assert (await road.journal.blocks.verify()).faults == ()


async def test_a_broken_purge_ledger_does_not_fail_an_offices_answer_but_tells_an_operator(road):
    (road.folder / "purges").write_text("no folder")
    purging = Purging(road.journal, road.contents, PurgeLedger(road.folder / "purges"), Quarantine(road.settings))
    road.acts = Acts(road.journal, road.clock, lambda: None, road.acts._office_of, purged=purging.finish)
    document = await received(road)
    await asked_back(road)
    said = await road.office_acts.report_status(OFFICE, document, "15", "")
    assert (await road.message(document)).purged_at is not None
    assert await road.office_acts.report_status(OFFICE, document, "15", "") == said
    with pytest.raises(LedgerBroken):
        await road.acts.purge(document, "operator", "again")
