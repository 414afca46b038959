"""Our books against the axis's list of what we sent, a day at a time.

It changes nothing. What differs is written down for a person: a message that we count as sent and the axis does not
list; one that it lists twice; one that is undecided here and stands there; one that is not ours at all. The comparison
is by axis id; only to guess what a line without one of ours may be are sender, kind, number and notation looked at.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from gateway.errors import GatewayError
from gateway.journal import Journal, MessageFilter
from gateway.model import Direction
from gateway.ports import ListsSent
from gateway.rules.clock import VIETNAM, today
from gateway.states import Message, State

log = structlog.get_logger(__name__)

CLOCKS_APART = dt.timedelta(hours=1)
"""How far beyond the day the axis is asked, so that two clocks make no difference."""
ACCEPTED_BEFORE = dt.timedelta(days=7)
"""What was sent on a day was accepted at most so long before."""
PAGE = 1000
EVERY_SECONDS = 3600.0
REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Difference:
    axis_id: str | None
    message_id: str | None
    """Ours; of a line that is not ours, the message that it may be."""


@dataclass(frozen=True, slots=True)
class Report:
    axis: str
    day: str
    listed: int
    """Messages in the axis's list of that day."""
    ours: int
    """Messages that we count as sent on that day."""
    missing: tuple[Difference, ...]
    """Sent, say our books; the axis does not list it."""
    doubled: tuple[Difference, ...]
    """Listed under a further axis id."""
    undecided: tuple[Difference, ...]
    """Neither sent nor given up here; with an axis id where the list has a line that may be it."""
    foreign: tuple[Difference, ...]
    """Listed, and like nothing of ours."""

    @property
    def differences(self) -> int:
        return len(self.missing) + len(self.doubled) + len(self.undecided) + len(self.foreign)


async def compare(axis: ListsSent, journal: Journal, name: str, day: dt.date) -> Report:
    """One day of Vietnam's calendar. Raises what asking the axis raises."""
    start = dt.datetime.combine(day, dt.time(), VIETNAM)
    end = start + dt.timedelta(days=1)
    lines = await axis.sent(start - CLOCKS_APART, end + CLOCKS_APART)
    there = {line.axis_id for line in lines}
    messages = await _messages(journal, name, start - ACCEPTED_BEFORE, end)
    sent = [each for each in messages if each.axis_id and each.sent_at and start <= each.sent_at < end]
    open_ = [each for each in messages if each.axis_id is None and _may_be_there(each)]
    listed = {line.axis_id: line for line in lines if line.at is None or start <= line.at < end}
    unknown = {
        axis_id: line
        for axis_id, line in listed.items()
        if await journal.find_by_axis_id(Direction.OUT, name, axis_id) is None
    }
    alike = defaultdict(list)
    for each in messages:
        alike[_likeness(each)].append(each)
    undecided = {each.message_id: Difference(None, each.message_id) for each in open_}
    doubled, foreign = [], []
    for axis_id, line in unknown.items():
        may_be = alike[line.sender, line.kind.value, _plain(line.code)]
        waiting = next((each for each in may_be if each.message_id in undecided), None)
        if waiting:
            undecided[waiting.message_id] = Difference(axis_id, waiting.message_id)
        elif may_be:
            doubled.append(Difference(axis_id, may_be[0].message_id))
        else:
            foreign.append(Difference(axis_id, None))
    missing = tuple(Difference(each.axis_id, each.message_id) for each in sent if each.axis_id not in there)
    return Report(
        name,
        day.isoformat(),
        len(listed),
        len(sent),
        missing,
        tuple(doubled),
        tuple(undecided.values()),
        tuple(foreign),
    )


async def daily(axis: ListsSent, journal: Journal, name: str, folder: Path, now: Callable[[], dt.datetime]) -> None:
    """Each day once, when it is over: a day whose report stands in `folder/reports` was compared."""
    while True:
        day = today(now()) - dt.timedelta(days=1)
        path = folder / REPORTS / f"reconcile-{name}-{day}.json"
        if not path.exists():
            try:
                report = await compare(axis, journal, name, day)
            except GatewayError as error:
                log.warning("not reconciled", axis=name, day=str(day), reason=error.code)
            else:
                await asyncio.to_thread(_write, path, report)
                tell = log.warning if report.differences else log.info
                counted = {key: len(value) for key, value in asdict(report).items() if isinstance(value, tuple)}
                tell("reconciled", axis=name, day=str(day), listed=report.listed, ours=report.ours, **counted)
        await asyncio.sleep(EVERY_SECONDS)


def _write(path: Path, report: Report) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(asdict(report), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


async def _messages(journal: Journal, axis: str, since: dt.datetime, until: dt.datetime) -> list[Message]:
    chosen = MessageFilter(direction=Direction.OUT, since=since, until=until)
    found: list[Message] = []
    after: int | None = None
    while True:
        page = await journal.list(chosen, after, PAGE)
        found += [each for each in page.rows if each.axis == axis]
        if page.next is None:
            return found
        after = page.next


def _may_be_there(message: Message) -> bool:
    return message.attempts > 0 and message.state in {State.PACKED, State.EXPIRED}


def _likeness(message: Message) -> tuple[str, str, str]:
    detail: Mapping[str, object] = message.detail or {}
    return message.sender, message.kind.value, _plain(str(detail.get("code", "")))


def _plain(code: str) -> str:
    return "".join(code.split()).casefold()
