"""An axis: what its driver promises, and what crosses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from gateway.model import Kind
from gateway.ports.contents import Chunks


class Finds(StrEnum):
    BY_MESSAGE_ID = "by-message-id"
    BY_LISTING = "by-listing"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an axis can do, declared by its driver: it decides what a doubt leads to."""

    deduplicates: bool
    """A repeated send of the same message id is one message there."""
    finds: Finds
    signs_receipts: bool
    """It signs for what it takes, and takes our signed receipts."""


async def _nobody(axis_id: str) -> bool:
    del axis_id
    return False


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: the frozen edXML file and what the axis must know of it."""

    message_id: str
    kind: Kind
    document_id: str
    sender: str
    to: tuple[str, ...]
    size: int
    sha256: str
    chunks: Callable[[], Chunks]
    """The bytes from the start, as often as asked."""
    code: str = ""
    """Number and notation of the document, or of the one that a status is about."""
    since: dt.datetime | None = None
    """When it was first tried, where that matters: an axis that finds by listing lists nothing older."""
    is_another: Callable[[str], Awaitable[bool]] = _nobody
    """Whether an axis id is known to be that of another message of ours: an axis that finds by listing asks."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The axis has it, it says."""

    axis_id: str
    receipt: bytes | None
    """Its signed receipt, unverified; None from an axis that signs none."""
    reply: bytes = b""
    """The reply as it came, kept where there is no receipt."""


@dataclass(frozen=True, slots=True)
class Announced:
    """One line of the axis's list of what waits for us."""

    axis_id: str
    kind: Kind
    sender: str = ""
    document_id: str = ""
    urgency: int = 0
    size: int | None = None
    sha256: str | None = None
    at: dt.datetime | None = None
    """When the axis took it, where its list tells that."""
    at_hand: bool = False
    """Its file came with the list: `fetch` asks nobody for it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file on its way in. The driver has verified the transport's word for size and SHA-256 before giving this."""

    size: int | None
    sha256: str | None
    """None: the axis vouches for neither, and what cannot be read may have been damaged on the way."""
    chunks: Chunks


@dataclass(frozen=True, slots=True)
class AxisOrgan:
    code: str
    name: str
    old_code: str = ""
    valid_from: dt.date | None = None
    """First day it is open, in Vietnam; None where the axis does not say."""
    valid_until: dt.date | None = None
    """Last day."""
    predecessors: tuple[str, ...] = ()
    """Codes of the organs it came out of, by merger or split."""


class Axis(Protocol):
    """A driver for one axis. Verifies the transport (WS-Security, HMAC, TLS); leaves receipts and content to the road.

    Raises `Unreachable`, `Busy`, `Unknown`, `Rejection`, `NeedsOperator` and nothing else. An unsigned fault or an
    HTTP error is never a `Rejection`. Safe to call concurrently.
    """

    name: str
    can: Capabilities

    async def send(self, parcel: Parcel) -> Acceptance: ...

    async def find(self, parcel: Parcel) -> Acceptance | None:
        """What became of an earlier send of this parcel; None when the axis vouches that it holds no such message."""

    async def pending(self, limit: int, after: str | None = None) -> Sequence[Announced]:
        """What waits for us: documents and statuses. Reading consumes nothing.

        An axis may list fewer than `limit` though more waits: what comes after the last one, named by its axis id, is
        the next page, and an empty page is the end.
        """

    def fetch(self, axis_id: str, kind: Kind) -> AbstractAsyncContextManager[Fetched]: ...

    async def confirm(self, axis_id: str, receipt: bytes) -> None:
        """Hand over our signed receipt; repeating it is harmless."""

    async def organs(self) -> Sequence[AxisOrgan]: ...

    def certificates(self) -> Mapping[str, dt.datetime]:
        """Until when each party on the other side has a valid certificate, by its system id; and `tls:<name>`, until when
        our own TLS client certificate lasts, where there is one.

        Of several the one that lasts longest counts: one that was replaced may end in peace.
        """

    async def reload(self) -> None:
        """Read keys and trust anew, without a restart."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SentLine:
    """One message of ours to one organ, as the axis's list of sent messages has it."""

    axis_id: str
    kind: Kind
    sender: str
    to: str
    code: str
    """Number and notation of the document, or of the one that a status is about."""
    at: dt.datetime | None
    """When the axis took it, by its clock."""


@runtime_checkable
class ListsSent(Protocol):
    """An axis that can list what we sent; reconciliation asks whether a driver can."""

    async def sent(self, since: dt.datetime, until: dt.datetime) -> Sequence[SentLine]: ...


@runtime_checkable
class TakesRefusals(Protocol):
    """An axis that wants to hear of an item that we shall never take; the poller asks whether a driver can tell it."""

    async def refuse(self, axis_id: str) -> None:
        """It leaves the list; repeating is harmless."""


@dataclass(frozen=True, slots=True)
class AxisContext:
    """What an axis driver gets beside its options."""

    name: str
    system_id: str
    """Ours, on that axis."""
    axis_system_id: str
    """Theirs: whose signature on replies counts."""
    keys: Path
    """Folder of our key pairs: `*.key.pem` beside `*.crt.pem`."""
    trust: Path
    """Folder of the parties we trust: `<system id>/*.pem`."""
    now: Callable[[], dt.datetime]
