"""What every benchmark stands on: a fresh scene, documents sent into it, the gateway's own cost, and the check that
office, axis and journal agree.

Everything but the client is a process of its own: gateway, mock axis, sample office, recount.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mock_axis import pki
from mock_axis.office_client import File, OfficeClient
from mock_axis.office_letters import letter
from mock_axis.recount import looking_at
from mock_axis.scene import OFFICE, OFFICE_ORGAN, Scene, free_port

IN_FLIGHT = 16
STUCK_SECONDS, LOOK_SECONDS = 60.0, 0.2
AGENCY = next(iter(pki.AGENCIES))

CLOSED = """
select kind, count(*) from message where number > ? and state = 'closed'
and direction = case kind when 'document' then 'out' else 'in' end group by kind
"""
ANSWERS_FETCHED = """
select about.{id} from messages said join messages about using (document_id)
join confirmations on confirmations.item_id = said.axis_id
where said.kind = 'status' and said.status_code = '01' and about.kind = 'document'
"""
STATES = "select direction, kind, state, held, count(*) from message where number > ? group by 1, 2, 3, 4"

Told = Callable[[int], None]
"""Hears how many documents are closed."""


class DoesNotCount(RuntimeError):
    """Nothing can be concluded from this run: something is stuck, or the parties disagree."""


@dataclass(slots=True)
class Rig:
    scene: Scene
    client: OfficeClient
    taken: list[str] = field(default_factory=list)
    """Message ids of the documents answered 202, in that order."""
    asked: int = 0
    before: int = 0
    """Messages up to this number were in the journal before any was sent."""

    @property
    def signed(self) -> bool:
        """The axis signs receipts."""
        return self.scene.driver == "soap"

    @property
    def gateway(self) -> int:
        """Process id."""
        assert self.scene.gateway is not None
        return self.scene.gateway.pid

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, payloads: Iterable[bytes]) -> None:
        """A closed loop of `IN_FLIGHT` requests: the next starts when one is answered."""
        left = iter(payloads)

        async def one_after_the_other() -> None:
            for payload in left:
                await self.submit(payload)

        await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))

    async def send_at(self, rate: float, payloads: Iterable[bytes]) -> None:
        """An open loop: a request every 1/`rate` seconds, whatever became of the ones before."""
        began, running = time.monotonic(), []
        for number, payload in enumerate(payloads):
            await asyncio.sleep(began + number / rate - time.monotonic())
            running.append(asyncio.create_task(self.submit(payload)))
        await asyncio.gather(*running)

    async def submit(self, payload: bytes | Path) -> str:
        """Hand in one document to an agency; its message id."""
        self.asked += 1
        key = f"bench-{self.asked}"
        record, _ = letter(self.asked, OFFICE_ORGAN, [AGENCY], [b""], priority=0)
        answer = await self.client.submit(key, record, [File(record["attachments"][0]["name"], payload)])
        self.taken.append(answer["message_id"])
        return self.taken[-1]

    # --- looking --------------------------------------------------------------------------------------------------

    def ask(self, question: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """Of the journal, by SQL of our own, to read only."""
        with looking_at(self.scene.journal) as journal:
            return journal.execute(question, values).fetchall()

    async def all_closed(self, documents: int | None = None, told: Told = lambda _: None) -> None:
        """Wait until so many documents, or all that were taken, and the status that answers each, are closed.

        Raises `DoesNotCount`.
        """
        documents = len(self.taken) if documents is None else documents
        seen, at = (-1, -1), time.monotonic()
        while True:
            closed = dict(self.ask(CLOSED, self.before))
            now = (closed.get("document", 0), closed.get("status", 0))
            told(now[0])
            if min(now) >= documents:
                return
            if now != seen:
                seen, at = now, time.monotonic()
            elif time.monotonic() - at > STUCK_SECONDS:
                states = self.ask(STATES, self.before)
                raise DoesNotCount(f"stuck, of {documents}: {states}; see {self.scene.folder}/*.log")
            await asyncio.sleep(LOOK_SECONDS)

    def disagreements(self) -> list[str]:
        """What office, axis and journal do not see alike; empty where the run counts."""
        sent = sorted(self.taken)
        # Over vxp our message id is not told to the axis: there the journal says which of its ids is which message.
        ids = {} if self.signed else dict(self.ask("select axis_id, message_id from message where direction = 'out'"))
        their = "message_id" if self.signed else "axis_id"
        books = {
            "journal's documents": self.ask(
                "select message_id from message where direction = 'out' and kind = 'document' and state = 'closed'"
                " and number > ?",
                self.before,
            ),
            "axis's documents": self._of(
                "axis/axis.sqlite3",
                f"select {their} from messages where kind = 'document' and system = ?",  # noqa: S608 constant
                pki.GATEWAY,
            ),
            "axis's answers fetched": self._of(
                "axis/axis.sqlite3",
                ANSWERS_FETCHED.format(id=their),
            ),
            "office's answers heard": self._of(
                "office/axis.sqlite3", "select about from heard where type = 'status.received' and code = '01'"
            ),
        }
        return [
            f"{name}: {len(rows)} instead of {len(sent)}"
            for name, rows in books.items()
            if sorted(ids.get(row[0], row[0]) for row in rows) != sent
        ]

    def _of(self, database: str, question: str, *values: object) -> Sequence[tuple[Any, ...]]:
        with looking_at(self.scene.folder / database) as connection:
            return connection.execute(question, values).fetchall()

    async def verify_receipts(self) -> int:
        """How many verify in a process of its own. Raises `DoesNotCount` unless all do and none is missing.

        Over vxp nothing is signed: then how many answers of the axis are kept, one for each message sent.
        """
        if not self.signed:
            return self._acknowledgements()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mock_axis.recount", str(self.scene.folder)), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise DoesNotCount("the receipts could not be counted again")
        counted = json.loads(output)
        if counted["bad"] or counted["missing"]:
            raise DoesNotCount(f"receipts: {len(counted['bad'])} bad, {len(counted['missing'])} missing")
        return int(counted["verified"])

    def _acknowledgements(self) -> int:
        ((kept,),) = self.ask("select count(distinct message_id) from receipt where kind = 'axis-acknowledged'")
        ((sent,),) = self.ask("select count(*) from message where direction = 'out' and sent_at is not null")
        if kept != sent:
            raise DoesNotCount(f"{kept} answers of the axis are kept, for {sent} messages sent")
        return int(kept)


@contextlib.asynccontextmanager
async def rig(
    folder: Path, *, before: Callable[[Scene], Awaitable[None]] | None = None, **options: Any
) -> AsyncIterator[Rig]:
    """A scene of its own in `folder`, running; stopped at the end. `before`: done before the gateway starts."""
    port = free_port()
    scene = Scene(folder, office_url=f"http://127.0.0.1:{port}/webhook", **options)
    scene.lay_out()
    key = await scene.new_key(OFFICE)
    if before is not None:
        await before(scene)
    arguments = ("mock_axis.bench_office", folder / "office", folder / "webhook.secret", port)
    async with ready_process(*map(str, arguments)):
        client = OfficeClient(scene.api_url, key)
        try:
            await scene.start_axis()
            await scene.start_gateway()
            bench = Rig(scene, client)
            ((bench.before,),) = bench.ask("select coalesce(max(number), 0) from message")
            yield bench
        finally:
            await client.close()
            await scene.stop()


@contextlib.asynccontextmanager
async def ready_process(*arguments: str) -> AsyncIterator[str]:
    """A Python module as a process that prints one line when it is ready and ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line:
            raise DoesNotCount(f"{arguments[0]} did not start")
        yield line.decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


def cpu_seconds(process: int) -> float:
    """User and system time of a process and the children it has waited for."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_all(parent: int) -> float:
    """User and system time of a process and its living children, and of those they have waited for."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent in {int(stat.parent.name), int(fields[1])}:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": model,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "sqlite": sqlite3.sqlite_version,
    }
