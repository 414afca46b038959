"""The runner itself: bugs and breakers, leases, stopping and starting."""

import asyncio
import contextlib

import pytest

from gateway.errors import GatewayError, StorageBroken, Unreachable
from gateway.pipeline.runner import BUGS_IN_A_ROW
from gateway.ports import Finds
from gateway.states import Stage
from tests.fakes import FakeAxis
from tests.pipeline.road import FAR, LEASE, OURS, document_file, open_road

SECRET = "số điện thoại riêng của bà Thử"


@pytest.fixture(autouse=True)
def _packing_is_a_stage(road):
    road.packs_later()


@contextlib.asynccontextmanager
async def running(road):
    task = asyncio.create_task(road.runner.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def comes(condition):
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


def in_state(road, message_id, state):
    async def there():
        return await road.state(message_id) == state

    return there


def buggy(road, stage, *, good=()):
    """Let a stage fail as a bug does, but for the messages in `good`."""
    real = road.stages[stage]

    async def failing(work):
        if work.message.message_id in good:
            return await real(work)
        raise ValueError(SECRET)

    road.runner._stages[stage] = failing
    return real


# --- bugs -------------------------------------------------------------------------------------------------------


async def test_a_bug_holds_the_message_with_places_and_no_foreign_text(road, capsys):
    buggy(road, Stage.PACK)
    message_id = await road.submit(FAR)
    await road.run()
    assert (await road.state(message_id), await road.held(message_id)) == ("accepted", "bug-ValueError")
    entry = (await road.journal.timeline(message_id))[-1]
    assert (entry.code, entry.facts) == ("held", {"reason": "bug-ValueError"})
    assert "test_runner.py:" in entry.detail
    assert SECRET not in entry.detail
    assert SECRET not in capsys.readouterr().out


async def test_five_bugs_in_a_row_stop_the_stage_and_no_other(road):
    real = buggy(road, Stage.PACK)
    for _ in range(BUGS_IN_A_ROW):
        await road.submit(FAR)
        await road.run()
    assert road.runner.broken == {Stage.PACK}
    road.runner._stages[Stage.PACK] = real
    waiting = await road.submit(FAR)
    received = await road.receive(document_file(OURS))
    assert (await road.state(waiting), await road.held(waiting)) == ("accepted", None)
    assert await road.state(received) == "closed"


async def test_a_good_one_in_between_resets_the_count(road):
    good = set()
    buggy(road, Stage.PACK, good=good)
    for number in range(2 * BUGS_IN_A_ROW):
        message_id = await road.submit(FAR)
        if number % BUGS_IN_A_ROW == BUGS_IN_A_ROW - 1:
            good.add(message_id)
        await road.run()
    assert road.runner.broken == frozenset()


async def test_outcomes_that_cannot_be_written_are_bugs_in_a_row_too(road):
    from gateway.states import Entry, Outcome

    async def impossible(work):
        return Outcome(Entry("x"), changes={"version": 7})

    road.runner._stages[Stage.PACK] = impossible
    held = [await road.submit(FAR) for _ in range(BUGS_IN_A_ROW)]
    await road.run()
    assert {await road.held(each) for each in held} == {"bug-ValueError"}
    assert road.runner.broken == {Stage.PACK}


async def test_a_bug_after_sending_leaves_a_doubt(tmp_path):
    axis = FakeAxis(deduplicates=False, finds=Finds.BY_MESSAGE_ID)
    async with open_road(tmp_path, axis=axis) as road:
        real = road.stages[Stage.SEND]

        async def fails_afterwards(work):
            await real(work)
            raise KeyError("after")

        road.runner._stages[Stage.SEND] = fails_afterwards
        message_id = await road.submit(FAR)
        await road.run()
        assert await road.held(message_id) == "bug-KeyError"
        road.runner._stages[Stage.SEND] = real
        await road.acts.release(message_id, "lan", "repaired")
        await road.run()
        assert (await road.state(message_id), len(axis.held)) == ("sent", 1)


async def test_an_error_of_ours_that_says_no_consequence_is_a_bug(road):
    async def odd(work):
        raise GatewayError("odd")

    road.runner._stages[Stage.PACK] = odd
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.held(message_id) == "bug-GatewayError"


# --- the loop ---------------------------------------------------------------------------------------------------


async def test_the_runner_carries_a_document_both_ways(road):
    async with running(road):
        message_id = await road.submit(FAR)
        received = await road.announce(document_file(OURS))
        await comes(in_state(road, message_id, "sent"))
        await comes(in_state(road, received, "closed"))


async def test_a_broken_disk_ends_the_runner(road):
    async def broken(work):
        raise StorageBroken("fsync")

    road.runner._stages[Stage.PACK] = broken
    await road.submit(FAR)
    async with running(road) as task:
        await asyncio.wait({task}, timeout=5)
        with pytest.raises(StorageBroken):
            task.result()


async def test_it_never_runs_more_at_once_than_it_may(tmp_path):
    from gateway.config import Runner as Section

    at_once, most = 0, 0
    async with open_road(tmp_path, runner=Section(claim=32, in_flight=3, idle_seconds=0.01)) as road:
        road.packs_later()
        real = road.stages[Stage.PACK]

        async def counted(work):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            at_once -= 1
            return await real(work)

        road.runner._stages[Stage.PACK] = counted
        messages = [await road.submit(FAR) for _ in range(10)]
        async with running(road):
            for message_id in messages:
                await comes(in_state(road, message_id, "sent"))
    assert most == 3


async def test_a_graceful_stop_leaves_the_attempt_open_and_it_is_found_in_doubt(tmp_path):
    axis = FakeAxis(deduplicates=False, finds=Finds.BY_MESSAGE_ID)
    async with open_road(tmp_path, axis=axis) as road:
        answering = asyncio.Event()
        send = axis.send

        async def no_answer(parcel):
            await send(parcel)
            answering.set()
            await asyncio.Event().wait()

        axis.send = no_answer
        message_id = await road.submit(FAR)
        async with running(road):
            await asyncio.wait_for(answering.wait(), 5)
        [*_, attempt] = await road.journal.attempts(message_id)
        assert (attempt.stage, attempt.closed_at) == (Stage.SEND, None)
        axis.send = send
        await road.later(seconds=LEASE.total_seconds() + 1)
        assert (await road.state(message_id), len(axis.held)) == ("sent", 1)


# --- leases -----------------------------------------------------------------------------------------------------


SHORT = {"lease_seconds": 0.15, "longest_call_seconds": 0.1}


async def test_the_lease_of_a_long_stage_is_renewed(tmp_path):
    async with open_road(tmp_path, times=SHORT) as road:
        begun, going_on = asyncio.Event(), asyncio.Event()
        road.packs_later()
        real = road.stages[Stage.PACK]

        async def long(work):
            begun.set()
            await going_on.wait()
            return await real(work)

        road.runner._stages[Stage.PACK] = long
        message_id = await road.submit(FAR)
        async with running(road):
            await asyncio.wait_for(begun.wait(), 5)
            for _ in range(4):
                road.clock.advance(seconds=0.1)
                await asyncio.sleep(0.12)
                assert await road.journal.claim("node-2", 1, LEASE) == []
            going_on.set()
            await comes(in_state(road, message_id, "sent"))
        assert [attempt.doubt for attempt in await road.journal.attempts(message_id)] == [False, False]


async def test_a_stage_whose_lease_was_lost_is_cancelled(tmp_path):
    async with open_road(tmp_path, times=SHORT) as road:
        begun, cancelled = asyncio.Event(), asyncio.Event()
        road.packs_later()
        real = road.stages[Stage.PACK]

        async def long(work):
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        road.runner._stages[Stage.PACK] = long
        message_id = await road.submit(FAR)
        async with running(road) as task:
            await asyncio.wait_for(begun.wait(), 5)
            road.clock.advance(hours=1)
            [work] = await road.journal.claim("node-2", 1, LEASE)
            assert work.message.message_id == message_id
            await asyncio.wait_for(cancelled.wait(), 5)
            assert not task.done()
        assert await road.journal.settle(work, await real(work))
        assert await road.state(message_id) == "packed"


async def test_a_late_holder_can_write_nothing(road):
    message_id = await road.submit(FAR)
    [stale] = await road.journal.claim("node-1", 1, LEASE)
    road.clock.advance(hours=1)
    await road.run()
    assert await road.state(message_id) == "sent"
    entries = await road.codes(message_id)
    await road.runner._work(stale)
    assert await road.codes(message_id) == entries


async def test_when_leases_cannot_be_renewed_the_runner_ends_rather_than_go_on_without(tmp_path):
    async with open_road(tmp_path, times=SHORT) as road:
        begun = asyncio.Event()

        async def long(work):
            begun.set()
            await asyncio.Event().wait()

        async def broken(work, lease):
            raise StorageBroken("fsync")

        road.packs_later()
        road.runner._stages[Stage.PACK] = long
        road.journal.renew = broken
        await road.submit(FAR)
        async with running(road) as task:
            await asyncio.wait_for(begun.wait(), 5)
            await asyncio.wait({task}, timeout=5)
            with pytest.raises(StorageBroken):
                task.result()


# --- figures ----------------------------------------------------------------------------------------------------


async def test_rejections_are_counted_by_reason_and_stages_by_outcome(road):
    await road.receive(document_file(OURS, signer=None))
    road.axis.down = Unreachable("refused")
    await road.submit(FAR)
    await road.run()
    text = road.metrics.render().decode()
    assert 'reason="edxml-signature-absent"' in text
    assert 'outcome="unreachable"' in text
