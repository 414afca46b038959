"""Where the gateway meets the world: one protocol per kind of partner, and the data that crosses.

A port exists only where there is I/O. Each one's promises are written once as a contract test and run on every
implementation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gateway.model import Attachment, Content, Document, Kind, Problem, Staff, Status

Chunks = AsyncIterator[bytes]


class Contents(Protocol):
    """The bytes, by SHA-256, outside the database. Knows nothing of messages: the journal counts references."""

    async def store(self, chunks: Chunks, *, limit: int) -> Content:
        """Write and make durable (fsync of file and folder) before returning.

        Raises `Rejection("too-large")` past `limit` bytes; nothing of it is kept then.
        """

    async def store_bytes(self, data: bytes) -> Content: ...

    def open(self, content: Content, start: int = 0, end: int | None = None) -> Chunks:
        """Its bytes [start, end) in pieces of 64-256 kB."""

    async def read(self, content: Content) -> bytes:
        """All of it at once; only for what is known to be small."""

    async def erase(self, content: Content) -> None:
        """Make the bytes unreadable. The caller knows that nothing refers to them."""

    def free_bytes(self) -> int: ...


class Timestamper(Protocol):
    """A time-stamping authority."""

    async def stamp(self, data: bytes) -> bytes:
        """A checked RFC 3161 token over `data`, in DER. Raises `Unreachable`, or another `GatewayError` for a bad answer."""


class RevocationAsked(Protocol):
    """Where a revocation answer may be had (`gateway.trust.pdf.RevocationAsk`)."""

    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def request(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RevocationFound:
    """What became of asking."""

    files: tuple[Path, ...] = ()
    """Answers at hand, kept for good under their digests: `SHA256.crl`, `SHA256.ocsp`. None of them is verified yet."""
    failed: bool = False
    """Somebody who may be asked could not be: later there may be more."""


class RevocationAnswers(Protocol):
    """Fetches revocation answers, and keeps them."""

    async def answers(self, asks: Sequence[RevocationAsked]) -> RevocationFound:
        """Raises nothing for what others do."""

    def useless(self, asks: Sequence[RevocationAsked]) -> None:
        """The answers to these told nothing: do not serve them again."""


class ScanVerdict(StrEnum):
    CLEAN = "clean"
    INFECTED = "infected"
    NOT_EXAMINED = "not-examined"
    """Too large for the scanner, or sealed by a password: it could not be examined."""
    UNREACHABLE = "unreachable"
    """Nobody could look, and the policy lets it pass all the same. No driver says so."""


@dataclass(frozen=True, slots=True)
class Scanned:
    verdict: ScanVerdict
    code: str = ""
    """The virus's name in the scanner's signatures, or why it could not be examined: letters, digits and `.:_/-` only."""


class Antivirus(Protocol):
    """A virus scanner."""

    async def scan(self, content: Content, chunks: Chunks) -> Scanned:
        """Raises `Unreachable` where no verdict can be had now. Safe to call concurrently."""


# --- axis -------------------------------------------------------------------------------------------------------


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


# --- office -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """What an office is told: ids and codes, no content (Standard Webhooks envelope)."""

    type: str
    """`document.received`, `status.received`, `message.rejected`, `message.expired`, `message.late`,
    `deadline.missed`, `urgent.unconfirmed`, `recall.asked`, `recall.unanswered`."""
    message_id: str
    at: dt.datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttachmentSource:
    attachment: Attachment
    chunks: Callable[[], Chunks]


@dataclass(frozen=True, slots=True)
class Handover:
    """One message for one office, with everything it may want to take."""

    event: Event
    organs: tuple[str, ...]
    """Those of the office's organs it is for."""
    document: Document | None = None
    status: Status | None = None
    edxml: Callable[[], Chunks] | None = None
    attachments: tuple[AttachmentSource, ...] = ()


class Office(Protocol):
    """An adapter to one e-office.

    `hand_over` returns when the office has it, and may be called twice for one message: the second call changes
    nothing. Raises `Unreachable`, `Busy`, `Unknown`, `Rejection`, `NeedsOperator`.
    """

    name: str
    pulls: bool
    """True: the office fetches by `GET /v1/inbox` and acknowledges; `hand_over` is then never called."""

    async def hand_over(self, handover: Handover) -> None: ...

    async def run(self, door: Door) -> None:
        """Carry what the office puts out to the door, until cancelled; returns at once where the office calls us."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a submission, in the order of the record's attachments."""

    name: str
    content_type: str
    chunks: Chunks


@dataclass(frozen=True, slots=True)
class Submitted:
    """The door's answer, the same for the same submission for ever."""

    submission_id: str
    messages: tuple[Mapping[str, Any], ...]
    """Per message: message_id, axis, organs."""
    repeated: bool = False
    warnings: tuple[Problem, ...] = ()


class Door(Protocol):
    """Where offices hand in. All checks, then the bytes, then the row, then the answer."""

    async def submit(
        self, office: str, key: str, record: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Submitted:
        """Take a record (the office API's JSON part) and its files. Raises `Refused` or `Busy`."""

    async def submit_edxml(self, office: str, chunks: Chunks) -> Submitted:
        """Take a ready edXML file; its key is (From, DocumentId, kind). Raises `Refused` or `Busy`."""


@runtime_checkable
class StatusDoor(Protocol):
    """A door that takes an office's statuses too; adapters ask whether theirs does."""

    async def report_status(
        self,
        office: str,
        message_id: str,
        code: str,
        reason: str,
        organ: str | None = None,
        staff: Staff | None = None,
    ) -> str:
        """Take what an office says became of an incoming document; returns the message id of the status.

        `organ` is which of the office's organs speaks, where the document went to several. Raises `Refused` or
        `Busy`, and `GatewayError("not-found")` for what the office never received.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a recall, the same for the same key for ever."""

    messages: tuple[Mapping[str, Any], ...]
    """Per message that asks for the document: message_id, axis, organs."""
    withdrawn: tuple[Mapping[str, Any], ...] = ()
    """The same of each message that had not left, and never will."""
    repeated: bool = False


@runtime_checkable
class ChangeDoor(Protocol):
    """A door at which a document that the office handed in is recalled, updated or replaced.

    `message_id` is any message of that document. All raise `Refused` or `Busy`, and `GatewayError("not-found")` for
    what the office never handed in.
    """

    async def recall(
        self, office: str, key: str, message_id: str, request: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Asked:
        """`request`: the office API's `RecallRequest`; `uploads`: the files of its `record`, where that has any."""

    async def update(
        self, office: str, key: str, message_id: str, record: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Submitted:
        """By a document: `record` says what is new, and what it leaves out follows from the earlier one."""

    async def replace(
        self, office: str, key: str, message_id: str, record: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Submitted:
        """As `update`."""


def _in_english(problem: Problem) -> str:
    return problem.message


@dataclass(frozen=True, slots=True)
class OfficeContext:
    """What an office adapter gets beside its options."""

    name: str
    data_dir: Path
    secrets: Mapping[str, str]
    """Secrets named by the options, already read from their files or environment."""
    now: Callable[[], dt.datetime]
    say: Callable[[Problem], str] = _in_english
    """A problem's sentence in the office's language."""
