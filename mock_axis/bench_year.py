"""A province's year replayed as fast as it goes: documents out and in, and the statuses that follow, then all is counted.

11,461 documents out and 23,135 in, as one province had them in a year. What each weighs and whether it is signed is drawn
(`Drawn`), from the seed. Each is answered by statuses 01 and 03 of its receiver.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding

from mock_axis import pki, year_books
from mock_axis.bench_rig import STATES, DoesNotCount, Rig, Told, cpu_seconds_of_all, machine, rig
from mock_axis.office_client import File
from mock_axis.office_letters import letter
from mock_axis.pdf import BODY, SignedPdfs, draw
from mock_axis.recount import looking_at
from mock_axis.scene import OFFICE_ORGAN, Scene

OUT, IN = 11_461, 23_135
MEDIAN, SIGMA, SMALLEST, LARGEST = 150_000, 0.8, 10_000, 5_000_000
"""Sizes of attachments in bytes: log-normal, cut off at both ends."""
SIGNED = 0.74
"""Share of PDFs that a person and the organisation signed: 5,839 of 7,919 in a count of 2019."""
POOL = 64
"""Different signed PDFs, of sizes at equal steps of the distribution; signing one takes longer than carrying it."""
ANSWERS = ("01", "03")
AGENCIES = tuple(pki.AGENCIES)
UNDER_WAY = {"out": 200, "in": 200}
"""Handed in and not closed: more wait for room."""
SUBMIT_AT_ONCE, LETTERS_AT_ONCE, REPORTS_AT_ONCE = 16, 6, 8
LOOK_SECONDS, STUCK_SECONDS = 1.0, 120.0
CLOSED = """
select direction, kind, count(*) from message
where number > ? and state = 'closed' and duplicate_of is null group by 1, 2
"""
RECEIVED = "select rowid, message_id from heard where type = 'document.received' and rowid > ? order by rowid"
Telling = Callable[[str, int], Told]


@dataclass(slots=True)
class Drawn:
    """The attachments of a year, from a seed."""

    seed: int
    pdfs: SignedPdfs = field(default_factory=SignedPdfs)
    pool: list[bytes] = field(default_factory=list)
    signed: int = 0
    size: int = 0

    def fill(self) -> None:
        """Blocking, seconds."""
        normal = statistics.NormalDist(math.log(MEDIAN), SIGMA)
        for place in range(POOL):
            size = _cut(math.exp(normal.inv_cdf((place + 0.5) / POOL)))
            self.pool.append(self.pdfs.make([f"Văn bản mẫu số {place}", "", *BODY], size=size, seed=place))

    def file(self, way: str, number: int) -> bytes:
        drawn = random.Random(f"{self.seed}/{way}/{number}")
        if drawn.random() < SIGNED:
            data = drawn.choice(self.pool)
            self.signed += 1
        else:
            size = _cut(drawn.lognormvariate(math.log(MEDIAN), SIGMA))
            data = draw([f"Văn bản số {way} {number}", "", *BODY], size=size, seed=drawn.getrandbits(32))
        self.size += len(data)
        return data


def _cut(size: float) -> int:
    return round(min(max(size, SMALLEST), LARGEST))


@dataclass(slots=True)
class Replay:
    bench: Rig
    drawn: Drawn
    out: int
    incoming: int
    closed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("out", "in", "told", "heard"), 0))
    """Documents by direction; statuses that we told and that we heard."""
    reported: list[str] = field(default_factory=list)
    room: asyncio.Condition = field(default_factory=asyncio.Condition)
    begun: dict[str, int] = field(default_factory=lambda: {"out": 0, "in": 0})

    @property
    def wanted(self) -> dict[str, int]:
        each = len(ANSWERS)
        return {"out": self.out, "in": self.incoming, "told": each * self.incoming, "heard": each * self.out}

    async def run(self, telling: Telling) -> None:
        """Raises `DoesNotCount` when nothing moves any more."""
        names = {"out": "documents out", "in": "documents in", "told": "statuses out", "heard": "statuses in"}
        bars = {what: telling(names[what], count) for what, count in self.wanted.items()}
        async with aiohttp.ClientSession() as axis:
            work = [
                *(self._submit() for _ in range(SUBMIT_AT_ONCE)),
                *(self._write(axis) for _ in range(LETTERS_AT_ONCE)),
            ]
            looking = asyncio.create_task(self._look(bars))
            reporting = asyncio.create_task(self._report())
            try:
                await _first_failure(looking, reporting, *map(asyncio.create_task, work))
            finally:
                for task in (looking, reporting):
                    task.cancel()
                await asyncio.gather(looking, reporting, return_exceptions=True)

    async def _turns(self, way: str, count: int) -> AsyncIterator[int]:
        """The numbers of one direction, dealt to whoever asks next, when there is room."""
        while self.begun[way] < count:
            async with self.room:
                await self.room.wait_for(lambda: self.begun[way] - self.closed[way] < UNDER_WAY[way])
            if self.begun[way] >= count:
                return
            self.begun[way] += 1
            yield self.begun[way]

    async def _submit(self) -> None:
        async for number in self._turns("out", self.out):
            record, _ = letter(number, OFFICE_ORGAN, [AGENCIES[number % len(AGENCIES)]], [b""], seed=self.drawn.seed)
            data = await asyncio.to_thread(self.drawn.file, "out", number)
            answer = await self.bench.client.submit(
                f"year-{number}", record, [File(record["attachments"][0]["name"], data)]
            )
            self.bench.taken.append(answer["message_id"])

    async def _write(self, axis: aiohttp.ClientSession) -> None:
        async for number in self._turns("in", self.incoming):
            told = {"to": [OFFICE_ORGAN], "number": str(number), "subject": f"V/v mẫu số {number}"}
            data = await asyncio.to_thread(self.drawn.file, "in", number)
            form = aiohttp.FormData(quote_fields=False, charset="utf-8")
            form.add_field("letter", json.dumps(told), content_type="application/json")
            form.add_field("file", data, filename=f"{number}.pdf", content_type="application/pdf")
            agency = AGENCIES[number % len(AGENCIES)]
            url = f"{self.bench.scene.control_url}/agencies/{agency}/send"
            async with axis.post(url, data=form) as answer:
                answer.raise_for_status()

    async def _report(self) -> None:
        """The office registers what it received: status 03."""
        path, last = year_books.heard_at(self.bench.scene), 0
        while True:
            rows = await asyncio.to_thread(_rows, path, RECEIVED, last)
            left = iter(rows)

            async def one_after_the_other(left: Any = left) -> None:
                for _, message_id in left:
                    self.reported.append((await self.bench.client.report(message_id, "03"))["message_id"])

            await asyncio.gather(*(one_after_the_other() for _ in range(REPORTS_AT_ONCE)))
            last = rows[-1][0] if rows else last
            await asyncio.sleep(0 if rows else LOOK_SECONDS / 2)

    async def _look(self, bars: dict[str, Told]) -> None:
        """Until everything is closed."""
        kinds = {"out document": "out", "in document": "in", "out status": "told", "in status": "heard"}
        moved = time.monotonic()
        while self.closed != self.wanted:
            rows = await asyncio.to_thread(self.bench.ask, CLOSED, self.bench.before)
            now = self.closed | {kinds[f"{direction} {kind}"]: count for direction, kind, count in rows}
            if now != self.closed:
                moved = time.monotonic()
            elif time.monotonic() - moved > STUCK_SECONDS:
                raise DoesNotCount(f"stuck: {self.bench.ask(STATES, self.bench.before)}")
            async with self.room:
                self.closed = now
                self.room.notify_all()
            for what, bar in bars.items():
                bar(now[what])
            await asyncio.sleep(LOOK_SECONDS)


async def _first_failure(looking: asyncio.Task[None], *others: asyncio.Task[None]) -> None:
    """Until `looking` has seen everything; what fails first ends it."""
    left = {looking, *others}
    while looking in left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if error := task.exception():
                for each in left:
                    each.cancel()
                await asyncio.gather(*left, return_exceptions=True)
                raise error


def _rows(path: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    with looking_at(path) as database:
        return database.execute(question, values).fetchall()


async def year(folder: Path, fraction: float, seed: int, telling: Telling) -> dict[str, Any]:
    """Raises `DoesNotCount`."""
    drawn = Drawn(seed)
    await asyncio.to_thread(drawn.fill)

    async def trusting(scene: Scene) -> None:
        (scene.folder / "pdf-trust").mkdir()
        (scene.folder / "pdf-trust" / "ca.pem").write_bytes(drawn.pdfs.ca.certificate.public_bytes(Encoding.PEM))

    options = {"answers": ",".join(ANSWERS), "every_seconds": 0.0, "seed": seed}
    async with rig(folder / "scene", before=trusting, **options) as bench:
        replay = Replay(bench, drawn, max(1, round(OUT * fraction)), max(1, round(IN * fraction)))
        used, began = cpu_seconds_of_all(bench.gateway), time.monotonic()
        await replay.run(telling)
        seconds, used = time.monotonic() - began, cpu_seconds_of_all(bench.gateway) - used
        scene = bench.scene
        books = {
            "axis": year_books.axis_book(scene),
            "office": year_books.office_book(scene, bench.taken, replay.reported),
            "journal": year_books.journal_book(scene),
        }
        if wrong := year_books.disagreements(books):
            raise DoesNotCount("; ".join(wrong))
        receipts = await bench.verify_receipts()
        peak = _peak_rss(bench.gateway)
    documents = replay.out + replay.incoming
    messages = documents + sum(replay.wanted[what] for what in ("told", "heard"))
    return {
        "fraction": round(documents / (OUT + IN), 4),
        "seed": seed,
        "documents": documents,
        "signed": drawn.signed,
        "attachment_bytes": drawn.size,
        "counts": year_books.counts(books),
        "seconds": round(seconds, 1),
        "documents_per_second": round(documents / seconds, 2),
        "messages_per_second": round(messages / seconds, 2),
        "gateway_cpu_ms_per_document": round(used * 1000 / documents, 2),
        "gateway_peak_rss_mb": round(peak / (1 << 20), 1),
        "journal_bytes": scene.journal.stat().st_size,
        "contents_bytes": sum(each.stat().st_size for each in (scene.folder / "data").rglob("*") if each.is_file())
        - scene.journal.stat().st_size,
        "agreed": True,
        "receipts_verified": receipts,
        "distribution": {
            "attachments": 1,
            "size_median": MEDIAN,
            "size_sigma": SIGMA,
            "size_between": [SMALLEST, LARGEST],
            "signed": SIGNED,
            "signatures": 2,
            "statuses": ANSWERS,
        },
        "machine": machine(),
    }


def _peak_rss(process: int) -> int:
    """Of the gateway's own process, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0
