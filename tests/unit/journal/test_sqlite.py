"""What is particular to SQLite: group commit, the disk's failures, and a claim that the backlog does not slow."""

import asyncio
import contextlib
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from gateway.errors import Busy, StorageBroken
from gateway.journal import Journal, lookups, purges, queries
from gateway.journal import journal as the_module
from gateway.journal.query import Query
from gateway.journal.sqlite import SqliteStore, connect
from gateway.journal.tables import role
from gateway.states import State
from tests.contract.journals import LEASE, Clock, accepted, message, submission, to

PUT = Query(sa.insert(role), "name", "holder", "until")
COUNT = Query(sa.select(sa.func.count()).select_from(role))


def prepare(path):
    """A copy of what is migrated once a session: migrating has tests of its own."""
    the_module.prepare(path)


@pytest.fixture
async def store(tmp_path):
    prepare(tmp_path / "journal.db")
    opened = SqliteStore(tmp_path / "journal.db")
    yield opened
    await opened.close()


def put(name):
    return lambda tx: tx.run(PUT, {"name": name, "holder": "x", "until": 0})


def count(tx):
    return tx.one(COUNT)[0]


async def gathered(*units):
    return await asyncio.gather(*units, return_exceptions=True)


async def together(store, *units):
    """Units that wait at the same time, so that they share a commit."""
    gate = threading.Event()
    first = asyncio.ensure_future(store.write(lambda _: gate.wait(), lengthy=True))
    await asyncio.sleep(0.05)
    rest = asyncio.ensure_future(gathered(*(store.write(unit) for unit in units)))
    await asyncio.sleep(0.05)
    gate.set()
    await first
    return await rest


async def test_a_unit_that_fails_undoes_only_itself(store):
    results = await together(store, put("a"), put("a"), put("b"))
    assert isinstance(results[1], sqlite3.IntegrityError)
    assert [results[0], results[2]] == [1, 1]
    assert await store.read(count) == 2


async def test_the_units_beside_one_that_fails_count_once_though_they_ran_twice(store):
    told, runs = [], []
    store.before_commit = told.extend

    def tells(tx):
        runs.append("run")
        tx.told.append("once")
        return tx.run(PUT, {"name": "told", "holder": "x", "until": 0})

    results = await together(store, tells, put("told"), put("other"))
    assert (results[0], results[2], await store.read(count)) == (1, 1, 2)
    assert isinstance(results[1], sqlite3.IntegrityError)
    assert (told, runs) == (["once"], ["run", "run"])


async def test_another_process_that_writes_between_the_two_runs_fails_nobody(store, tmp_path):
    with contextlib.closing(connect(tmp_path / "journal.db")) as other:
        undone = store._undone

        def slips_in(exc):
            error = undone(exc)
            other.execute("BEGIN IMMEDIATE")
            store._loop.call_soon_threadsafe(store._loop.call_later, 0.1, other.execute, "COMMIT")
            return error

        store._undone = slips_in
        results = await together(store, put("a"), put("a"), put("b"))
    assert [results[0], results[2]] == [1, 1]
    assert isinstance(results[1], sqlite3.IntegrityError)


def test_what_is_unconfirmed_is_found_without_walking_what_ever_came(tmp_path):
    prepare(tmp_path / "journal.db")
    with contextlib.closing(connect(tmp_path / "journal.db")) as connection:
        sql = lookups._UNCONFIRMED.text("sqlite")
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]
    assert any("ix_message_state" in step for step in plan), plan
    assert not any("SCAN message" in step or "sqlite_autoindex_message" in step for step in plan), plan


async def test_what_writes_nothing_does_not_wait_for_the_disk(store):
    busy = threading.Event()
    store._committer.submit(busy.wait, 10)
    async with asyncio.timeout(5):
        assert await store.write(count) == 0
    busy.set()


async def test_it_is_known_whether_another_process_wrote(store, tmp_path):
    before = store.others_wrote()
    await store.write(put("ours"))
    assert store.others_wrote() == before
    with contextlib.closing(connect(tmp_path / "journal.db")) as other:
        other.execute("INSERT INTO role VALUES ('theirs', 'x', 0)")
    assert store.others_wrote() != before


async def test_a_unit_with_a_bug_in_its_statement_undoes_only_itself(store):
    def bug(tx):
        tx._cursor.execute("INSERT INTO nowhere VALUES (1)")

    results = await together(store, put("a"), bug, put("b"))
    assert isinstance(results[1], sqlite3.OperationalError)
    assert await store.read(count) == 2


async def test_units_that_wait_share_a_commit(store):
    commits = []
    store._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await together(store, *(put(str(n)) for n in range(50)))
    assert len(commits) == 2


async def test_a_full_disk_fails_every_unit_of_the_group_and_later_units_go_on(store):
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count={pages}").close()

    def big(tx):
        tx.run(PUT, {"name": "big", "holder": "x" * 100_000, "until": 0})

    results = await together(store, put("a"), big, put("b"))
    assert [type(result) for result in results] == [Busy] * 3
    assert results[0].code == "disk-full"
    assert await store.read(count) == 0
    store._writer.execute("PRAGMA max_page_count=1000000").close()
    await store.write(big)
    assert await store.read(count) == 1


async def test_a_commit_that_fails_fails_every_unit_of_its_group_and_later_units_go_on(store):
    def broken_promise(tx):
        tx._cursor.execute("PRAGMA defer_foreign_keys=ON")
        tx._cursor.execute("INSERT INTO extra VALUES ('no such message', 'x', '')")

    results = await together(store, put("a"), broken_promise, put("b"))
    assert [type(result) for result in results] == [sqlite3.IntegrityError] * 3
    assert await store.read(count) == 0
    assert await store.write(put("c")) == 1


async def test_a_disk_that_breaks_its_word_fails_the_group_and_ends_all_writing(tmp_path):
    prepare(tmp_path / "journal.db")
    told = []
    store = SqliteStore(tmp_path / "journal.db", told.append)

    def failing(tx):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
        raise error

    results = await together(store, put("a"), failing, put("b"))
    assert [type(result) for result in results] == [StorageBroken] * 3
    with pytest.raises(StorageBroken):
        await store.write(put("c"))
    assert len(told) == 1
    await store.close()
    with contextlib.closing(connect(tmp_path / "journal.db")) as connection:
        assert connection.execute("SELECT count(*) FROM role").fetchone() == (0,)


def told(name):
    def unit(tx):
        tx.told.append(name)
        return tx.run(PUT, {"name": name, "holder": "x", "until": 0})

    return unit


async def test_what_fails_before_the_commit_fails_its_group_which_is_undone_and_later_units_go_on(store):
    def fails(_):
        raise RuntimeError("can't start new thread")

    store.before_commit = fails
    async with asyncio.timeout(10):
        results = await together(store, put("a"), told("b"))
        assert [type(result) for result in results] == [RuntimeError] * 2
        assert await store.read(count) == 0
        store.before_commit = None
        assert await store.write(told("b")) == 1


async def test_a_transaction_that_cannot_be_undone_ends_all_writing(tmp_path):
    prepare(tmp_path / "journal.db")
    heard = []
    store = SqliteStore(tmp_path / "journal.db", heard.append)

    def loses_the_database(_):
        store._writer.close()
        raise RuntimeError

    store.before_commit = loses_the_database
    async with asyncio.timeout(10):
        assert [type(result) for result in await gathered(store.write(told("a")), store.write(put("b")))] == [
            StorageBroken
        ] * 2
        with pytest.raises(StorageBroken):
            await store.write(put("c"))
        assert len(heard) == 1
        await store.close()


async def test_a_machine_out_of_threads_does_not_keep_units_from_their_commit(store, monkeypatch):
    def fails(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short_of_threads:
        short_of_threads.setattr(threading.Thread, "start", fails)
        async with asyncio.timeout(10):
            assert await store.write(put("a")) == 1


async def test_a_cancelled_caller_does_not_stop_the_work_nor_the_others(store):
    gate = threading.Event()
    first = asyncio.ensure_future(store.write(lambda _: gate.wait(), lengthy=True))
    second = asyncio.ensure_future(store.write(put("a")))
    await asyncio.sleep(0.05)
    second.cancel()
    gate.set()
    await first
    assert await store.write(put("b")) == 1
    assert await store.read(count) == 2


async def test_a_write_waits_for_another_process_and_holds_nothing_up(store, tmp_path):
    with contextlib.closing(connect(tmp_path / "journal.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(store.write(put("a")))
        await asyncio.sleep(0.05)
        assert not writing.done()
        other.execute("ROLLBACK")
    assert await writing == 1


async def test_readers_cannot_write(store):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(put("a"))


# --- claims and the backlog -------------------------------------------------------------------------------------


def plan(path, query, **values):
    with contextlib.closing(connect(path)) as connection:
        sql, values = query.bind("sqlite", values)
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    return [row[3] for row in rows]


def test_claims_step_into_the_index_of_what_is_due_and_scan_no_messages(tmp_path):
    prepare(tmp_path / "journal.db")
    due = plan(
        tmp_path / "journal.db",
        queries.due_in_lane(frozenset()),
        endpoint="e",
        urgency=0,
        now=0,
        limit=1,
    )
    assert [line.split(" AND due_at")[0] for line in due] == [
        "SEARCH message USING INDEX ix_message_due (endpoint=? AND urgency=?"
    ]
    lanes = plan(tmp_path / "journal.db", queries.LANES, now=0)
    over_messages = [line for line in lanes if "message" in line]
    assert over_messages
    assert all(line.startswith("SEARCH message USING COVERING INDEX ix_message_due") for line in over_messages), lanes


def test_a_recall_steps_into_an_index_of_the_rejected_secrets_and_scans_none(tmp_path):
    prepare(tmp_path / "journal.db")
    looked_up = {name: query for name, query in vars(purges).items() if name.startswith("SECRETS_")}
    assert looked_up
    for name, query in looked_up.items():
        lines = plan(tmp_path / "journal.db", query, why="w", document="d", told="t", in_year=1)
        assert lines[0].endswith(("(document_id=?)", "(code=? AND year=?)")), (name, lines)
        assert all(line.endswith(("(message_id=?)", "FOR ORDER BY")) for line in lines[1:]), (name, lines)


async def test_a_claim_costs_the_same_with_a_long_backlog_and_many_finished(tmp_path):
    clock = Clock()
    journal = await Journal.open(tmp_path / "journal.db", now=clock)

    async def measured():
        taken = []
        for _ in range(20):
            began = time.perf_counter()
            [work] = await journal.claim("node-1", 1, LEASE)
            taken.append(time.perf_counter() - began)
            await journal.settle(work, to(State.PACKED))
        return sorted(taken)[len(taken) // 2]

    for _ in range(20):
        await accepted(journal, endpoint="axis:national")
    alone = await measured()
    finished = [message(state=State.CLOSED) for _ in range(10_000)]
    put_off = [message(endpoint="axis:national", due_at=clock() + LEASE * 9) for _ in range(5_000)]
    waiting = [message(endpoint=f"office:{n % 9}") for n in range(5_000)]
    await journal.accept(submission(*finished, *put_off, *waiting))
    with_backlog = await measured()
    await journal.close()
    assert with_backlog < alone * 4 + 0.002, (alone, with_backlog)
