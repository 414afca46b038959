"""The record: the JSON part in which an e-office describes a document, and its way to `model.Document`.

Names and meanings are those of `gateway.model`; lengths are those of QCVN 102:2016 as its checkers apply them. The
record says only what can be seen in it: whose organs they are, where they are reached and what day it is are the
door's questions.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from gateway import model
from gateway.errors import Refused
from gateway.model import Attachment, Business, Document, Organ, Problem, Signer, Staff
from gateway.rules.clock import LATEST_YEAR, wire_date

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _writable(text: str) -> str:
    if _NOT_IN_XML.search(text):
        raise PydanticCustomError("control-character", "holds a character that no edXML file can carry")
    return text


def _line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise PydanticCustomError("line-break", "must be one line")
    return _writable(text)


def _iso_date(value: object) -> object:
    # Without this pydantic would also take numbers (as seconds since 1970) and times.
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        raise PydanticCustomError("date", "must be a date like 2026-01-31")
    return _only_text(value)


def _only_text(value: object) -> object:
    if value is not None and not isinstance(value, str | dt.date):
        raise PydanticCustomError("date", "must be written as text, in ISO 8601")
    return value


def _organ(value: object) -> object:
    return {"code": value} if isinstance(value, str) else value


def _file_name(name: str) -> str:
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise PydanticCustomError("file-name", "must be a file name without a folder")
    return name


def _in_reach(moment: dt.datetime) -> dt.datetime:
    """So near that nothing reckoned from it leaves the calendar."""
    if moment.year > LATEST_YEAR:
        raise PydanticCustomError("time-too-late", "must be a time before the year 3000")
    return moment


Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_line)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_writable)]
IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]
Moment = Annotated[AwareDatetime, BeforeValidator(_only_text), AfterValidator(_in_reach)]
Code = Annotated[str, Field(pattern=r"^[0-9A-Za-z]+(\.[0-9A-Za-z]+)*$", max_length=35)]
Number = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Flag = Annotated[bool, Field(strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class OrganPart(_Part):
    """An organ; a plain string stands for its code."""

    code: Code
    """Its identifier code (mã định danh)."""
    name: Line = Field(default="", max_length=200)
    """Its name; where left out, the directory's."""
    in_charge: Line = Field(default="", max_length=200)
    """The body it is subordinate to."""
    address: Line = Field(default="", max_length=500)
    """Its postal address."""
    email: Line = Field(default="", max_length=100)
    """Its mail address."""
    telephone: Line = Field(default="", max_length=20)
    """Its telephone number."""
    fax: Line = Field(default="", max_length=20)
    """Its fax number."""
    website: Line = Field(default="", max_length=100)
    """Checkers in the field say 20, which hardly any web address keeps."""


OrganOrCode = Annotated[OrganPart, BeforeValidator(_organ, json_schema_input_type=OrganPart | Code)]


class Promulgation(_Part):
    date: IsoDate
    """The date on the document, `YYYY-MM-DD`."""
    place: Line = Field(default="", max_length=50)
    """Where it was issued."""


class DocumentType(_Part):
    """QCVN 102's `DocumentType`: 1 legal normative, 2 administrative; the name is what readers go by."""

    code: Annotated[int, Field(strict=True, ge=1, le=2)] = 2
    """1 legal normative, 2 administrative."""
    detail: Number | None = None
    """As QCVN 102 numbers its kind."""
    name: Line = Field(default="Công văn", min_length=1, max_length=100)
    """Its kind in words, such as `Công văn`."""


class SignerPart(_Part):
    competence: Line = Field(default="", max_length=50)
    """TL, KT, TM, …"""
    position: Line = Field(default="", max_length=100)
    """The office held."""
    full_name: Line = Field(default="", max_length=50)
    """The full name."""


class StaffPart(_Part):
    department: Line = Field(default="", max_length=200)
    """Of the person who deals with it."""
    staff: Line = Field(default="", max_length=100)
    """The name of that person."""
    mobile: Line = Field(default="", max_length=20)
    """The mobile number."""
    email: Line = Field(default="", max_length=100)
    """The mail address."""
    department_id: Line = Field(default="", max_length=100)
    """The e-office's own code of the department."""
    staff_id: Line = Field(default="", max_length=100)
    """The e-office's own code of the person."""


class ResponseForPart(_Part):
    organ: Code
    """Code of the organ that issued the document answered."""
    code: Line = Field(default="", max_length=50)
    """Its number and notation."""
    document_id: Line = Field(default="", max_length=200)
    """Its DocumentId."""
    promulgation_date: IsoDate | None = None
    """The date on it."""


class ReceiverChangePart(_Part):
    organ: Code
    """Code of the organ."""
    added: Flag
    """True: it becomes a receiver; false: it is one no longer."""


class ReplacementPart(_Part):
    document_id: Line = Field(min_length=1, max_length=200)
    """DocumentId of the document replaced."""
    organs: tuple[Code, ...] = Field(default=(), max_length=1000)
    """Codes of the organs that had it."""


class BusinessPart(_Part):
    """What the document does to earlier ones: 0 new, 1 recall, 2 update, 3 replace."""

    type: Annotated[int, Field(strict=True, ge=0, le=3)] = 0
    """0 new, 1 recall, 2 update, 3 replace."""
    reason: Text = Field(default="", max_length=500)
    """Why."""
    paper: Annotated[int, Field(strict=True, ge=0, le=1)] | None = None
    """0 or 1; commonly 1 when a paper copy follows."""
    document_id: Line = Field(default="", max_length=200)
    """DocumentId of the document recalled or updated."""
    document_changed: Flag | None = None
    """Whether an update changes the document itself."""
    receivers_changed: Flag | None = None
    """Whether an update changes who receives it."""
    receiver_changes: tuple[ReceiverChangePart, ...] = Field(default=(), max_length=1000)
    """Which organs it adds or takes away."""
    replacements: tuple[ReplacementPart, ...] = Field(default=(), max_length=100)
    """The documents that this one replaces."""


class AttachmentPart(_Part):
    """One attachment, in the order of the multipart's file parts. Declared size and digest are checked."""

    name: Annotated[Line, AfterValidator(_file_name)] = Field(min_length=1, max_length=500)
    """The file's name, without a path."""
    content_type: str = Field(
        default="application/octet-stream", pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$", max_length=127
    )
    """Its media type."""
    description: Line = Field(default="", max_length=500)
    """What it is, for readers."""
    size: Annotated[int, Field(strict=True, ge=0, lt=1 << 63)] | None = None
    """Its octets; checked where given."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of its octets, in hexadecimal; checked where given."""


class Record(_Part):
    """What an e-office says of one outgoing document."""

    from_: OrganOrCode = Field(alias="from")
    """The organ that issues it; one of the office's own."""
    to: tuple[OrganOrCode, ...] = Field(min_length=1, max_length=1000)
    """The organs that are to receive it."""
    number: Line = Field(min_length=1, max_length=11)
    """Its number."""
    notation: Line = Field(min_length=1, max_length=30)
    """Its notation, such as `STTTT-VP`."""
    promulgation: Promulgation
    """When and where it was issued."""
    type: DocumentType = DocumentType()
    """Which type of document it is."""
    subject: Text = Field(min_length=1, max_length=500)
    """What it is about (trích yếu)."""
    summary: Text = Field(default="", max_length=500)
    """Its content in short."""
    signer: SignerPart | None = None
    """Who signed it."""
    due_date: IsoDate | None = None
    """By when an answer is wanted, `YYYY-MM-DD`."""
    to_places: tuple[Annotated[Line, Field(max_length=150)], ...] = Field(default=(), max_length=200)
    """Where copies go (nơi nhận), as printed on it."""
    priority: Annotated[int, Field(strict=True, ge=0, le=4)] = 0
    """0 thường, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc, 4 hỏa tốc hẹn giờ (needs `deliver_by`)."""
    deliver_by: Moment | None = None
    """By when it must arrive; needed with priority 4."""
    sphere: Line = Field(default="", max_length=100)
    """Its field of business."""
    typer_notation: Line = Field(default="", max_length=10)
    """The typist's mark."""
    promulgation_amount: Number | None = None
    """How many copies were issued."""
    page_amount: Number | None = None
    """How many pages it has."""
    direction: Flag | None = None
    """As QCVN 102 has it; carried, not acted upon."""
    appendixes: tuple[Annotated[Line, Field(max_length=500)], ...] = Field(default=(), max_length=100)
    """What is appended to it, by name."""
    response_for: tuple[ResponseForPart, ...] = Field(default=(), max_length=100)
    """The documents it answers."""
    steering_type: Annotated[int, Field(strict=True, ge=0, le=99)] | None = None
    """As QCVN 102 has it; carried, not acted upon."""
    business: BusinessPart = BusinessPart()
    """What it does to earlier documents."""
    staff: StaffPart | None = None
    """Who deals with it at the sender."""
    document_id: Line = Field(default="", max_length=200)
    """The wire's DocumentId; left out, it is `<organ>,<yyyy/MM/dd>,<number>/<notation>`."""
    secrecy: Line | None = Field(default=None, max_length=100)
    """The e-office's degree of secrecy: any is refused, a state secret does not travel here."""
    attachments: tuple[AttachmentPart, ...] = ()
    """One for each file that follows, in the same order."""
    expires: Moment | None = None
    """When the office wants to hear that it is not confirmed; else the gateway's own time."""


def read(data: Mapping[str, Any]) -> Record:
    """The record, or `Refused` with every problem of its form. No problem repeats what was written."""
    try:
        record = Record.model_validate(data)
    except ValidationError as exc:
        raise refused(exc) from None
    if record.priority == 4 and record.deliver_by is None:
        raise Refused([Problem("deliver_by", "deliver-by-missing", "priority 4 needs the time to deliver by")])
    return record


def to_document(record: Record, attachments: Sequence[Attachment] = ()) -> Document:
    sender = Organ(**record.from_.model_dump())
    if not sender.name:
        # The standard demands a name of the sender; without one its code has to stand for it.
        sender = replace(sender, name=sender.code)
    business = record.business.model_dump()
    return Document(
        sender=sender,
        to=tuple(Organ(**organ.model_dump()) for organ in record.to),
        document_id=record.document_id
        or f"{sender.code},{wire_date(record.promulgation.date)},{record.number}/{record.notation}",
        number=record.number,
        notation=record.notation,
        subject=record.subject,
        promulgation_date=record.promulgation.date,
        place=record.promulgation.place,
        type=record.type.code,
        type_detail=record.type.detail,
        type_name=record.type.name,
        summary=record.summary,
        signer=Signer(**record.signer.model_dump()) if record.signer else None,
        due_date=record.due_date,
        to_places=record.to_places,
        priority=record.priority,
        sphere=record.sphere,
        typer_notation=record.typer_notation,
        promulgation_amount=record.promulgation_amount,
        page_amount=record.page_amount,
        direction=record.direction,
        appendixes=record.appendixes,
        response_for=tuple(model.ResponseFor(**part.model_dump()) for part in record.response_for),
        steering_type=record.steering_type,
        business=Business(
            **business
            | {
                "receiver_changes": tuple(model.ReceiverChange(**change) for change in business["receiver_changes"]),
                "replacements": tuple(model.Replacement(**one) for one in business["replacements"]),
                "staff": Staff(**record.staff.model_dump()) if record.staff else None,
            }
        ),
        attachments=tuple(attachments),
    )


# --- problems ---------------------------------------------------------------------------------------------------

_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown-field",
    "string_too_long": "too-long",
    "string_too_short": "missing",
    "too_long": "too-many",
    "too_short": "missing",
    "string_pattern_mismatch": "pattern",
    "greater_than_equal": "too-small",
    "less_than_equal": "number-too-large",
    "less_than": "number-too-large",
    "literal_error": "unknown-value",
    "timezone_aware": "time-zone",
    "date_from_datetime_parsing": "date",
    "date_parsing": "date",
    "datetime_parsing": "date",
    "datetime_from_date_parsing": "date",
}
_MOST_PROBLEMS = 100
"""A record of a megabyte can have a hundred thousand; nobody reads them all."""
_LIMITS = ("max_length", "ge", "le", "lt")


def refused(invalid: ValidationError) -> Refused:
    """The same in our words, quoting nothing of what was written."""
    errors = invalid.errors(include_input=False, include_url=False)[:_MOST_PROBLEMS]
    # A list with a bad element is also reported as too short: that says nothing new.
    inside = {error["loc"][:depth] for error in errors for depth in range(len(error["loc"]))}
    return Refused([_problem(one) for one in errors if not (one["type"] == "too_short" and one["loc"] in inside)])


def _problem(error: Mapping[str, Any]) -> Problem:
    kind = error["type"]
    code = _CODES.get(kind) or (kind if "-" in kind or kind == "date" else "wrong-type")
    context = error.get("ctx", {})
    limit = next((str(context[name]) for name in _LIMITS if name in context), None)
    facts = {"limit": limit} if limit else {"allowed": context["expected"]} if code == "unknown-value" else {}
    return Problem(path(error["loc"]), code, error["msg"], facts)


def path(location: Sequence[str | int]) -> str:
    """`("to", 1, "code")` as `to[1].code`. An unknown field's name is the client's own word, so it is cut short."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:60]}" if text else part[:60]
    return _NOT_IN_XML.sub("?", text)
