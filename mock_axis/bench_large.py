"""One large attachment each way: what it does to the gateway's memory, and to the small documents beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from mock_axis.bench_exchange import Load, checked, percentiles, waited_ms, warm_up
from mock_axis.bench_rig import AGENCY, LOOK_SECONDS, DoesNotCount, Rig, Told, machine, rig
from mock_axis.floor import payloads
from mock_axis.scene import OFFICE_ORGAN

MIB = 1 << 20
SMALL, SMALL_EVERY, ALONE = 100_000, 0.25, 40
PATIENCE = 600.0
ARRIVED = "select message_id, state from message where direction = 'in' and kind = 'document'"
ANSWERED = "select count(*) from message where direction = 'out' and kind = 'status' and state = 'closed'"


async def large(folder: Path, size: int, told: Told) -> dict[str, Any]:
    """Raises `DoesNotCount`."""
    file = folder / "large.bin"
    await asyncio.to_thread(_make, file, size)
    async with rig(folder / "scene") as bench:
        await warm_up(bench, Load(0, SMALL, warm_up=50))
        await bench.send_at(1 / SMALL_EVERY, payloads(ALONE, SMALL, 2))
        await bench.all_closed()
        alone = waited_ms(bench, bench.taken[-ALONE:])
        told(1)
        out = await _beside(bench, _out(bench, file))
        told(2)
        back = await _beside(bench, _in(bench, size))
        told(3)
    return {
        "size": size,
        "out": out,
        "in": back,
        "small_latency_alone_ms": percentiles(alone),
        "agreed": True,
        "receipts_verified": await checked(bench),
        "machine": machine(),
    }


async def _beside(bench: Rig, transfer: Any) -> dict[str, Any]:
    """Memory of the gateway during a transfer, and the latency of small documents sent meanwhile."""
    process = Path(f"/proc/{bench.gateway}")
    _forget_peak(process)
    level = _memory(process, "VmRSS")
    began = time.monotonic()
    async with _small_ones(bench) as small:
        await transfer
    seconds, peak = time.monotonic() - began, _memory(process, "VmHWM")
    await bench.all_closed()
    waits = waited_ms(bench, small)
    return {
        "seconds": round(seconds, 1),
        "rss_before_mb": round(level / MIB, 1),
        "rss_growth_mb": round((peak - level) / MIB, 1),
        "small_documents": len(small),
        "small_latency_ms": {**percentiles(waits), "max": round(max(waits), 1)},
    }


async def _out(bench: Rig, file: Path) -> None:
    """Until the axis's receipt for it is verified."""
    message_id = await bench.submit(file)
    await _until(bench, "select 1 from message where message_id = ? and sent_at is not null", message_id)


async def _in(bench: Rig, size: int) -> None:
    """Until the office has it, has downloaded it whole, and the axis holds our receipt and the 01."""
    letter = {"to": [OFFICE_ORGAN], "size": size}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
        session.post(f"{bench.scene.control_url}/agencies/{AGENCY}/send", json=letter) as answer,
    ):
        answer.raise_for_status()
        (attachment,) = (await answer.json())["attachments"]
    await _until(bench, f"{ARRIVED} and state = 'closed'")
    await _until(bench, f"{ANSWERED} having count(*) > 0")
    ((message_id, _),) = bench.ask(ARRIVED)
    (line,) = (await bench.client.item(message_id))["attachments"]
    if (await bench.client.attachment(message_id, line["n"])).sha256 != attachment["sha256"]:
        raise DoesNotCount("the office got other bytes than the agency sent")


async def _until(bench: Rig, question: str, *values: object) -> None:
    ends = time.monotonic() + PATIENCE
    while not bench.ask(question, *values):
        if time.monotonic() > ends:
            raise DoesNotCount(f"stuck; see {bench.scene.folder}/*.log")
        await asyncio.sleep(LOOK_SECONDS)


@contextlib.asynccontextmanager
async def _small_ones(bench: Rig) -> AsyncIterator[list[str]]:
    """Small documents at a steady rate for as long as the block lasts; their message ids."""
    small: list[str] = []

    enough = asyncio.Event()

    async def send() -> None:
        for payload in payloads(1 << 20, SMALL, 3):
            small.append(await bench.submit(payload))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), SMALL_EVERY)
            if enough.is_set():
                return

    sending = asyncio.create_task(send())
    try:
        yield small
    finally:
        enough.set()
        await sending


def _make(file: Path, size: int) -> None:
    with file.open("wb") as made:
        for start in range(0, size, MIB):
            made.write(os.urandom(min(MIB, size - start)))


def _memory(process: Path, field: str) -> int:
    lines = (process / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def _forget_peak(process: Path) -> None:
    """Start VmHWM anew from the present size (proc(5), clear_refs)."""
    (process / "clear_refs").write_text("5", encoding="ascii")
