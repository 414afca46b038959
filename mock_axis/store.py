"""One SQLite file and the bytes beside it, written by one thread that commits for many at once.

A unit of work is a plain function of a connection that never waits. Units that arrive while a commit is under way
share the next one, each in a savepoint. Bytes first, rows second: a unit's small content is appended to a segment that
is synced before the commit; a large one is its own file, synced before the unit starts.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")
Unit = Callable[["Transaction"], Any]

SEGMENT_BYTES = 256 << 20
PIECE = 256 << 10
GROUP = 256


class Transaction:
    """What a unit may do: run SQL, and add bytes."""

    def __init__(self, connection: sqlite3.Connection, segments: _Segments) -> None:
        self.run = connection.execute
        self.add_bytes = segments.append


class _Segments:
    """Append-only files for small contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 1 + max((int(path.stem) for path in folder.glob("*.seg")), default=0)
        self._file: int | None = None
        self._end = 0
        self._dirty = False

    def append(self, data: bytes) -> str:
        """The place of `data`; durable after `sync`."""
        if self._file is None or self._end > SEGMENT_BYTES:
            self._open()
        assert self._file is not None
        place = f"{self._number}.seg:{self._end}:{len(data)}"
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._end += len(data)
        self._dirty = True
        return place

    def sync(self) -> None:
        if self._dirty and self._file is not None:
            os.fdatasync(self._file)
            self._dirty = False

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        # Every process starts a segment of its own: what a killed one left half written is never appended to.
        if self._file is not None:
            self.close()
            self._number += 1
        self._file = os.open(self._folder / f"{self._number}.seg", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._end = 0
        sync_folder(self._folder)


class Store:
    """Open with a schema; `await write(unit)` is durable when it returns."""

    def __init__(self, folder: Path, schema: str) -> None:
        self.contents = folder / "contents"
        self.contents.mkdir(parents=True, exist_ok=True)
        for leftover in self.contents.glob("*.part"):
            leftover.unlink()
        self._segments = _Segments(self.contents)
        self._connection = sqlite3.connect(
            folder / "axis.sqlite3", isolation_level=None, check_same_thread=False, cached_statements=256
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(schema)
        self._waiting: queue.SimpleQueue[tuple[Unit, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_groups, name="mock-axis-writer", daemon=True)
        self._thread.start()

    async def write(self, unit: Callable[[Transaction], Result]) -> Result:
        """Run `unit` in a transaction; what it raises rolls back its own work only."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.put((unit, future))
        return await future

    async def close(self) -> None:
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        self._segments.close()
        self._connection.close()

    def read(self, place: str) -> Iterator[bytes]:
        """The bytes at `place`, in pieces. Blocking."""
        name, start, size = place.split(":")
        left = int(size)
        with (self.contents / name).open("rb") as file:
            file.seek(int(start))
            while left:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise OSError(f"{name} is shorter than its place says")
                left -= len(piece)
                yield piece

    def adopt(self, draft: Path) -> str:
        """Make a finished, synced file part of the store. Blocking."""
        final = self.contents / f"{uuid.uuid4().hex}.file"
        draft.rename(final)
        sync_folder(self.contents)
        return f"{final.name}:0:{final.stat().st_size}"

    def forget(self, place: str) -> None:
        """Delete a file that was adopted and then not needed. Blocking."""
        (self.contents / place.partition(":")[0]).unlink(missing_ok=True)

    def draft(self) -> Path:
        return self.contents / f"{uuid.uuid4().hex}.part"

    # --- the writer thread ---

    def _write_groups(self) -> None:
        while True:
            group = [self._waiting.get()]
            while len(group) < GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            units = [item for item in group if item is not None]
            if units:
                self._write_group(units)
            if None in group:
                return

    def _write_group(self, units: list[tuple[Unit, asyncio.Future[Any]]]) -> None:
        run = self._connection.execute
        transaction = Transaction(self._connection, self._segments)
        answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            run("BEGIN IMMEDIATE")
            for unit, future in units:
                run("SAVEPOINT unit")
                try:
                    answers.append((future, unit(transaction), None))
                except Exception as exc:  # noqa: BLE001 the unit's caller gets it
                    run("ROLLBACK TO unit")
                    answers.append((future, None, exc))
                run("RELEASE unit")
            self._segments.sync()
            run("COMMIT")
        except (sqlite3.Error, OSError) as exc:
            if self._connection.in_transaction:
                run("ROLLBACK")
            answers = [(future, None, exc) for _, future in units]
        self._loop.call_soon_threadsafe(_answer, answers)


def _answer(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in answers:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
