"""The journal: the durable record of every message, and the only meeting place of the gateway's parts.

Each method is one unit of work; what it wrote is on the disk when it returns. The units themselves are in the modules
by concern (`door`, `work`, `outcomes`, `lookups`, `partners`, `blocks`); running them is the store's business.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import StorageBroken
from gateway.journal import door, lookups, outcomes, work
from gateway.journal.door import Answered, NewSubmission, Reserved, Running
from gateway.journal.rows import MICROSECOND, stamp
from gateway.journal.sqlite import SqliteStore, prepare
from gateway.ports import Announced
from gateway.states import ContentRef, Delivery, Message, Outcome, Stage, Work

Now = Callable[[], dt.datetime]
OnBroken = Callable[[StorageBroken], None]


class Journal:
    def __init__(self, store: SqliteStore, now: Now) -> None:
        self._store = store
        self._now = now

    @classmethod
    async def open(cls, path: Path, *, now: Now, on_broken: OnBroken | None = None) -> Journal:
        """Open the journal at `path`, made or migrated where needed.

        `on_broken` is called, from another thread, when the disk broke its word: the process has to end.
        """
        await asyncio.to_thread(prepare, path)
        return cls(SqliteStore(path, on_broken), now)

    async def close(self) -> None:
        await self._store.close()

    def _stamp(self, later: dt.timedelta = dt.timedelta()) -> int:
        return stamp(self._now()) + later // MICROSECOND

    # --- the door -----------------------------------------------------------------------------------------------

    async def reserve(self, office: str, key: str, lease: dt.timedelta) -> Reserved | Answered | Running:
        now, until = self._stamp(), self._stamp(lease)
        return await self._store.write(lambda tx: door.reserve(tx, office, key, now, until))

    async def release_key(self, office: str, key: str) -> None:
        """A refused submission leaves no trace of its key; an answered one keeps it."""
        await self._store.write(lambda tx: door.release_key(tx, office, key))

    async def accept(self, submission: NewSubmission) -> dict[str, Any]:
        """The answer that counts: this one's, or the first one's with the same key and fingerprint.

        Raises `KeyReused` where the key was answered for another fingerprint.
        """
        now = self._stamp()
        return await self._store.write(lambda tx: door.accept(tx, submission, now))

    # --- the runner and the poller ------------------------------------------------------------------------------

    async def claim(
        self, holder: str, limit: int, lease: dt.timedelta, *, skip_stages: frozenset[Stage] = frozenset()
    ) -> list[Work]:
        """Take up to `limit` due messages under a lease, with an attempt opened for each.

        A lapsed lease is simply due again, in doubt.
        """
        now, until = self._stamp(), self._stamp(lease)
        return await self._store.write(lambda tx: work.claim(tx, holder, limit, now, until, skip_stages))

    async def renew(self, mine: Work, lease: dt.timedelta) -> bool:
        """False: the lease was lost."""
        until = self._stamp(lease)
        return await self._store.write(lambda tx: work.renew(tx, mine, until))

    async def settle(self, mine: Work, outcome: Outcome) -> bool:
        """Close the attempt and carry out `outcome`. False: the lease was lost, and nothing is done.

        Raises ValueError for a move or a change that does not exist.
        """
        now = self._stamp()
        return await self._store.write(lambda tx: work.settle(tx, mine, outcome, now))

    async def apply(
        self, message_id: str, outcome: Outcome, *, who: str, why: str | None = None, expect: int | None = None
    ) -> bool:
        """Carry out `outcome` from outside the runner: an operator's act, an office's acknowledgement.

        False: no such message, or not in version `expect`. An attempt under way loses its lease and leaves a doubt.
        `why` is kept as the entry's erasable detail.
        """
        now = self._stamp()
        if why is not None:
            outcome = outcomes.with_reason(outcome, why)
        return await self._store.write(lambda tx: work.apply(tx, message_id, outcome, who, expect, now))

    async def wake(self, message_id: str) -> bool:
        """Due now. False: unknown, closed or held."""
        now = self._stamp()
        return await self._store.write(lambda tx: outcomes.wake(tx, message_id, now))

    async def announce(self, axis: str, items: Sequence[Announced], endpoint: str) -> int:
        """Note what an axis lists; the number of lines that are new."""
        if not items:
            return 0
        now = self._stamp()
        return await self._store.write(lambda tx: work.announce(tx, axis, items, endpoint, now))

    # --- look-ups -----------------------------------------------------------------------------------------------

    async def message(self, message_id: str) -> Message | None:
        return await self._store.read(lambda tx: lookups.message(tx, message_id))

    async def deliveries(self, message_id: str) -> list[Delivery]:
        return await self._store.read(lambda tx: lookups.deliveries(tx, message_id))

    async def contents(self, message_id: str) -> list[ContentRef]:
        return await self._store.read(lambda tx: lookups.contents(tx, message_id))

    async def extra(self, message_id: str) -> dict[str, Any]:
        """What outcomes set beside the message's own fields, by name (`outcomes.EXTRAS`)."""
        return await self._store.read(lambda tx: lookups.extra(tx, message_id))
