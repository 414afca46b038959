"""A file as base64 text inside a JSON object: decoded as it streams past, never whole in memory.

Base64 holds no quotation mark, so the text ends at the next one. What stands around it is small: it is kept, and read
as JSON once the file has passed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pybase64

from adapters.axis.vxp.answers import Answer, read_answer
from gateway.errors import Unreachable

AROUND_LIMIT = 256 << 10
_START = re.compile(rb'"data"\s*:\s*"')
_ESCAPE = re.compile(rb"\\(?:u00([0-9A-Fa-f]{2})|([/nrt]))")
_LONGEST_ESCAPE = 6
_WHITE = b" \r\n\t"


async def decoded(chunks: AsyncIterator[bytes], around: list[Answer]) -> AsyncIterator[bytes]:
    """The bytes of the field `data`; the rest of the answer is appended to `around` when all has passed.

    An answer without such a text gives no bytes. Raises `Unreachable` for what is not of that form, `Unknown` for what is
    no JSON.
    """
    outside, rest = b"", b""
    decoder = _Base64()
    inside = False
    async for chunk in chunks:
        data = chunk
        if not inside and not decoder.ended:
            outside += data
            start = _START.search(outside)
            if start is None:
                _limit(outside)
                continue
            data, outside, inside = outside[start.end() :], outside[: start.end()], True
        if inside:
            text, mark, after = (rest + data).partition(b'"')
            inside = not mark
            cut = _whole(text) if inside else len(text)
            rest = text[cut:]
            if piece := decoder.add(text[:cut], last=not inside):
                yield piece
            data = mark + after
        outside += data if not inside else b""
        _limit(outside)
    if inside:
        raise Unreachable("axis-file-form", "the answer ends within the file")
    around.append(read_answer(outside))


def _limit(outside: bytes) -> None:
    if len(outside) > AROUND_LIMIT:
        raise Unreachable("axis-file-form", "too much beside the file")


def _whole(text: bytes) -> int:
    """Where to cut so that no escape is cut in two."""
    at = text.rfind(b"\\", max(0, len(text) - _LONGEST_ESCAPE + 1))
    return len(text) if at < 0 else at


class _Base64:
    def __init__(self) -> None:
        self.ended = False
        self._left = b""

    def add(self, text: bytes, *, last: bool) -> bytes:
        if b"\\" in text:
            text = _ESCAPE.sub(_unescaped, text)
        text = self._left + text.translate(None, _WHITE)
        cut = len(text) if last else len(text) - len(text) % 4
        self._left, self.ended = text[cut:], last
        try:
            return pybase64.b64decode(text[:cut], validate=True)
        except ValueError as exc:
            raise Unreachable("axis-file-form", "the file is not base64") from exc


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 16)])
    return b"/" if escape[2] == b"/" else b""
