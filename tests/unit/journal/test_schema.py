import contextlib
import json
import re
import sqlite3
import subprocess
import sys

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.journal import changes, deadlines, directory, migrations, purges, queries, relations
from gateway.journal.query import Query
from gateway.journal.sqlite import connect, prepare
from gateway.journal.tables import metadata


def schema(path):
    """What SQLite says of each table and index, the constraints of a table in any order."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE '%alembic%'")
    found = {name: sorted(re.sub(r'["()\s]+', " ", sql).strip().split(" , ")) for name, sql in rows}
    found = {name: sorted(part.strip() for line in lines for part in line.split(",")) for name, lines in found.items()}
    connection.close()
    return found


def test_migrating_from_nothing_gives_the_schema_of_the_tables(tmp_path):
    prepare(tmp_path / "migrated.db")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    metadata.create_all(engine)
    engine.dispose()
    # What Alembic does not compare: partial indexes, AUTOINCREMENT, WITHOUT ROWID.
    assert schema(tmp_path / "migrated.db") == schema(tmp_path / "made.db")


def test_migrating_twice_changes_nothing_and_a_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "new %20? #1" / "journal.db"
    prepare(path)
    before = schema(path)
    migrations.upgrade(sa.URL.create("sqlite", database=str(path)))
    assert schema(path) == before
    assert path.stat().st_mode & 0o077 == 0


def test_every_statement_compiles_for_both_databases_and_is_valid_on_sqlite(tmp_path):
    prepare(tmp_path / "journal.db")
    connection = connect(tmp_path / "journal.db")
    every = {
        f"{module.__name__}.{name}": value
        for module in (queries, directory, deadlines, purges, relations, changes)
        for name, value in vars(module).items()
        if isinstance(value, Query)
    }
    every["set_columns"] = queries.set_columns(tuple(sorted(queries.CHANGEABLE)))
    assert len(every) > 60
    for name, query in every.items():
        assert query.text("postgresql"), name
        sql = query.text("sqlite")
        connection.execute(f"EXPLAIN {sql}", [None] * sql.count("?")).close()
    connection.close()


def test_connections_commit_through_to_the_disk_and_begin_nothing_by_themselves(tmp_path):
    prepare(tmp_path / "journal.db")
    connection = connect(tmp_path / "journal.db")
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert connection.isolation_level is None
    connection.close()


def test_a_journal_of_the_newest_schema_is_opened_without_loading_alembic(tmp_path):
    path = tmp_path / "journal.db"
    prepare(path)
    program = (
        "import sys; from pathlib import Path; from gateway.journal.sqlite import prepare;"
        "prepare(Path(sys.argv[1])); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_secrets_rejected_before_they_were_kept_by_number_are_found_by_it_too(tmp_path):
    path = tmp_path / "old.db"
    migrations.upgrade(sa.URL.create("sqlite", database=str(path)), "0007")
    named = {
        "told": ("000.00.00.G22, 2026-03-01,7 / btn-VP", "in", "state-secret"),
        "untold": ("7f3e", "in", "state-secret"),
        "not a day": ("a,2026/99/01,7", "in", "state-secret"),
        "recalled": ("a,2026/03/01,7", "in", "recalled"),
        "taken back": ("a,2026/03/01,7", "out", "state-secret"),
    }
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        needed = [row[1:3] for row in connection.execute("PRAGMA table_info(message)") if row[3] and row[1] != "number"]
        for message_id, (document_id, direction, reason) in named.items():
            given = {"message_id": message_id, "document_id": document_id, "direction": direction, "kind": "document"}
            row = {name: given.get(name, 0 if kind == "INTEGER" else "") for name, kind in needed}
            connection.execute(
                f"INSERT INTO message ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
            )
            connection.execute("INSERT INTO purge VALUES (?, 0, ?, 1)", (message_id, reason))
    prepare(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM refused_secret").fetchall() == [("told", 2026, "7/btn-vp")]


def test_a_journal_of_an_older_schema_is_brought_up_to_date(tmp_path):
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    migrations.upgrade(sa.URL.create("sqlite", database=str(old)), "0001")
    prepare(new)
    assert schema(old) != schema(new)
    prepare(old)
    assert schema(old) == schema(new)


def test_what_organs_said_before_there_was_a_place_for_it_is_brought_there(tmp_path):
    path = tmp_path / "old.db"
    migrations.upgrade(sa.URL.create("sqlite", database=str(path)), "0006")
    connection = sqlite3.connect(path)
    entries = [
        ("update-declined", {"organ": "FAR", "by": "s-1"}),
        ("update-agreed", {"organ": "FAR", "by": "s-2"}),
        ("update-declined", {"organ": "NEAR", "by": "s-3"}),
        ("update-agreed", {"organ": "NEAR", "by": "s-4", "message_id": "an update of this one"}),
    ]
    for seq, (code, facts) in enumerate(entries):
        row = ("later", seq, seq, code, "runner", json.dumps(facts), "", "")
        columns = "message_id, seq, at, code, who, facts, prev, digest"
        connection.execute(f"INSERT INTO entry ({columns}) VALUES (?,?,?,?,?,?,?,?)", row)
    asked = "message_id, organ, asked_by, asked_at, answer, answered_by, answered_at, late"
    for row in (("d", "FAR", "13", 1, "16", "s-5", 7, 0), ("d", "NEAR", "13", 1, None, None, None, 0)):
        connection.execute(f"INSERT INTO recall ({asked}) VALUES (?,?,?,?,?,?,?,?)", row)
    connection.commit()
    connection.close()
    prepare(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM change_answer ORDER BY message_id, organ").fetchall() == [
        ("13", "FAR", "16", "s-5", 7),
        ("later", "FAR", "15", "s-2", 1),
        ("later", "NEAR", "16", "s-3", 2),
    ]
    connection.close()
