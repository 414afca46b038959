"""Where bytes are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from gateway.model import Content

Chunks = AsyncIterator[bytes]


class Contents(Protocol):
    """The bytes, by SHA-256, outside the database. Knows nothing of messages: the journal counts references."""

    async def store(self, chunks: Chunks, *, limit: int) -> Content:
        """Write and make durable (fsync of file and folder) before returning.

        Raises `Rejection("too-large")` past `limit` bytes; nothing of it is kept then.
        """

    async def store_bytes(self, data: bytes) -> Content: ...

    def open(self, content: Content, start: int = 0, end: int | None = None) -> Chunks:
        """Its bytes [start, end) in pieces of 64-256 kB."""

    async def read(self, content: Content) -> bytes:
        """All of it at once; only for what is known to be small."""

    async def erase(self, content: Content) -> None:
        """Make the bytes unreadable. The caller knows that nothing refers to them."""

    def free_bytes(self) -> int: ...
