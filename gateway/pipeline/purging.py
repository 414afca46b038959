"""What a purge takes beside its transaction: the line in the ledger, the bytes; and purging again after a restore.

The line is written when the transaction has decided to purge, just before it commits: a crash between the two leaves a
line, and what it names is purged at the next start. The bytes come after the commit, from a list of what is owed. Before the
gateway serves, the journal is held against the ledger: what a crash left, or a restored backup brought back, is purged
again, and what the ledger lacks is written there. A ledger that cannot be written does not stop a purge: its line is owed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import structlog

from gateway.journal import Journal, LedgerFault, Purged, PurgeLedger
from gateway.journal.purge_ledger import LedgerBroken
from gateway.journal.purges import STATE_SECRET
from gateway.model import Direction
from gateway.pipeline.quarantine import Quarantine
from gateway.ports import Contents
from gateway.rules.duplicates import numbered_by_id

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
AT_ONCE = 1000
LEDGER_SECONDS = 5.0
"""How long a commit waits for the ledger's line at most: the folder may be a share that hangs."""


class Purging:
    def __init__(self, journal: Journal, contents: Contents, ledger: PurgeLedger, quarantine: Quarantine) -> None:
        self._journal = journal
        self._contents = contents
        self._ledger = ledger
        self._quarantine = quarantine
        self._alone = asyncio.Lock()
        self._written: set[str] = set()
        """Message ids of purges whose line is there already, and that are not settled yet."""
        journal.purges.tell_first(self._line_first)

    def _line_first(self, purged: Purged) -> None:
        """In the journal's committing thread."""
        writing = threading.Thread(target=self._write_line, args=(purged,), daemon=True)
        try:
            writing.start()
        except RuntimeError:  # the machine has no thread left
            log.error("purge ledger not asked: a line is owed", message_id=purged.message_id)  # noqa: TRY400
            return
        writing.join(LEDGER_SECONDS)
        if writing.is_alive():
            log.error("purge ledger does not answer: a line is owed", message_id=purged.message_id)

    def _write_line(self, purged: Purged) -> None:
        try:
            self._ledger.write(purged)
        except LedgerBroken as error:
            log.error("purge ledger unwritable: a line is owed", message_id=purged.message_id, reason=error.code)  # noqa: TRY400
        else:
            self._written.add(purged.message_id)

    async def replay(self) -> tuple[int, Sequence[LedgerFault]]:
        """How many messages were purged again, and what is wrong with the ledger. Raises `LedgerBroken`."""
        found = await asyncio.to_thread(self._ledger.read)
        for fault in found.faults:
            log.error("purge ledger damaged", file=fault.file, what=fault.what)
        known = {each.message_id for each in await self._journal.purges.all()}
        again = 0
        for line in found.lines:
            if line.message_id not in known and await self._again(line):
                log.warning("purged again: a backup had brought it back", message_id=line.message_id)
                again += 1
        told = {line.message_id for line in found.lines}
        for purged in await self._journal.purges.all():
            if purged.message_id not in told:
                await self._note(purged)
        await self.finish()
        return again, found.faults

    async def _again(self, line: Purged) -> bool:
        message = await self._journal.message(line.message_id)
        secret = message is not None and line.reason == STATE_SECRET and message.direction is Direction.IN
        known_by = numbered_by_id(message.document_id) if message and secret else None
        return await self._journal.purges.again(line, known_by)

    async def _note(self, purged: Purged) -> None:
        await asyncio.to_thread(self._quarantine.remove, purged.message_id)
        if purged.message_id not in self._written:
            await asyncio.to_thread(self._ledger.write, purged)
        await self._journal.purges.ledgered(purged.message_id)
        self._written.discard(purged.message_id)

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
