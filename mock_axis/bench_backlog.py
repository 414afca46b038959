"""What a full journal costs: CPU per document beside 100,000 finished and 10,000 waiting rows, and beside none.

The rows are copies of real ones, made by SQL from the journal of the gateway that starts empty. Half of the waiting
ones are due tomorrow; the other half are due now, at an endpoint in back-off.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from mock_axis.bench_exchange import Load, checked, measured, spread, warm_up
from mock_axis.bench_rig import DoesNotCount, Told, machine, rig
from mock_axis.scene import Scene

FINISHED, WAITING = 100_000, 10_000
DAY = 86_400_000_000
OF_MESSAGES = "message", "delivery", "extra", "content_ref", "receipt", "attempt", "entry", "handover", "status_heard"
MADE_ANEW = {
    **dict.fromkeys(("message_id", "axis_id", "submission_id"), "printf('%08x', copy.n) || substr({}, 9)"),
    "document_id": "{} || '/' || copy.n",
    "twin": "{} || '/' || copy.n",
}
CLOSED, DOCUMENTS = "state = 'closed'", "state = 'closed' and direction = 'out' and kind = 'document'"
COPIES = "with recursive copy (n) as (select :first union all select n + 1 from copy where n + 1 < :after)"
WAIT = """
update message set state = 'packed', sent_at = null, closed_at = null, axis_id = null, proof = null,
endpoint = case number % 2 when 0 then endpoint else 'axis:tinh' end,
due_at = case number % 2 when 0 then :tomorrow else accepted_at end where number > :after
"""
BACK_OFF = "insert into endpoint (name, failures, failing_since, next_try_at) values ('axis:tinh', 9, :now, :tomorrow)"
BLOCK = """
insert into block (number, first_entry, last_entry, count, root, prev, closed_at, digest, signature, leaves)
select 1, min(number), max(number), count(*), '', '', :now, '', x'', '[]' from entry
"""


async def backlog(
    folder: Path, load: Load, pairs: int, finished: int, waiting: int, telling: Callable[[str], Told]
) -> dict[str, Any]:
    """Raises `DoesNotCount`."""
    async with rig(folder / "empty") as empty:
        await warm_up(empty, load)

        async def filling(scene: Scene) -> None:
            await asyncio.to_thread(_fill, scene.journal, empty.scene.journal, finished, waiting)

        async with rig(folder / "full", before=filling) as full:
            await warm_up(full, load)
            costs: dict[str, list[float]] = {"empty": [], "full": []}
            for pair in range(1, pairs + 1):
                for name, bench in (("empty", empty), ("full", full)):
                    run = await measured(bench, load, telling(f"pair {pair} of {pairs}, {name}"))
                    costs[name].append(run.cpu_ms)
            ((preloaded,),) = full.ask("select count(*) from message where number <= ?", full.before)
    if wrong := full.disagreements():
        raise DoesNotCount("; ".join(wrong))
    receipts = await checked(empty)
    ratios = [there / here for here, there in zip(costs["empty"], costs["full"], strict=True)]
    return {
        "documents": load.documents,
        "size": load.size,
        "pairs": pairs,
        "preloaded": preloaded,
        "ratio": spread(ratios),
        "empty_cpu_ms": spread(costs["empty"]),
        "full_cpu_ms": spread(costs["full"]),
        "agreed": True,
        "receipts_verified": receipts,
        "machine": machine(),
    }


def _fill(journal: Path, source: Path, finished: int, waiting: int) -> None:
    """Copies of the source's closed messages, so many finished and so many waiting, into a journal nobody has open."""
    now = int(time.time() * 1_000_000)
    times = {"now": now, "tomorrow": now + DAY}
    with closing(sqlite3.connect(journal, isolation_level=None)) as database:
        database.execute("pragma synchronous = off")
        database.execute("attach ? as source", (str(source),))
        database.execute("begin")
        database.execute("insert or ignore into content select * from source.content")
        first = _copy(database, CLOSED, finished, 0)
        ((after,),) = database.execute("select max(number) from message")
        _copy(database, DOCUMENTS, waiting, first)
        database.execute(WAIT, times | {"after": after})
        database.execute(BACK_OFF, times)
        database.execute(BLOCK, times)  # or the notary would close one over all of them during the measurement
        database.execute("commit")
        database.execute("detach source")
        database.execute("pragma wal_checkpoint(truncate)")


def _copy(database: sqlite3.Connection, which: str, rows: int, first: int) -> int:
    """At least so many copies of the messages of the source that are `which`; the number of the next copy."""
    chosen = f"from source.message where {which}"
    ((originals,),) = database.execute(f"select count(*) {chosen}")
    after = first - (-rows // int(originals))
    for table in OF_MESSAGES:
        columns = [name for _, name, *_ in database.execute(f"pragma main.table_info({table})") if name != "number"]
        values = ", ".join(_value(table, column) for column in columns)
        made = f"select {values} from source.{table} as original, copy"  # noqa: S608 our own columns
        wanted = f"original.message_id in (select message_id {chosen})"
        database.execute(
            f"{COPIES} insert into main.{table} ({', '.join(columns)}) {made} where {wanted}",
            {"first": first, "after": after},
        )
    return after


def _value(table: str, column: str) -> str:
    if (table, column) == ("handover", "seq"):
        return "null"  # its place in an inbox, unique
    return MADE_ANEW.get(column, "{}").format(f"original.{column}")
