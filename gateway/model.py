"""The things the gateway speaks of: documents, statuses, organs, contents.

Plain frozen data, with no I/O and no rules: what the wire allows is `gateway.edxml`'s business, what the law asks is
`gateway.rules`', what becomes of a message is `gateway.states`'. Field names follow QCVN 102:2016 in correct English
spelling; the wire's misspellings live in `gateway.edxml` alone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Direction(StrEnum):
    OUT = "out"
    IN = "in"


class Kind(StrEnum):
    DOCUMENT = "document"
    STATUS = "status"
    NOTICE = "notice"
    """Something an office must hear about its own message: rejected, expired, late."""


class ProofGrade(StrEnum):
    SIGNED_RECEIPT = "signed-receipt"
    ACKNOWLEDGED = "acknowledged"
    """The axis said yes, but signed nothing; its reply is kept byte for byte."""


LOCAL_AXIS = "local"
"""The name of the road between two offices of the same gateway."""


@dataclass(frozen=True, slots=True)
class Organ:
    code: str
    """Identifier code (mã định danh), e.g. `000.00.00.H08` (QCVN 102:2016) or `H08` (QĐ 20/2020/QĐ-TTg)."""
    name: str = ""
    in_charge: str = ""
    address: str = ""
    email: str = ""
    telephone: str = ""
    fax: str = ""
    website: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    competence: str = ""
    position: str = ""
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class Staff:
    department: str = ""
    staff: str = ""
    mobile: str = ""
    email: str = ""
    department_id: str = ""
    staff_id: str = ""


@dataclass(frozen=True, slots=True)
class ResponseFor:
    """Names an earlier document: the one replied to, recalled, or whose status is told."""

    organ: str
    code: str = ""
    """Number and notation in one string, e.g. `7816/VPCP-TTĐT`."""
    document_id: str = ""
    promulgation_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class TraceHeader:
    organ: str
    timestamp: str = ""
    """As the wire has it: traces of other systems are carried, never interpreted."""


@dataclass(frozen=True, slots=True)
class Replacement:
    document_id: str
    organs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverChange:
    organ: str
    added: bool
    """True: newly added (ReceiverType 1); False: removed from the list (ReceiverType 0)."""


@dataclass(frozen=True, slots=True)
class Business:
    """What a document does to earlier ones (the wire's `Bussiness`)."""

    type: int = 0
    """0 new, 1 recall, 2 update, 3 replace; absent on the wire means 0."""
    reason: str = ""
    paper: int | None = None
    document_id: str = ""
    """The document updated (type 2)."""
    document_changed: bool | None = None
    receivers_changed: bool | None = None
    receiver_changes: tuple[ReceiverChange, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    staff: Staff | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that the gateway holds."""

    sha256: str
    """Lower-case hex."""
    size: int
    place: str
    """Where the store keeps them; only the store that made it can read it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    content_id: str
    """Without the `cid:` prefix."""
    name: str
    content_type: str = "application/octet-stream"
    description: str = ""
    content: Content | None = None
    """None while only the manifest's line is known."""


@dataclass(frozen=True, slots=True)
class Document:
    sender: Organ
    to: tuple[Organ, ...]
    document_id: str
    """The wire's DocumentId: an opaque string."""
    number: str
    notation: str
    subject: str
    promulgation_date: dt.date | None = None
    place: str = ""
    type: int | None = None
    type_detail: int | None = None
    type_name: str = ""
    summary: str = ""
    """The wire's `Content` (tóm tắt)."""
    signer: Signer | None = None
    due_date: dt.date | None = None
    to_places: tuple[str, ...] = ()
    priority: int = 0
    """0 thường, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc, 4 hỏa tốc hẹn giờ."""
    sphere: str = ""
    typer_notation: str = ""
    promulgation_amount: int | None = None
    page_amount: int | None = None
    direction: bool | None = None
    appendixes: tuple[str, ...] = ()
    response_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    """Carried, never acted on: implementations disagree about its values."""
    business: Business = field(default_factory=Business)
    traces: tuple[TraceHeader, ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @property
    def code(self) -> str:
        """Number and notation as people write it: `15/UBND-VX`."""
        return f"{self.number}/{self.notation}" if self.notation else self.number


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a document at an organ (gói tin phản hồi trạng thái)."""

    sender: Organ
    response_for: ResponseFor
    code: str
    """Two digits where known (`01`); unknown codes verbatim."""
    description: str = ""
    timestamp: dt.datetime | None = None
    """Aware; the wire's clock is Asia/Ho_Chi_Minh."""
    staff: Staff | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what a person or a system handed in."""

    field: str
    """A JSON-style path, e.g. `to[1].code`; empty when it is about the whole."""
    code: str
    message: str
    """In English; screens and answers say it in the reader's language by `gateway.texts`."""
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What the sentence for `code` needs: limits, names, nearest matches. Never a body or a secret."""
