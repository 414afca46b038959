"""A ready edXML file at the door: split as it comes, its attachments straight into contents."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.config import Limits
from gateway.edxml.check import check_document, check_status
from gateway.edxml.parse import AttachmentData, EdxmlError, Parsed, SplitEvent, Splitter
from gateway.errors import Refused, Rejection
from gateway.model import Attachment, Document, Problem, Status
from gateway.pipeline.checks import over, refuse
from gateway.ports import Chunks, Contents


async def take(
    chunks: Chunks, contents: Contents, limits: Limits, kept: list[Attachment], today: dt.date
) -> Document | Status:
    """Read the file and hold its attachments' bytes; `kept` fills as they are stored, also where this raises.

    `today` is Vietnam's. Raises `Refused`: at once where the file cannot be read on, else with all problems of its form.
    """
    splitter = Splitter(limit=limits.edxml_bytes)
    try:
        await _store_all(_events(splitter, chunks), contents, limits, kept)
        parsed = splitter.close()
    except EdxmlError as error:
        code, status = ("too-large", 413) if error.code == "too-large" else ("edxml-unreadable", 422)
        raise Refused([Problem(error.where, error.code, error.message)], code=code, status=status) from None
    return _subject(parsed, kept, today)


def key_of(subject: Document | Status) -> str:
    """The idempotency key of a ready file: (From, DocumentId, kind).

    One document has many statuses, so a status's key also holds what it says and when.
    """
    if isinstance(subject, Document):
        parts = ["document", subject.sender.code, subject.document_id]
    else:
        about = subject.response_for
        moment = subject.timestamp.isoformat() if subject.timestamp else ""
        parts = ["status", subject.sender.code, about.organ, about.document_id, about.code, subject.code, moment]
    return "edxml " + hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def _events(splitter: Splitter, chunks: Chunks) -> AsyncIterator[SplitEvent]:
    async for chunk in chunks:
        for event in splitter.feed(chunk):
            yield event


async def _store_all(
    events: AsyncIterator[SplitEvent], contents: Contents, limits: Limits, kept: list[Attachment]
) -> None:
    """Attachments stand one after the other in the file, so each is pulled from the events by its own store."""
    left = limits.submission_bytes
    async for event in events:
        if len(kept) >= limits.attachments:
            raise Refused([over("attachments", "too-many", limits.attachments)])
        limit = min(limits.attachment_bytes, left)
        try:
            content = await contents.store(_one(event, events), limit=limit)
        except EdxmlError:
            raise
        except Rejection as error:
            problem = over(f"attachments[{len(kept)}]", "too-many-bytes", limit)
            raise Refused([problem], code=error.code, status=413) from None
        left -= content.size
        kept.append(Attachment("", "", content=content))


async def _one(event: SplitEvent, following: AsyncIterator[SplitEvent]) -> AsyncIterator[bytes]:
    """The bytes of the attachment that `event` begins."""
    while isinstance(event, AttachmentData):
        yield event.data
        event = await anext(following)


def _subject(parsed: Parsed, kept: list[Attachment], today: dt.date) -> Document | Status:
    problems = [
        Problem(finding.where, finding.code, finding.message)
        for finding in parsed.findings
        if finding.severity == "error"
    ]
    if parsed.status:
        refuse(problems + check_status(parsed.status), code="edxml-invalid")
        return parsed.status
    if parsed.document is None or len(parsed.attachments) != len(kept):
        raise Refused([*problems, Problem("", "edxml-incomplete", "neither a document nor a status")])
    kept[:] = [replace(one, content=held.content) for one, held in zip(parsed.attachments, kept, strict=True)]
    problems += [
        Problem(f"attachments[{index}]", "attachment-empty", "the attachment has no bytes")
        for index, one in enumerate(kept)
        if one.content and not one.content.size
    ]
    refuse([*problems, *check_document(parsed.document, today=today)], code="edxml-invalid")
    return replace(parsed.document, attachments=tuple(kept))
