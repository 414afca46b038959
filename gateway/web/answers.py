"""What the office API answers: its models, and how the journal's rows become them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.journal import DeadlineRow, EntryRow
from gateway.model import Kind, ProofGrade
from gateway.pipeline.record import Code, StaffPart, Text
from gateway.ports import Submitted
from gateway.rules.deadlines import RULES
from gateway.states import ContentRef, Delivery, Message, State
from gateway.web import problems
from gateway.web.pdf_answers import PdfAnswer, pdfs


class Warned(BaseModel):
    field: str
    code: str
    message: str


class MessageRef(BaseModel):
    message_id: str
    axis: str
    organs: list[str]


class Accepted(BaseModel):
    """The same for the same submission for ever; only the language of the warnings follows the reader."""

    message_id: str
    """The first message's, which also names the submission."""
    submission: str
    messages: list[MessageRef]
    warnings: list[Warned]


class DeliveryAnswer(BaseModel):
    organ: str
    status: str | None
    status_at: dt.datetime | None
    answered: bool


class DeadlineAnswer(BaseModel):
    """A time that the law sets."""

    rule: str
    clause: str
    due_at: dt.datetime
    met_at: dt.datetime | None
    late: bool
    """Met after its time, or unmet when its time was over."""


class TimelineEntry(BaseModel):
    at: dt.datetime
    code: str
    facts: dict[str, str | int | None]


class DocumentLine(BaseModel):
    message_id: str
    submission: str
    kind: Kind
    state: State
    axis: str
    document_id: str
    sender: str
    code: str
    subject: str
    urgency: int
    proof: ProofGrade | None
    held: str | None
    accepted_at: dt.datetime | None
    sent_at: dt.datetime | None
    closed_at: dt.datetime | None
    expires_at: dt.datetime | None


class DocumentAnswer(DocumentLine):
    size: int | None
    sha256: str | None
    supersedes: str | None
    deliveries: list[DeliveryAnswer]
    deadlines: list[DeadlineAnswer]
    pdfs: list[PdfAnswer]
    """What was found of the signatures in its PDFs, where they were examined."""
    timeline: list[TimelineEntry]


class DocumentPage(BaseModel):
    items: list[DocumentLine]
    next: str | None
    """Cursor of the next page; null on the last."""


class InboxAttachment(BaseModel):
    n: int
    """Its place in the document, from 0; the last part of its address."""
    name: str
    content_type: str
    description: str
    size: int
    sha256: str


class InboxLine(BaseModel):
    message_id: str
    kind: Kind
    document_id: str
    sender: str
    code: str
    subject: str
    urgency: int
    size: int | None
    sha256: str | None
    received_at: dt.datetime | None


class InboxAnswer(InboxLine):
    organs: list[str]
    """Those of the office's organs it is for."""
    deadlines: list[DeadlineAnswer]
    findings: list[dict[str, str]]
    """What is odd about it, each with a `code`; one about an earlier document names its `message_id`."""
    pdfs: list[PdfAnswer]
    """What was found of the signatures in its PDFs, where they were examined."""
    detail: dict[str, Any]
    """The parsed `document` or `status`, or what a notice says."""
    attachments: list[InboxAttachment]


class InboxPage(BaseModel):
    items: list[InboxLine]
    next: str | None


class StatusReport(BaseModel):
    """What became of a document at the office: 02 refused (with a reason), 03 registered, 04 assigned, 05 in process,
    06 completed. 01 is the gateway's own word.
    """

    model_config = ConfigDict(extra="forbid")
    code: Literal["02", "03", "04", "05", "06"]
    reason: Annotated[Text, Field(max_length=500)] = ""
    organ: Code | None = None
    """Needed where the document is for several organs of the office."""
    staff: StaffPart | None = None


class Reported(BaseModel):
    message_id: str


def _text(detail: Mapping[str, Any] | None, name: str) -> str:
    value = (detail or {}).get(name, "")
    return value if isinstance(value, str) else ""


def accepted(submitted: Submitted, language: problems.Language) -> Accepted:
    return Accepted(
        message_id=submitted.messages[0]["message_id"],
        submission=submitted.submission_id,
        messages=[MessageRef(**message) for message in submitted.messages],
        warnings=[Warned(**problems.told(warning, language)) for warning in submitted.warnings],
    )


def line(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "submission": message.submission_id,
        "kind": message.kind,
        "state": message.state,
        "axis": message.axis,
        "document_id": message.document_id,
        "sender": message.sender,
        "code": _text(message.detail, "code"),
        "subject": _text(message.detail, "subject"),
        "urgency": message.urgency,
        "proof": message.proof,
        "held": message.held,
        "accepted_at": message.accepted_at,
        "sent_at": message.sent_at,
        "closed_at": message.closed_at,
        "expires_at": message.expires_at,
    }


def document(
    message: Message, deliveries: Iterable[Delivery], terms: Iterable[DeadlineRow], entries: Iterable[EntryRow]
) -> DocumentAnswer:
    return DocumentAnswer(
        **line(message),
        size=message.size,
        sha256=message.sha256,
        supersedes=message.supersedes,
        deliveries=[
            DeliveryAnswer(organ=one.organ, status=one.status, status_at=one.status_at, answered=one.answered)
            for one in deliveries
        ],
        deadlines=deadlines(terms),
        pdfs=pdfs(message.detail),
        timeline=[TimelineEntry(at=one.at, code=one.code, facts=dict(one.facts)) for one in entries],
    )


def deadlines(rows: Iterable[DeadlineRow]) -> list[DeadlineAnswer]:
    return [
        DeadlineAnswer(
            rule=row.rule, clause=RULES[row.rule].clause, due_at=row.due_at, met_at=row.met_at, late=row.late
        )
        for row in rows
    ]


def inbox_line(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "kind": message.kind,
        "document_id": message.document_id,
        "sender": message.sender,
        "code": _text(message.detail, "code"),
        "subject": _text(message.detail, "subject"),
        "urgency": message.urgency,
        "size": message.size,
        "sha256": message.sha256,
        "received_at": message.accepted_at,
    }


def inbox_item(
    message: Message,
    organs: Iterable[str],
    attachments: Iterable[ContentRef],
    terms: Iterable[DeadlineRow] = (),
    findings: Iterable[Mapping[str, str]] = (),
) -> InboxAnswer:
    return InboxAnswer(
        **inbox_line(message),
        organs=list(organs),
        deadlines=deadlines(terms),
        findings=[dict(finding) for finding in findings],
        pdfs=pdfs(message.detail),
        detail={key: value for key, value in (message.detail or {}).items() if not key.startswith("pdfs")},
        attachments=[
            InboxAttachment(
                n=n,
                name=ref.attachment.name if ref.attachment else "",
                content_type=ref.attachment.content_type if ref.attachment else "application/octet-stream",
                description=ref.attachment.description if ref.attachment else "",
                size=ref.content.size,
                sha256=ref.content.sha256,
            )
            for n, ref in enumerate(attachments)
        ],
    )
