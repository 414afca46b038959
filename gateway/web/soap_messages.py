"""What the SOAP face says and hears: the office API's models again, with what only SOAP needs around them.

One class per element of `schemas/office/office.xsd`, which `gateway.web.soap_schema` writes from here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from gateway.model import Document, Status
from gateway.pipeline.changes import RecallRequest
from gateway.pipeline.record import OrganOrCode, Record
from gateway.web import answers
from gateway.web.changes import Recalled
from gateway.web.problems import FieldError

Base64 = Annotated[bytes, WithJsonSchema({"type": "string", "format": "base64"})]


class File(BaseModel):
    """The bytes of one attachment, in the order of the record's attachments: here, or in a MIME part (SwA, MTOM)."""

    content: Base64 | None = None
    cid: str | None = None
    """Content-ID of the MIME part, with or without `cid:`."""


class SubmitDocument(BaseModel):
    idempotency_key: str
    """Names this submission; repeat it with the same content as often as needed."""
    record: Record
    file: tuple[File, ...] = ()


class SubmitDocumentResponse(answers.Accepted):
    repeated: bool
    """The answer of an earlier call with this key."""


class ChangeRecord(Record):
    """The record of a document about an earlier one, from which what is left out follows."""

    from_: OrganOrCode | None = Field(default=None, alias="from")  # type: ignore[assignment]  # follows, if left out
    to: tuple[OrganOrCode, ...] = Field(default=(), max_length=1000)


class OfMessage(BaseModel):
    message_id: str


class ChangeRequest(OfMessage):
    """`message_id`: any message of the earlier document, which this office handed in."""

    idempotency_key: str
    """Names this request; repeat it with the same content as often as needed."""


class UpdateDocument(ChangeRequest):
    record: ChangeRecord
    file: tuple[File, ...] = ()


class UpdateDocumentResponse(SubmitDocumentResponse):
    pass


class ReplaceDocument(UpdateDocument):
    pass


class ReplaceDocumentResponse(SubmitDocumentResponse):
    pass


class RecallDocument(RecallRequest, ChangeRequest):
    record: ChangeRecord | None = None  # type: ignore[assignment]  # its fields are named, where JSON's door names them
    file: tuple[File, ...] = ()


class RecallDocumentResponse(Recalled):
    repeated: bool
    """The answer of an earlier call with this key."""


class GetStatus(OfMessage):
    pass


class Fact(BaseModel):
    name: str
    value: str


class Event(BaseModel):
    at: dt.datetime
    code: str
    facts: tuple[Fact, ...]


class GetStatusResponse(answers.DocumentAnswer):
    timeline: list[Event]  # type: ignore[assignment]  # XML has no place for facts whose names are data


class ListInbox(BaseModel):
    cursor: str | None = None
    """`next` of the page before."""
    limit: int | None = None


class ListInboxResponse(answers.InboxPage):
    pass


class GetItem(OfMessage):
    pass


class Detail(BaseModel):
    """What the item says: a document, a status, or a notice about a message of the office's own."""

    document: Document | None = None
    status: Status | None = None
    event: str | None = None
    about: str | None = None
    code: str | None = None
    text: str | None = None
    act: str | None = None
    """`recall`, `update` or `replace`: what it does to the messages under `concerns`."""
    concerns: tuple[str, ...] = ()
    recalled: str | None = None
    """Message id of what asks this document back."""


class GetItemResponse(answers.InboxAnswer):
    detail: Detail  # type: ignore[assignment]  # JSON may say more there than XML can


class GetAttachment(OfMessage):
    n: int
    """Its place in the document, from 0."""
    inline: bool = False
    """True: bytes in the reply itself, a piece at a time, for clients that cannot read MIME parts."""
    offset: int = Field(default=0, ge=0)
    length: int | None = Field(default=None, gt=0)
    """Of an inline piece; at most, and if left out, 4 MiB."""


class GetAttachmentResponse(BaseModel):
    n: int
    name: str
    content_type: str
    size: int
    """Of the whole attachment."""
    sha256: str
    """Of the whole attachment."""
    offset: int
    content: Base64 | None = None
    cid: str | None = None
    """Content-ID of the MIME part after this envelope."""


class Acknowledge(OfMessage):
    pass


class AcknowledgeResponse(BaseModel):
    pass


class ReportStatus(OfMessage):
    report: answers.StatusReport


class ReportStatusResponse(answers.Reported):
    pass


class Problem(BaseModel):
    """The detail of every fault."""

    code: str
    status: int
    """The HTTP status that the office API would answer with."""
    title: str
    retry_after: int | None = None
    """Seconds to wait before the next try, where one makes sense."""
    errors: tuple[FieldError, ...] = ()


OPERATIONS: Mapping[str, tuple[type[BaseModel], type[BaseModel], str]] = {
    "SubmitDocument": (SubmitDocument, SubmitDocumentResponse, "Hand in a document."),
    "RecallDocument": (RecallDocument, RecallDocumentResponse, "Ask a document back: by status 13, or by a document."),
    "UpdateDocument": (UpdateDocument, UpdateDocumentResponse, "Update a document by its whole new content."),
    "ReplaceDocument": (ReplaceDocument, ReplaceDocumentResponse, "Replace a document by another one."),
    "GetStatus": (GetStatus, GetStatusResponse, "One message handed in: its deliveries and its timeline."),
    "ListInbox": (ListInbox, ListInboxResponse, "What waits for the office, oldest first. Reading consumes nothing."),
    "GetItem": (GetItem, GetItemResponse, "One item of the inbox, parsed."),
    "GetAttachment": (GetAttachment, GetAttachmentResponse, "One attachment of an item, whole or a piece."),
    "Acknowledge": (Acknowledge, AcknowledgeResponse, "The office has it; 01 goes out. Repeating is harmless."),
    "ReportStatus": (ReportStatus, ReportStatusResponse, "Tell the sender what became of the document."),
}
"""Name → request, response, what it does."""


def with_facts(answer: answers.DocumentAnswer) -> dict[str, Any]:
    """The answer as `GetStatusResponse` has it."""
    said = answer.model_dump(mode="json")
    for entry in said["timeline"]:
        entry["facts"] = [
            {"name": name, "value": str(value)} for name, value in entry["facts"].items() if value is not None
        ]
    return said
