"""An office: what its adapter promises, the doors at which it hands in, and what crosses."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gateway.model import Attachment, Document, Problem, Staff, Status
from gateway.ports.contents import Chunks


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
