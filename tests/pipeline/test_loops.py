"""What runs beside the runner: supervised loops, roles, the poller, the notary, the disk guard."""

import asyncio
import contextlib

import pytest
import structlog

from gateway.errors import GatewayError, Rejection, StorageBroken, Unknown, Unreachable
from gateway.pipeline import loops
from gateway.states import Stage, State
from tests.fakes import FakeAxis
from tests.pipeline.road import OURS, document_file, open_road


@contextlib.asynccontextmanager
async def started(loop):
    task = asyncio.ensure_future(loop)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def comes(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(loops, "AGAIN_SECONDS", (0.001, 0.01))
    monkeypatch.setattr(loops, "ROLE_SECONDS", 0.03)
    monkeypatch.setattr(loops, "DISK_SECONDS", 0.005)


# --- supervision ------------------------------------------------------------------------------------------------


async def test_a_loop_that_fails_begins_again_and_takes_no_other_down(impatient):
    runs = []

    async def failing():
        runs.append(1)
        raise [GatewayError("odd"), RuntimeError("a bug")][len(runs) % 2]

    async with started(loops.supervise("failing", failing)) as task:
        await comes(lambda: len(runs) > 4)
        assert not task.done()


async def test_a_broken_disk_ends_the_loop_for_good(impatient):
    async def broken():
        raise StorageBroken("fsync")

    with pytest.raises(StorageBroken):
        await loops.supervise("broken", broken)


async def test_a_loop_with_nothing_to_do_is_left_alone(impatient):
    runs = []

    async def done():
        runs.append(1)

    await loops.supervise("done", done)
    assert runs == [1]


# --- roles ------------------------------------------------------------------------------------------------------


async def test_a_role_is_run_by_one_node_and_handed_over_when_it_stops(road, impatient):
    running = []

    def loop(node):
        async def run():
            running.append(node)
            try:
                await asyncio.Event().wait()
            finally:
                running.remove(node)

        return run

    async with started(loops.in_role(road.journal, "poll", "node-1", loop("node-1"))):
        await comes(lambda: running == ["node-1"])
        async with started(loops.in_role(road.journal, "poll", "node-2", loop("node-2"))) as second:
            await asyncio.sleep(0.05)
            assert running == ["node-1"]
            assert not second.done()
            road.clock.advance(seconds=loops.ROLE_SECONDS / 2)
            await asyncio.sleep(0.03)
            road.clock.advance(seconds=loops.ROLE_SECONDS / 2)
            await asyncio.sleep(0.03)
            assert running == ["node-1"], "it keeps what it holds"


async def test_a_node_that_stops_gives_its_role_up_at_once(road, impatient):
    running = asyncio.Event()

    async def run():
        running.set()
        await asyncio.Event().wait()

    async with started(loops.in_role(road.journal, "poll", "node-1", run)):
        await running.wait()
    running.clear()
    async with started(loops.in_role(road.journal, "poll", "node-2", run)):
        await asyncio.wait_for(running.wait(), 5)


async def test_a_loop_is_stopped_when_its_node_lost_the_role(road, impatient):
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def run():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with started(loops.in_role(road.journal, "poll", "node-1", run)):
        await begun.wait()
        road.clock.advance(seconds=60)
        lease = loops.dt.timedelta(hours=1)
        assert await road.journal.partners.take_role("poll", "node-2", lease)
        await asyncio.wait_for(ended.wait(), 5)


async def test_what_ends_a_loop_in_a_role_reaches_its_supervisor(road, impatient):
    async def run():
        raise GatewayError("odd")

    with pytest.raises(GatewayError, match="odd"):
        await loops.in_role(road.journal, "poll", "node-1", run)


# --- the poller -------------------------------------------------------------------------------------------------


async def test_the_poller_enters_what_is_listed_once_and_fetches_nothing(road):
    road.axis.put("in-1", document_file(OURS))
    assert [await road.poller.once() for _ in range(3)] == [True, True, False]
    assert road.axis.calls["fetch"] == 0
    message = await road.message(await road.by_axis_id("in-1"))
    assert (message.state, message.endpoint) == ("announced", "axis:national")


async def test_an_axis_that_lists_few_at_once_hides_nothing_behind_old_items(road):
    road.axis.list_cap = 3
    for number in range(10):
        road.axis.put(f"in-{number}", b"x")
    for _ in range(10):
        await road.poller.once()
    assert await road.by_axis_id("in-9"), "nothing is hidden behind what is not fetched yet"


async def test_what_comes_later_is_found_behind_what_is_held(road):
    road.axis.list_cap = 2
    for number in range(6):
        road.axis.put(f"old-{number}", b"x")
    while await road.poller.once():
        pass
    road.axis.put("new", b"x")
    for _ in range(4):
        await road.poller.once()
    assert await road.by_axis_id("new")
    road.axis.put("newer", b"x")
    before = road.axis.calls["pending"]
    while await road.poller.once():
        pass
    assert await road.by_axis_id("newer")
    assert road.axis.calls["pending"] - before < 15


async def test_an_item_listed_though_confirmed_gets_the_same_receipt_again(road):
    data = document_file(OURS)
    message_id = await road.receive(data, "in-1")
    road.axis.put("in-1", data)
    await road.poller.once()
    first, again = road.axis.confirmed["in-1"]
    assert first == again == await road.journal.receipt_given(message_id)


@pytest.mark.parametrize("trouble", [Rejection("unknown-item"), Unknown("lost"), Unreachable("refused")])
async def test_a_receipt_that_is_not_taken_again_hides_no_newer_item(road, trouble):
    old, new = document_file(OURS), document_file(OURS)
    await road.receive(old, "in-1")
    road.axis.put("in-1", old)
    road.axis.put("in-2", new)
    road.axis.refuses_receipts = trouble
    assert await road.poller.once()
    assert await road.by_axis_id("in-2")


async def test_an_axis_out_of_reach_fails_the_look_and_not_the_poller(road, impatient):
    road.axis.down = Unreachable("refused")
    road.axis.put("in-1", document_file(OURS))
    road.poller._seconds = 0.005
    async with started(loops.supervise("poll:national", road.poller.run)):
        await comes(lambda: road.axis.calls["pending"] > 2)
        road.axis.down = None
        async with asyncio.timeout(5):
            while not await road.by_axis_id("in-1"):
                await asyncio.sleep(0.005)


async def test_what_was_listed_comes_again_only_when_most_of_it_is_confirmed(road, monkeypatch):
    monkeypatch.setattr(loops, "BUSY_SECONDS", 0.01)
    for number in range(loops.FEW + 4):
        road.axis.put(f"in-{number}", document_file(OURS))
    road.poller._seconds = 3600.0
    async with started(road.poller.run()):
        await comes(lambda: road.axis.calls["pending"] == 1)
        await asyncio.sleep(0.2)
        assert road.axis.calls["pending"] == 1, "nothing is confirmed yet"
        await road.run()
        await comes(lambda: road.axis.calls["pending"] > 1)


async def test_what_cannot_be_confirmed_holds_up_no_look_for_longer_than_between_two(road, monkeypatch):
    monkeypatch.setattr(loops, "BUSY_SECONDS", 0.01)
    for number in range(loops.FEW + 4):
        road.axis.put(f"in-{number}", document_file(OURS))
    road.poller._seconds = 0.2
    async with started(road.poller.run()):
        await comes(lambda: road.axis.calls["pending"] > 1)


@pytest.mark.parametrize(
    ("code", "said"),
    [("axis-bad-signature", "axis does not accept our requests"), ("axis-unreachable", "axis does not answer")],
)
async def test_an_axis_that_refuses_us_is_not_called_silent(road, code, said):
    road.axis.down = Unreachable(code)
    with structlog.testing.capture_logs() as lines:
        async with started(road.poller.run()):
            await comes(lambda: any(line["event"] == said for line in lines))


# --- notary and disk --------------------------------------------------------------------------------------------


async def test_the_notary_closes_a_block_over_what_was_entered(road):
    await road.submit()
    signed = []

    def sign(body):
        signed.append(body)
        return b"signature"

    async with started(loops.notary(road.journal, sign, 0.005)):
        await comes(lambda: signed)
        await asyncio.sleep(0.03)
    assert len(signed) == 1, "no block where nothing happened"
    report = await road.journal.blocks.verify()
    assert (report.blocks, list(report.faults)) == (1, [])


async def test_a_nearly_full_disk_pauses_fetching_and_nothing_else(road, impatient):
    free = 10
    configured = road.settings.model_copy(
        update={"limits": road.settings.limits.model_copy(update={"disk_reserve_bytes": 100})}
    )

    class Disk:
        def free_bytes(self):
            return free

    async with started(loops.disk_guard(Disk(), road.runner, configured)):
        await comes(lambda: Stage.FETCH in road.runner.paused)
        incoming = await road.announce(document_file(OURS))
        out = await road.submit()
        await road.run()
        assert (await road.state(incoming), await road.state(out)) == ("announced", "sent")
        free = 1000
        await comes(lambda: Stage.FETCH not in road.runner.paused)
        await road.run()
        assert await road.state(incoming) == "closed"


# --- what will never be taken -----------------------------------------------------------------------------------


class RefusedAxis(FakeAxis):
    """Hears of refusals."""

    def __init__(self):
        super().__init__()
        self.refused = []

    async def refuse(self, axis_id):
        self._called("refuse")
        self.refused.append(axis_id)
        self.waiting.pop(axis_id, None)


async def test_an_item_rejected_before_it_was_taken_is_refused_at_the_axis_and_no_other(tmp_path):
    async with open_road(tmp_path, axis=RefusedAxis()) as road:
        taken = await road.receive(document_file(OURS), "taken")
        road.axis.put("taken", b"still listed")
        never = await road.announce(b"never fetched", "never")
        await road.poller.once()
        assert road.axis.refused == []
        await road.acts.reject(never, "clerk", "the earlier gateway had it")
        while await road.poller.once():  # to the end of the list, and from its front again
            pass
        await road.poller.once()
        assert road.axis.refused == ["never"]
        assert (await road.message(taken)).state is State.CLOSED
