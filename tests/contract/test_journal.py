"""What every journal promises of the road: accept, claim, settle."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest

from gateway.journal.door import Answered, KeyReused, Reserved, Running
from gateway.model import Direction, Kind
from gateway.ports import Announced
from gateway.states import Entry, NewMessage, Outcome, Stage, State
from tests.contract.journals import (
    LEASE,
    NOW,
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

# --- the door ---------------------------------------------------------------------------------------------------


async def test_what_was_accepted_is_there_with_its_deliveries_and_contents(journal, clock):
    a_message = message(detail={"subject": "V/v thử nghiệm"}, urgency=2)
    await journal.accept(submission(new(a_message, to=["A", "B"], contents=[content()])))
    kept = await journal.message(a_message.message_id)
    assert kept.detail == {"subject": "V/v thử nghiệm"}
    assert (kept.state, kept.urgency, kept.accepted_at, kept.due_at) == (State.ACCEPTED, 2, clock(), clock())
    assert [delivery.organ for delivery in await journal.deliveries(a_message.message_id)] == ["A", "B"]
    assert [ref.content for ref in await journal.contents(a_message.message_id)] == [content()]


async def test_a_key_under_way_is_running_until_its_lease_lapses(journal, clock):
    assert isinstance(await journal.reserve("o", "k", LEASE), Reserved)
    clock.pass_(20)
    assert await journal.reserve("o", "k", LEASE) == Running(40.0)
    assert isinstance(await journal.reserve("another office", "k", LEASE), Reserved)
    clock.pass_(41)
    assert isinstance(await journal.reserve("o", "k", LEASE), Reserved)


async def test_an_answered_key_gives_the_first_answer_for_ever(journal, clock):
    await journal.reserve("o", "k", LEASE)
    first = submission(message("m-first"), office="o", key="k")
    assert await journal.accept(first) == {"messages": ["m-first"]}
    clock.pass_(1e6)
    assert await journal.reserve("o", "k", LEASE) == Answered("f1", {"messages": ["m-first"]})


async def test_a_released_key_leaves_no_trace_and_an_answered_one_stays(journal):
    await journal.release_key(await journal.reserve("o", "k", LEASE))
    again = await journal.reserve("o", "k", LEASE)
    assert isinstance(again, Reserved)
    await journal.accept(submission(message("m-kept"), office="o", key="k"))
    await journal.release_key(again)
    assert isinstance(await journal.reserve("o", "k", LEASE), Answered)


async def test_a_request_that_outlived_its_reservation_gets_the_answer_of_the_one_that_came_after(journal):
    await journal.accept(submission(message("m-a"), office="o", key="k"))
    assert await journal.accept(submission(message("m-b"), office="o", key="k")) == {"messages": ["m-a"]}
    assert await journal.message("m-b") is None
    with pytest.raises(KeyReused):
        await journal.accept(submission(message("m-c"), office="o", key="k", fingerprint="f2"))
    assert await journal.message("m-c") is None


# --- claiming ---------------------------------------------------------------------------------------------------


async def test_a_claimed_message_is_nobody_elses_while_the_lease_holds(journal, clock):
    await accepted(journal)
    work = await claim_one(journal)
    assert (work.attempt, work.doubt, work.message.attempts) == (1, False, 1)
    assert await journal.claim("node-2", 10, LEASE) == []
    clock.pass_(59)
    assert await journal.renew(work, LEASE)
    clock.pass_(59)
    assert await journal.claim("node-2", 10, LEASE) == []


async def test_concurrent_claims_never_share_a_message(journal):
    await journal.accept(submission(*(message() for _ in range(40))))
    claims = await asyncio.gather(*(journal.claim(f"node-{n}", 7, LEASE) for n in range(8)))
    taken = [work.message.message_id for claim in claims for work in claim]
    assert len(taken) == len(set(taken)) == 40


async def test_a_lapsed_lease_is_due_again_in_doubt_and_its_holder_can_write_no_more(journal, clock):
    await accepted(journal)
    stale = await claim_one(journal, "node-1")
    clock.pass_(60)
    work = await claim_one(journal, "node-2")
    assert (work.doubt, work.attempt) == (True, 2)
    assert not await journal.renew(stale, LEASE)
    assert not await journal.settle(stale, to(State.PACKED, due_in=NOW))
    assert await journal.settle(work, to(State.PACKED, due_in=NOW))
    assert (await journal.message(work.message.message_id)).state is State.PACKED


async def test_even_the_same_holder_cannot_settle_a_lease_it_lost_and_took_again(journal, clock):
    await accepted(journal)
    stale = await claim_one(journal)
    clock.pass_(60)
    await claim_one(journal)
    assert not await journal.settle(stale, to(State.PACKED))


async def test_urgent_messages_go_first_and_endpoints_take_turns(journal):
    for endpoint, urgency in [("a", 0), ("a", 0), ("a", 0), ("b", 0), ("b", 3), ("c", 1)]:
        await accepted(journal, endpoint=endpoint, urgency=urgency)
    works = await journal.claim("node-1", 5, LEASE)
    assert [(work.message.urgency, work.message.endpoint) for work in works] == [
        *[(3, "b"), (1, "c"), (0, "a"), (0, "b"), (0, "a")]
    ]


async def test_a_stage_can_be_left_out_of_claims(journal):
    await accepted(journal)
    packed = await at_state(journal)
    await journal.apply(packed.message_id, to(State.PACKED, due_in=NOW), who="test")
    work = await claim_one(journal, skip_stages=frozenset({Stage.PACK}))
    assert work.message.message_id == packed.message_id


async def test_a_message_put_off_or_held_or_waiting_is_not_claimed(journal, clock):
    await accepted(journal)
    await journal.settle(await claim_one(journal), Outcome(Entry("waits")))
    late, held = [await accepted(journal) for _ in range(2)]
    await journal.apply(late.message_id, Outcome(Entry("later"), due_in=dt.timedelta(seconds=30)), who="test")
    await journal.apply(held.message_id, Outcome(Entry("odd"), due_in=NOW, held="bug"), who="test")
    assert await journal.claim("node-1", 10, LEASE) == []
    assert (await journal.message(held.message_id)).held == "bug"
    clock.pass_(30)
    assert (await claim_one(journal)).message.message_id == late.message_id


# --- settling ---------------------------------------------------------------------------------------------------


async def test_a_settled_attempt_is_closed_and_the_count_starts_again_in_the_next_state(journal, clock):
    await accepted(journal)
    work = await claim_one(journal)
    await journal.settle(work, Outcome(Entry("later"), due_in=NOW))
    work = await claim_one(journal)
    assert (work.message.attempts, work.attempt) == (2, 2)
    await journal.settle(work, to(State.PACKED, due_in=NOW))
    work = await claim_one(journal)
    assert (work.message.attempts, work.attempt) == (1, 3)


async def test_a_stage_done_at_once_that_leaves_the_message_where_it_is_counts_as_an_attempt_there(journal):
    await accepted(journal)
    looked = Outcome(Entry("later"), due_in=NOW)
    await journal.settle(await claim_one(journal), replace(to(State.PACKED, due_in=NOW), then=looked))
    assert (await claim_one(journal)).message.attempts == 2
    born = replace(new(message()), then=replace(to(State.PACKED, due_in=NOW), then=looked))
    await journal.accept(submission(born))
    assert (await claim_one(journal)).message.attempts == 2


async def test_a_doubt_lasts_until_the_message_moves_on(journal):
    await accepted(journal)
    await journal.settle(await claim_one(journal), Outcome(Entry("unknown"), due_in=NOW, doubt=True))
    in_doubt = await claim_one(journal)
    assert in_doubt.doubt
    await journal.settle(in_doubt, Outcome(Entry("unreachable"), due_in=NOW))
    still_in_doubt = await claim_one(journal)
    assert still_in_doubt.doubt
    await journal.settle(still_in_doubt, to(State.PACKED, due_in=NOW))
    assert not (await claim_one(journal)).doubt


async def test_an_impossible_move_is_refused_and_nothing_of_it_is_kept(journal):
    await accepted(journal)
    work = await claim_one(journal)
    born = new(message("m-never"))
    with pytest.raises(ValueError, match="closed"):
        await journal.settle(work, to(State.CLOSED, effects=(born,)))
    with pytest.raises(ValueError, match="version"):
        await journal.settle(work, Outcome(Entry("x"), changes={"version": 7}, effects=(born,)))
    assert await journal.message("m-never") is None
    assert await journal.settle(work, to(State.PACKED))


async def test_final_states_are_stamped_and_never_due(journal, clock):
    sent = await at_state(journal, State.PACKED, State.SENT)
    assert sent.sent_at == clock()
    clock.pass_(5)
    await journal.apply(sent.message_id, to(State.CLOSED, due_in=NOW), who="test")
    closed = await journal.message(sent.message_id)
    assert (closed.closed_at, closed.due_at) == (clock(), None)


async def test_columns_and_extras_are_changed_with_the_move(journal):
    await accepted(journal)
    work = await claim_one(journal)
    changes = {"size": 12, "sha256": "cd" * 32, "detail": {"a": 1}, "endpoint": "axis:national", "recipe": [{"x": 1}]}
    await journal.settle(work, to(State.PACKED, changes=changes))
    kept = await journal.message(work.message.message_id)
    assert (kept.size, kept.sha256, kept.detail, kept.endpoint) == (12, "cd" * 32, {"a": 1}, "axis:national")
    assert await journal.extra(kept.message_id) == {"recipe": [{"x": 1}]}


async def test_a_message_born_with_an_outcome_commits_with_it_and_is_due(journal):
    await accepted(journal)
    work = await claim_one(journal)
    notice = message("m-notice", kind=Kind.NOTICE, direction=Direction.IN, state=State.TRUSTED, axis="")
    await journal.settle(work, to(State.REJECTED, effects=(NewMessage(notice),)))
    assert (await claim_one(journal)).message.message_id == "m-notice"


async def test_an_act_from_outside_ends_the_lease_and_leaves_a_doubt(journal):
    await accepted(journal)
    work = await claim_one(journal)
    assert not await journal.apply(work.message.message_id, Outcome(Entry("x")), who="lan", expect=0)
    assert await journal.apply(
        work.message.message_id, Outcome(Entry("resend"), due_in=NOW), who="lan", expect=work.message.version
    )
    assert not await journal.settle(work, to(State.PACKED))
    assert (await claim_one(journal)).doubt


async def test_a_message_woken_while_someone_works_on_it_is_due_as_soon_as_they_settle(journal):
    await accepted(journal)
    work = await claim_one(journal)
    assert await journal.wake(work.message.message_id)
    assert await journal.claim("node-2", 10, LEASE) == []
    await journal.settle(work, Outcome(Entry("later"), due_in=dt.timedelta(hours=24)))
    assert (await claim_one(journal)).message.message_id == work.message.message_id


async def test_a_held_message_is_not_woken(journal):
    held = await accepted(journal)
    await journal.apply(held.message_id, Outcome(Entry("odd"), held="bug"), who="test")
    assert not await journal.wake(held.message_id)


# --- the poller -------------------------------------------------------------------------------------------------


async def test_an_item_listed_twice_is_announced_once(journal):
    items = [Announced("ax-1", Kind.DOCUMENT, urgency=3), Announced("ax-2", Kind.STATUS)]
    assert len(await journal.announce("national", listed("national", *items))) == 2
    again = listed("national", *items, Announced("ax-3", Kind.DOCUMENT))
    assert await journal.announce("national", again) == again[2:]
    assert len(await journal.announce("provincial", listed("provincial", *items))) == 2
    assert await journal.unknown("national", ["ax-1", "ax-2", "ax-3", "ax-4"]) == {"ax-4"}
    assert await journal.unknown("provincial", ["ax-3"]) == {"ax-3"}
    works = await journal.claim("node-1", 10, LEASE)
    assert {work.message.state for work in works} == {State.ANNOUNCED}
    assert works[0].message.axis_id == "ax-1"
