"""What a purge leaves to do after its transaction: the line in the ledger, the bytes; and purging again after a restore.

The journal comes first and says what is owed; the ledger, outside the database, comes second; the bytes third. A crash
after any of these leaves the rest owed, and the next look does it. Before the gateway serves, the journal is held against
the ledger: what a restored backup brought back is purged again, and what the ledger lacks is written there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from gateway.journal import Journal, LedgerFault, Purged, PurgeLedger
from gateway.pipeline.quarantine import Quarantine
from gateway.ports import Contents

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
AT_ONCE = 1000


class Purging:
    def __init__(self, journal: Journal, contents: Contents, ledger: PurgeLedger, quarantine: Quarantine) -> None:
        self._journal = journal
        self._contents = contents
        self._ledger = ledger
        self._quarantine = quarantine
        self._alone = asyncio.Lock()

    async def replay(self) -> tuple[int, Sequence[LedgerFault]]:
        """How many messages were purged again, and what is wrong with the ledger. Raises `LedgerBroken`."""
        found = await asyncio.to_thread(self._ledger.read)
        for fault in found.faults:
            log.error("purge ledger damaged", file=fault.file, what=fault.what)
        known = {each.message_id for each in await self._journal.purges.all()}
        again = 0
        for line in found.lines:
            if line.message_id not in known and await self._journal.purges.again(line):
                log.warning("purged again: a backup had brought it back", message_id=line.message_id)
                again += 1
        told = {line.message_id for line in found.lines}
        for purged in await self._journal.purges.all():
            if purged.message_id not in told:
                await self._note(purged)
        await self.finish()
        return again, found.faults

    async def _note(self, purged: Purged) -> None:
        await asyncio.to_thread(self._quarantine.remove, purged.message_id)
        await asyncio.to_thread(self._ledger.write, purged)
        await self._journal.purges.ledgered(purged.message_id)

    async def finish(self) -> None:
        """Do what is owed. Repeating is harmless. Raises `LedgerBroken`, `StorageBroken`."""
        async with self._alone:
            await self._finish()

    async def _finish(self) -> None:
        for purged in await self._journal.purges.owed():
            await self._note(purged)
        erased = False
        while owed := await self._journal.purges.erasures(AT_ONCE):
            for content in owed:
                await self._contents.erase(content)
                await self._journal.purges.erased(content)
            erased = True
        if erased:
            await self._journal.purges.forget_log()

    async def watch(self) -> None:
        """The loop: for what the road erases, and for what failed."""
        while True:
            await self.finish()
            await asyncio.sleep(LOOK_SECONDS)
