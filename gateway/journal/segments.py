"""Appending small contents to large files: one thread writes, and contents that wait share an fdatasync.

A file and an fsync for each would cost more than all else that a small document needs.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_GROUP_BYTES = 16 << 20
_LINGER_SECONDS = 0.002
"""How long a content waits for company: an fdatasync costs more than it does."""
_AHEAD = 16 << 20
"""Disk is reserved in such steps, so a full disk shows before the bytes are written."""

Kept = tuple[str, int, str]
"""Name of the segment, offset, SHA-256 in hex."""


@dataclass(slots=True)
class _Waiting:
    data: bytes
    future: asyncio.Future[Kept]
    kept: Kept | None = None
    error: Exception | None = None


class _Segment:
    """One file, open for appending."""

    def __init__(self, folder: Path, bytes_: int) -> None:
        self.name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._bytes = bytes_
        self._descriptor = os.open(folder / self.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._end = self._reserved = 0
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def has_room(self, size: int) -> bool:
        return self._end == 0 or self._end + size <= self._bytes

    def append(self, data: bytes) -> int:
        """Write at the end; returns the offset. Not durable before `sync`."""
        offset = self._end
        while offset + len(data) > self._reserved:
            os.posix_fallocate(self._descriptor, self._reserved, min(_AHEAD, self._bytes))
            self._reserved += min(_AHEAD, self._bytes)
        view, position = memoryview(data), offset
        while view:
            written = os.pwrite(self._descriptor, view, position)
            view, position = view[written:], position + written
        self._end = max(position, offset + 1)  # an empty content has a place of its own too
        return offset

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.ftruncate(self._descriptor, self._end)
        os.close(self._descriptor)


class SegmentWriter:
    """Call from one event loop only."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment: _Segment | None = None
        self._waiting: list[_Waiting] = []
        self._writing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="segment-writer")
        self._writer.submit(str)  # starts its thread: later there may be none to have, and contents would wait for it
        self._broken: OSError | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """Of the segment that is written to; empty before the first."""
        return self._segment.name if self._segment else ""

    async def append(self, data: bytes) -> Kept:
        """Durable on return. Raises OSError."""
        if self._closed:
            raise RuntimeError("the contents are closed")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(data, loop.create_future())
        self._waiting.append(waiting)
        if not self._writing:
            self._writing = True
            self._idle.clear()
            loop.call_later(_LINGER_SECONDS, self._begin_group, loop)
        return await waiting.future

    async def close(self) -> None:
        self._closed = True
        await self._idle.wait()
        await asyncio.to_thread(self._writer.shutdown)
        if self._segment is not None:
            self._segment.close()

    def _begin_group(self, loop: asyncio.AbstractEventLoop) -> None:
        """What comes meanwhile is the next group."""
        size = count = 0
        while count < len(self._waiting) and size < _GROUP_BYTES:
            size += len(self._waiting[count].data)
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._writer.submit(self._write_group, loop, group)

    def _end_group(self, loop: asyncio.AbstractEventLoop, group: list[_Waiting]) -> None:
        for waiting in group:
            if waiting.future.done():
                continue  # the one who asked was cancelled
            if waiting.kept is not None:
                waiting.future.set_result(waiting.kept)
            else:
                waiting.future.set_exception(waiting.error or RuntimeError("a content was not written"))
        if self._waiting:
            self._begin_group(loop)
        else:
            self._writing = False
            self._idle.set()

    # --- in the writer's thread -----------------------------------------------------------------------------------

    def _write_group(self, loop: asyncio.AbstractEventLoop, group: list[_Waiting]) -> None:
        try:
            for waiting in group:
                try:
                    waiting.kept = self._write(waiting.data)
                except Exception as exc:  # noqa: BLE001 - whatever it is, the others must yet be made durable
                    waiting.error = exc
            self._make_durable([waiting for waiting in group if waiting.kept])
        finally:
            loop.call_soon_threadsafe(self._end_group, loop, group)

    def _make_durable(self, written: list[_Waiting]) -> None:
        try:
            if self._broken:
                raise self._broken
            if written and self._segment is not None:
                self._sync(self._segment)
        except Exception as exc:  # noqa: BLE001 - none of them may be taken for durable
            for waiting in written:
                waiting.kept, waiting.error = None, exc

    def _write(self, data: bytes) -> Kept:
        if self._broken:
            raise self._broken
        segment = self._segment
        if segment is None or not segment.has_room(len(data)):
            if segment is not None:
                # What this group wrote to it must not miss the fdatasync that its callers wait for.
                self._sync(segment)
                self._segment = None
                segment.close()
            segment = self._segment = _Segment(self._folder, self._segment_bytes)
        return segment.name, segment.append(data), hashlib.sha256(data).hexdigest()

    def _sync(self, segment: _Segment) -> None:
        try:
            segment.sync()
        except OSError as exc:
            self._broken = exc
            raise
