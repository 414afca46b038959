"""Appending small contents to large files: one thread writes, and contents that wait share an fdatasync.

A file and an fsync for each would cost more than all else that a small document needs.
"""

from __future__ import annotations

import hashlib
import os
import queue
import secrets
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
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
    future: Future[Kept] = field(default_factory=Future)


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
    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment: _Segment | None = None
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._broken: OSError | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """Of the segment that is written to; empty before the first."""
        return self._segment.name if self._segment else ""

    def append(self, data: bytes) -> Future[Kept]:
        """Durable when the future is done; it raises OSError. Call from one thread only."""
        if self._closed:
            raise RuntimeError("the contents are closed")
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_for_ever, name="segment-writer", daemon=True)
            self._thread.start()
        waiting = _Waiting(data)
        waiting.future.set_running_or_notify_cancel()
        self._queue.put(waiting)
        return waiting.future

    def close(self) -> None:
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _write_for_ever(self) -> None:
        going = True
        while going:
            group: list[_Waiting] = []
            waiting = self._queue.get()
            until = time.monotonic() + _LINGER_SECONDS
            size = 0
            while True:
                if waiting is None:
                    going = False
                    break
                group.append(waiting)
                size += len(waiting.data)
                left = until - time.monotonic()
                if size >= _GROUP_BYTES or (left <= 0 and self._queue.empty()):
                    break
                try:
                    waiting = self._queue.get(timeout=max(left, 0))
                except queue.Empty:
                    break
            self._write_group(group)
        if self._segment is not None:
            self._segment.close()

    def _write_group(self, group: list[_Waiting]) -> None:
        kept: list[tuple[_Waiting, Kept]] = []
        for waiting in group:
            try:
                kept.append((waiting, self._write(waiting.data)))
            except OSError as exc:
                waiting.future.set_exception(exc)
        try:
            if self._broken:
                raise self._broken
            if kept and self._segment is not None:
                self._sync(self._segment)
        except OSError as exc:
            for waiting, _ in kept:
                waiting.future.set_exception(exc)
        else:
            for waiting, place in kept:
                waiting.future.set_result(place)

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
