"""What we refuse to write, and what our schema says about what was read.

Lengths and obligations are those of published checkers and of NĐ 30/2020 Phụ lục VI (see `schemas/SOURCES.md`).
Problems name fields of `gateway.model`; findings never quote the file.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from lxml import etree

import schemas
from gateway.edxml.build import FORBIDDEN
from gateway.edxml.codes import BUSINESS_TYPES, DOCUMENT_TYPES, PRIORITIES, STATUSES
from gateway.edxml.findings import Finding
from gateway.model import Document, Organ, Problem, ResponseFor, Signer, Status

__all__ = ["check_document", "check_status", "validate_xsd"]

ORGAN_CODE = re.compile(r"[0-9A-Za-z]+(\.[0-9A-Za-z]+)*")
_CONTENT_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._@+-]{0,199}")

_LENGTHS: dict[type, dict[str, int]] = {
    Organ: {
        "code": 35,
        "name": 200,
        "in_charge": 200,
        "address": 500,
        "email": 100,
        "telephone": 20,
        "fax": 20,
        "website": 100,
    },
    Signer: {"competence": 100, "position": 100, "full_name": 50},
    ResponseFor: {"organ": 35},
    Document: {
        "document_id": 200,
        "number": 11,
        "notation": 30,
        "place": 50,
        "type_name": 100,
        "subject": 500,
        "summary": 500,
        "to_places": 150,
        "sphere": 100,
        "typer_notation": 10,
    },
}
_ATTACHMENT_NAME = 500

_REASON_NEEDED = frozenset({"02", "13"})
"""Refused and asked back: both "kèm lý do"."""


def check_document(document: Document, *, today: dt.date | None = None) -> list[Problem]:
    """All that is wrong with it at once; `today` (Vietnam's) also refuses dates of promulgation that lie ahead."""
    found = [
        *_missing(
            ("from.code", document.sender.code),
            ("from.name", document.sender.name),
            ("to", document.to),
            ("document_id", document.document_id),
            ("number", document.number),
            ("notation", document.notation),
            ("promulgation_date", document.promulgation_date),
            ("subject", document.subject),
        ),
        *_organ_code("from.code", document.sender.code),
        *(p for i, organ in enumerate(document.to) for p in _check_recipient(f"to[{i}].code", organ)),
        *_repeated("to", [organ.code for organ in document.to]),
        *_one_of("priority", document.priority, PRIORITIES),
        *_one_of("type", document.type, DOCUMENT_TYPES),
        *_check_business(document),
        *_check_attachments(document),
        *_check_texts(document, ""),
    ]
    if today and document.promulgation_date and document.promulgation_date > today:
        found.append(Problem("promulgation_date", "date-in-future", "lies in the future"))
    found.extend(
        Problem(name, "negative", "is less than nothing")
        for name, count in (
            ("promulgation_amount", document.promulgation_amount),
            ("page_amount", document.page_amount),
        )
        if count is not None and count < 0
    )
    return found


def check_status(status: Status) -> list[Problem]:
    """All that is wrong with it at once. Who may send which status when is `gateway.rules`' business."""
    return [
        *_missing(
            ("from.code", status.sender.code),
            ("response_for.organ", status.response_for.organ),
            ("response_for.code", status.response_for.code),
            ("response_for.document_id", status.response_for.document_id),
            ("code", status.code),
            ("timestamp", status.timestamp),
        ),
        *_organ_code("from.code", status.sender.code),
        *_organ_code("response_for.organ", status.response_for.organ),
        *_one_of("code", status.code or None, STATUSES),
        *(_missing(("description", status.description)) if status.code in _REASON_NEEDED else ()),
        *_check_texts(status, ""),
    ]


def _missing(*needed: tuple[str, object]) -> Iterator[Problem]:
    for name, value in needed:
        if value is None or value == () or (isinstance(value, str) and not value.strip()):
            yield Problem(name, "missing", "is required")


def _one_of(name: str, value: object, known: Any) -> Iterator[Problem]:
    if value is not None and value not in known:
        allowed = ", ".join(map(str, known))
        yield Problem(name, "unknown-value", f"must be one of {allowed}", {"allowed": allowed})


def _organ_code(name: str, code: str) -> Iterator[Problem]:
    if code and not ORGAN_CODE.fullmatch(code):
        yield Problem(name, "organ-code", "is no identifier code: letters and digits in groups parted by dots")


def _check_recipient(name: str, organ: Organ) -> Iterator[Problem]:
    yield from _missing((name, organ.code))
    yield from _organ_code(name, organ.code)


def _repeated(name: str, found: list[str]) -> Iterator[Problem]:
    for value, times in Counter(found).items():
        if value and times > 1:
            yield Problem(name, "repeated", f"names {value} more than once", {"value": value})


def _check_business(document: Document) -> Iterator[Problem]:
    business = document.business
    yield from _one_of("business.type", business.type, BUSINESS_TYPES)
    yield from _one_of("business.paper", business.paper, (0, 1))
    match business.type:
        case 1:
            yield from _missing(("response_for", document.response_for))
        case 2:
            yield from _missing(("business.document_id", business.document_id))
        case 3:
            yield from _missing(("business.replacements", business.replacements))
        case _:
            pass


def _check_attachments(document: Document) -> Iterator[Problem]:
    for i, attachment in enumerate(document.attachments):
        yield from _missing((f"attachments[{i}].name", attachment.name))
        yield from _too_long(f"attachments[{i}].name", attachment.name, _ATTACHMENT_NAME)
        if not _CONTENT_ID.fullmatch(attachment.content_id):
            yield Problem(f"attachments[{i}].content_id", "content-id", "is not usable in a cid: reference")
    yield from _repeated("attachments", [a.content_id for a in document.attachments])


def _check_texts(thing: Any, path: str) -> Iterator[Problem]:
    """Every text in it, by the model's own fields: forbidden characters, and lengths where there is one."""
    for name, shown, limit in _fields(thing.__class__):
        value = getattr(thing, name)
        if not value:
            continue
        where = f"{path}.{shown}" if path else shown
        if not isinstance(value, tuple):
            yield from _check_value(value, where, limit)
            continue
        for i, one in enumerate(value):
            yield from _check_value(one, f"{where}[{i}]", limit)


def _check_value(value: object, where: str, limit: int | None) -> Iterator[Problem]:
    if isinstance(value, str):
        if FORBIDDEN.search(value):
            yield Problem(where, "control-character", "holds a character that XML cannot carry")
        if limit is not None:
            yield from _too_long(where, value, limit)
    elif is_dataclass(value):
        yield from _check_texts(value, where)


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, str, int | None], ...]:
    """Of each field of a dataclass: its name, the name it is shown by, the longest text it may hold."""
    lengths = _LENGTHS.get(kind, {})
    names = (field.name for field in fields(kind))
    return tuple((name, "from" if name == "sender" else name, lengths.get(name)) for name in names)


def _too_long(where: str, text: str, limit: int) -> Iterator[Problem]:
    if len(text) > limit:
        yield Problem(where, "too-long", f"is longer than {limit} characters", {"limit": str(limit)})


# --- the schema

_compiled = threading.local()
"""A compiled schema keeps its error log on itself, so each thread has its own."""

_RULES = {
    "SCHEMAV_CVC_PATTERN_VALID": "is not of the form it should have",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "is too long",
    "SCHEMAV_CVC_MINLENGTH_VALID": "is empty",
    "SCHEMAV_CVC_ENUMERATION_VALID": "is none of the known values",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "is too small",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "is too large",
    "SCHEMAV_ELEMENT_CONTENT": "is not expected here, or something before it is missing",
    "SCHEMAV_CVC_IDC": "is missing, or stands twice",
}
_PREFIX = re.compile(r"(?<=/)[^/:\[\]]+:")


def _schema() -> etree.XMLSchema:
    found: etree.XMLSchema | None = getattr(_compiled, "schema", None)
    if found is None:
        found = _compiled.schema = etree.XMLSchema(file=str(schemas.path("edxml/edxml.xsd")))
    return found


def validate_xsd(envelope: bytes) -> list[Finding]:
    """What `schemas/edxml/edxml.xsd` says about `Parsed.envelope`; the first twenty findings at most."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        tree = etree.fromstring(envelope, parser)
    except etree.XMLSyntaxError:
        return [Finding("schema", "warning", "", "its namespaces are not bound as they should be")]
    schema = _schema()
    if schema.validate(tree):
        return []
    found: dict[str, Finding] = {}
    errors: Any = schema.error_log  # the stubs do not know that it can be walked
    for error in errors:
        where = _PREFIX.sub("", error.path or "").removeprefix("/*/")
        rule = _RULES.get(error.type_name, "is not of its type")
        found.setdefault(where, Finding("schema", "warning", where, rule))
    return list(found.values())[:20]
