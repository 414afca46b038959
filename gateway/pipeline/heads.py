"""The daily head of the journal: written outside the database, signed, and stamped where there is an authority.

A head is due a day after the last one, and at a clean stop where blocks came since. What cannot be stamped now is tried
again at each look; only the newest head is stamped, for it names all before it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.errors import GatewayError
from gateway.journal import HeadFolder, Journal
from gateway.journal.heads import Head, SignHead
from gateway.ports import Timestamper
from gateway.trust.keys import Keys

log = structlog.get_logger(__name__)

EVERY = dt.timedelta(days=1)
LOOK_SECONDS = 300.0
FIRST_SECONDS = 5.0
"""After the start, for entries to be in a block by then."""


@dataclass(slots=True)
class HeadsWatched:
    """For the metrics; only the node that writes heads knows."""

    written: dt.datetime | None = None
    """When the newest head was; of none, since when one has been due."""
    unstamped: dt.datetime | None = None
    """When the newest head was written that waits for its timestamp; None where none waits."""

    def ages(self, now: dt.datetime) -> tuple[float, float]:
        """Seconds since `written` and since `unstamped`; 0 for none."""
        return _age(self.written, now), _age(self.unstamped, now)


def _age(at: dt.datetime | None, now: dt.datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0


class Heads:
    def __init__(
        self,
        journal: Journal,
        folder: HeadFolder,
        sign: SignHead,
        authority: Timestamper | None,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._journal = journal
        self._folder = folder
        self._sign = sign
        self._authority = authority
        self._now = now
        self.watched = HeadsWatched()

    async def daily(self) -> None:
        """The loop; a role keeps it on one node."""
        await asyncio.sleep(FIRST_SECONDS)
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self.watched.written = self.watched.unstamped = None  # it is another node's to tell now

    async def look(self) -> None:
        """Write and stamp what is due. Trouble is logged and shows in the metrics; the next look tries again."""
        try:
            newest = await asyncio.to_thread(self._folder.newest)
            if newest is None or self._now() - newest.at >= EVERY:
                self.watched.written = self.watched.written or (newest.at if newest else None)
                newest = await self.write() or newest
            if newest is None:
                return
            self.watched.written = newest.at
            await self._see_to_stamp(newest)
        except GatewayError as error:
            self.watched.written = self.watched.written or self._now()
            log.error("no head of the journal", reason=error.code, detail=error.message)  # noqa: TRY400  # the code says all

    async def write(self) -> Head | None:
        """A head of the newest block. None: there is no block yet, or another node was quicker. Raises `HeadsBroken`."""
        position = await self._journal.blocks.position()
        if position is None:
            return None
        self.watched.written = self.watched.written or self._now()
        return await asyncio.to_thread(self._folder.write, position, self._now(), self._sign)

    async def stamp(self, head: Head) -> str:
        """`stamped`, `not-configured`, or the code of why the authority gave no timestamp that holds."""
        if self._authority is None:
            return "not-configured"
        try:
            token = await self._authority.stamp(head.data)
            await asyncio.to_thread(self._folder.keep_token, head, token)
        except GatewayError as error:
            log.warning("head of the journal not stamped", file=head.file, reason=error.code, detail=error.message)
            return error.code
        return "stamped"

    async def at_stop(self) -> None:
        """A block and a head of what came since the last one. The timestamp can wait for the next start."""
        try:
            await self._journal.blocks.close(lambda signed: self._sign(signed)[0])
            newest, position = await asyncio.to_thread(self._folder.newest), await self._journal.blocks.position()
            if position is not None and (newest is None or newest.position.block < position.block):
                await self.write()
        except GatewayError as error:
            log.error("no head of the journal", reason=error.code, detail=error.message)  # noqa: TRY400  # the code says all

    async def _see_to_stamp(self, newest: Head) -> None:
        if self._authority is None or await asyncio.to_thread(self._folder.stamped, newest):
            self.watched.unstamped = None
            return
        self.watched.unstamped = self.watched.unstamped or newest.at
        if await self.stamp(newest) == "stamped":
            self.watched.unstamped = None


def signer(keys: Keys, now: Callable[[], dt.datetime]) -> SignHead:
    """Signs with the key of the day."""

    def sign(signed: bytes) -> tuple[bytes, str]:
        pair = keys.ring.signing(now())
        return pair.sign(signed), pair.fingerprint

    return sign
