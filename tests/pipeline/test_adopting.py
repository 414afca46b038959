"""Taking over the books of an earlier gateway, and living with them."""

import dataclasses
import datetime as dt
import json

import pytest

from gateway.errors import Refused
from gateway.model import Direction, Kind
from gateway.pipeline import acts, adopting
from gateway.pipeline.duplicates import earlier
from gateway.states import State
from tests import pki
from tests.pipeline.road import FAR, NOBODYS, OFFICE, OURS, document_file, open_road, status_file


def line(**fields):
    return json.dumps(
        {
            "direction": "out",
            "axis": "national",
            "document_id": "old-1",
            "sender": OURS,
            "to": [FAR],
            "at": "2026-02-01T08:00:00+07:00",
            "number": "9",
            "notation": "STN-VP",
            "promulgation_date": "2026-02-01",
            **fields,
        }
    )


async def adopt(road, *lines):
    return await adopting.adopt(adopting.read(lines, road.settings), road.settings, road.journal)


async def test_a_status_that_comes_after_the_change_finds_the_document_sent_before(road):
    assert (await adopt(road, line())).new == 1
    await road.receive(status_file("old-1", "06"), kind=Kind.STATUS)
    [sent] = await road.journal.find_sent("old-1", FAR)
    assert (await road.delivery(sent.message_id, FAR)).status == "06"
    assert road.told() == ["status.received"]


async def test_nothing_is_sent_or_handed_over_because_of_it(road):
    await adopt(road, line(), line(direction="in", document_id="old-2", sender=FAR, to=[OURS], axis_id="in-old"))
    await road.run()
    assert road.axis.held == []
    assert road.told() == []
    assert (await road.journal.stats()).messages == {("out", "closed"): 1, ("in", "closed"): 1}


async def test_an_item_that_the_axis_lists_once_more_is_known_and_not_fetched(road):
    await adopt(road, line(direction="in", document_id="old-2", sender=FAR, to=[OURS], axis_id="in-old"))
    await road.receive(document_file(OURS), "in-old")
    assert road.axis.calls["fetch"] == 0


async def test_an_office_still_reports_on_what_it_received_before(road):
    await adopt(road, line(direction="in", document_id="old-2", sender=FAR, to=[OURS], axis_id="in-old"))
    received = await road.journal.find_by_axis_id(Direction.IN, "national", "in-old")
    assert await road.journal.pending_handovers(received.message_id) == []
    await road.office_acts.report_status(OFFICE, received.message_id, "06", "")
    await road.run()
    assert len(road.axis.held) == 1


async def test_a_number_used_before_is_warned_of(road):
    await adopt(road, line(number="77"))
    [old] = await road.journal.find_sent("old-1", FAR)
    second = dataclasses.replace(adopting.Line.model_validate_json(line(number="77")).document, document_id="new-1")
    [warning] = await earlier(road.journal, second, Direction.OUT, road.clock())
    assert (warning.code, warning.facts["earlier"]) == ("duplicate-number", old.message_id)


async def test_the_same_file_again_changes_nothing_and_our_own_work_is_not_taken_over(road):
    lines = (line(), line(document_id="old-3", statuses={FAR: "03"}))
    assert await adopt(road, *lines) == adopting.Adopted(2, 0)
    assert await adopt(road, *lines) == adopting.Adopted(0, 2)
    message_id = await road.submit(FAR)
    own = await road.message(message_id)
    assert await adopt(road, line(document_id=own.document_id)) == adopting.Adopted(0, 1)
    assert not (await road.journal.blocks.verify()).faults


async def test_a_file_is_taken_whole_or_not_at_all_and_every_fault_told_by_line(road):
    with pytest.raises(Refused) as caught:
        await adopt(road, line(), "", line(axis="other"), line(sender=NOBODYS), "{not json", line(colour="red"))
    assert [each.field for each in caught.value.problems] == [
        "line 3: axis",
        "line 4",
        "line 5: ",
        "line 6: colour",
    ]
    assert await road.journal.find_sent("old-1", FAR) == []


# --- what the axis took before `start_at` -------------------------------------------------------------------------

START = pki.NOW


@pytest.fixture
async def succeeding(tmp_path):
    """A road that took over from another gateway at `START`."""
    async with open_road(tmp_path) as road:
        national = dataclasses.replace(road.partners.axes["national"], start_at=START)
        road.partners.axes["national"] = road.poller._arrivals._axis = national
        road.poller._axis = road.partners.axes["national"]
        yield road


async def listed(road, axis_id, at, data=None, kind=Kind.DOCUMENT):
    road.axis.taken_at[axis_id] = at
    return await road.receive(data or document_file(OURS, document_id=f"d-{axis_id}"), axis_id, kind)


async def test_what_the_axis_took_before_the_start_is_shown_and_neither_fetched_nor_confirmed(succeeding):
    road = succeeding
    old = await listed(road, "old", START - dt.timedelta(seconds=1))
    message = await road.message(old)
    assert (message.state, message.held, message.due_at) == (State.ANNOUNCED, "before-start", None)
    assert (await road.journal.stats()).held == {"before-start": 1}
    assert (await road.journal.timeline(old))[0].facts["held"] == "before-start"
    assert road.axis.calls["fetch"] == road.axis.calls["confirm"] == 0
    assert road.told() == []


@pytest.mark.parametrize("at", [START, START + dt.timedelta(days=1), None])
async def test_what_it_took_since_or_tells_no_time_of_takes_the_road(succeeding, at):
    assert (await succeeding.message(await listed(succeeding, "new", at))).state is State.CLOSED


async def test_an_order_lets_one_of_them_in(succeeding):
    road = succeeding
    one, other = [await listed(road, axis_id, START - dt.timedelta(days=1)) for axis_id in ("old-1", "old-2")]
    await road.acts.release(one, "clerk", "the earlier gateway never had it")
    await road.run()
    assert (await road.message(one)).state is State.CLOSED
    assert list(road.axis.confirmed) == ["old-1"]
    assert (await road.message(other)).held == "before-start"


async def test_an_order_lets_all_of_an_axis_in_and_each_keeps_the_reason(succeeding, monkeypatch):
    monkeypatch.setattr(acts, "PAGE", 2)
    road = succeeding
    old = [await listed(road, f"old-{n}", START - dt.timedelta(days=1)) for n in range(5)]
    assert await road.acts.release_all("provincial", "before-start", "clerk", "compared") == 0
    assert await road.acts.release_all("national", "before-start", "clerk", "compared") == 5
    await road.run()
    for each in old:
        assert (await road.message(each)).state is State.CLOSED
        released = next(entry for entry in await road.journal.timeline(each) if entry.code == "released")
        assert (released.who, released.detail) == ("clerk", "compared")


@pytest.mark.parametrize("reason", ["in-doubt", "secret-suspected"])
async def test_what_needs_a_decision_of_its_own_is_not_released_in_bulk(succeeding, reason):
    with pytest.raises(Refused):
        await succeeding.acts.release_all("national", reason, "clerk", "why not")
