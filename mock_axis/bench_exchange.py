"""What a document costs on the whole road, beside the floor, and how long it takes.

A and B alternate: a run of the floor, a run of the gateway in a scene of its own, and again. Each sends the same
payloads, 16 in flight, after a warm-up that is not counted. Latency is measured apart, at half the rate reached.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock_axis.bench_rig import IN_FLIGHT, DoesNotCount, Rig, Told, cpu_seconds, machine, ready_process, rig
from mock_axis.floor import payloads

SEED = 1


@dataclass(frozen=True, slots=True)
class Load:
    documents: int
    size: int
    """Of the one attachment, in bytes."""
    warm_up: int = 200


@dataclass(frozen=True, slots=True)
class Run:
    cpu_ms: float
    """Per document."""
    rate: float
    """Documents per second, from the first request to the last one closed."""
    receipts: int = 0


async def exchange(
    folder: Path,
    load: Load,
    pairs: int,
    latency_seconds: float,
    telling: Callable[[str], Told],
    driver: str = "soap",
) -> dict[str, Any]:
    """`telling` makes, for each part of the work, who hears of its progress. Raises `DoesNotCount`."""
    floors: list[Run] = []
    gateways: list[Run] = []
    for pair in range(1, pairs + 1):
        floors.append(await floor_run(folder / "floor", load))
        shutil.rmtree(folder / "floor")
        gateways.append(await gateway_run(folder / "scene", load, telling(f"pair {pair} of {pairs}"), driver))
        shutil.rmtree(folder / "scene")
    rate = statistics.median(run.rate for run in gateways)
    latency = await latencies(folder / "scene", load, rate / 2, latency_seconds, telling("latency"), driver)
    ratios = [gateway.cpu_ms / floor.cpu_ms for gateway, floor in zip(gateways, floors, strict=True)]
    return {
        "driver": driver,
        "documents": load.documents,
        "size": load.size,
        "pairs": pairs,
        "ratio": spread(ratios),
        "gateway_cpu_ms": spread([run.cpu_ms for run in gateways]),
        "floor_cpu_ms": spread([run.cpu_ms for run in floors]),
        "documents_per_second": spread([run.rate for run in gateways]),
        "latency_ms": latency,
        "agreed": True,
        "receipts_verified" if driver == "soap" else "acknowledgements": sum(run.receipts for run in gateways),
        "machine": machine(),
    }


async def gateway_run(folder: Path, load: Load, told: Told, driver: str = "soap") -> Run:
    async with rig(folder, driver=driver) as bench:
        await warm_up(bench, load)
        run = await measured(bench, load, told)
    return Run(run.cpu_ms, run.rate, await checked(bench))


async def warm_up(bench: Rig, load: Load) -> None:
    await bench.send(payloads(load.warm_up, load.size, SEED + 1))
    await bench.all_closed()


async def measured(bench: Rig, load: Load, told: Told) -> Run:
    """From the first request to the last message closed."""
    wanted = len(bench.taken) + load.documents
    used, began = cpu_seconds(bench.gateway), time.time()
    await asyncio.gather(bench.send(payloads(load.documents, load.size, SEED)), bench.all_closed(wanted, told))
    used = cpu_seconds(bench.gateway) - used
    ((closed,),) = bench.ask("select max(closed_at) from message where direction = 'out' and kind = 'document'")
    return Run(used * 1000 / load.documents, load.documents / (closed / 1_000_000 - began))


async def checked(bench: Rig) -> int:
    """How many receipts verify again. Raises `DoesNotCount` where the parties disagree or one does not."""
    if wrong := bench.disagreements():
        raise DoesNotCount("; ".join(wrong))
    return await bench.verify_receipts()


async def floor_run(folder: Path, load: Load) -> Run:
    async with ready_process("mock_axis.floor", "--sink") as port:
        options = {
            "folder": folder,
            "url": f"http://127.0.0.1:{port}/",
            "documents": load.documents,
            "size": load.size,
            "warm-up": load.warm_up,
            "in-flight": IN_FLIGHT,
            "seed": SEED,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mock_axis.floor"),
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    if process.returncode:
        raise DoesNotCount("the floor failed")
    counted = json.loads(output)
    return Run(counted["cpu_seconds"] * 1000 / load.documents, load.documents / counted["seconds"])


async def latencies(
    folder: Path, load: Load, rate: float, seconds: float, told: Told, driver: str = "soap"
) -> dict[str, float]:
    """From accepted to the receipt verified, by the journal's own times, in milliseconds."""
    count = max(2, round(rate * seconds))
    async with rig(folder, driver=driver) as bench:
        await warm_up(bench, load)
        await asyncio.gather(
            bench.send_at(rate, payloads(count, load.size, SEED)), bench.all_closed(load.warm_up + count, told)
        )
        await checked(bench)
        waits = waited_ms(bench, bench.taken[load.warm_up :])
    shutil.rmtree(folder)
    return {**percentiles(waits), "rate": round(rate, 2)}


def waited_ms(bench: Rig, message_ids: Sequence[str]) -> list[float]:
    """Accepted to sent, of each."""
    wanted = set(message_ids)
    rows = bench.ask("select message_id, (sent_at - accepted_at) / 1000.0 from message where sent_at is not null")
    return [wait for message_id, wait in rows if message_id in wanted]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """By nearest rank: each is a value that was really measured."""
    ordered = sorted(values)
    return {f"p{percent}": round(ordered[math.ceil(percent / 100 * len(ordered)) - 1], 1) for percent in (50, 95, 99)}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }
