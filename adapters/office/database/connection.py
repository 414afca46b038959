"""The office's database: one transaction at a time in a thread of ours, and errors that carry their consequence.

The URL holds a password, so it comes from a file or the environment, and no text of the driver is passed on: it may
quote the URL or what was written.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, exc, make_url

from adapters.office.database import tables
from adapters.office.database.options import DatabaseOptions
from gateway.errors import GatewayError, NeedsOperator, Unreachable

T = TypeVar("T")

WAIT_SECONDS = 10
"""For a connection, a place in the pool, or a locked SQLite file."""
STATEMENT_SECONDS = 60
_SQLITE_NEEDS_A_PERSON = (
    "SQLITE_ERROR",
    "SQLITE_READONLY",
    "SQLITE_PERM",
    "SQLITE_AUTH",
    "SQLITE_NOTADB",
    "SQLITE_CORRUPT",
)


class Database:
    def __init__(self, options: DatabaseOptions, given: Mapping[str, str]) -> None:
        self._options = options
        self._given = given
        self._engine: Engine | None = None
        self._made_from: URL | None = None
        self._making = threading.Lock()
        self._complete = False
        # Not the loop's own threads: a database that does not answer must not take those of everybody else.
        self._threads = ThreadPoolExecutor(options.connections, thread_name_prefix="office-database")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction. Raises `Unreachable` or `NeedsOperator`; a broken constraint is `Conflict`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    async def check(self) -> None:
        """Once all tables were seen there, they are taken to be. Raises `NeedsOperator` with all that is missing."""
        if self._complete:
            return
        schema = self._options.schema_name
        if lacking := await self.run(lambda connection: tables.missing(connection, schema)):
            raise NeedsOperator("database-tables-missing", f"the office's database has no {', '.join(lacking)}")
        self._complete = True

    def _run(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._current().begin() as connection:
                return work(connection)
        except exc.SQLAlchemyError as error:
            consequence = _consequence(error)
        raise consequence  # out here, so that the driver's error, which may quote a row, is no part of it

    def _current(self) -> Engine:
        """The engine for the URL as it is now: a new password needs no restart."""
        url = read_url(self._options, self._given)
        with self._making:
            if self._engine is None or url != self._made_from:
                if self._engine is not None:
                    self._engine.dispose()
                self._engine, self._made_from = self._make(url), url
            return self._engine

    def _make(self, url: URL) -> Engine:
        more: dict[str, Any] = {}
        backend = url.get_backend_name()
        if backend == "sqlite":
            # Opened anew each time, and never created: a file that is not there is an office that is away.
            more = {"creator": lambda: _open_sqlite(url), "poolclass": NullPool}
        else:
            more = {"pool_size": self._options.connections, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
            more |= {"pool_pre_ping": True, "pool_recycle": 600}
        if backend == "postgresql":
            more["connect_args"] = {
                "connect_timeout": WAIT_SECONDS,
                "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={WAIT_SECONDS}s",
                "application_name": "lienthong-gateway",
            }
        try:
            engine = create_engine(url, hide_parameters=True, **more)
        except (exc.ArgumentError, ImportError) as error:
            raise NeedsOperator("database-driver", f"no driver for this database ({type(error).__name__})") from None
        return engine.execution_options(schema_translate_map={None: self._options.schema_name})


class Conflict(NeedsOperator):
    """The office's database does not take a row."""


def read_url(options: DatabaseOptions, given: Mapping[str, str]) -> URL:
    """Raises `NeedsOperator`, and never tells the value."""
    name = options.url_env or str(options.url_file)
    try:
        text = given.get(name) or (os.environ[name] if options.url_env else Path(name).read_text("utf-8"))
        url = make_url(text.strip())
    except (OSError, KeyError, UnicodeError):
        raise NeedsOperator("database-url-missing", f"{name} cannot be read") from None
    except exc.ArgumentError:
        raise NeedsOperator("database-url-unfit", f"{name} holds no database URL") from None
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_absolute():
        raise NeedsOperator("database-url-unfit", f"{name} must name a SQLite file by its whole path")
    return url


def _open_sqlite(url: URL) -> sqlite3.Connection:
    place = f"file:{quote(url.database or '')}?mode=rw"
    return sqlite3.connect(place, uri=True, timeout=WAIT_SECONDS, check_same_thread=False)


def _consequence(error: exc.SQLAlchemyError) -> GatewayError:
    """Only the kind of the error and its SQLSTATE are told."""
    orig = getattr(error, "orig", None)
    state = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None) or ""
    told = " ".join(part for part in (type(orig or error).__name__, state) if part)
    if isinstance(error, exc.IntegrityError):
        return Conflict("database-constraint", f"the office's database refused a row ({told})")
    away = isinstance(error, (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError))
    if not away or state.startswith(_SQLITE_NEEDS_A_PERSON):
        return NeedsOperator("database-refused", f"the office's database refused a statement ({told})")
    return Unreachable("database-unreachable", f"the office's database does not answer ({told})")
