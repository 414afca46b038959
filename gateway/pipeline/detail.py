"""The erasable detail of a message: the document or status as people read it, as JSON.

The journal keeps it beside the message, outside every digest, so that it can be purged while the chain still verifies.
Attachments keep their names here; their bytes are found through the message's contents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from gateway.model import Document, Status
from gateway.states import ContentRef

_DOCUMENT = TypeAdapter(Document)
_STATUS = TypeAdapter(Status)


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
