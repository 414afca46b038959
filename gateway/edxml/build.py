"""Writes edXML: one fixed order, the literal prefix `edXML:` on every element inside the envelope, no white space.

The order is the one that a province is known to get through the national axis with; other prefixes and orders were
answered there with opaque errors. The bytes of MessageHeader and edXMLManifest are exclusive C14N already (but for
the namespace declaration that stands on the envelope), so what is signed is what is written. Signing itself is left
to the caller's `sign`, streaming of contents to whoever carries the recipe out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.edxml import values
from gateway.edxml.findings import EdxmlError
from gateway.edxml.recipe import (
    Encoded,
    Literal,
    Piece,
    base64_chunks,
    recipe_from,
    recipe_from_json,
    recipe_size,
    recipe_table,
)
from gateway.model import Attachment, Business, Document, Organ, ResponseFor, Staff, Status, TraceHeader
from schemas import EDXML_NAMESPACE

__all__ = [
    "FORBIDDEN",
    "Encoded",
    "Literal",
    "Piece",
    "SignedParts",
    "base64_chunks",
    "business",
    "document_header",
    "pack_document",
    "pack_status",
    "recipe_from",
    "recipe_from_json",
    "recipe_size",
    "recipe_table",
    "status_header",
]

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry, not even escaped."""

_DEFAULT_TYPE = 2
"""Văn bản hành chính: what readers that demand `Type` take for a document that names none."""

_SPECIAL = re.compile("[&<>\r]")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"}
_DECLARATION = f' xmlns:edXML="{EDXML_NAMESPACE}"'

Value = str | int | bool | dt.date | None


@dataclass(frozen=True, slots=True)
class SignedParts:
    """What the edXML signature covers."""

    message_header: bytes
    """Exclusive C14N, standing alone."""
    manifest: bytes | None
    """Idem; None for a status, which has no body."""
    attachments: tuple[tuple[str, str], ...]
    """(content id without `cid:`, SHA-256 of the raw bytes in hex)."""
    business: bytes | None = None
    """`Bussiness` of a recall, update or replacement, exclusive C14N; None for a new document, which needs none."""


def document_header(document: Document) -> bytes:
    """`MessageHeader` in exclusive C14N. Raises `EdxmlError("control-character")`."""
    return _alone(_document_header(document))


def status_header(status: Status) -> bytes:
    """As `document_header`, for a status."""
    return _alone(_status_header(status))


def business(document: Document) -> bytes:
    """`Bussiness` in exclusive C14N. As `document_header`."""
    return _alone(_business(document.business))


def pack_document(
    document: Document, *, sign: Callable[[SignedParts], bytes], now: dt.datetime | None = None
) -> tuple[Piece, ...]:
    """The recipe of the file. `now` dates the sender's trace when the document carries none.

    Every attachment must have its content. Raises `EdxmlError("control-character")`.
    """
    header, manifest = _document_header(document), _manifest(document.attachments)
    change = _business(document.business)
    held = [(attachment, _content_of(attachment)) for attachment in document.attachments]
    signature = sign(
        SignedParts(
            _alone(header),
            _alone(manifest),
            tuple((a.content_id, encoded.content.sha256) for a, encoded in held),
            _alone(change) if document.business.type else None,
        )
    )
    head = (
        f"{_OPENING}{header}{_traces(document, change, now)}",
        f"</edXML:edXMLHeader><edXML:edXMLBody>{manifest}</edXML:edXMLBody></edXML:edXMLEnvelope>",
    )
    pieces: list[Piece] = []
    literal = head[0].encode() + signature + head[1].encode()
    if held:
        literal += b"<AttachmentEncoded>"
        for attachment, encoded in held:
            before, after = _attachment(attachment)
            pieces += [Literal(literal + before), encoded]
            literal = after
        literal += b"</AttachmentEncoded>"
    pieces.append(Literal(literal + b"</edXML>\n"))
    return tuple(pieces)


def pack_status(status: Status, *, sign: Callable[[SignedParts], bytes]) -> tuple[Piece, ...]:
    """The recipe of a status: always one literal. Raises `EdxmlError("control-character")`."""
    header = _status_header(status)
    signature = sign(SignedParts(_alone(header), None, ()))
    end = b"</edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>\n"
    return (Literal(f"{_OPENING}{header}".encode() + signature + end),)


_OPENING = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="{EDXML_NAMESPACE}">'
    f"<edXML:edXMLEnvelope{_DECLARATION}><edXML:edXMLHeader>"
)


def _alone(element: str) -> bytes:
    """With the declaration that C14N moves to the element when it stands alone; namespaces precede attributes."""
    name_end = re.search("[ >]", element)
    assert name_end is not None
    return f"{element[: name_end.start()]}{_DECLARATION}{element[name_end.start() :]}".encode()


def _escape(text: str) -> str:
    if FORBIDDEN.search(text):
        raise EdxmlError("control-character", "a text holds a character that XML cannot carry")
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text)


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dt.date():
            return values.write_date(value)
        case _:
            return _escape(str(value))


def _leaf(name: str, value: Value) -> str:
    """Nothing for what is not known: empty elements are dropped on the way, and a signature must survive that."""
    return "" if value is None or value == "" else f"<edXML:{name}>{_text(value)}</edXML:{name}>"


def _branch(name: str, *parts: str) -> str:
    inside = "".join(parts)
    return f"<edXML:{name}>{inside}</edXML:{name}>" if inside else ""


def _leaves(name: str, found: Iterable[Value]) -> str:
    return "".join(_leaf(name, value) for value in found)


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _organ(name: str, organ: Organ) -> str:
    return _branch(
        name,
        _leaf("OrganId", organ.code),
        _leaf("OrganizationInCharge", organ.in_charge),
        _leaf("OrganName", organ.name),
        _leaf("OrganAdd", organ.address),
        _leaf("Email", organ.email),
        _leaf("Telephone", organ.telephone),
        _leaf("Fax", organ.fax),
        _leaf("Website", organ.website),
    )


def _response_for(named: ResponseFor) -> str:
    return _branch(
        "ResponseFor",
        _leaf("OrganId", named.organ),
        _leaf("Code", named.code),
        _leaf("PromulgationDate", named.promulgation_date),
        _leaf("DocumentId", named.document_id),
    )


def _staff(staff: Staff | None) -> str:
    if staff is None:
        return ""
    return _branch(
        "StaffInfo",
        _leaf("Department", staff.department),
        _leaf("DepartmentId", staff.department_id),
        _leaf("Staff", staff.staff),
        _leaf("StaffId", staff.staff_id),
        _leaf("Mobile", staff.mobile),
        _leaf("Email", staff.email),
    )


def _document_header(document: Document) -> str:
    signer = document.signer
    return _branch(
        "MessageHeader",
        _organ("From", document.sender),
        *(_organ("To", organ) for organ in document.to),
        _branch("Code", _leaf("CodeNumber", document.number), _leaf("CodeNotation", document.notation)),
        _branch(
            "PromulgationInfo",
            _leaf("Place", document.place),
            _leaf("PromulgationDate", document.promulgation_date),
        ),
        _branch(
            "DocumentType",
            _leaf("Type", _DEFAULT_TYPE if document.type is None else document.type),
            _leaf("TypeName", document.type_name),
            _leaf("TypeDetail", document.type_detail),
        ),
        _leaf("Subject", document.subject),
        _leaf("Content", document.summary),
        _branch(
            "SignerInfo",
            _leaf("Competence", signer.competence),
            _leaf("Position", signer.position),
            _leaf("FullName", signer.full_name),
        )
        if signer
        else "",
        _leaf("DueDate", document.due_date),
        _branch("ToPlaces", _leaves("Place", document.to_places)),
        _other_info(document),
        *(_response_for(named) for named in document.response_for),
        _leaf("SteeringType", document.steering_type),
        _leaf("DocumentId", document.document_id),
    )


def _other_info(document: Document) -> str:
    return _branch(
        "OtherInfo",
        _leaf("Priority", document.priority),
        _leaf("SphereOfPromulgation", document.sphere),
        _leaf("TyperNotation", document.typer_notation),
        _leaf("PromulgationAmount", document.promulgation_amount),
        _leaf("PageAmount", document.page_amount),
        _leaf("Direction", document.direction),
        _branch("Appendixes", _leaves("Appendix", document.appendixes)),
    )


def _status_header(status: Status) -> str:
    return _branch(
        "MessageHeader",
        _organ("From", status.sender),
        _response_for(status.response_for),
        _staff(status.staff),
        _leaf("StatusCode", status.code),
        _leaf("Description", status.description),
        _leaf("Timestamp", values.write_moment(status.timestamp) if status.timestamp else None),
    )


def _traces(document: Document, change: str, now: dt.datetime | None) -> str:
    traces = document.traces or (TraceHeader(document.sender.code, values.write_moment(now) if now else ""),)
    return _branch(
        "TraceHeaderList",
        *(_branch("TraceHeader", _leaf("OrganId", t.organ), _leaf("Timestamp", t.timestamp)) for t in traces),
        change,
    )


def _business(of: Business) -> str:
    changes = (
        _branch("Receiver", _leaf("OrganId", change.organ), _leaf("ReceiverType", int(change.added)))
        for change in of.receiver_changes
    )
    replaced = (
        _branch(
            "ReplacementInfo",
            _leaf("DocumentId", old.document_id),
            _branch("OrganIdList", _leaves("OrganId", old.organs)),
        )
        for old in of.replacements
    )
    return _branch(
        "Bussiness",
        _leaf("DocumentId", of.document_id),
        _leaf("BussinessDocType", of.type),
        _leaf("BussinessDocReason", of.reason),
        _branch(
            "BussinessDocumentInfo",
            _leaf("DocumentInfo", _flag(of.document_changed)),
            _leaf("DocumentReceiver", _flag(of.receivers_changed)),
            _branch("ReceiverList", *changes),
        ),
        _branch("ReplacementInfoList", *replaced),
        _staff(of.staff),
        _leaf("Paper", of.paper),
    )


def _manifest(attachments: Iterable[Attachment]) -> str:
    references = "".join(
        _branch(
            "Reference",
            _leaf("Description", attachment.description),
            _leaf("AttachmentName", attachment.name),
            _leaf("ContentType", attachment.content_type),
            _leaf("ContentId", f"cid:{attachment.content_id}"),
        )
        for attachment in attachments
    )
    return f'<edXML:edXMLManifest version="1.0">{references}</edXML:edXMLManifest>'


def _content_of(attachment: Attachment) -> Encoded:
    if attachment.content is None:
        raise ValueError(f"attachment {attachment.content_id} has no content")
    return Encoded(attachment.content)


def _attachment(attachment: Attachment) -> tuple[bytes, bytes]:
    """What stands before and after its base64. Unprefixed, as the axis wants it outside the envelope."""
    description = f"<Description>{_escape(attachment.description)}</Description>" if attachment.description else ""
    before = (
        f"<Attachment><ContentType>{_escape(attachment.content_type)}</ContentType>"
        f"<ContentId>cid:{_escape(attachment.content_id)}</ContentId>{description}"
        f"<edXML:ContentTransferEncoded{_DECLARATION}>"
    )
    after = f"</edXML:ContentTransferEncoded><AttachmentName>{_escape(attachment.name)}</AttachmentName></Attachment>"
    return before.encode(), after.encode()
