"""The journal on SQLite: waiting units of work share a commit; and a small pool of readers.

A unit of work is a plain function from a `Transaction` to a result; it never awaits and changes nothing else, for it may
be run twice: where one of a group fails, the group is undone and run again, each in a savepoint of its own, so that
the one undoes only itself. The COMMIT is shared, and with `synchronous=FULL` it is on the disk when the caller hears the
result. Where the COMMIT fails, or what must come before it, the transaction is undone and every unit of
its group fails. Units run on the event loop: in a thread each of their statements would have to win the interpreter
back from it. Only the COMMIT, which waits for the disk, has a thread, and beside it whatever group holds a lengthy
unit. After an I/O error, or when a transaction cannot be undone, nobody knows what the disk holds, so nothing more is
written: every further unit raises `StorageBroken`, `on_broken` is told, and the process has to end; the next start
replays the write-ahead log.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from gateway.errors import Busy, Misconfigured, StorageBroken
from gateway.journal.query import Query
from gateway.model import Problem

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Mapping[str, Any]

_NOTHING: Values = {}
_GROUP = 256
"""Units that share a commit at most: bounds how long the first of them waits."""
_LINGER_SECONDS = 0.002
"""How long a unit waits for company: a commit costs far more than a unit, in processor time as in writes."""
_LONGEST_LINGER_SECONDS = 0.008
"""While much comes: as long as company is likely, `_LINGER_SECONDS` for every `_FEW` units of the group before."""
_FEW = 4
_FULL_AFTER = 30.0
_PATIENCE_SECONDS = 10.0
"""How long another process may hold the journal."""
_AGAIN_SECONDS = 0.01
_MIB = 1 << 20


class Transaction:
    """What a unit of work may do: run the journal's statements on the driver's cursor."""

    __slots__ = ("_cursor", "told")
    dialect = "sqlite"

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.told: list[Any] = []
        """What must be known elsewhere before it is committed: `SqliteStore.before_commit` is told."""

    def run(self, query: Query, values: Values) -> int:
        """The number of rows touched."""
        return self._cursor.execute(*query.bind(self.dialect, values)).rowcount

    def one(self, query: Query, values: Values = _NOTHING) -> Row | None:
        row: Row | None = self._cursor.execute(*query.bind(self.dialect, values)).fetchone()
        return row

    def all(self, query: Query, values: Values = _NOTHING) -> Sequence[Row]:
        return self._cursor.execute(*query.bind(self.dialect, values)).fetchall()

    def stream(self, query: Query, values: Values = _NOTHING) -> Iterable[Row]:
        """Rows one by one, on a cursor of their own, for what may be longer than memory."""
        with closing(self._cursor.connection.cursor()) as cursor:
            yield from cursor.execute(*query.bind(self.dialect, values))


Unit = Callable[[Transaction], T]


@dataclass(slots=True)
class _Waiting:
    unit: Unit[Any]
    future: asyncio.Future[Any]
    lengthy: bool = False
    apart: bool = False
    result: Any = None
    error: BaseException | None = None


class _OneFailedError(Exception):
    """A unit failed by itself: the group is undone, and runs again, each unit in a savepoint of its own."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that begins transactions only when told to, and commits through to the disk."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    if read_only:
        connection.execute("PRAGMA query_only=ON").close()
    else:
        connection.execute("PRAGMA cache_size=-32768").close()
        # Else what a savepoint may have to undo goes to a temporary file of its own, transaction after transaction.
        connection.execute("PRAGMA temp_store=MEMORY").close()
        connection.execute("PRAGMA wal_autocheckpoint=4000").close()
        # What is erased must be gone from the file too; Debian builds SQLite so, others do not.
        connection.execute("PRAGMA secure_delete=ON").close()
    return connection


def _snapshot(connection: sqlite3.Connection, unit: Unit[T]) -> T:
    with closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN")
        try:
            return unit(Transaction(cursor))
        finally:
            cursor.execute("ROLLBACK")


class SqliteStore:
    """Runs units of work. `on_broken` is called once."""

    def __init__(self, path: Path, on_broken: Callable[[StorageBroken], None] | None = None, readers: int = 2) -> None:
        self._path = path
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self.before_commit: Callable[[Sequence[Any]], None] | None = None
        """Told, in the committing thread, what units that did not fail have `told`. Where it raises, all of the group fail."""
        self._writing = False
        self._linger = _LINGER_SECONDS
        self._in_transaction = False
        """From BEGIN until the loop hears of the COMMIT: the writer's connection sees what may yet be undone."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._broken: StorageBroken | None = None
        self._closed = False
        self._writer = connect(path)
        self._writer.execute("PRAGMA busy_timeout=0").close()  # the loop comes again instead
        self._cursor = self._writer.cursor()
        self._transaction = Transaction(self._cursor)
        self._others = 0
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="journal-commit")
        self._committer.submit(str)  # starts its thread: later there may be none to have, and units would wait for it
        self._connections: list[sqlite3.Connection] = []
        self._glances: Transaction | None = None
        self._local = threading.local()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="journal-reader", initializer=self._new_reader)

    async def write(self, unit: Unit[T], *, lengthy: bool = False) -> T:
        """Run `unit`; its effects are durable on return. One that is `lengthy` does not hold up the event loop.

        Raises what the unit raises, `Busy("disk-full")`, or `StorageBroken`.
        """
        if self._closed:
            raise RuntimeError("the journal is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Waiting(unit, future, lengthy))
        if not self._writing:
            self._writing = True
            self._idle.clear()
            self._loop.call_later(self._linger, self._write_group)
        return await future

    async def read(self, unit: Unit[T]) -> T:
        """Run `unit` on a snapshot that holds everything written before."""
        return await self._loop.run_in_executor(self._readers, self._read, unit)

    def glance(self, unit: Unit[T]) -> T:
        """Run one statement that reads a few rows by their key, here and now: a thread would cost more than the rows do.

        While nothing is being written, the writer's own connection reads it: it has the pages at hand, and every other
        connection drops its own after each commit. Else a reader does, which never waits for the writer (WAL). Call from
        the event loop's thread only.
        """
        if not self._in_transaction and self._broken is None:
            return unit(self._transaction)
        if self._glances is None:
            connection = connect(self._path, read_only=True)
            self._connections.append(connection)
            self._glances = Transaction(connection.cursor())
        return unit(self._glances)

    def others_wrote(self) -> int:
        """A number that changes as soon as another process has written: what was read before may not hold any more."""
        if not self._in_transaction and self._broken is None:
            self._see_others()
        return self._others

    def _see_others(self) -> None:
        [self._others] = self._cursor.execute("PRAGMA data_version").fetchone()

    async def truncate_log(self) -> bool:
        """Bring the write-ahead log into the database and empty it. False: another transaction needs it now."""
        return await asyncio.to_thread(self._truncate_log)

    def _truncate_log(self) -> bool:
        with closing(connect(self._path)) as connection:
            connection.execute("PRAGMA busy_timeout=1000").close()
            row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(row[0] == 0)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        await asyncio.to_thread(self._committer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in (*self._connections, self._writer):
            connection.close()

    # --- readers ------------------------------------------------------------------------------------------------

    def _new_reader(self) -> None:
        self._local.connection = connect(self._path, read_only=True)
        self._connections.append(self._local.connection)

    def _read(self, unit: Unit[T]) -> T:
        return _snapshot(self._local.connection, unit)

    # --- writing --------------------------------------------------------------------------------------------------

    def _write_group(self, since: float | None = None) -> None:
        """Run the units that wait and have them committed; what comes meanwhile is the next group."""
        since = since or time.monotonic()
        try:
            if not self._broken:
                self._cursor.execute("BEGIN IMMEDIATE")
                self._in_transaction = True
                self._see_others()  # until the COMMIT nobody else can
        except Exception as exc:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            if _code(exc) == sqlite3.SQLITE_BUSY and time.monotonic() - since < _PATIENCE_SECONDS:
                self._loop.call_later(_AGAIN_SECONDS, self._write_group, since)  # another process writes
                return
            failed: Exception | None = self._undone(exc)
            self._in_transaction = False
        else:
            failed = self._broken
        group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        self._linger = min(max(1, len(group) // _FEW) * _LINGER_SECONDS, _LONGEST_LINGER_SECONDS)
        if failed is not None:
            self._finish(group, failed)
        elif any(waiting.lengthy for waiting in group):
            self._committer.submit(lambda: self._commit(group, self._run(group)))
        else:
            before = self._writer.total_changes
            failed_by = self._run(group)
            if failed_by is None and self._writer.total_changes == before and not self._transaction.told:
                self._commit(group, None)  # nothing to write: it does not wait for the disk
            else:
                self._committer.submit(self._commit, group, failed_by)

    def _run(self, group: list[_Waiting]) -> Exception | None:
        """What the whole group fails by, if it does. Together they run without savepoints, which copy each page."""
        apart = any(waiting.apart for waiting in group)
        try:
            for waiting in group:
                if apart:
                    self._run_apart(waiting)
                else:
                    self._run_together(waiting)
        except Exception as exc:  # noqa: BLE001 - as above
            return exc
        return None

    def _run_together(self, waiting: _Waiting) -> None:
        try:
            waiting.result = waiting.unit(self._transaction)
        except Exception as exc:
            if _undid_all(exc):
                raise
            raise _OneFailedError from exc

    def _commit(self, group: list[_Waiting], failed: Exception | None) -> None:
        """In the committing thread: the only part that waits for the disk."""
        error: BaseException | None = None
        try:
            if failed is not None:
                raise failed
            if self._transaction.told and self.before_commit:
                self.before_commit(self._transaction.told)
            self._cursor.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - as above
            error = self._undone(exc)
        self._transaction.told.clear()
        self._loop.call_soon_threadsafe(self._finish, group, error)

    def _finish(self, group: list[_Waiting], error: BaseException | None) -> None:
        self._in_transaction = False
        if isinstance(error, _OneFailedError):
            for waiting in group:
                waiting.apart = True
            self._waiting = group + self._waiting
            self._write_group()
            return
        if error is not None:
            _fail(group, error)
        _deliver(group)
        if self._waiting:
            self._write_group()
        else:
            self._writing = False
            self._idle.set()

    def _run_apart(self, waiting: _Waiting) -> None:
        """In a savepoint, so that it undoes only itself where it fails."""
        cursor, told = self._cursor, self._transaction.told
        before = len(told)
        cursor.execute("SAVEPOINT unit")
        try:
            waiting.result = waiting.unit(self._transaction)
        except Exception as exc:
            if _undid_all(exc):
                raise
            cursor.execute("ROLLBACK TO unit")
            del told[before:]
            waiting.error = exc
        cursor.execute("RELEASE unit")

    def _undone(self, exc: Exception) -> Exception:
        """Undo the transaction; what its group fails by. One that cannot be undone leaves nobody knowing what the disk holds."""
        error = self._judge(exc)
        try:
            if self._writer.in_transaction and not self._broken:
                self._cursor.execute("ROLLBACK")
        except Exception as stuck:  # noqa: BLE001 - as above
            return self._break(getattr(stuck, "sqlite_errorname", type(stuck).__name__))
        return error

    def _judge(self, exc: Exception) -> Exception:
        code = _code(exc)
        if code == sqlite3.SQLITE_FULL:
            return Busy("disk-full", "the journal's disk is full", after=_FULL_AFTER)
        if code == sqlite3.SQLITE_BUSY:
            return Busy("journal-busy", "another process holds the journal", after=1.0)
        if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return self._break(getattr(exc, "sqlite_errorname", ""))
        return exc

    def _break(self, why: str) -> StorageBroken:
        self._broken = StorageBroken("journal-broken", f"the journal cannot be written: {why}")
        if self._on_broken:
            self._on_broken(self._broken)
        return self._broken


def _code(exc: Exception) -> int:
    """SQLite's primary result code; 0 for what is not of SQLite."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF


def _undid_all(exc: Exception) -> bool:
    """Full disk, I/O error, no memory: SQLite may have undone the whole transaction."""
    return isinstance(exc, sqlite3.OperationalError) and _code(exc) not in {0, sqlite3.SQLITE_ERROR}


def _fail(group: list[_Waiting], error: BaseException) -> None:
    for waiting in group:
        waiting.error = error


def _deliver(group: list[_Waiting]) -> None:
    for waiting in group:
        if waiting.future.done():
            continue  # the one who asked was cancelled; the work is done all the same
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def prepare(path: Path) -> None:
    """Make the file, readable by its owner only, and bring its schema up to date.

    Raises `Misconfigured` for a file that is something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if _revision(path) == _newest_revision():
        return
    from gateway.journal.migrations import upgrade  # noqa: PLC0415 -- Alembic is slow to load, and seldom needed

    try:
        upgrade(URL.create("sqlite", database=str(path)))
    except DatabaseError as exc:
        wrong = Problem(str(path), "not-a-journal", f"cannot be used as a journal: {exc.orig}")
        raise Misconfigured([wrong]) from None


def _revision(path: Path) -> str | None:
    """As Alembic keeps it; None for a new file, and for whatever else `upgrade` has to judge."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return rows[0][0] if len(rows) == 1 else None
    return None


@cache
def _newest_revision() -> str:
    """A migration's file is named by its revision, and they follow each other in that order."""
    versions = Path(__file__).parent / "migrations" / "versions"
    return max(path.name for path in versions.glob("[0-9]*.py")).partition("_")[0]
