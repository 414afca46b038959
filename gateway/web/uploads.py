"""What a request carries: the record and the files of a multipart, or a body as it is; streamed, never whole.

aiohttp's own size limit guards bodies read at once; here each stream has the limit of what it is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any, NoReturn

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError

from gateway.errors import Refused
from gateway.model import Problem
from gateway.ports import Chunks, Upload

CHUNK_BYTES = 128 << 10
_KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
IDLE_SECONDS = 60.0
"""A client that sends nothing for so long is given up: it would keep its place from others."""
_PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})


class Submission:
    """A multipart/form-data request: `record` first, then one part per attachment."""

    def __init__(self, request: web.Request, *, record_limit: int) -> None:
        if media_type(request) != "multipart/form-data":
            raise Refused([], code="media-type", status=415)
        self._request = request
        self._record_limit = record_limit
        self._reader: MultipartReader | None = None

    async def record(self) -> dict[str, Any]:
        """The first part, which must be the record. Raises `Refused`, with 400, 413 or 415."""
        with well_formed():
            self._reader = _Parts(_mixed(self._request), self._request.content)
            part = await self._reader.next()
            if part is None or not isinstance(part, BodyPartReader) or _named(part)[0] != "record":
                raise Refused(
                    [Problem("record", "record-first", "the first part must be the record")],
                    code="record-first",
                    status=400,
                )
            data = b"".join([chunk async for chunk in part_bytes(part, limit=self._record_limit)])
        return parse_record(data)

    async def files(self) -> AsyncIterator[Upload]:
        """The further parts, each to be read before the next is asked for."""
        assert self._reader is not None, "the record comes first"
        while True:
            with well_formed():
                part = await self._reader.next()
            if part is None:
                return
            if not isinstance(part, BodyPartReader):
                raise malformed("multipart-broken")
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            yield Upload(_named(part)[1], content_type, part_bytes(part))


class _Part(BodyPartReader):
    """A part of a form, whose own word about its length counts nothing (RFC 7578, 4.8)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "subtype": "form-data"})


class _Parts(MultipartReader):
    part_reader_cls = _Part


def _mixed(request: web.Request) -> Mapping[str, str]:
    """The request's type as if it were no form: aiohttp looks for `_charset_` in each part of one, at half a millisecond."""
    return {"Content-Type": re.sub("form-data", "mixed", request.headers["Content-Type"], count=1, flags=re.IGNORECASE)}


def idempotency_key(key: str, field: str) -> str:
    """The key, if it has the form of one; `field` is where it stood. Raises `Refused` (400)."""
    if not _KEY_FORM.fullmatch(key):
        code = "idempotency-key-form" if key else "idempotency-key-missing"
        raise Refused([Problem(field, code, "")], code=code, status=400)
    return key


def media_type(request: web.Request) -> str:
    """Without its parameters. aiohttp's own reading costs a millisecond for each new multipart boundary."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _named(part: BodyPartReader) -> tuple[str, str]:
    """(name, file name) of a part. aiohttp reads the header anew for each, with patterns compiled on the way."""
    header = Message()
    header["Content-Disposition"] = part.headers.get("Content-Disposition", "")
    # Of a parameter that stands twice the first counts.
    found = {key.lower(): value for key, value in reversed(header.get_params([], "Content-Disposition"))}
    return collapse_rfc2231_value(found.get("name", "")), collapse_rfc2231_value(found.get("filename", "")).strip()


async def part_bytes(part: BodyPartReader, *, limit: int | None = None) -> Chunks:
    """The bytes of one part as they come. Raises `Refused`: encoded, broken, or past `limit` bytes."""
    if part.headers.get("Content-Transfer-Encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise Refused([], code="part-encoded", status=415)
    size = 0
    while True:
        with well_formed(), in_time():
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await part.read_chunk(CHUNK_BYTES)
        if not chunk:
            return
        size += len(chunk)
        if limit is not None and size > limit:
            problem = Problem(_named(part)[0], "too-many-bytes", f"more than {limit} bytes", {"limit": str(limit)})
            raise Refused([problem], code="too-large", status=413)
        yield chunk


@contextlib.contextmanager
def well_formed() -> Iterator[None]:
    """Of a broken multipart aiohttp tells by whatever its code ran into."""
    try:
        yield
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError, web.HTTPException) as error:
        raise malformed("multipart-broken") from error


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Raises `Refused` with 408 where the client stopped sending."""
    try:
        yield
    except TimeoutError:
        raise Refused([], code="upload-stalled", status=408) from None


async def body(request: web.Request) -> Chunks:
    """The request's body as it comes. Raises `Refused` with 408 when it stops coming."""
    while True:
        with in_time():
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await request.content.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


async def json_object(request: web.Request, *, limit: int) -> dict[str, Any]:
    """A small JSON body."""
    if media_type(request) != "application/json":
        raise Refused([], code="media-type", status=415)
    data = bytearray()
    async for chunk in body(request):
        data += chunk
        if len(data) > limit:
            raise Refused(
                [Problem("", "too-many-bytes", f"more than {limit} bytes", {"limit": str(limit)})],
                code="too-large",
                status=413,
            )
    return parse_record(bytes(data))


def parse_record(data: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8, one object, no name twice, no NaN. Raises `Refused` with 400, quoting nothing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("not-utf-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise malformed("too-deep") from None
    except ValueError:
        # Also a number of thousands of digits, which Python refuses to read.
        raise malformed("not-json") from None
    if not isinstance(value, dict):
        raise malformed("not-an-object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        # Which of two values counts is for nobody to guess, least of all where a degree of secrecy stands.
        raise malformed("name-twice")
    return read


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def malformed(code: str) -> Refused:
    """What cannot be read at all."""
    return Refused([], code=code, status=400)
