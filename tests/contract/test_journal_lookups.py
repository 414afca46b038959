"""What every journal promises of deliveries, receipts, inboxes, look-ups, back-off, roles, keys and figures."""

import datetime as dt
from dataclasses import replace

import pytest

from gateway.journal import Journal, MessageFilter, twin_key
from gateway.model import Attachment, Content, Direction, Kind, ProofGrade
from gateway.ports import Announced
from gateway.states import (
    AddDelivery,
    ContentRef,
    Delivery,
    Entry,
    HandedOver,
    KeepReceipt,
    Outcome,
    SettleDelivery,
    Stage,
    State,
)
from tests.contract.journals import (
    LEASE,
    NOW,
    ORGAN,
    OTHER_ORGAN,
    START,
    accepted,
    at_state,
    claim_one,
    content,
    listed,
    message,
    new,
    submission,
    to,
)


async def heard(journal, about, organ, status, *, minutes=0, answered=False):
    """A status about `about` that some incoming message brought."""
    bearer = await accepted(journal)
    effect = SettleDelivery(about.message_id, organ, status, START + dt.timedelta(minutes=minutes), answered)
    await journal.apply(bearer.message_id, Outcome(Entry("examined"), effects=(effect,)), who="test")


async def incoming(journal, *offices, state=State.TRUSTED, **fields):
    """A document that came in and is to go to `offices`."""
    a_message = message(direction=Direction.IN, office=None, state=State.CONFIRMED, **fields)
    await journal.accept(submission(new(a_message, to=())))
    deliveries = tuple(AddDelivery(Delivery(f"organ-of-{office}", office)) for office in offices)
    await journal.apply(a_message.message_id, to(state, effects=deliveries), who="test")
    return a_message


# --- deliveries and statuses ------------------------------------------------------------------------------------


async def test_a_status_settles_its_delivery_whatever_the_state_and_is_told_in_the_timeline(journal):
    a_message = await accepted(journal)
    await heard(journal, a_message, ORGAN, "03", answered=True)
    [delivery] = await journal.deliveries(a_message.message_id)
    assert (delivery.status, delivery.status_at, delivery.answered) == ("03", START, True)
    assert [entry.code for entry in await journal.timeline(a_message.message_id)] == ["accepted", "status-heard"]
    assert (await journal.message(a_message.message_id)).state is State.ACCEPTED


async def test_a_status_heard_twice_counts_once(journal):
    a_message = await accepted(journal)
    for _ in range(2):
        await heard(journal, a_message, ORGAN, "01")
    assert len(await journal.statuses(a_message.message_id)) == 1
    assert len(await journal.timeline(a_message.message_id)) == 2


async def test_statuses_out_of_order_leave_the_latest_and_never_undo_an_answer(journal):
    a_message = await accepted(journal)
    await heard(journal, a_message, ORGAN, "03", minutes=5)
    await heard(journal, a_message, ORGAN, "01", minutes=1)
    [delivery] = await journal.deliveries(a_message.message_id)
    assert delivery.status == "03"
    await heard(journal, a_message, ORGAN, "06", minutes=4, answered=True)
    await heard(journal, a_message, ORGAN, "04", minutes=9)
    [delivery] = await journal.deliveries(a_message.message_id)
    assert (delivery.status, delivery.answered) == ("06", True)
    assert [row.status for row in await journal.statuses(a_message.message_id)] == ["01", "06", "03", "04"]


async def test_a_status_about_an_organ_it_never_went_to_changes_nothing(journal):
    a_message = await accepted(journal)
    await heard(journal, a_message, OTHER_ORGAN, "03", answered=True)
    assert await journal.statuses(a_message.message_id) == []


async def test_a_sent_message_closes_in_the_transaction_of_its_last_answer(journal):
    a_message = message()
    await journal.accept(submission(new(a_message, to=[ORGAN, OTHER_ORGAN])))
    await journal.apply(a_message.message_id, to(State.PACKED), who="test")
    await journal.apply(a_message.message_id, to(State.SENT, due_in=dt.timedelta(hours=24)), who="test")
    await heard(journal, a_message, ORGAN, "03", answered=True)
    assert (await journal.message(a_message.message_id)).state == "sent"
    await heard(journal, a_message, OTHER_ORGAN, "03", answered=True)
    closed = await journal.message(a_message.message_id)
    assert (closed.state, closed.due_at) == ("closed", None)
    last = (await journal.timeline(a_message.message_id))[-1]
    assert (last.code, last.facts) == ("closed", {"answered": 2})
    assert (await journal.blocks.verify()).intact


async def test_a_message_answered_before_it_was_sent_closes_once_sent(journal):
    a_message = await at_state(journal, State.PACKED)
    await heard(journal, a_message, ORGAN, "03", answered=True)
    await journal.apply(a_message.message_id, to(State.SENT, due_in=dt.timedelta(hours=24)), who="test")
    assert (await journal.message(a_message.message_id)).state == "closed"


async def test_a_sent_message_that_is_held_stays_so_when_it_is_answered(journal):
    a_message = await at_state(journal, State.PACKED)
    await journal.apply(a_message.message_id, to(State.SENT, held="a-reason"), who="test")
    await heard(journal, a_message, ORGAN, "03", answered=True)
    assert (await journal.message(a_message.message_id)).state == "sent"


async def test_a_message_answered_while_it_is_chased_is_due_as_soon_as_the_chase_settles(journal):
    a_message = await at_state(journal, State.PACKED)
    await journal.apply(a_message.message_id, to(State.SENT, due_in=dt.timedelta(0)), who="test")
    [work] = [
        each for each in await journal.claim("node-1", 50, LEASE) if each.message.message_id == a_message.message_id
    ]
    await heard(journal, a_message, ORGAN, "03", answered=True)
    assert (await journal.message(a_message.message_id)).state == "sent"
    assert await journal.settle(work, Outcome(Entry("waiting"), due_in=dt.timedelta(hours=24)))
    assert a_message.message_id in await due(journal)


async def test_what_followed_at_once_is_carried_out_in_the_same_transaction(journal):
    a_message = await accepted(journal)
    [work] = [
        each for each in await journal.claim("node-1", 50, LEASE) if each.message.message_id == a_message.message_id
    ]
    then = Outcome(Entry("then"), state=State.SENT, changes={"axis_id": "A-1"})
    assert await journal.settle(work, Outcome(Entry("first"), state=State.PACKED, changes={"size": 7}, then=then))
    now = await journal.message(a_message.message_id)
    assert (now.state, now.size, now.axis_id) == ("sent", 7, "A-1")
    assert [each.code for each in await journal.timeline(a_message.message_id)] == ["accepted", "first", "then"]
    assert (await journal.blocks.verify()).intact


async def test_a_step_that_no_message_takes_undoes_the_one_before_it(journal):
    a_message = await accepted(journal)
    [work] = [
        each for each in await journal.claim("node-1", 50, LEASE) if each.message.message_id == a_message.message_id
    ]
    with pytest.raises(ValueError, match="no message goes from packed to trusted"):
        await journal.settle(work, Outcome(Entry("first"), state=State.PACKED, then=to(State.TRUSTED)))
    assert (await journal.message(a_message.message_id)).state == "accepted"


async def test_a_message_is_born_in_the_state_that_its_first_stage_led_to(journal):
    packed = Outcome(
        Entry("packed", {"size": 7}), state=State.PACKED, due_in=dt.timedelta(0), changes={"size": 7, "recipe": [1, 2]}
    )
    born = replace(new(message()), then=packed)
    await journal.accept(submission(born))
    message_id = born.message.message_id
    now = await journal.message(message_id)
    assert (now.state, now.size, await journal.extra(message_id)) == ("packed", 7, {"recipe": [1, 2]})
    assert [each.code for each in await journal.timeline(message_id)] == ["accepted", "packed"]
    assert message_id in await due(journal)
    assert (await journal.blocks.verify()).intact


async def due(journal):
    return {work.message.message_id for work in await journal.claim("node-1", 50, LEASE)}


# --- notes from outside -----------------------------------------------------------------------------------------


async def test_a_note_leaves_the_message_due_when_it_was_and_its_lease_alone(journal, clock):
    sent = await at_state(journal, State.PACKED)
    await journal.apply(sent.message_id, to(State.SENT, due_in=dt.timedelta(hours=1)), who="test")
    await journal.apply(sent.message_id, Outcome(Entry("noted")), who="test")
    assert (await journal.message(sent.message_id)).due_at == clock() + dt.timedelta(hours=1)
    clock.pass_(3600)
    work = await claim_one(journal)
    receipt = KeepReceipt("r", "axis-accepted", given=False, body=b"<r/>")
    await journal.apply(sent.message_id, Outcome(Entry("noted"), effects=(receipt,)), who="test")
    assert await journal.settle(work, Outcome(Entry("waiting"), due_in=dt.timedelta(hours=1)))
    assert await due(journal) == {sent.message_id}, "whoever worked on it did not know of the note"


async def test_two_notes_that_expect_the_same_version_do_not_both_pass(journal):
    seen = await at_state(journal, State.PACKED)
    note = Outcome(Entry("noted"))
    assert await journal.apply(seen.message_id, note, who="a", expect=seen.version)
    assert not await journal.apply(seen.message_id, note, who="b", expect=seen.version)


async def test_the_reason_of_an_act_is_in_the_timeline(journal):
    held = await accepted(journal)
    await journal.apply(held.message_id, Outcome(Entry("released"), due_in=NOW), who="lan", why="đã xem lại")
    entry = (await journal.timeline(held.message_id))[-1]
    assert (entry.code, entry.who, entry.detail) == ("released", "lan", "đã xem lại")


# --- receipts, contents, attempts -------------------------------------------------------------------------------


async def test_a_receipt_is_kept_byte_for_byte_and_once(journal):
    a_message = await at_state(journal, State.PACKED)
    ours = KeepReceipt("r-1", "gateway-received", given=True, body=b"<ours\n/>")
    theirs = KeepReceipt("r-2", "axis-accepted", given=False, body=b"<theirs/>", mismatch="size")
    for _ in range(2):
        await journal.apply(a_message.message_id, Outcome(Entry("kept"), effects=(ours, theirs)), who="test")
    kept = await journal.receipts(a_message.message_id)
    assert [(one.receipt_id, one.given, one.body, one.mismatch) for one in kept] == [
        *[("r-1", True, b"<ours\n/>", None), ("r-2", False, b"<theirs/>", "size")]
    ]
    assert await journal.receipt_given(a_message.message_id) == b"<ours\n/>"
    assert await journal.receipt_given("unknown") is None


async def test_a_confirmed_item_still_listed_is_found_with_the_receipt_it_got(journal):
    lines = Announced("ax-1", Kind.DOCUMENT), Announced("ax-2", Kind.STATUS)
    await journal.announce("national", listed("national", *lines))
    ids = {axis_id: await by_axis_id(journal, axis_id) for axis_id in ("ax-1", "ax-2")}
    receipt = KeepReceipt("r", "gateway-received", given=True, body=b"<r/>")
    for found in ids.values():
        await journal.apply(found.message_id, to(State.RECEIVED, effects=(receipt,)), who="test")
    await journal.apply(ids["ax-1"].message_id, to(State.CONFIRMED), who="test")
    seen = ["ax-1", "ax-2", "ax-3"]
    assert await journal.confirmed_but_listed("national", seen, START) == [("ax-1", b"<r/>")]


async def test_what_was_confirmed_while_the_list_was_on_its_way_is_rightly_listed(journal, clock):
    await journal.announce("national", listed("national", Announced("ax-1", Kind.DOCUMENT)))
    found = await by_axis_id(journal, "ax-1")
    receipt = KeepReceipt("r", "gateway-received", given=True, body=b"<r/>")
    await journal.apply(found.message_id, to(State.RECEIVED, due_in=dt.timedelta(0), effects=(receipt,)), who="test")
    asked_at = clock()
    clock.pass_(1)
    [work] = await journal.claim("node-1", 1, LEASE)
    await journal.settle(work, to(State.CONFIRMED))
    assert await journal.confirmed_but_listed("national", ["ax-1"], asked_at) == []
    assert await journal.confirmed_but_listed("national", ["ax-1"], clock()) == [("ax-1", b"<r/>")]


async def by_axis_id(journal, axis_id):
    return await journal.find_by_axis_id(Direction.IN, "national", axis_id)


async def test_contents_keep_their_order_and_their_attachments_names(journal):
    a_message = message()
    first, second = Content("aa" * 32, 1, "p:1"), Content("bb" * 32, 2, "p:2")
    named = ContentRef("attachment", second, Attachment("att-1", "Tờ trình.pdf", "application/pdf", "", second))
    await journal.accept(submission(new(a_message, contents=[first])))
    await journal.apply(a_message.message_id, Outcome(Entry("x"), effects=(named,)), who="test")
    assert await journal.contents(a_message.message_id) == [ContentRef("attachment", first), named]


async def test_a_content_is_unreferenced_only_when_no_message_refers_to_it(journal, clock):
    await journal.accept(submission(new(message(), contents=[content()])))
    clock.pass_(10)
    assert list(await journal.unreferenced(clock(), 10)) == []
    assert not await journal.forget_content(content())


async def test_attempts_tell_who_tried_when_and_what_came_of_it(journal, clock):
    a_message = await accepted(journal)
    await claim_one(journal, "node-1")
    clock.pass_(60)
    work = await claim_one(journal, "node-2")
    clock.pass_(1)
    await journal.settle(work, Outcome(Entry("unknown"), due_in=NOW, doubt=True))
    left_open, closed = await journal.attempts(a_message.message_id)
    assert (left_open.holder, left_open.stage, left_open.closed_at) == ("node-1", Stage.PACK, None)
    assert (closed.holder, closed.closed_at, closed.outcome, closed.doubt) == ("node-2", clock(), "unknown", True)


# --- inboxes ----------------------------------------------------------------------------------------------------


async def test_an_examined_document_is_in_the_inbox_of_each_of_its_offices_in_order(journal):
    first = await incoming(journal, "so-a", "so-b")
    second = await incoming(journal, "so-a")
    rows = await journal.inbox("so-a", 0, 10)
    assert [row.message.message_id for row in rows] == [first.message_id, second.message_id]
    assert [row.message.message_id for row in await journal.inbox("so-a", rows[0].seq, 10)] == [second.message_id]
    assert len(await journal.inbox("so-b", 0, 10)) == 1
    assert await journal.pending_handovers(first.message_id) == ["so-a", "so-b"]


async def test_what_an_office_has_is_no_longer_in_its_inbox(journal):
    a_message = await incoming(journal, "so-a", "so-b")
    taken = HandedOver(a_message.message_id, "so-a")
    for _ in range(2):
        await journal.apply(a_message.message_id, Outcome(Entry("acknowledged"), effects=(taken,)), who="office:so-a")
    assert await journal.inbox("so-a", 0, 10) == []
    assert await journal.pending_handovers(a_message.message_id) == ["so-b"]
    codes = [entry.code for entry in await journal.timeline(a_message.message_id)]
    assert codes.count("handed-over") == 1


async def test_what_is_not_examined_yet_or_suspected_is_in_no_inbox(journal):
    waiting = message(direction=Direction.IN, state=State.CONFIRMED, office=None)
    await journal.accept(submission(new(waiting, to=[Delivery(ORGAN, "so-a")])))
    held = await incoming(journal, "so-a")
    await journal.apply(held.message_id, Outcome(Entry("held"), held="secret-suspected"), who="test")
    assert await journal.inbox("so-a", 0, 10) == []
    assert await journal.pending_handovers(waiting.message_id) == ["so-a"]


async def test_what_is_held_for_another_reason_stays_in_the_inbox(journal):
    held = await incoming(journal, "so-a", "so-b")
    await journal.apply(held.message_id, Outcome(Entry("held"), held="webhook-gone"), who="test")
    assert [row.message.message_id for row in await journal.inbox("so-a", 0, 10)] == [held.message_id]


async def test_a_notice_is_in_its_offices_inbox(journal):
    notice = message(kind=Kind.NOTICE, direction=Direction.IN, state=State.TRUSTED, office="so-a", axis="")
    parent = await accepted(journal)
    await journal.apply(parent.message_id, to(State.REJECTED, effects=(new(notice, to=()),)), who="test")
    assert [row.message.message_id for row in await journal.inbox("so-a", 0, 10)] == [notice.message_id]


# --- finding ----------------------------------------------------------------------------------------------------


async def test_a_sent_document_is_found_by_its_document_id_and_organ_only(journal):
    a_message = await accepted(journal, document_id="d-1")
    assert [one.message_id for one in await journal.find_sent("d-1", ORGAN)] == [a_message.message_id]
    assert await journal.find_sent("d-1", OTHER_ORGAN) == []
    assert await journal.find_sent("d-2", ORGAN) == []


async def test_no_status_is_about_a_document_that_was_rejected_before_it_left(journal):
    refused = await accepted(journal, document_id="d-1")
    await journal.apply(refused.message_id, to(State.REJECTED), who="test")
    corrected = await accepted(journal, document_id="d-1")
    assert [one.message_id for one in await journal.find_sent("d-1", ORGAN)] == [corrected.message_id]


async def test_the_first_to_claim_a_twin_key_is_the_original(journal):
    first, second = await accepted(journal), await accepted(journal)
    key = twin_key("H01", "d-1", 0, ["bb", "aa"])
    assert await journal.claim_twin(key, first.message_id) == first.message_id
    assert await journal.claim_twin(key, second.message_id) == first.message_id
    assert await journal.claim_twin(key, first.message_id) == first.message_id
    assert (await journal.find_duplicate("H01", "d-1", 0, ["aa", "bb"])).message_id == first.message_id
    assert await journal.find_duplicate("H01", "d-1", 1, ["aa", "bb"]) is None


async def test_the_messages_of_a_submission_are_found_together(journal):
    both = [message("m-s", submission_id="m-s"), message(submission_id="m-s", axis="provincial")]
    await journal.accept(submission(*both))
    assert [one.axis for one in await journal.submission("m-s")] == ["national", "provincial"]


async def test_lists_are_newest_first_and_page_to_the_end(journal):
    made = [(await accepted(journal)).message_id for _ in range(5)]
    seen, after = [], None
    while True:
        page = await journal.list(MessageFilter(), after, 2)
        seen += [one.message_id for one in page.rows]
        if (after := page.next) is None:
            break
    assert seen == made[::-1]


async def test_lists_are_narrowed_by_every_filter(journal, clock):
    old = await accepted(journal, office="so-a", detail={"subject": "Báo cáo 100%_quý"}, sender="S1")
    clock.pass_(60)
    held = await accepted(journal, office="so-b", kind=Kind.STATUS)
    await journal.apply(held.message_id, Outcome(Entry("held"), held="odd", doubt=True), who="test")
    came = await incoming(journal, "so-a", axis_id="ax-9")
    for chosen, expected in [
        (MessageFilter(office="so-a"), [came, old]),
        (MessageFilter(office="so-b"), [held]),
        (MessageFilter(direction=Direction.IN), [came]),
        (MessageFilter(state=State.TRUSTED), [came]),
        (MessageFilter(kind=Kind.STATUS), [held]),
        (MessageFilter(held=True), [held]),
        (MessageFilter(held=False), [came, old]),
        (MessageFilter(doubt=True), [held]),
        (MessageFilter(organ="organ-of-so-a"), [came]),
        (MessageFilter(organ="S1"), [old]),
        (MessageFilter(since=clock()), [came, held]),
        (MessageFilter(until=clock()), [old]),
        (MessageFilter(query="ax-9"), [came]),
        (MessageFilter(query="100%_q"), [old]),
        (MessageFilter(query="100_%q"), []),
        (MessageFilter(query=old.document_id, office="so-b"), []),
    ]:
        page = await journal.list(chosen, None, 10)
        assert [one.message_id for one in page.rows] == [one.message_id for one in expected], chosen


async def test_what_an_outcome_changed_is_read_back_in_the_models_words(journal):
    a_message = await at_state(journal, State.PACKED)
    at = START + dt.timedelta(days=3)
    changes = {"axis_id": "ax", "proof": ProofGrade.SIGNED_RECEIPT, "expires_at": at, "sent_at": at}
    await journal.apply(a_message.message_id, to(State.SENT, changes=changes), who="test")
    kept = await journal.message(a_message.message_id)
    assert (kept.axis_id, kept.proof, kept.expires_at, kept.sent_at) == ("ax", ProofGrade.SIGNED_RECEIPT, at, at)


# --- endpoints, roles, keys, figures ----------------------------------------------------------------------------


async def test_an_endpoint_in_back_off_is_passed_over_and_forgiven_on_a_sign_of_life(journal, clock):
    await accepted(journal, endpoint="axis:national")
    await accepted(journal, endpoint="office:so-a")
    await journal.partners.endpoint_failed("axis:national", None, first=10, longest=100)
    assert (await claim_one(journal)).message.endpoint == "office:so-a"
    await journal.partners.endpoint_ok("axis:national")
    assert (await claim_one(journal)).message.endpoint == "axis:national"
    assert list(await journal.partners.endpoints()) == []


async def test_back_off_doubles_with_jitter_up_to_the_longest_and_obeys_the_endpoint(journal, clock):
    waits = []
    for _ in range(6):
        next_try = await journal.partners.endpoint_failed("e", None, first=10, longest=100)
        waits.append((next_try - clock()).total_seconds())
        assert await journal.partners.endpoint_failed("e", None, first=10, longest=100) == next_try, (
            "one failure, many hit"
        )
        clock.time = next_try
    for wait, full in zip(waits, [10, 20, 40, 80, 100, 100], strict=True):
        assert full / 2 <= wait <= full
    assert await journal.partners.endpoint_failed("e", 7.5, first=10, longest=100) == clock() + dt.timedelta(
        seconds=7.5
    )
    [row] = await journal.partners.endpoints()
    assert (row.failures, row.failing_since) == (7, START)


async def test_a_role_is_one_nodes_until_its_lease_lapses(journal, clock):
    assert await journal.partners.take_role("notary", "node-1", LEASE)
    assert not await journal.partners.take_role("notary", "node-2", LEASE)
    assert await journal.partners.take_role("notary", "node-1", LEASE)
    clock.pass_(60)
    assert await journal.partners.take_role("notary", "node-2", LEASE)
    await journal.partners.release_role("notary", "node-1")
    assert not await journal.partners.take_role("notary", "node-1", LEASE)
    await journal.partners.release_role("notary", "node-2")
    assert await journal.partners.take_role("notary", "node-1", LEASE)


async def test_a_key_opens_its_office_until_it_is_revoked(journal, clock):
    key_id = await journal.partners.add_key("so-a", "digest", "máy chủ 1")
    assert await journal.partners.office_of_key("digest") == "so-a"
    assert await journal.partners.revoke_key(key_id)
    assert not await journal.partners.revoke_key(key_id)
    assert await journal.partners.office_of_key("digest") is None
    [row] = await journal.partners.keys()
    assert (row.key_id, row.office, row.label, row.revoked_at) == (key_id, "so-a", "máy chủ 1", clock())


async def test_a_key_that_another_process_revokes_opens_nothing_from_then_on(journal, clock, tmp_path):
    key_id = await journal.partners.add_key("so-a", "digest", "máy chủ 1")
    assert await journal.partners.office_of_key("digest") == "so-a"
    other = await Journal.open(tmp_path / "journal.db", now=clock)
    try:
        assert await other.partners.revoke_key(key_id)
    finally:
        await other.close()
    assert await journal.partners.office_of_key("digest") is None


async def test_figures_count_what_waits_what_is_held_and_what_is_owed(journal, clock):
    await accepted(journal)
    await journal.announce("national", listed("national", Announced("ax-1", Kind.DOCUMENT)))
    owed = await by_axis_id(journal, "ax-1")
    await journal.apply(owed.message_id, to(State.RECEIVED), who="test")
    held = await accepted(journal)
    await journal.apply(held.message_id, Outcome(Entry("held"), held="odd", doubt=True), who="test")
    await journal.partners.endpoint_failed("axis:national", None, first=1, longest=1)
    clock.pass_(30)
    stats = await journal.stats()
    assert stats.messages == {("out", "accepted"): 2, ("in", "received"): 1}
    assert stats.held == {"odd": 1}
    assert stats.oldest_due_seconds == {"out": 30.0, "in": 0.0}
    assert (stats.in_doubt, stats.receipts_owed) == (1, 1)
    assert stats.endpoints_failing_seconds == {"axis:national": 30.0}
    assert stats.block_age_seconds == 30.0
    await journal.blocks.close(lambda _: b"")
    assert (await journal.stats()).block_age_seconds == 0.0
