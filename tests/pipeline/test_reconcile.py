"""A day of our books against the axis's list of what we sent."""

import asyncio
import contextlib
import datetime as dt
import json

import pytest

from gateway.errors import Unknown, Unreachable
from gateway.model import Kind
from gateway.pipeline import reconcile
from gateway.pipeline.reconcile import Difference, compare
from gateway.ports import SentLine
from gateway.rules.clock import today
from tests.pipeline.road import FAR, open_road
from tests.pipeline.test_acknowledged import ListingAxis


class ListedAxis(ListingAxis):
    """With a list that a test can write into."""

    def __init__(self):
        super().__init__()
        self.lines = []

    async def sent(self, since, until):
        self._called("sent")
        return [line for line in self.lines if since <= line.at < until]


@pytest.fixture
async def road(tmp_path):
    async with open_road(tmp_path, axis=ListedAxis(), policy="if-present-report") as opened:
        yield opened


async def sent(road):
    """A message sent, and listed."""
    message_id = await road.submit(FAR)
    await road.run()
    message = await road.message(message_id)
    list_it(road, message, message.axis_id)
    return message


def list_it(road, message, axis_id, **changed):
    line = {"kind": message.kind, "sender": message.sender, "code": message.detail["code"], "at": road.clock()}
    road.axis.lines.append(SentLine(axis_id=axis_id, to=FAR, **line | changed))


async def compared(road):
    return await compare(road.axis, road.journal, "national", today(road.clock()))


async def test_equal_books_have_no_differences(road):
    for _ in range(3):
        await sent(road)
    report = await compared(road)
    assert (report.listed, report.ours, report.differences) == (3, 3, 0)


async def test_what_we_count_as_sent_and_the_axis_does_not_list_is_missing(road):
    message = await sent(road)
    road.axis.lines.clear()
    report = await compared(road)
    assert report.missing == (Difference(message.axis_id, message.message_id),)
    assert report.differences == 1


async def test_a_further_line_like_one_of_ours_is_a_double(road):
    message = await sent(road)
    list_it(road, message, "again", code=f" {message.detail['code'].lower()} ")
    assert (await compared(road)).doubled == (Difference("again", message.message_id),)


async def test_a_line_like_nothing_of_ours_is_foreign(road):
    message = await sent(road)
    list_it(road, message, "other", code="999/XX")
    list_it(road, message, "status", kind=Kind.STATUS)
    assert (await compared(road)).foreign == (Difference("other", None), Difference("status", None))


async def test_what_is_undecided_here_is_told_with_the_line_that_it_may_be(road):
    road.axis.replies = [Unknown("reply-lost"), Unknown("reply-lost")]
    first, second = await road.submit(FAR), await road.submit(FAR)
    await road.run()
    list_it(road, await road.message(first), "there")
    report = await compared(road)
    assert {each.message_id: each.axis_id for each in report.undecided} == {first: "there", second: None}
    assert report.doubled == report.foreign == ()


async def test_another_day_and_a_clock_a_little_off_are_no_differences(road):
    message = await sent(road)
    road.axis.lines.clear()
    list_it(road, message, message.axis_id, at=road.clock() + dt.timedelta(minutes=30))
    list_it(road, message, "next-day", at=road.clock() + dt.timedelta(days=2))
    assert (await compared(road)).differences == 0


async def test_each_day_is_compared_once_when_it_is_over_and_its_report_kept(road, tmp_path, monkeypatch):
    monkeypatch.setattr(reconcile, "EVERY_SECONDS", 0.01)
    await sent(road)
    day = today(road.clock())
    road.clock.advance(days=1)
    road.axis.down = Unreachable("axis-unreachable")
    loop = asyncio.create_task(reconcile.daily(road.axis, road.journal, "national", tmp_path, road.clock))
    try:
        await asyncio.sleep(0.1)
        assert not list(tmp_path.glob("reports/*"))
        road.axis.down = None
        await asyncio.sleep(0.3)
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
    (path,) = tmp_path.glob("reports/*")
    assert path.name == f"reconcile-national-{day}.json"
    assert json.loads(path.read_text())["ours"] == 1
    asked = road.axis.calls["sent"]
    again = asyncio.create_task(reconcile.daily(road.axis, road.journal, "national", tmp_path, road.clock))
    await asyncio.sleep(0.1)
    again.cancel()
    assert road.axis.calls["sent"] == asked


async def test_more_messages_than_a_page_holds_are_all_compared(road, monkeypatch):
    monkeypatch.setattr(reconcile, "PAGE", 2)
    for _ in range(5):
        await sent(road)
    assert (await compared(road)).ours == 5
