"""The organ directory: whom an axis reaches, under which code and name, and since when.

It is copied from the axis once a day (`sync`), with effective dates: an organ no longer listed is closed, not
forgotten, and a new name or old code begins a line of its own. Codes of the older form (QCVN 102:2016) and the newer
(QĐ 20/2020/QĐ-TTg) both lead to the organ; the one that the directory lists is written. Neither is ever computed from
the other, because no rule says how.

At the door receivers are looked up (`Directories.receivers`): a bare code gets its name, an old code the listed one,
and an organ that is unknown or closed is refused with its nearest matches, by the policy of the axis. Nothing is judged
before the first sync of an axis.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.config import AxisSection
from gateway.errors import NeedsOperator
from gateway.journal import Journal, OrganLine
from gateway.model import Document, Problem
from gateway.ports import Axis, AxisOrgan
from gateway.rules import clock

REREAD = dt.timedelta(seconds=30)
"""How long what is in memory may lag behind a sync by another process."""
NEAREST = 3
MOST_CLOSED = 0.5
"""A list that would close more than this share of the open organs is not believed unasked."""
FEW = 10
"""Below so many organs any share may close."""
DAY = dt.timedelta(days=1)


class Standing(StrEnum):
    OPEN = "open"
    RENAMED = "renamed"
    """Open, but listed under another code than the one asked for."""
    CLOSED = "closed"
    """Not on that day: closed before it, or opened after it."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    standing: Standing
    line: OrganLine | None = None


def fold(text: str) -> str:
    """Letters without their marks, in lower case, single spaces: what a hurried person types."""
    bare = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return " ".join("".join(c for c in bare if not unicodedata.combining(c)).split())


class Directory:
    """What one axis says of its organs. Pure: made of lines, and asked for a day."""

    def __init__(self, lines: Iterable[OrganLine]) -> None:
        self._by_code: dict[str, list[OrganLine]] = defaultdict(list)
        self._by_old_code: dict[str, list[OrganLine]] = defaultdict(list)
        self._successors: dict[str, set[str]] = defaultdict(set)
        for line in lines:
            self._by_code[line.code].append(line)
            if line.old_code:
                self._by_old_code[line.old_code].append(line)
            for predecessor in line.predecessors:
                self._successors[predecessor].add(line.code)
        self._folded = {id(line): fold(line.name) for lines in self._by_code.values() for line in lines}

    def look(self, code: str, on: dt.date) -> Found:
        """How the organ stands on a day. A closed one comes with the line that last held, or will hold first."""
        for lines, standing in ((self._by_code, Standing.OPEN), (self._by_old_code, Standing.RENAMED)):
            for line in lines.get(code, ()):
                if line.holds(on):
                    return Found(standing, line)
        ended = [*self._by_code.get(code, ()), *self._by_old_code.get(code, ())]
        if not ended:
            return Found(Standing.UNKNOWN)
        return Found(Standing.CLOSED, max(ended, key=lambda line: line.since))

    def history(self, code: str) -> Sequence[OrganLine]:
        """All that was ever said of a code, older lines first."""
        return sorted([*self._by_code.get(code, ()), *self._by_old_code.get(code, ())], key=lambda line: line.since)

    def successors(self, code: str) -> frozenset[str]:
        """The organs that came out of this one, by merger or split."""
        return frozenset(self._successors.get(code, ()))

    def aliases(self, code: str) -> frozenset[str]:
        """Every code under which the organ of this code, or one it came out of, was ever known."""
        known = {code}
        for line in self.history(code):
            known |= {line.code, line.old_code, *line.predecessors}
        for predecessor in known - {code, ""}:
            known |= {line.old_code for line in self._by_code.get(predecessor, ())}
        return frozenset(known - {""})

    def find(self, text: str, on: dt.date, limit: int = 20) -> list[OrganLine]:
        """Open organs by code, or by the words of the name in any order, begun or whole, marks or none."""
        wanted, words = text.strip().casefold(), fold(text).split()
        if not words:
            return []

        def rank(line: OrganLine) -> int:
            codes = [code.casefold() for code in (line.code, line.old_code) if code]
            name = f" {self._folded[id(line)]}"
            fits = (
                wanted in codes,
                any(code.startswith(wanted) for code in codes),
                name.startswith(f" {' '.join(words)}"),
                all(f" {word}" in name for word in words),
            )
            return fits.index(True) if True in fits else len(fits)

        ranked = sorted((rank(line), len(line.name), line.code, line) for line in self._open(on))
        return [line for found, *_, line in ranked if found < 4][:limit]

    def nearest(self, code: str, name: str, on: dt.date, limit: int = NEAREST) -> list[OrganLine]:
        """What may have been meant: successors first, then organs of that name, then codes and names like it."""
        heirs = (self.look(each, on) for each in sorted(self.successors(code)))
        found = [heir.line for heir in heirs if heir.line and heir.standing is Standing.OPEN]
        closed = self.look(code, on).line
        names = [each for each in (name, closed.name if closed else "") if each]
        for each in names:
            found += self.find(each, on, limit)
        open_ = {line.code: line for line in self._open(on)}
        if len(found) < limit:
            found += [open_[each] for each in difflib.get_close_matches(code, open_, n=limit, cutoff=0.7)]
        if len(found) < limit and names:
            by_name = {self._folded[id(line)]: line for line in open_.values()}
            found += [by_name[each] for each in difflib.get_close_matches(fold(names[0]), by_name, n=limit, cutoff=0.7)]
        unique = {line.code: line for line in found}
        return list(unique.values())[:limit]

    def _open(self, on: dt.date) -> Iterable[OrganLine]:
        return (line for lines in self._by_code.values() for line in lines if line.holds(on))


# --- the axis's list --------------------------------------------------------------------------------------------


def changes(known: Iterable[OrganLine], listed: Iterable[AxisOrgan], today: dt.date) -> list[OrganLine]:
    """The lines to write so that the directory says from `today` on what the axis lists now."""
    current = {line.code: line for line in known if line.until is None or line.until >= today}
    lines: list[OrganLine] = []
    seen: set[str] = set()
    for organ in listed:
        if not organ.code or organ.code in seen:
            continue
        seen.add(organ.code)
        lines += _change(current.get(organ.code), organ, today)
    lines += [replace(line, until=today - DAY) for code, line in current.items() if code not in seen]
    return lines


def _change(line: OrganLine | None, organ: AxisOrgan, today: dt.date) -> list[OrganLine]:
    told = OrganLine(
        organ.code,
        organ.name,
        (line.since if line else None) or organ.valid_from or today,
        organ.valid_until,
        organ.old_code,
        tuple(sorted(organ.predecessors)),
    )
    if told == line:
        return []
    if line is None or line.since >= today or (line.name, line.old_code) == (told.name, told.old_code):
        return [told]
    return [replace(line, until=today - DAY), replace(told, since=today)]


@dataclass(frozen=True, slots=True)
class Synced:
    listed: int
    written: int
    """Lines that are new or changed."""
    closed: int


async def sync(axis: Axis, journal: Journal, today: dt.date, *, name: str = "", force: bool = False) -> Synced:
    """Ask the axis for its organs and keep what has changed.

    Raises `NeedsOperator("directory-shrunk")` for a list that would close most of what is open, unless `force`: an
    axis that answers with half a list is likelier than half a country closed overnight.
    """
    name = name or axis.name
    listed = await axis.organs()
    known = await journal.directory.organs(name)
    lines = await asyncio.to_thread(changes, known, listed, today)
    standing = {line.code for line in known if line.holds(today)}
    closed = len(standing - {organ.code for organ in listed})
    if not force and len(standing) > FEW and closed > len(standing) * MOST_CLOSED:
        raise NeedsOperator("directory-shrunk", f"{closed} of {len(standing)} organs are no longer listed")
    await journal.directory.keep(name, lines)
    return Synced(len(listed), len(lines), closed)


# --- at the door ------------------------------------------------------------------------------------------------

Roads = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Looked:
    """A document's receivers as the directories know them."""

    document: Document
    roads: Roads
    problems: tuple[Problem, ...] = ()
    """Why it cannot be taken."""
    warnings: tuple[Problem, ...] = ()


class Directories:
    """The directories of all axes, in memory; each is read again when a sync has changed it."""

    def __init__(self, sections: Iterable[AxisSection], journal: Journal, now: Callable[[], dt.datetime]) -> None:
        self._policies = {section.name: section.directory for section in sections}
        self._journal = journal
        self._now = now
        self._held: dict[str, tuple[dt.datetime, Directory]] = {}
        self._looked_at: dt.datetime | None = None
        self._reading = asyncio.Lock()

    async def of(self, axis: str) -> Directory | None:
        """None before the first sync, and where the policy is `off`."""
        if self._policies.get(axis, "off") == "off":
            return None
        async with self._reading:  # nobody is judged by half of it
            await self._refresh()
        held = self._held.get(axis)
        return held[1] if held else None

    async def _refresh(self) -> None:
        now = self._now()
        if self._looked_at is not None and now - self._looked_at < REREAD:
            return
        for axis, synced_at in (await self._journal.directory.compared()).items():
            held = self._held.get(axis)
            if held is None or held[0] != synced_at:
                lines = await self._journal.directory.organs(axis)
                # A country's organs take a moment to prepare for searching.
                self._held[axis] = synced_at, await asyncio.to_thread(Directory, lines)
        self._looked_at = now

    async def receivers(self, document: Document, roads: Roads) -> Looked:
        """Name the receivers, write the codes that are listed, and say which are unknown or closed."""
        today = clock.today(self._now())
        names = {organ.code: organ.name for organ in document.to}
        fields = {organ.code: f"to[{index}].code" for index, organ in enumerate(document.to)}
        listed: dict[str, OrganLine] = {}
        problems: list[Problem] = []
        warnings: list[Problem] = []
        for axis, codes in roads.items():
            if (directory := await self.of(axis)) is None:
                continue
            for code in codes:
                found = directory.look(code, today)
                if found.line is not None and found.standing in {Standing.OPEN, Standing.RENAMED}:
                    listed[code] = found.line
                    if found.standing is Standing.RENAMED:
                        warnings.append(_renamed(fields[code], code, found.line))
                    continue
                nearest = await asyncio.to_thread(directory.nearest, code, names[code], today)
                problem = _unlisted(fields[code], code, found, nearest)
                (problems if self._policies[axis] == "enforce" else warnings).append(problem)
        return Looked(_with(document, listed), _along(roads, listed), tuple(problems), tuple(warnings))

    async def aliases(self, axis: str, code: str) -> frozenset[str]:
        """Other codes of the organ: under which a document may have gone to it."""
        directory = await self.of(axis)
        return directory.aliases(code) - {code} if directory else frozenset()


def _with(document: Document, listed: Mapping[str, OrganLine]) -> Document:
    to = [
        replace(organ, code=line.code, name=organ.name or line.name) if (line := listed.get(organ.code)) else organ
        for organ in document.to
    ]
    return replace(document, to=tuple({organ.code: organ for organ in to}.values()))


def _along(roads: Roads, listed: Mapping[str, OrganLine]) -> Roads:
    return {
        axis: tuple(dict.fromkeys(listed[code].code if code in listed else code for code in codes))
        for axis, codes in roads.items()
    }


def _renamed(field: str, code: str, line: OrganLine) -> Problem:
    facts = {"organ": code, "listed": line.code}
    return Problem(field, "organ-renamed", f"the organ is listed under the code {line.code}", facts)


def _unlisted(field: str, code: str, found: Found, nearest: Sequence[OrganLine]) -> Problem:
    facts = {"organ": code, "nearest": "; ".join(f"{line.code} {line.name}".strip() for line in nearest) or "–"}
    if found.line is None:
        return Problem(field, "organ-unlisted", "the axis's directory has no such organ", facts)
    facts["name"] = found.line.name
    return Problem(field, "organ-closed", "the organ is closed, or not open yet", facts)
