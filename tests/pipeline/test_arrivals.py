"""What comes with the list itself, and what is only announced there."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.errors import Busy, Unreachable
from gateway.model import Kind
from gateway.pipeline.arrivals import Arrivals
from gateway.ports import Announced
from gateway.states import Stage
from tests.doors import bytes_on_disk
from tests.pipeline.road import OURS, document_file


@pytest.fixture
async def at_hand(road):
    """Let the axis send every file along with its list."""
    listing = road.axis.pending

    async def pending(limit, after=None):
        return [replace(item, at_hand=True) for item in await listing(limit, after)]

    road.axis.pending = pending


def stored(road):
    return sum(path.stat().st_size for path in road.folder.rglob("segments/*"))


@pytest.mark.usefixtures("at_hand")
async def test_what_came_with_the_list_is_received_as_it_is_entered(road):
    message_id = await road.announce(document_file(OURS))
    assert await road.codes(message_id) == ["announced", "received"]
    assert await road.journal.receipt_given(message_id)
    assert [attempt.stage for attempt in await road.journal.attempts(message_id)] == []
    await road.run()
    assert await road.state(message_id) == "closed"
    assert road.axis.confirmed


@pytest.mark.usefixtures("at_hand")
async def test_an_item_that_stays_listed_is_stored_once(road):
    await road.announce(document_file(OURS))
    before = stored(road)
    for _ in range(2):
        await road.poller.once()
    road.poller._arrivals._entered.clear()  # as after a restart
    road.poller._after = None
    await road.poller.once()
    assert stored(road) == before


@pytest.mark.usefixtures("at_hand")
async def test_what_cannot_be_received_is_announced_and_fetched_later(road):
    fetch = road.axis.fetch

    def broken(axis_id, kind):
        raise Unreachable("cut")

    road.axis.fetch = broken
    message_id = await road.announce(document_file(OURS))
    assert await road.codes(message_id) == ["announced"]
    road.axis.fetch = fetch
    await road.run()
    assert await road.state(message_id) == "closed"


@pytest.mark.usefixtures("at_hand")
async def test_nothing_is_received_while_fetching_pauses(road):
    road.runner.paused.add(Stage.FETCH)
    message_id = await road.announce(document_file(OURS))
    assert await road.codes(message_id) == ["announced"]


@pytest.mark.usefixtures("at_hand")
async def test_what_turns_out_to_be_known_after_all_leaves_no_bytes(road):
    await road.announce(document_file(OURS), "in-1")
    national = road.partners.axes["national"]
    erased = []

    class Again:
        """Takes it as if it were new; the row is there already."""

        async def received(self, message):
            return await road.into.received(message)

        async def discard(self, outcome):
            erased.append(outcome)
            await road.into.discard(outcome)

    arrivals = Arrivals("national", national, road.journal, Again())

    async def everything(axis, listed):
        return set(listed)

    road.journal.unknown = everything
    assert await arrivals.enter([Announced("in-1", Kind.DOCUMENT, at_hand=True)]) == 0
    [outcome] = erased
    [edxml] = [effect for effect in outcome.effects if getattr(effect, "role", "") == "edxml"]
    assert not any(await road.contents.read(edxml.content)) or edxml.content.place not in road.contents._newest


@pytest.mark.usefixtures("at_hand")
async def test_what_the_journal_cannot_take_now_leaves_no_bytes_look_after_look(road, monkeypatch):
    road.axis.put("in-1", document_file(OURS), Kind.DOCUMENT)

    async def full(axis, born):
        raise Busy("disk-full", "the journal's disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(road.journal, "announce", full)
        for _ in range(3):
            with pytest.raises(Busy):
                await road.poller.once()
    assert bytes_on_disk(road.folder) == b""
    await road.poller.once()
    assert await road.journal.unknown("national", ["in-1"]) == set()


@pytest.mark.usefixtures("at_hand")
async def test_a_look_that_is_cancelled_leaves_no_bytes(road, monkeypatch):
    road.axis.put("in-1", document_file(OURS), Kind.DOCUMENT)
    entering = asyncio.Event()

    async def slow(axis, born):
        entering.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(road.journal, "announce", slow)
    look = asyncio.create_task(road.poller.once())
    await asyncio.wait_for(entering.wait(), 10)
    look.cancel()
    await asyncio.gather(look, return_exceptions=True)
    assert bytes_on_disk(road.folder) == b""


@pytest.mark.usefixtures("at_hand")
async def test_a_line_that_the_journal_will_not_write_keeps_no_other_out(road):
    for number in range(3):
        road.axis.put(f"in-{number}", document_file(OURS), Kind.DOCUMENT)
    listing = road.axis.pending

    async def odd(limit, after=None):
        return [
            replace(item, size=2**63, at_hand=False) if item.axis_id == "in-1" else item
            for item in await listing(limit, after)
        ]

    road.axis.pending = odd
    with capture_logs() as caught:
        await road.poller.once()
    assert await road.journal.unknown("national", ["in-0", "in-1", "in-2"]) == {"in-1"}
    assert [each["event"] for each in caught if each["log_level"] == "error"] == ["item not entered"]
