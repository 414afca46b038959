"""What is said to updates and replacements, by our own offices to those received and by others to ours, and what is kept."""

import asyncio
import datetime as dt

import pytest

from gateway.errors import Refused
from gateway.journal.keys import KeyReused
from gateway.model import Business, Kind, Replacement
from gateway.states import Act, Concerns, Entry, Outcome
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
    status_file,
)

KINDS = [
    (Business(type=2, document_id="d-1", reason="Sửa"), "update"),
    (Business(type=3, replacements=(Replacement("d-1", (OURS,)),), reason="Sửa"), "replace"),
]


async def received(road, *to, business=KINDS[0][0], document_id="d-2"):
    """A document, and what changes it."""
    earlier = await road.receive(document_file(*(to or (OURS,)), document_id="d-1"))
    later = await road.receive(document_file(*(to or (OURS,)), document_id=document_id, business=business))
    return earlier, later


async def sent(road, *to, **changes):
    message_id = await road.submit(*(to or (FAR,)), **changes)
    await road.run()
    return message_id


async def update(road, earlier, *to, **changes):
    named = (await road.message(earlier)).document_id
    return await sent(road, *to, business={"type": 2, "reason": "Sửa", "document_id": named}, **changes)


async def said(road, message_id):
    rows = await road.journal.change_answers(message_id)
    return {row.organ: (row.answer, row.answered_by, row.reason) for row in rows}


async def recalls(road, message_id):
    return {row.organ: row.state for row in await road.journal.recalls(message_id)}


async def refused(what, code):
    with pytest.raises(Refused) as caught:
        await what
    assert (caught.value.status, [each.code for each in caught.value.problems]) == (409, [code])


# --- our offices answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "word"), [("15", "agreed"), ("16", "declined")])
@pytest.mark.parametrize(("business", "act"), KINDS)
async def test_the_offices_answer_travels_back_and_stands_in_both_timelines(road, business, act, code, word):
    earlier, later = await received(road, business=business)
    answer = await road.office_acts.report_status(OFFICE, later, code, "Đã xem")
    await road.run()
    written = road.axis.held[-1][2].decode()
    for words in (f"StatusCode>{code}<", "DocumentId>d-2<", f"OrganId>{FAR}<", "Description>Đã xem<"):
        assert words in written
    assert await road.facts(later, f"{act}-{word}") == [{"organ": OURS, "by": answer}]
    assert await road.facts(earlier, f"{act}-{word}") == [{"organ": OURS, "by": answer, "message_id": later}]
    assert await said(road, later) == {OURS: (code, answer, "Đã xem")}
    assert await road.owed(later) == [(OURS, "01"), (OURS, code)]
    assert (await road.journal.blocks.verify()).faults == ()


async def test_agreeing_to_an_update_destroys_nothing_and_handling_goes_on(road):
    earlier, later = await received(road)
    await road.office_acts.report_status(OFFICE, later, "15", "")
    for each in (earlier, later):
        message = await road.message(each)
        assert (message.purged_at, message.detail is None) == (None, False)
        assert await road.journal.contents(each)
        await road.office_acts.report_status(OFFICE, each, "06", "")
        assert await recalls(road, each) == {}
    assert await road.owed(later) == [(OURS, "01"), (OURS, "06"), (OURS, "15")]


async def test_a_document_that_nobody_asked_back_and_that_changes_nothing_is_not_answered(road):
    earlier, _ = await received(road)
    for code in ("15", "16"):
        await refused(road.office_acts.report_status(OFFICE, earlier, code, "Không"), "recall-not-asked")
        await refused(road.office_acts.report_status_once("k", OFFICE, earlier, code, "Không"), "recall-not-asked")
    assert await road.owed(earlier) == [(OURS, "01")]


async def test_an_office_does_not_contradict_itself_but_a_refusal_may_turn(road):
    _, later = await received(road)
    first = await road.office_acts.report_status(OFFICE, later, "16", "Không")
    assert await road.office_acts.report_status(OFFICE, later, "16", "Không") == first
    await refused(road.office_acts.report_status(OFFICE, later, "16", "Vẫn không"), "change-answered")
    agreed = await road.office_acts.report_status(OFFICE, later, "15", "")
    await refused(road.office_acts.report_status(OFFICE, later, "16", "Lại không"), "change-answered")
    await refused(road.office_acts.report_status_once("k", OFFICE, later, "15", ""), "change-answered")
    assert await said(road, later) == {OURS: ("15", agreed, "")}
    assert await road.owed(later) == [(OURS, "01"), (OURS, "15"), (OURS, "16")]


async def test_a_key_answers_once_and_each_organ_for_itself(road):
    _, later = await received(road, OURS, ALSO_OURS)
    first = await road.office_acts.report_status_once("k", OFFICE, later, "15", "", OURS)
    await road.office_acts.report_status(OFFICE, later, "16", "Không", ALSO_OURS)
    assert await road.office_acts.report_status_once("k", OFFICE, later, "15", "", OURS) == (first[0], True)
    with pytest.raises(KeyReused):
        await road.office_acts.report_status_once("k", OFFICE, later, "16", "Không", OURS)
    assert {organ: answer for organ, (answer, _, _) in (await said(road, later)).items()} == {
        OURS: "15",
        ALSO_OURS: "16",
    }


async def test_of_two_answers_at_once_that_contradict_each_other_one_is_refused(road):
    _, later = await received(road)
    words = (("15", ""), ("16", "Không"), ("15", "Được"))
    told = await asyncio.gather(
        *(road.office_acts.report_status(OFFICE, later, *word) for word in words), return_exceptions=True
    )
    taken = [word[0] for word, each in zip(words, told, strict=True) if not isinstance(each, Exception)]
    assert [code for _, code in await road.owed(later) if code != "01"] == sorted(taken)
    assert taken in (["15"], ["16", "15"])


async def test_an_update_that_is_asked_back_is_answered_as_a_recall(road):
    earlier, later = await received(road)
    await road.office_acts.report_status(OFFICE, later, "15", "")
    await road.receive(status_file("d-2", "13", FAR, at=road.clock()), kind=Kind.STATUS)
    before = await road.owed(later)
    await road.office_acts.report_status(OFFICE, later, "15", "")  # a repeat, which must not destroy it
    assert (await recalls(road, later), await road.owed(later)) == ({OURS: "asked"}, before)
    await road.office_acts.report_status_once("k", OFFICE, later, "15", "")
    assert await recalls(road, later) == {OURS: "agreed"}
    assert (await road.message(later)).purged_at is not None
    assert (await road.message(earlier)).purged_at is None


async def test_a_keyed_report_gets_its_first_answer_again_though_a_recall_was_agreed_to_since(road):
    document = await road.receive(document_file(OURS, NEIGHBOUR, document_id="d-1"))
    first = await road.office_acts.report_status_once("k6", OFFICE, document, "06", "", OURS)
    await road.receive(status_file("d-1", "13", FAR, at=road.clock(), to=OURS), kind=Kind.STATUS)
    await road.office_acts.report_status(OFFICE, document, "15", "")
    assert await road.office_acts.report_status_once("k6", OFFICE, document, "06", "", OURS) == (first[0], True)
    with pytest.raises(KeyReused):
        await road.office_acts.report_status_once("k6", OFFICE, document, "05", "", OURS)


async def test_who_has_not_taken_the_recall_yet_cannot_agree_to_it_by_a_word_about_the_update(road):
    _, later = await received(road, PULLED)
    recall = await road.receive(status_file("d-2", "13", FAR, to=PULLED), kind=Kind.STATUS)
    await refused(road.office_acts.report_status_once("k1", PULLS, later, "15", "", PULLED), "asked-back")
    assert (await recalls(road, later), (await road.message(later)).purged_at) == ({PULLED: "asked"}, None)
    await road.office_acts.acknowledge(PULLS, recall)
    await road.office_acts.report_status_once("k2", PULLS, later, "15", "", PULLED)
    assert await recalls(road, later) == {PULLED: "agreed"}


async def test_a_recall_that_comes_while_an_office_agrees_to_the_update_is_not_agreed_to(road):
    _, later = await received(road)
    asker = await road.receive(document_file(document_id="d-9"))
    apply = road.journal.apply

    async def overtaken(message_id, outcome, **more):
        """As where somebody works on the document, so that its version tells nothing of the recall."""
        asked = Outcome(Entry("recall-heard"), effects=(Concerns(later, Act.RECALL, (OURS,)),))
        await apply(asker, asked, who="test", why=None)
        return await apply(message_id, outcome, **{**more, "expect": (await road.message(later)).version})

    road.journal.apply = overtaken
    await refused(road.office_acts.report_status(OFFICE, later, "15", ""), "asked-back")
    assert await recalls(road, later) == {OURS: "asked"}
    assert (await said(road, later), await road.owed(later)) == ({}, [(OURS, "01")])


# --- ours are answered ------------------------------------------------------------------------------------------


async def test_between_two_offices_of_ours_the_answer_goes_there_and_back(road):
    earlier = await sent(road, NEIGHBOUR)
    later = await update(road, earlier, NEIGHBOUR)
    [_, told] = road.offices[NEIGHBOURS].got
    theirs = told.event.message_id
    answer = await road.office_acts.report_status(NEIGHBOURS, theirs, "16", "Không rõ")
    await road.run()
    assert await said(road, theirs) == {NEIGHBOUR: ("16", answer, "Không rõ")}
    [(organ, (code, by, reason))] = (await said(road, later)).items()
    assert (organ, code, reason) == (NEIGHBOUR, "16", "Không rõ")
    assert await road.facts(later, "update-declined") == [{"organ": NEIGHBOUR, "by": by}]
    assert [each.status.code for each in road.offices[OFFICE].got if each.status].count("16") == 1


async def test_of_what_an_organ_says_to_ours_an_agreement_stands_and_a_refusal_may_turn(road):
    earlier = await sent(road)
    first, second = await update(road, earlier), await update(road, earlier)
    declined = await road.hear(first, "16", description="Không")
    assert await said(road, first) == {FAR: ("16", declined, "Không")}
    agreed = await road.hear(first, "15", at=road.clock() + dt.timedelta(minutes=1))
    await road.hear(first, "16", at=road.clock() + dt.timedelta(minutes=2))
    assert await said(road, first) == {FAR: ("15", agreed, "")}
    assert len(await road.facts(first, "update-declined")) == 1
    assert await said(road, second) == await said(road, earlier) == {}


@pytest.mark.parametrize("by_document", [False, True], ids=["by status 13", "by a document"])
async def test_the_answer_to_a_recall_is_kept_with_what_asked_for_it(road, by_document):
    earlier = await sent(road)
    if by_document:
        named = [{"organ": OURS, "document_id": (await road.message(earlier)).document_id}]
        asker = await sent(road, response_for=named, business={"type": 1, "reason": "Ban hành sai"})
    else:
        asker = (await road.recalls.ask(OFFICE, "r", earlier, "Gửi nhầm", None)).messages[0]["message_id"]
        await road.run()
    answer = await road.hear(earlier, "16", description="Đã dùng")
    assert await said(road, asker) == {FAR: ("16", answer, "Đã dùng")}
    assert await said(road, earlier) == {}


async def test_an_answer_that_names_the_recalling_document_answers_the_recall(road):
    earlier = await sent(road)
    named = [{"organ": OURS, "document_id": (await road.message(earlier)).document_id}]
    asker = await sent(road, response_for=named, business={"type": 1, "reason": "Ban hành sai"})
    for code in ("01", "03"):
        await road.hear(asker, code)
    answer = await road.hear(asker, "15")
    assert await recalls(road, earlier) == {FAR: "agreed"}
    assert await said(road, asker) == {FAR: ("15", answer, "")}
    assert "finding" not in (await road.facts(answer, "status-heard"))[0]
    assert await road.facts(earlier, "recall-agreed") == [{"organ": FAR, "by": answer}]


async def test_agreeing_to_an_update_does_not_turn_the_refusal_of_an_earlier_recall(road):
    same = f"{OURS},2026/03/01,900/STN-VP"
    earlier = await sent(road, document_id=same)
    await road.recalls.ask(OFFICE, "r", earlier, "Gửi nhầm", None)
    await road.run()
    await road.hear(earlier, "16", description="Không")
    road.clock.advance(minutes=1)
    later = await update(road, earlier, document_id=same)
    agreed = await road.hear(later, "15", at=road.clock())
    assert await recalls(road, earlier) == {FAR: "declined"}
    assert await said(road, later) == {FAR: ("15", agreed, "")}
