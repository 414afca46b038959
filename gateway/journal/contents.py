"""The bytes, on a local disk: small contents appended to segments that share an fdatasync, large ones as files.

A place is `segments/NAME:OFFSET` or `files/AB/SHA256-RANDOM`. Each `store` makes a place of its own, even for bytes
that are held already: so what was stored for nothing can be erased without asking who else needs it. Nothing is ever
overwritten: a segment is opened by one process only and never again after it, so the torn end that a crash may leave
is never written behind. The journal knows which places are needed; this module does not.

After a failed fsync nobody knows what the disk holds: everything further raises `StorageBroken`, and the process has
to end.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import Busy, NeedsOperator, Rejection, StorageBroken
from gateway.journal.segments import SegmentWriter
from gateway.model import Content
from gateway.ports import Chunks

_MIB = 1 << 20
_PIECE = 256 << 10
_ABANDONED = 24 * 3600
_NEWEST_BYTES = 32 * _MIB
"""Of small contents kept in memory: the stages that follow read them again."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


class DiskContents:
    """Implements `gateway.ports.Contents`."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_below: int = _MIB,
        segment_bytes: int = 256 * _MIB,
        on_broken: Callable[[StorageBroken], None] | None = None,
    ) -> None:
        """`on_broken` is called when the disk broke its word: the process has to end."""
        self._folder = folder
        self._on_broken = on_broken
        self._segment_below = segment_below
        self._temporary = folder / "tmp"
        for each in (folder, self._temporary, folder / "segments", folder / "files"):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync_folder(folder)
        self._sweep()
        self._segments = SegmentWriter(folder / "segments", segment_bytes)
        self._broken: StorageBroken | None = None
        self._newest: dict[str, bytes] = {}
        self._newest_bytes = 0

    async def close(self) -> None:
        await self._segments.close()

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._folder).free

    # --- writing ------------------------------------------------------------------------------------------------

    async def store(self, chunks: Chunks, *, limit: int) -> Content:
        """Raises `Rejection("too-large")`, `Busy("disk-full")`, `StorageBroken`."""
        held: list[bytes] = []
        size = 0
        async for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            if size >= self._segment_below:
                return await self._store_file(held, chunks, limit)
        return await self._append(b"".join(held))

    async def store_bytes(self, data: bytes) -> Content:
        if len(data) < self._segment_below:
            return await self._append(data)
        return await self._store_file([data], _nothing(), len(data))

    async def _append(self, data: bytes) -> Content:
        with self._judged():
            name, offset, sha256 = await self._segments.append(data)
        place = f"segments/{name}:{offset}"
        self._remember(place, data)
        return Content(sha256, len(data), place)

    def _remember(self, place: str, data: bytes) -> None:
        self._newest[place] = data
        self._newest_bytes += len(data)
        while self._newest_bytes > _NEWEST_BYTES:
            self._forget(next(iter(self._newest)))

    def _forget(self, place: str) -> None:
        self._newest_bytes -= len(self._newest.pop(place, b""))

    async def _store_file(self, held: list[bytes], rest: Chunks, limit: int) -> Content:
        path = self._temporary / secrets.token_hex(16)
        with self._judged():
            file = await asyncio.to_thread(_Arriving, path)
        try:
            size = held_bytes = sum(map(len, held))
            async for chunk in rest:
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                held.append(chunk)
                held_bytes += len(chunk)
                if held_bytes >= _MIB:
                    with self._judged():
                        await asyncio.to_thread(file.write, held)
                    held, held_bytes = [], 0
            with self._judged():
                place = await asyncio.to_thread(file.keep, held, self._folder)
        except BaseException:
            file.abandon()
            raise
        return Content(file.sha256, size, place)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        if self._broken:
            raise self._broken
        try:
            yield
        except OSError as exc:
            if exc.errno in _FULL:
                raise Busy("disk-full", "the disk for contents is full", after=30.0) from None
            self._broken = StorageBroken("contents-broken", f"contents cannot be written: {exc.strerror}")
            if self._on_broken:
                self._on_broken(self._broken)
            raise self._broken from exc

    # --- reading ------------------------------------------------------------------------------------------------

    async def open(self, content: Content, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Raises `NeedsOperator("content-missing")` where the disk holds less than was stored."""
        if (newest := self._newest.get(content.place)) is not None:
            if piece := newest[start:end] if start or end is not None else newest:
                yield piece
            return
        path, offset = self._locate(content.place)
        position, end = offset + start, offset + (content.size if end is None else min(end, content.size))
        if position >= end:
            return
        try:
            # What is small was most likely written a moment ago: reading it costs less than a thread's hop.
            if end - position <= _PIECE:
                descriptor, data = _open_and_read(path, position, end)
            else:
                descriptor, data = await asyncio.to_thread(_open_and_read, path, position, end)
        except FileNotFoundError:
            raise _missing(content) from None
        try:
            while True:
                if not data:
                    raise _missing(content)
                yield data
                position += len(data)
                if position >= end:
                    return
                data = await asyncio.to_thread(os.pread, descriptor, min(_PIECE, end - position), position)
        finally:
            os.close(descriptor)

    async def read(self, content: Content) -> bytes:
        return b"".join([piece async for piece in self.open(content)])

    # --- erasing ------------------------------------------------------------------------------------------------

    async def erase(self, content: Content) -> None:
        """Unlink a file, write zeros over a part of a segment. Repeating is harmless."""
        path, offset = self._locate(content.place)
        self._forget(content.place)
        with self._judged():
            if content.place.startswith("segments/"):
                await asyncio.to_thread(_zero, path, offset, content.size)
            else:
                await asyncio.to_thread(_unlink, path)

    def old_files(self, seconds: float) -> list[str]:
        """Files of this store that were last written that long ago. Blocking."""
        before = time.time() - seconds
        found = (*(self._folder / "segments").iterdir(), *(self._folder / "files").glob("*/*"))
        return [str(path.relative_to(self._folder)) for path in found if path.stat().st_mtime < before]

    def discard_file(self, place: str) -> None:
        """Remove a file that holds nothing anybody needs. Blocking."""
        path, _ = self._locate(place)
        if path.name != self._segments.name:
            _unlink(path)

    def _locate(self, place: str) -> tuple[Path, int]:
        name, _, offset = place.partition(":")
        if ".." in name or not name.startswith(("segments/", "files/")):
            raise ValueError(f"not a place of this store: {place}")
        return self._folder / name, int(offset or 0)

    def _sweep(self) -> None:
        """Remove what a crash left half-written; a day's grace, should another process share the folder."""
        for path in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _ABANDONED:
                    path.unlink()


class _Arriving:
    """A large content on its way in; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self.sha256 = ""

    def write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._hash.update(piece)
            view = memoryview(piece)
            while view:
                view = view[self._file.write(view) or 0 :]

    def keep(self, pieces: list[bytes], folder: Path) -> str:
        """Write the last pieces, make the whole durable under its name; returns its place."""
        self.write(pieces)
        os.fsync(self._file.fileno())
        self._file.close()
        self.sha256 = self._hash.hexdigest()
        place = f"files/{self.sha256[:2]}/{self.sha256}-{secrets.token_hex(8)}"
        target = folder / place
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(target.parent.parent)
        self._path.rename(target)
        _sync_folder(target.parent)
        return place

    def abandon(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _too_large(limit: int) -> Rejection:
    return Rejection("too-large", f"more than {limit} bytes")


def _missing(content: Content) -> NeedsOperator:
    return NeedsOperator("content-missing", f"content {content.sha256} is not whole in {content.place}")


def _open_and_read(path: Path, position: int, end: int) -> tuple[int, bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return descriptor, os.pread(descriptor, min(_PIECE, end - position), position)
    except BaseException:
        os.close(descriptor)
        raise


def _zero(path: Path, offset: int, size: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        zeros = bytes(min(size, _MIB))
        done = 0
        while done < size:
            done += os.pwrite(descriptor, zeros[: size - done], offset + done)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
