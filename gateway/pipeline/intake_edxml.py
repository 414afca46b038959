"""A ready edXML file at the door: what it is refused for, and under which key it is taken once."""

from __future__ import annotations

import datetime as dt
import hashlib

from gateway.config import Limits
from gateway.edxml.check import check_document, check_status
from gateway.edxml.look import SAYS
from gateway.edxml.parse import EdxmlError, Parsed
from gateway.errors import Refused, Rejection
from gateway.model import Content, Document, Problem, Status
from gateway.pipeline.checks import over, refuse, unfit
from gateway.pipeline.splitting import split
from gateway.ports import Chunks, Contents

_LOST = frozenset({"date-impossible", "date-unreadable", "flag-unreadable", "number-unreadable", "priority-unknown"})
"""Values nobody could read. What is sent on is written anew, so they would silently be lost."""


async def take(
    chunks: Chunks, contents: Contents, limits: Limits, kept: list[Content], today: dt.date
) -> tuple[Document | Status, list[Problem]]:
    """Read the file and hold its attachments' bytes; `kept` fills as they are stored, also where this raises.

    Gives warnings too: of attachments that are damaged, or not what they say.

    `today` is Vietnam's. Raises `Refused`: at once where the file cannot be read on, else with all problems of its form.
    """
    limit = min(limits.attachment_bytes, limits.submission_bytes)
    try:
        parsed = await split(
            chunks, contents, kept, attachment_limit=limit, total_limit=limits.edxml_bytes, most=limits.attachments
        )
    except EdxmlError as error:
        code, status = ("too-large", 413) if error.code == "too-large" else ("edxml-unreadable", 422)
        raise Refused([Problem(error.where, error.code, error.message)], code=code, status=status) from None
    except Rejection as error:
        if error.code == "too-many":
            raise Refused([over("attachments", "too-many", limits.attachments)]) from None
        problem = over(f"attachments[{len(kept)}]", "too-many-bytes", limit)
        raise Refused([problem], code=error.code, status=413) from None
    if sum(content.size for content in kept) > limits.submission_bytes:
        problem = over("attachments", "too-many-bytes", limits.submission_bytes)
        raise Refused([problem], code="too-large", status=413)
    warnings = [Problem(each.where, each.code, each.message) for each in parsed.findings if each.code in SAYS]
    return _subject(parsed, today), warnings


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


def _subject(parsed: Parsed, today: dt.date) -> Document | Status:
    problems = [
        Problem(finding.where, finding.code, finding.message)
        for finding in parsed.findings
        if finding.severity == "error" or finding.code in _LOST
    ]
    if parsed.status:
        refuse(problems + check_status(parsed.status), code="edxml-invalid")
        return parsed.status
    if parsed.document is None:
        raise Refused([*problems, Problem("", "edxml-incomplete", "neither a document nor a status")])
    problems += [
        Problem(f"attachments[{index}]", "attachment-empty", "the attachment has no bytes")
        for index, one in enumerate(parsed.attachments)
        if one.content and not one.content.size
    ]
    problems += [*check_document(parsed.document, today=today), *unfit(parsed.document)]
    refuse(problems, code="edxml-invalid")
    return parsed.document
