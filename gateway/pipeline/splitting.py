"""Taking an edXML file apart as it passes: attachments into contents, never a whole file in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from gateway.edxml.parse import AttachmentData, AttachmentEnd, Parsed, Splitter
from gateway.model import Content
from gateway.ports import Chunks, Contents

SMALL = 4 << 20
"""An attachment up to this size is gathered and stored at once; a larger one streams through a queue."""


@dataclass(slots=True)
class _Stream:
    """One attachment on its way into contents."""

    queue: asyncio.Queue[bytes | None]
    task: asyncio.Task[Content]


async def split(chunks: Chunks, contents: Contents, *, attachment_limit: int, total_limit: int) -> Parsed:
    """Parse a file; each attachment of the result carries its stored content.

    Raises `EdxmlError` (a `Rejection`) for what is not of the form, `Rejection("too-large")` past the limits.
    """
    splitter = Splitter(limit=total_limit)
    sink = _Sink(contents, attachment_limit)
    try:
        async for chunk in chunks:
            for event in splitter.feed(chunk):
                if isinstance(event, AttachmentData):
                    await sink.data(event.index, event.data)
                elif isinstance(event, AttachmentEnd):
                    await sink.end(event.index)
        parsed = splitter.close()
        stored = await sink.close()
    finally:
        sink.abandon()
    return replace_contents(parsed, stored)


def replace_contents(parsed: Parsed, stored: dict[int, Content]) -> Parsed:
    """`parsed` with the stored bytes joined to its attachments and its document's."""
    attachments = tuple(
        replace(attachment, content=stored.get(index)) for index, attachment in enumerate(parsed.attachments)
    )
    document = parsed.document and replace(parsed.document, attachments=attachments)
    return replace(parsed, attachments=attachments, document=document)


class _Sink:
    def __init__(self, contents: Contents, limit: int) -> None:
        self._contents = contents
        self._limit = limit
        self._gathered: dict[int, bytearray] = {}
        self._streams: dict[int, _Stream] = {}
        self._stored: dict[int, Content] = {}

    async def data(self, index: int, data: bytes) -> None:
        if stream := self._streams.get(index):
            await self._put(stream, data)
            return
        gathered = self._gathered.setdefault(index, bytearray())
        gathered += data
        if len(gathered) > SMALL:
            queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)
            task = asyncio.create_task(self._contents.store(_drain(queue), limit=self._limit))
            self._streams[index] = stream = _Stream(queue, task)
            await self._put(stream, bytes(self._gathered.pop(index)))

    async def end(self, index: int) -> None:
        if stream := self._streams.pop(index, None):
            await self._put(stream, None)
            self._stored[index] = await stream.task
        else:
            self._stored[index] = await self._contents.store_bytes(bytes(self._gathered.pop(index, b"")))

    async def close(self) -> dict[int, Content]:
        return self._stored

    def abandon(self) -> None:
        for stream in self._streams.values():
            stream.task.cancel()

    async def _put(self, stream: _Stream, data: bytes | None) -> None:
        """Hand on, but never wait for a store that has already failed."""
        putting = asyncio.ensure_future(stream.queue.put(data))
        await asyncio.wait({putting, stream.task}, return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
            await stream.task  # raises what ended it


async def _drain(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
    while (data := await queue.get()) is not None:
        yield data
