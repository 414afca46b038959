"""An edXML file of a bundle, taken apart in slices: an attachment is never held whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.edxml.parse import AttachmentData, EdxmlError, Parsed, Splitter
from gateway.evidence.bundle import MOST_BYTES
from gateway.evidence.facts import Readable
from gateway.model import Kind, Organ


@dataclass(frozen=True, slots=True)
class EdxmlFile:
    size: int
    sha256: str
    parsed: Parsed | None
    """None: it cannot be read as edXML."""
    attachments: tuple[tuple[str, str], ...] = ()
    """(content id, SHA-256 of the raw bytes)"""


class TakingApart:
    """Is fed a file slice by slice; what the file holds never makes it raise."""

    def __init__(self) -> None:
        self._splitter: Splitter | None = Splitter(limit=MOST_BYTES)
        self._whole, self._size = hashlib.sha256(), 0
        self._hashes: dict[int, hashlib._Hash] = {}

    def feed(self, data: bytes) -> None:
        self._whole.update(data)
        self._size += len(data)
        if self._splitter is None:
            return  # but the digest is still wanted
        try:
            for event in self._splitter.feed(data):
                running = self._hashes.setdefault(event.index, hashlib.sha256())
                if isinstance(event, AttachmentData):
                    running.update(event.data)
        except EdxmlError:
            self._splitter = None

    def close(self) -> EdxmlFile:
        try:
            parsed = self._splitter.close() if self._splitter else None
        except EdxmlError:
            parsed = None
        attachments = tuple(
            (each.content_id, self._hashes[index].hexdigest())
            for index, each in enumerate(parsed.attachments if parsed else ())
            if index in self._hashes
        )
        return EdxmlFile(self._size, self._whole.hexdigest(), parsed, attachments)


def taken_apart(chunks: Iterable[bytes]) -> EdxmlFile:
    taking = TakingApart()
    for data in chunks:
        taking.feed(data)
    return taking.close()


def said(parsed: Parsed) -> dict[str, object]:
    """What the file itself says of the message, by the names of the manifest."""
    if parsed.document is not None:
        return {
            "kind": Kind.DOCUMENT,
            "document_id": parsed.document.document_id,
            "sender": parsed.document.sender.code,
            "to": tuple(organ.code for organ in parsed.document.to),
        }
    if parsed.status is not None:
        return {
            "kind": Kind.STATUS,
            "document_id": parsed.status.response_for.document_id,
            "sender": parsed.status.sender.code,
            "to": (parsed.status.response_for.organ,),
        }
    return {}


def readable(parsed: Parsed) -> Readable | None:
    """What people read of it."""
    if document := parsed.document:
        return Readable(
            subject=document.subject,
            code=document.code,
            sender=_named(document.sender),
            to=tuple(_named(organ) for organ in document.to),
        )
    if status := parsed.status:
        return Readable(
            code=status.code, subject=status.description, sender=_named(status.sender), to=(status.response_for.organ,)
        )
    return None


def _named(organ: Organ) -> str:
    return f"{organ.name} ({organ.code})" if organ.name else organ.code
