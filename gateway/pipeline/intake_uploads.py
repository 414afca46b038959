"""The files that come with a record: each stored, and held against its line of the record.

The caller erases what was kept when a check fails.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator

from gateway.config import Limits
from gateway.edxml.look import SAYS, Look
from gateway.errors import Refused, Rejection
from gateway.model import Attachment, Content, Problem
from gateway.pipeline.checks import over, refuse
from gateway.pipeline.record import Record
from gateway.ports import Chunks, Contents, Upload


async def take(
    form: Record, uploads: AsyncIterator[Upload], contents: Contents, limits: Limits, kept: list[Content]
) -> tuple[list[Attachment], list[Problem]]:
    """Store each upload against its line of the record; all of them, and no more. Also gives warnings."""
    left = limits.submission_bytes
    attachments: list[Attachment] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    async for upload in uploads:
        index = len(kept)
        where = _expected(form, index, upload)
        limit = min(limits.attachment_bytes, left)
        look = Look()
        try:
            content = await contents.store(_watched(upload.chunks, look), limit=limit)
        except Rejection as error:
            raise Refused([over(where, "too-many-bytes", limit)], code=error.code, status=413) from None
        kept.append(content)
        part = form.attachments[index]
        attachments.append(Attachment(uuid.uuid4().hex, part.name, part.content_type, part.description, content))
        left -= content.size
        look.end()
        warnings += [Problem(where, code, SAYS[code]) for code in look.codes(part.name, part.content_type)]
        if not content.size:
            problems.append(Problem(where, "attachment-empty", "the attachment has no bytes"))
        if part.size not in {None, content.size}:
            problems.append(Problem(f"{where}.size", "size-differs", "the size is not the one declared"))
        if part.sha256 not in {None, content.sha256}:
            problems.append(Problem(f"{where}.sha256", "digest-differs", "the SHA-256 is not the one declared"))
    problems += [
        Problem(f"attachments[{index}]", "attachment-missing", "its bytes did not come")
        for index in range(len(kept), len(form.attachments))
    ]
    refuse(problems)
    if not attachments:
        warnings.append(Problem("attachments", "no-attachment", "there is no attachment"))
    return attachments, warnings


async def digests(form: Record, uploads: AsyncIterator[Upload], limits: Limits) -> list[Attachment]:
    """Read the uploads of a repeated submission: what they are counts, their bytes are held already."""
    seen: list[Attachment] = []
    size = 0
    async for upload in uploads:
        where = _expected(form, len(seen), upload)
        digest, start = hashlib.sha256(), size
        async for chunk in upload.chunks:
            digest.update(chunk)
            size += len(chunk)
            if size > limits.submission_bytes:
                raise Refused([over(where, "too-many-bytes", limits.submission_bytes)], code="too-large", status=413)
        name = form.attachments[len(seen)].name
        seen.append(Attachment("", name, content=Content(digest.hexdigest(), size - start, "")))
    return seen


async def _watched(chunks: Chunks, look: Look) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        look.take(chunk)
        yield chunk


def _expected(form: Record, index: int, upload: Upload) -> str:
    """The field this upload is for. Refuses one that is not in the record, or plainly another line of it."""
    if index >= len(form.attachments):
        raise Refused([Problem(f"attachments[{index}]", "attachment-extra", "the record does not name it")])
    names = [one.name for one in form.attachments]
    # Clients mangle file names in many ways: only a name that belongs to another line is proof of a wrong order.
    if upload.name != names[index] and upload.name in names:
        raise Refused([Problem(f"attachments[{index}]", "attachment-order", "the files are not in the record's order")])
    return f"attachments[{index}]"
