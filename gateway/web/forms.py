"""A submission as a form: the record first, then one part per attachment, each read as it comes (RFC 7578).

The form is taken apart by `multipart`: aiohttp's own reader takes more than ten times the processor time.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from multipart import MultipartSegment, PushMultipartParser, parse_options_header

from gateway.errors import Refused
from gateway.model import Problem
from gateway.ports import Chunks, Upload
from gateway.web.uploads import PLAIN_ENCODINGS, body, malformed, parse_record, well_formed

LONGEST_BOUNDARY = 70
"""RFC 2046, 5.1.1."""
LONGEST_HEADER = 8190
MOST_HEADERS = 32
PADDING_BYTES = 64 << 10
"""Before the first part and after the last, where nothing that counts can stand."""

_EXTENDED = re.compile(r";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE)

Events = AsyncIterator[MultipartSegment | bytes | None]
"""A part, its bytes in pieces, None for its end; then the next one."""


class Submission:
    """A multipart/form-data request: `record` first, then one part per attachment."""

    def __init__(self, request: web.Request, *, record_limit: int) -> None:
        kind, options = parse_options_header(request.headers.get("Content-Type", ""))
        if kind != "multipart/form-data":
            raise Refused([], code="media-type", status=415)
        self._events = _events(request, options.get("boundary", ""))
        self._record_limit = record_limit

    async def record(self) -> dict[str, Any]:
        """The first part, which must be the record. Raises `Refused`, with 400, 413 or 415."""
        part = await anext(self._events, None)
        if not isinstance(part, MultipartSegment) or part.name != "record":
            problem = Problem("record", "record-first", "the first part must be the record")
            raise Refused([problem], code="record-first", status=400)
        return parse_record(b"".join([chunk async for chunk in self._bytes(part, self._record_limit)]))

    async def files(self) -> AsyncIterator[Upload]:
        """The further parts, each to be read before the next is asked for."""
        async for part in self._events:
            if isinstance(part, MultipartSegment):
                content_type = part.header("Content-Type", "application/octet-stream")
                yield Upload(_file_name(part), content_type, self._bytes(part))

    async def _bytes(self, part: MultipartSegment, limit: int | None = None) -> Chunks:
        """Of one part, as they come. Raises `Refused`: encoded, broken, or past `limit` bytes."""
        if part.header("Content-Transfer-Encoding", "").strip().lower() not in PLAIN_ENCODINGS:
            raise Refused([], code="part-encoded", status=415)
        if (part.content_type or "").startswith("multipart/"):
            raise malformed("multipart-broken")
        size = 0
        while chunk := await anext(self._events):
            assert isinstance(chunk, bytes), "a part ends before the next begins"
            size += len(chunk)
            if limit is not None and size > limit:
                problem = Problem(part.name or "", "too-many-bytes", f"more than {limit} bytes", {"limit": str(limit)})
                raise Refused([problem], code="too-large", status=413)
            yield chunk


async def _events(request: web.Request, boundary: str) -> Events:
    """Raises `Refused` with 400 for what is no form or not a whole one, with 408 where it stops coming."""
    if len(boundary) > LONGEST_BOUNDARY:
        raise malformed("multipart-broken")
    with well_formed():
        parser = PushMultipartParser(boundary, max_header_size=LONGEST_HEADER, max_header_count=MOST_HEADERS)
    chunks, padding = body(request), 0
    while not parser.closed:
        with well_formed():
            chunk = await anext(chunks, b"")
            events = list(parser.parse(chunk))
        padding = 0 if events else padding + len(chunk)
        if padding > PADDING_BYTES:
            raise malformed("multipart-broken")
        for event in events:
            yield event


def _file_name(part: MultipartSegment) -> str:
    """Also in the extended form, `filename*=utf-8''…`, which RFC 7578 forbids and clients write."""
    if part.filename is not None:
        return str(part.filename).strip()
    extended = _EXTENDED.search(part.header("Content-Disposition", ""))
    return unquote(extended[1], errors="replace").strip() if extended else ""
