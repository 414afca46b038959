"""multipart/related, streamed both ways (RFC 2387): the envelope first, then its files.

The file's length is known before its bytes, from the parcel when writing and from the signed Body when reading: so a
request has a Content-Length, and a file is never searched for its end. What the bytes must hash to is left to the
driver.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from gateway.ports import Chunks

ROOT_TYPES = frozenset({"text/xml", "application/xop+xml"})
"""Most stacks write the first; those that know only MTOM write the second around the same XML."""
HEADER_LIMIT = 16 << 10
_PREAMBLE_LIMIT = 16 << 10


class Malformed(Exception):
    """Not the multipart message that was agreed on. The text names the fault, never the bytes."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that travels beside the envelope."""

    content_id: str
    size: int
    chunks: Callable[[], Chunks]


class Written:
    """An envelope, with or without files, as an HTTP body of known length."""

    def __init__(self, envelope: bytes, *files: FilePart) -> None:
        self.content_type = "text/xml; charset=utf-8"
        self._head, self._tail = envelope, b""
        self._files: list[tuple[bytes, FilePart]] = []
        if files:
            boundary = uuid.uuid4().hex
            self.content_type = f'multipart/related; type="text/xml"; start="<envelope>"; boundary="{boundary}"'
            self._head = (
                f"--{boundary}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <envelope>\r\n"
                "Content-Transfer-Encoding: 8bit\r\n\r\n"
            ).encode() + envelope
            self._files = [(_part_head(boundary, file), file) for file in files]
            self._tail = f"\r\n--{boundary}--\r\n".encode()

    @property
    def length(self) -> int:
        return len(self._head) + sum(len(head) + file.size for head, file in self._files) + len(self._tail)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body from its start. Raises `Malformed` when a file is not as long as it was said to be."""
        yield self._head
        for head, file in self._files:
            yield head
            left = file.size
            async for chunk in file.chunks():
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
            if left:
                raise Malformed("a file is not as long as its record says")
        if self._tail:
            yield self._tail


def _part_head(boundary: str, file: FilePart) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-ID: <{file.content_id}>\r\n"
        "Content-Transfer-Encoding: binary\r\n\r\n"
    ).encode()


def header(value: str, name: str = "Content-Type") -> Message:
    """A header field with its parameters."""
    message = Message()
    message[name] = value
    return message


class Parts:
    """Reads one multipart/related body in order. `more` gives the next bytes, and none at the end."""

    def __init__(self, content_type: Message, more: Callable[[], Awaitable[bytes]]) -> None:
        boundary = content_type.get_param("boundary")
        if not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
            raise Malformed("no usable boundary")
        self._mark = b"\r\n--" + boundary.encode("ascii", "replace")
        self._more = more
        # The first boundary may stand at the very start, without a line end before it.
        self._held = bytearray(b"\r\n")

    async def envelope(self, limit: int) -> bytes:
        """The root part, which must come first. Raises `Malformed`, also past `limit` bytes."""
        await self._until(self._mark, _PREAMBLE_LIMIT)
        head = await self._headers()
        if head.get_content_type() not in ROOT_TYPES:
            raise Malformed("the first part is not the envelope")
        _plain(head)
        return await self._until(self._mark, limit)

    async def file(self, content_id: str, size: int) -> AsyncIterator[bytes]:
        """The next part's bytes. Raises `Malformed` unless it is called so and exactly so long."""
        head = await self._headers()
        if str(head.get("Content-ID", "")).strip().removeprefix("<").removesuffix(">") != content_id:
            raise Malformed("the file part is not the one that the envelope names")
        _plain(head)
        left = size
        while left:
            if not self._held:
                self._held += await self._next()
            chunk = bytes(self._held[:left])
            del self._held[:left]
            left -= len(chunk)
            yield chunk
        if await self._until(self._mark, len(self._mark)):
            raise Malformed("the file part is longer than the envelope says")

    async def _headers(self) -> Message:
        if (await self._until(b"\r\n", 80)).strip():  # white space may follow a boundary, and `--` ends the body
            raise Malformed("a part is missing")
        self._held[:0] = b"\r\n"  # a part may have no header at all
        block = await self._until(b"\r\n\r\n", HEADER_LIMIT)
        return BytesHeaderParser().parsebytes(block.lstrip() + b"\r\n\r\n")

    async def _until(self, mark: bytes, limit: int) -> bytes:
        seen = 0
        while (at := self._held.find(mark, seen)) < 0:
            if len(self._held) > limit + len(mark):
                raise Malformed("a part is longer than allowed")
            seen = max(0, len(self._held) - len(mark) + 1)
            self._held += await self._next()
        if at > limit:
            raise Malformed("a part is longer than allowed")
        block = bytes(self._held[:at])
        del self._held[: at + len(mark)]
        return block

    async def _next(self) -> bytes:
        chunk = await self._more()
        if not chunk:
            raise Malformed("the body ends too early")
        return chunk


def _plain(head: Message) -> None:
    if str(head.get("Content-Transfer-Encoding", "binary")).strip().lower() not in {"binary", "8bit", "7bit"}:
        raise Malformed("a part is encoded")
