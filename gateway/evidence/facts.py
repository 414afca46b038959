"""The manifest of a bundle: what the message is, and every file with its digest. It is a claim, never a proof."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from gateway.model import Direction, Kind

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Verdict = Literal["proven", "not-proven", "false"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Part):
    """The message, as the journal has it."""

    message_id: str
    direction: Direction
    kind: Kind
    axis: str
    axis_id: str
    system_id: str
    """Ours, on that axis."""
    axis_system_id: str
    """Theirs: whose receipts count."""
    document_id: str
    sender: str
    to: tuple[str, ...]
    size: int | None
    sha256: Sha256 | None
    attachments: tuple[tuple[str, Sha256], ...]
    """(content id, SHA-256 of the raw bytes), in the file's order."""
    accepted_at: AwareDatetime
    frozen_at: AwareDatetime
    """When the bytes were packed or received: certificates are judged at this time."""
    purged: bool


class Readable(_Part):
    """What people read; absent where it was purged or could not be read."""

    subject: str = ""
    code: str = ""
    """Number and notation, or the status's code."""
    sender: str = ""
    to: tuple[str, ...] = ()


class ReceiptLine(_Part):
    file: str
    kind: str
    given: bool
    """True: ours, given to the other side."""
    mismatch: str | None
    at: AwareDatetime


class StatusLine(_Part):
    file: str
    message_id: str
    organ: str
    code: str
    at: AwareDatetime


class Manifest(_Part):
    format: Literal["lienthong-evidence/1"] = "lienthong-evidence/1"
    made_at: AwareDatetime
    made_by: str
    about: About
    readable: Readable | None = None
    receipts: tuple[ReceiptLine, ...] = ()
    statuses: tuple[StatusLine, ...] = ()
    files: dict[str, Sha256] = Field(default_factory=dict)
    """All but the manifest itself and the timestamp over it."""
    delivery: Verdict = "not-proven"
    grade: Literal["signed-receipt", "acknowledged", "none"] = "none"
    outcome: dict[str, Verdict] = Field(default_factory=dict)
    """What the gateway found when it made the bundle, by claim."""
