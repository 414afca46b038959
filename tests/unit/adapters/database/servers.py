"""Databases of offices for tests: a SQLite file, and a PostgreSQL of our own where its programs are installed."""

import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

DDL = Path(__file__).resolve().parents[4] / "adapters/office/database/ddl"
USER = "nobody"
"""PostgreSQL refuses to run as root."""


class SqliteDatabase:
    name = "sqlite"

    def __init__(self, folder):
        self.path = folder / "office.sqlite"
        self.url = f"sqlite:///{self.path}"
        self.path.touch()
        self.engine = create_engine(self.url, poolclass=NullPool)
        lay(self.engine, "sqlite")

    @contextlib.contextmanager
    def away(self):
        hidden = self.path.with_suffix(".hidden")
        self.path.rename(hidden)
        yield
        hidden.rename(self.path)

    def drop(self):
        self.engine.dispose()


class PostgresDatabase:
    name = "postgresql"

    def __init__(self, server):
        self.database = f"office_{os.urandom(4).hex()}"
        self.admin = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self.sql(f"CREATE DATABASE {self.database}")
        self.url = server.rpartition("/")[0] + f"/{self.database}"
        self.engine = create_engine(self.url, poolclass=NullPool)
        lay(self.engine, "postgresql")

    @contextlib.contextmanager
    def away(self):
        self.sql(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false")
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.database}'")
        yield
        self.sql(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")

    def drop(self):
        self.engine.dispose()
        self.sql(f"DROP DATABASE {self.database} WITH (FORCE)")

    def sql(self, statement):
        with self.admin.connect() as connection:
            connection.execute(text(statement))


def lay(engine, dialect):
    """Make the tables as an administrator would, from the file we ship."""
    script = (DDL / f"{dialect}.sql").read_text(encoding="utf-8")
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    with engine.begin() as connection:
        for statement in filter(None, map(str.strip, bare.split(";"))):
            connection.exec_driver_sql(statement)


@contextlib.contextmanager
def database(kind, folder):
    made = SqliteDatabase(folder) if kind == "sqlite" else PostgresDatabase(postgres())
    try:
        yield made
    finally:
        made.drop()


@functools.cache
def postgres():
    """The URL of a PostgreSQL of this test run; skips the test where there is none to start."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not found:
        reason = "postgres is missing (Debian package postgresql)"
        pytest.fail(reason, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="lienthong-postgres-"))
    as_user = {"user": pwd.getpwnam(USER).pw_uid, "group": pwd.getpwnam(USER).pw_gid} if os.geteuid() == 0 else {}
    if as_user:
        os.chown(folder, as_user["user"], as_user["group"])
    programs, data, port = found[-1].parent, folder / "data", _free_port()
    run = functools.partial(subprocess.run, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user)
    run([programs / "initdb", "-D", data, "-U", "office", "-A", "trust", "-E", "UTF8", "--no-sync"])
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run([programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])

    def stop():
        run([programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)

    import atexit

    atexit.register(stop)
    return f"postgresql+psycopg://office@127.0.0.1:{port}/postgres"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
