"""Sends bytes that the gateway holds, whole or in part (RFC 9110, section 14), so that a broken download resumes."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from aiohttp import web

from gateway.ports import Chunks
from gateway.web import problems

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_LONGEST_NAME = 255
"""Characters: what file systems take; a header of any length would not be read."""
_ONE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


async def send(
    request: web.Request,
    read: Callable[[int, int], Chunks],
    *,
    size: int,
    sha256: str,
    content_type: str,
    name: str,
) -> web.StreamResponse:
    """Answer with bytes [start, end) of what `read` gives. The ETag is the SHA-256 of the whole."""
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name[-_LONGEST_NAME:], safe='')}",
    }
    if etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    wanted = _wanted(request, etag, size)
    if wanted is None:
        return problems.answer(request, "range", 416, headers={"Content-Range": f"bytes */{size}"})
    start, end = wanted
    whole = (start, end) == (0, size)
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response = web.StreamResponse(status=200 if whole else 206, headers=headers)
    # Strangers name their files' types: only what is one may become a header.
    response.content_type = content_type if _MEDIA_TYPE.fullmatch(content_type) else "application/octet-stream"
    response.content_length = end - start
    await response.prepare(request)
    if request.method != "HEAD":
        async for chunk in read(start, end):
            await response.write(chunk)
    await response.write_eof()
    return response


def _wanted(request: web.Request, etag: str, size: int) -> tuple[int, int] | None:
    """[start, end) asked for; None where no byte of it exists. What we do not understand is ignored, as the RFC says."""
    found = _ONE_RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not found or request.headers.get("If-Range", etag) != etag or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return 0, size
    return (start, end) if start < size else None
