"""Writing the agencies' own edXML: documents and statuses in the form of QCVN 102:2016, signed, streamed to disk.

The header is written as canonical XML, so that what is signed is what is written. Attachments are read in pieces.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pybase64

import schemas
from mock_axis import edxml_signature
from mock_axis.keys import Key
from mock_axis.xmlsig import text

NAMESPACE = schemas.EDXML_NAMESPACE
VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
PIECE = 3 << 16
_DECLARE = f' xmlns:edXML="{NAMESPACE}"'


@dataclass(frozen=True, slots=True)
class Organ:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content: bytes | Path
    content_type: str = "application/pdf"

    def pieces(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            yield from (self.content[at : at + PIECE] for at in range(0, len(self.content), PIECE))
            return
        with self.content.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Change:
    """A recall (1), an update (2) or a replacement (3) of earlier letters."""

    type: int
    reason: str
    document_ids: Sequence[str]
    organs: Sequence[str] = ()
    """Of a replacement: who had the old letter."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A document that an agency writes."""

    sender: Organ
    to: Sequence[Organ]
    number: str
    notation: str
    subject: str
    date: dt.date
    priority: int = 0
    type_name: str = "Công văn"
    attachments: Sequence[Attachment] = field(default_factory=tuple)
    document_id: str = ""
    """Empty: made of sender, date and code."""
    change: Change | None = None
    """What it does to earlier letters; None for a new one."""

    @property
    def code(self) -> str:
        return f"{self.number}/{self.notation}"

    @property
    def wire_id(self) -> str:
        return self.document_id or f"{self.sender.code},{self.date:%Y/%m/%d},{self.code}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A status that an agency reports."""

    sender: Organ
    about_organ: str
    about_code: str
    about_document_id: str
    about_date: str
    status_code: str
    description: str
    time: dt.datetime


def document(letter: Letter, key: Key) -> Iterator[bytes]:
    """The signed file, in pieces. Attachments are read twice: once for their digests."""
    ids = [f"tep-{number}" for number in range(1, len(letter.attachments) + 1)]
    header = _document_header(letter)
    manifest = _element("edXMLManifest", _references(ids, letter.attachments), ' version="1.0"')
    digests = [(name, attachment.sha256()) for name, attachment in zip(ids, letter.attachments, strict=True)]
    business = _business(letter.change)
    signed = _alone(business) if letter.change else None
    signature = edxml_signature.sign(_alone(header), _alone(manifest), digests, key, signed)
    now = dt.datetime.now(VIETNAM)
    trace = _element(
        "TraceHeaderList",
        _element("TraceHeader", _leaf("OrganId", letter.sender.code) + _leaf("Timestamp", f"{now:%Y/%m/%d %H:%M:%S}"))
        + business,
    )
    yield _start(_element("edXMLHeader", header + trace + signature) + _element("edXMLBody", manifest))
    yield b"<AttachmentEncoded>"
    for name, attachment in zip(ids, letter.attachments, strict=True):
        yield (
            f"<Attachment><ContentType>{text(attachment.content_type)}</ContentType><ContentId>{name}</ContentId>"
            f"<edXML:ContentTransferEncoded{_DECLARE}>"
        ).encode()
        # Pieces are a multiple of three bytes long, so their base64 joins without a seam.
        yield from map(pybase64.b64encode, attachment.pieces())
        yield (
            f"</edXML:ContentTransferEncoded><AttachmentName>{text(attachment.name)}</AttachmentName></Attachment>"
        ).encode()
    yield b"</AttachmentEncoded></edXML>"


def status(notice: Notice, key: Key) -> bytes:
    """The signed file."""
    about = (
        _leaf("OrganId", notice.about_organ)
        + _leaf("Code", notice.about_code)
        + _leaf("DocumentId", notice.about_document_id)
        + _leaf("PromulgationDate", notice.about_date)
    )
    staff = _leaf("Department", "Văn thư") + _leaf("Staff", "Nguyễn Văn Thử")
    header = _element(
        "MessageHeader",
        _organ("From", notice.sender)
        + _element("ResponseFor", about)
        + _element("StaffInfo", staff)
        + _leaf("StatusCode", notice.status_code)
        + _leaf("Description", notice.description)
        + _leaf("Timestamp", f"{notice.time.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S}"),
    )
    signature = edxml_signature.sign(_alone(header), None, (), key)
    return _start(_element("edXMLHeader", header + signature)) + b"</edXML>"


def write_file(pieces: Iterator[bytes], path: Path, sync: Callable[[int], None]) -> tuple[int, str]:
    """(size, SHA-256) of what was written and synced at `path`."""
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        sync(file.fileno())
    return size, digest.hexdigest()


def _document_header(letter: Letter) -> str:
    other = _leaf("Priority", str(letter.priority)) + _leaf("PageAmount", "1")
    return _element(
        "MessageHeader",
        _organ("From", letter.sender)
        + "".join(_organ("To", organ) for organ in letter.to)
        + _leaf("DocumentId", letter.wire_id)
        + _element("Code", _leaf("CodeNumber", letter.number) + _leaf("CodeNotation", letter.notation))
        + _element("PromulgationInfo", _leaf("Place", "Hà Nội") + _leaf("PromulgationDate", f"{letter.date:%Y/%m/%d}"))
        + _element("DocumentType", _leaf("Type", "2") + _leaf("TypeDetail", "18") + _leaf("TypeName", letter.type_name))
        + _leaf("Subject", letter.subject)
        + _leaf("Content", letter.subject)
        + _element("SignerInfo", _leaf("Competence", "") + _leaf("Position", "") + _leaf("FullName", "Trần Thị Mẫu"))
        + _element("OtherInfo", other)
        + _recalled(letter),
    )


def _recalled(letter: Letter) -> str:
    change = letter.change
    if change is None or change.type != 1:
        return ""
    return "".join(
        _element("ResponseFor", _leaf("OrganId", letter.sender.code) + _leaf("DocumentId", document_id))
        for document_id in change.document_ids
    )


def _business(change: Change | None) -> str:
    if change is None:
        return _element("Bussiness", _leaf("BussinessDocType", "0"))
    kind = _leaf("BussinessDocType", str(change.type)) + _leaf("BussinessDocReason", change.reason)
    if change.type == 2:
        info = _element("BussinessDocumentInfo", _leaf("DocumentInfo", "1") + _leaf("DocumentReceiver", "0"))
        kind = _leaf("DocumentId", change.document_ids[0]) + kind + info
    if change.type == 3:
        organs = _element("OrganIdList", "".join(_leaf("OrganId", organ) for organ in change.organs))
        old = (_element("ReplacementInfo", _leaf("DocumentId", each) + organs) for each in change.document_ids)
        kind += _element("ReplacementInfoList", "".join(old))
    return _element("Bussiness", kind)


def _references(ids: Sequence[str], attachments: Sequence[Attachment]) -> str:
    return "".join(
        _element(
            "Reference",
            _leaf("ContentId", f"cid:{name}")
            + _leaf("ContentType", attachment.content_type)
            + _leaf("AttachmentName", attachment.name),
        )
        for name, attachment in zip(ids, attachments, strict=True)
    )


def _organ(role: str, organ: Organ) -> str:
    return _element(role, _leaf("OrganId", organ.code) + _leaf("OrganName", organ.name))


def _leaf(name: str, value: str) -> str:
    return _element(name, text(value))


def _element(name: str, inside: str, attributes: str = "") -> str:
    return f"<edXML:{name}{attributes}>{inside}</edXML:{name}>"


def _alone(element: str) -> bytes:
    """The element with the namespace it inherits: its exclusive C14N."""
    return re.sub(r"^<edXML:\w+", lambda start: start[0] + _DECLARE, element).encode()


def _start(envelope: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="{NAMESPACE}">'
        f"<edXML:edXMLEnvelope{_DECLARE}>{envelope}</edXML:edXMLEnvelope>"
    ).encode()
