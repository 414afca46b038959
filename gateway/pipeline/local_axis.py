"""The axis inside: between two offices of one gateway the same road, the same receipts, the same statuses.

It implements the `Axis` port on the journal itself. Nothing is copied: the packed file is read again from its recipe.
The receipt of one message is the same bytes each time, because everything in it is frozen and RSA PKCS#1 v1.5 signs
the same way twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from gateway.errors import NeedsOperator
from gateway.journal import Journal, announced
from gateway.model import LOCAL_AXIS, Kind
from gateway.pipeline.outgoing import Packed, parcel_of
from gateway.ports import Acceptance, Announced, AxisOrgan, Capabilities, Contents, Fetched, Finds, Parcel
from gateway.states import Entry, KeepReceipt, NewMessage, Outcome
from gateway.trust import receipts
from gateway.trust.keys import Keys

SYSTEM_ID = "local"


class LocalAxis:
    name = LOCAL_AXIS
    can = Capabilities(deduplicates=True, finds=Finds.BY_MESSAGE_ID, signs_receipts=True)

    def __init__(
        self,
        journal: Journal,
        contents: Contents,
        keys: Keys,
        now: Callable[[], dt.datetime],
        nudge: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._contents = contents
        self._keys = keys
        self._now = now
        self._nudge = nudge

    async def send(self, parcel: Parcel) -> Acceptance:
        line = Announced(parcel.message_id, parcel.kind, parcel.sender, parcel.document_id)
        await self._journal.announce(LOCAL_AXIS, [NewMessage(announced(LOCAL_AXIS, line, endpoint="inside"))])
        self._nudge()
        message = await self._journal.message(parcel.message_id)
        assert message is not None
        packed = await self._packed(parcel.message_id)
        receipt = receipts.Receipt(
            receipt_id=f"local-{parcel.message_id}",
            kind="axis-accepted",
            issued_by=SYSTEM_ID,
            addressed_to=SYSTEM_ID,
            message_id=parcel.message_id,
            axis_id=parcel.message_id,
            document_id=parcel.document_id,
            sender=parcel.sender,
            to=parcel.to,
            size=parcel.size,
            sha256=parcel.sha256,
            attachments=packed.attachments,
            time=message.accepted_at or self._now(),
        )
        key = self._keys.ring.signing(self._now())
        return Acceptance(parcel.message_id, receipts.issue(receipt, key))

    async def find(self, parcel: Parcel) -> Acceptance | None:
        """Sending again is asking: the unique row answers."""
        return await self.send(parcel)

    async def pending(self, limit: int, after: str | None = None) -> Sequence[Announced]:
        """Nothing to poll for: sending announces."""
        del limit, after
        return ()

    @asynccontextmanager
    async def fetch(self, axis_id: str, kind: Kind) -> AsyncIterator[Fetched]:
        del kind
        message = await self._journal.message(axis_id)
        if message is None:
            raise NeedsOperator("not-found", "the message sent inside is gone")
        parcel = parcel_of(message, await self._packed(axis_id), self._contents)
        yield Fetched(parcel.size, parcel.sha256, parcel.chunks())

    async def confirm(self, axis_id: str, receipt: bytes) -> None:
        """The receiving side's receipt is kept with the message that was sent."""
        read = receipts.read(receipt, trust=self._keys.trust, issuer=SYSTEM_ID, at=self._now())
        kept = KeepReceipt(read.receipt_id, read.kind, given=False, body=receipt)
        outcome = Outcome(Entry("received-inside", {"receipt": read.receipt_id}), effects=(kept,))
        await self._journal.apply(axis_id, outcome, who="gateway", why=None, expect=None)

    async def organs(self) -> Sequence[AxisOrgan]:
        return ()

    def certificates(self) -> Mapping[str, dt.datetime]:
        return {}

    async def reload(self) -> None:
        """Its keys reload themselves."""

    async def close(self) -> None:
        """Nothing is open."""

    async def _packed(self, message_id: str) -> Packed:
        return Packed.of((await self._journal.extra(message_id))["recipe"])
