"""Units of work about the organ directories, as each axis last told them.

A line is what one axis says of one organ from one day on; what it said before stays, closed by a day. Days are days in
Vietnam, both included. What to make of a new list is the pipeline's business; here it is only kept.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from gateway.journal.query import Query
from gateway.journal.rows import dumps, time
from gateway.journal.sqlite import SqliteStore, Transaction
from gateway.journal.tables import directory, organ

_COLUMNS = tuple(column.name for column in organ.columns)

ORGANS = Query(select(*organ.columns).where(organ.c.axis == bindparam("of")).order_by(organ.c.code, organ.c.since))
PUT_ORGAN = Query(
    lambda new: (stmt := new(organ)).on_conflict_do_update(
        index_elements=("axis", "code", "since"),
        set_={name: stmt.excluded[name] for name in ("until", "name", "old_code", "predecessors")},
    ),
    *_COLUMNS,
)
SYNCED = Query(
    lambda new: (stmt := new(directory)).on_conflict_do_update(
        index_elements=("axis",), set_={"synced_at": stmt.excluded.synced_at}
    ),
    *("axis", "synced_at"),
)
DIRECTORIES = Query(select(directory.c.axis, directory.c.synced_at).order_by(directory.c.axis))


@dataclass(frozen=True, slots=True)
class OrganLine:
    code: str
    name: str
    since: dt.date
    until: dt.date | None = None
    """The last day it holds; None: still."""
    old_code: str = ""
    predecessors: tuple[str, ...] = ()

    def holds(self, on: dt.date) -> bool:
        return self.since <= on and (self.until is None or on <= self.until)


def organs(tx: Transaction, axis: str) -> list[OrganLine]:
    return [
        OrganLine(
            code,
            name,
            dt.date.fromisoformat(since),
            dt.date.fromisoformat(until) if until else None,
            old_code,
            tuple(json.loads(predecessors)),
        )
        for _, code, since, until, name, old_code, predecessors in tx.all(ORGANS, {"of": axis})
    ]


def keep(tx: Transaction, axis: str, lines: Iterable[OrganLine], now: int) -> None:
    """Write the lines that are new or changed, and that the directory was compared at `now`."""
    for line in lines:
        tx.run(
            PUT_ORGAN,
            {
                "axis": axis,
                "code": line.code,
                "since": line.since.isoformat(),
                "until": line.until.isoformat() if line.until else None,
                "name": line.name,
                "old_code": line.old_code,
                "predecessors": dumps(line.predecessors),
            },
        )
    tx.run(SYNCED, {"axis": axis, "synced_at": now})


def compared(tx: Transaction) -> Mapping[str, dt.datetime]:
    """Axis → when its directory was last compared."""
    return {axis: time(at) for axis, at in tx.all(DIRECTORIES)}


class DirectoryRecords:
    """What the journal keeps of each axis's directory: one unit of work each."""

    def __init__(self, store: SqliteStore, stamp_now: Callable[..., int]) -> None:
        self._store = store
        self._stamp = stamp_now

    async def organs(self, axis: str) -> Sequence[OrganLine]:
        """All that the directory of an axis says and ever said, by code and day."""
        return await self._store.read(lambda tx: organs(tx, axis))

    async def keep(self, axis: str, lines: Sequence[OrganLine]) -> None:
        """Write the lines that are new or changed; the directory counts as compared now."""
        now = self._stamp()
        await self._store.write(lambda tx: keep(tx, axis, lines, now), lengthy=True)

    async def compared(self) -> Mapping[str, dt.datetime]:
        """Axis → when its directory was last compared; an axis that never was is not in it."""
        return await self._store.read(compared)
