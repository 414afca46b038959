"""Examining PDFs in child processes: a few warm workers, each file under limits, every death an answer.

Parsers take memory and time without bound on hostile files (`docs/decisions/0004-pdf-in-child-processes.md`), so no PDF
is opened in the gateway's own process. A worker that dies, or is silent for too long, is replaced; the file it had
`could-not-be-examined`, and what follows from that is policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from gateway.errors import GatewayError
from gateway.trust.pdf.options import PdfOptions
from gateway.trust.pdf.report import OUT_OF_MEMORY, PdfReport, from_json, unexamined


class WorkerBroken(GatewayError):
    """The process that examines PDFs does not start."""


_OPTIONS = TypeAdapter(PdfOptions)
_START_SECONDS = 30.0
_LONGEST_LINE = 32 << 20


class PdfExaminer:
    """`async with PdfExaminer(options) as examiner: report = await examiner.examine(path, now=now)`.

    Workers start with the first file. Safe to call concurrently; at most `options.workers` files are examined at once.
    """

    def __init__(self, options: PdfOptions) -> None:
        self._options = options
        self._turns = asyncio.Semaphore(options.workers)
        self._idle: list[_Worker] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="pdf-", dir=self._options.folder)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(worker.end() for worker in self._idle))
        self._idle.clear()
        assert self._folder is not None
        self._folder.cleanup()

    async def examine(
        self,
        pdf: Path | AsyncIterator[bytes],
        *,
        now: dt.datetime,
        text: bool = False,
        answers: Sequence[Path] = (),
    ) -> PdfReport:
        """Judge at `now`; with `text`, its text layer comes along. `answers`: files of revocation answers beside those of
        the options. Raises nothing for anything a file can do.
        """
        order = {"now": now.isoformat(), "text": text, "answers": [str(each) for each in answers]}
        async with self._turns:
            if isinstance(pdf, Path):
                size = (await asyncio.to_thread(pdf.stat)).st_size
                return unexamined("too-large") if size > self._options.limits.bytes else await self._examine(pdf, order)
            assert self._folder is not None, "used outside `async with`"
            with tempfile.NamedTemporaryFile(dir=self._folder.name) as file:
                left = self._options.limits.bytes
                async for chunk in pdf:
                    left -= len(chunk)
                    if left < 0:
                        return unexamined("too-large")
                    file.write(chunk)
                file.flush()
                return await self._examine(Path(file.name), order)

    async def _examine(self, path: Path, order: Mapping[str, object]) -> PdfReport:
        worker = self._idle.pop() if self._idle else await _Worker.start(self._options)
        report = unexamined("died")
        try:
            async with asyncio.timeout(self._options.limits.wall_seconds):
                report = await worker.ask({"path": str(path), **order})
        except TimeoutError:
            report = unexamined("time")
        finally:  # a cancelled caller leaves a worker amid a file: that one must not meet the next
            again = not _UNFIT.intersection(report.findings) and worker.files < self._options.files_per_worker
            if again:
                self._idle.append(worker)
            else:
                await asyncio.shield(worker.end())
        return report


_UNFIT = frozenset({"died", "processor-time", "time", *OUT_OF_MEMORY})


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.files = 0

    @classmethod
    async def start(cls, options: PdfOptions) -> Self:
        """Raises `WorkerBroken`: then it is our installation that is broken, not a file."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.trust.pdf.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(_START_SECONDS):
                if await worker._line(_OPTIONS.dump_json(options)):
                    return worker
        except TimeoutError:
            pass
        await worker.end()
        raise WorkerBroken("pdf-worker")

    async def ask(self, order: dict[str, object]) -> PdfReport:
        self.files += 1
        try:
            return from_json(await self._line(json.dumps(order).encode()))
        except ValueError:  # nothing came back, or half of it
            return unexamined(await self._cause_of_death())

    async def _cause_of_death(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                if await self._process.wait() == -signal.SIGXCPU:
                    return "processor-time"
        return "died"

    async def _line(self, line: bytes) -> bytes:
        """Their answer to a line of ours; empty where they are gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()
            return await self._process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            return b""

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # it holds nothing that must be put in order
        await self._process.wait()
