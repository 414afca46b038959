"""The erasable detail of a message: the document or status as people read it, as JSON.

The journal keeps it beside the message, outside every digest, so that it can be purged while the chain still verifies.
Attachments keep their names here; their bytes are found through the message's contents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from gateway.edxml.parse import Parsed
from gateway.model import Document, Status
from gateway.states import ContentRef

_DOCUMENT = TypeAdapter(Document)
_STATUS = TypeAdapter(Status)
FINDINGS = "findings"
_PLACE = re.compile(r"[A-Za-z]+(/[A-Za-z]+)*|attachments\[\d+\]")
_WORTH_TELLING = frozenset({"attachment-wrapped", "content-type-disagrees", "name-repeated"})


def of_document(document: Document, **more: object) -> dict[str, Any]:
    """`more`: what the wire has no place for, e.g. `deliver_by`."""
    bare = replace(document, attachments=tuple(replace(each, content=None) for each in document.attachments))
    return {
        "document": _DOCUMENT.dump_python(bare, mode="json", exclude_defaults=True),
        "subject": document.subject,
        "code": document.code,
        **more,
    }


def of_status(status: Status, **more: object) -> dict[str, Any]:
    return {
        "status": _STATUS.dump_python(status, mode="json", exclude_defaults=True),
        "code": status.response_for.code,
        **more,
    }


def odd(parsed: Parsed) -> dict[str, Any]:
    """What is odd about a received file, for its office: codes and places, without a word of the file itself."""
    found = [each for each in parsed.findings if each.severity != "info" or each.code in _WORTH_TELLING]
    names = [one.name for one in parsed.attachments]
    told = [{"code": each.code, "severity": each.severity, "field": _field(each.where, names)} for each in found]
    return {FINDINGS: told} if told else {}


def findings(detail: Mapping[str, Any] | None) -> list[dict[str, str]]:
    return [dict(each) for each in (detail or {}).get(FINDINGS, ())]


def _field(where: str, names: list[str]) -> str:
    """A finding about an attachment bears its name; here it is told by number, or by none where it did not come."""
    if where in names:
        return f"attachments[{names.index(where)}]"
    return where if _PLACE.fullmatch(where) else "attachments"


def document(detail: Mapping[str, Any], contents: Iterable[ContentRef]) -> Document:
    """The document again, its attachments joined to their bytes in the order of the file."""
    bare = document_bare(detail)
    held = [each.content for each in contents if each.role == "attachment"]
    if len(held) != len(bare.attachments):
        raise ValueError(f"{len(bare.attachments)} attachments named, {len(held)} held")
    return replace(
        bare,
        attachments=tuple(
            replace(attachment, content=content) for attachment, content in zip(bare.attachments, held, strict=True)
        ),
    )


def document_bare(detail: Mapping[str, Any]) -> Document:
    """The document without its bytes: who, to whom, what about."""
    return _DOCUMENT.validate_python(detail["document"])


def status(detail: Mapping[str, Any]) -> Status:
    return _STATUS.validate_python(detail["status"])
