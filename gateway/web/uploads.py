"""What a request carries: a body as it is, streamed and never whole, or a small one in JSON. Forms are `gateway.web.forms`.

aiohttp's own size limit guards bodies read at once; here each stream has the limit of what it is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.errors import Refused
from gateway.model import Problem
from gateway.ports import Chunks

CHUNK_BYTES = 128 << 10
_KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
IDLE_SECONDS = 60.0
"""A client that sends nothing for so long is given up: it would keep its place from others."""
PLAIN_ENCODINGS = frozenset({"", "binary", "8bit", "7bit"})


def idempotency_key(key: str, field: str) -> str:
    """The key, if it has the form of one; `field` is where it stood. Raises `Refused` (400)."""
    if not _KEY_FORM.fullmatch(key):
        code = "idempotency-key-form" if key else "idempotency-key-missing"
        raise Refused([Problem(field, code, "")], code=code, status=400)
    return key


def media_type(request: web.Request) -> str:
    """Without its parameters. aiohttp's own reading costs a millisecond for each new multipart boundary."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@contextlib.contextmanager
def well_formed() -> Iterator[None]:
    """Of a broken multipart its readers tell by whatever their code ran into."""
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
