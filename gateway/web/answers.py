"""What the office API answers: its models, and how the journal's rows become them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from gateway.journal import ChangeAnswerRow, DeadlineRow, EntryRow, RecallRow, RelationRow
from gateway.model import Kind, ProofGrade
from gateway.pipeline.record import Code, StaffPart, Text
from gateway.ports import Submitted
from gateway.rules.deadlines import RULES
from gateway.states import ContentRef, Delivery, Message, State
from gateway.web import problems
from gateway.web.antivirus_answers import AntivirusAnswer, antivirus
from gateway.web.change_answers import (
    ChangeAnswer,
    OrganChangeAnswer,
    RecallAnswer,
    RelationAnswer,
    by_organ,
    of_organs,
    recalls,
    relations,
)
from gateway.web.pdf_answers import PdfAnswer, pdfs
from gateway.web.shown import Shown


class Warned(Shown):
    field: str
    """What it is about: a path into the record."""
    code: str
    """For machines; it does not change."""
    message: str
    """For people, in the language asked for."""


class MessageRef(Shown):
    message_id: str
    """Under which it is followed."""
    axis: str
    """Which axis carries it; `local` between organs of our own offices."""
    organs: list[str]
    """Codes of the organs it is for."""


class Accepted(Shown):
    """The same for the same submission for ever; only the language of the warnings follows the reader."""

    message_id: str
    """The first message's, which also names the submission."""
    submission: str
    """The same: every message of this hand-in bears it."""
    messages: list[MessageRef]
    """One for each axis that reaches some of the receivers."""
    warnings: list[Warned]
    """What is odd about it, and did not keep it from being accepted."""


class DeliveryAnswer(Shown):
    organ: str
    """Code of the organ it is for."""
    status: str | None
    """The last status heard from there, such as `01` (arrived) or `06` (completed); null when none was."""
    status_at: dt.datetime | None
    """When that organ says it was so."""
    answered: bool
    """Whether nothing further is waited for from there."""
    answer: ChangeAnswer | None
    """What the organ says to it, by 15 or 16, where it recalls, updates or replaces an earlier document; null while it says
    nothing. What is said to a recall *of* it stands under `recalls`."""


class DeadlineAnswer(Shown):
    """A time that the law sets."""

    rule: str
    """Which of the rules it is."""
    clause: str
    """Where the law says so."""
    due_at: dt.datetime
    """By when."""
    met_at: dt.datetime | None
    """When it was met; null when it has not been."""
    late: bool
    """Met after its time, or unmet when its time was over."""


class TimelineEntry(Shown):
    at: dt.datetime
    """When it was entered in the journal."""
    code: str
    """What happened."""
    facts: dict[str, str | int | None]
    """Codes, ids, digests and times that belong to it; never content."""


class DocumentLine(Shown):
    message_id: str
    """The gateway's name of it, for ever."""
    submission: str
    """The first message of the same hand-in."""
    kind: Kind
    """What it is."""
    state: State
    """How far it has come."""
    axis: str
    """Which axis carries it; `local` between organs of our own offices."""
    document_id: str
    """The DocumentId it travels under."""
    sender: str
    """Code of the organ it is from."""
    code: str
    """Number and notation; empty once purged."""
    subject: str
    """What it is about; empty once purged."""
    urgency: int
    """0 normal, 1 urgent, 2 very urgent, 3 express."""
    proof: ProofGrade | None
    """What shows that the axis has it; null before it has."""
    held: str | None
    """Why it waits for a person; null when it does not."""
    accepted_at: dt.datetime | None
    """When the gateway took it over."""
    sent_at: dt.datetime | None
    """When the axis was known to have it."""
    closed_at: dt.datetime | None
    """When nothing was left to wait for."""
    expires_at: dt.datetime | None
    """When the wait for the axis's receipt ends."""
    purged_at: dt.datetime | None
    """When its content was erased for good; null where it was not."""


class DocumentAnswer(DocumentLine):
    size: int | None
    """Octets of the edXML file; null before it is packed."""
    sha256: str | None
    """Of the edXML file, in hexadecimal."""
    supersedes: str | None
    """The message that this one was sent in place of."""
    deliveries: list[DeliveryAnswer]
    """One for each organ it is for."""
    deadlines: list[DeadlineAnswer]
    """The times that the law sets for it."""
    relations: list[RelationAnswer]
    """What it does to earlier messages, and later ones to it."""
    recalls: list[RecallAnswer]
    """For each organ that it is asked back from, what became of that."""
    pdfs: list[PdfAnswer]
    """What was found of the signatures in its PDFs, where they were examined."""
    antivirus: list[AntivirusAnswer]
    """What the virus scanner said of each attachment, where it was asked."""
    timeline: list[TimelineEntry]
    """All that happened to it, oldest first."""


class DocumentPage(Shown):
    items: list[DocumentLine]
    """Newest first."""
    next: str | None
    """Cursor of the next page; null on the last."""


class InboxAttachment(Shown):
    n: int
    """Its place in the document, from 0; the last part of its address."""
    name: str
    """The file's name as its sender gave it."""
    content_type: str
    """Its media type as its sender gave it."""
    description: str
    """What its sender says of it."""
    size: int
    """Octets."""
    sha256: str
    """Of its octets, in hexadecimal."""


class InboxLine(Shown):
    message_id: str
    """Under which it is read and acknowledged."""
    kind: Kind
    """What it is."""
    document_id: str
    """Its DocumentId; of a status or a notice, that of the document it is about."""
    sender: str
    """Code of the organ it is from."""
    code: str
    """Number and notation; of a status, those of the document it is about."""
    subject: str
    """What it is about."""
    urgency: int
    """0 normal, 1 urgent, 2 very urgent, 3 express."""
    size: int | None
    """Octets of the edXML file; null for a notice."""
    sha256: str | None
    """Of the edXML file, in hexadecimal."""
    received_at: dt.datetime | None
    """When the gateway took it over."""
    purged_at: dt.datetime | None
    """When its content was erased for good; null where it was not. Its files are answered 410 then."""


class InboxAnswer(InboxLine):
    organs: list[str]
    """Those of the office's organs it is for."""
    deadlines: list[DeadlineAnswer]
    """The times that the law sets for it."""
    relations: list[RelationAnswer]
    """What it does to earlier messages, and later ones to it."""
    recalls: list[RecallAnswer]
    """For each of our organs that it is asked back from, what became of that; the office answers by status 15 or 16."""
    answers: list[OrganChangeAnswer]
    """What the office's organs say to it, by 15 or 16, where it recalls, updates or replaces an earlier document."""
    findings: list[dict[str, str]]
    """What is odd about it, each with a `code`; one about an earlier document names its `message_id`."""
    pdfs: list[PdfAnswer]
    """What was found of the signatures in its PDFs, where they were examined."""
    antivirus: list[AntivirusAnswer]
    """What the virus scanner said of each attachment, where it was asked."""
    detail: dict[str, Any]
    """The parsed `document` or `status`, or what a notice says."""
    attachments: list[InboxAttachment]
    """In the order of the document."""


class InboxPage(Shown):
    items: list[InboxLine]
    """Oldest first."""
    next: str | None
    """Cursor of the next page; null on the last."""


class StatusReport(Shown):
    """What became of a document at the office: 02 refused (with a reason), 03 registered, 04 assigned, 05 in process,
    06 completed; or, to a recall, 15 agreed and destroyed, 16 declined (with a reason). 15 and 16 also answer an update or
    a replacement, and destroy nothing then. 01 is the gateway's own word.
    """

    model_config = ConfigDict(extra="forbid")
    code: Literal["02", "03", "04", "05", "06", "14", "15", "16"]
    """What became of it; 14 is taken as 15."""
    reason: Annotated[Text, Field(max_length=500)] = ""
    """Needed with 02 and 16; told to the sender."""
    organ: Code | None = None
    """Needed where the document is for several organs of the office."""
    staff: StaffPart | None = None
    """Who deals with it."""


class Reported(Shown):
    message_id: str
    """Of the status on its way; it is followed like a document."""


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
        "purged_at": message.purged_at,
    }


def document(
    message: Message,
    deliveries: Iterable[Delivery],
    terms: Iterable[DeadlineRow],
    entries: Iterable[EntryRow],
    related: Iterable[RelationRow],
    recalled: Iterable[RecallRow],
    answered: Iterable[ChangeAnswerRow],
) -> DocumentAnswer:
    said = by_organ(answered)
    return DocumentAnswer(
        **line(message),
        size=message.size,
        sha256=message.sha256,
        supersedes=message.supersedes,
        deliveries=[
            DeliveryAnswer(
                organ=one.organ,
                status=one.status,
                status_at=one.status_at,
                answered=one.answered,
                answer=said.get(one.organ),
            )
            for one in deliveries
        ],
        deadlines=deadlines(terms),
        relations=relations(related),
        recalls=recalls(recalled),
        pdfs=pdfs(message.detail),
        antivirus=antivirus(message.detail),
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
        "purged_at": message.purged_at,
    }


def inbox_item(
    message: Message,
    organs: Iterable[str],
    attachments: Iterable[ContentRef],
    terms: Iterable[DeadlineRow] = (),
    findings: Iterable[Mapping[str, str]] = (),
    related: Iterable[RelationRow] = (),
    recalled: Iterable[RecallRow] = (),
    answered: Iterable[ChangeAnswerRow] = (),
) -> InboxAnswer:
    return InboxAnswer(
        **inbox_line(message),
        organs=list(organs),
        deadlines=deadlines(terms),
        relations=relations(related),
        recalls=recalls(recalled),
        answers=of_organs(answered),
        findings=[dict(finding) for finding in findings],
        pdfs=pdfs(message.detail),
        antivirus=antivirus(message.detail),
        detail={
            key: value
            for key, value in (message.detail or {}).items()
            if not key.startswith(("pdfs", "antivirus", "findings"))
        },
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
