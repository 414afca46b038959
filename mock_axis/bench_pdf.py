"""What examining a PDF costs by the number of its signatures: the gateway's examiner alone, its child process included.

Signatures are checked against the trust list, offline, and the text is searched as on the road. Each file differs.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from mock_axis.bench_exchange import spread
from mock_axis.bench_rig import DoesNotCount, Told, cpu_seconds_of_all, machine
from mock_axis.pdf import BODY, SignedPdfs, draw

SIGNATURES = (0, 1, 2, 3, 5)
BATCHES = 5


async def pdf(folder: Path, files: int, size: int, telling: Callable[[str], Told]) -> dict[str, Any]:
    """`files`: for each number of signatures, in `BATCHES` batches. Raises `DoesNotCount`."""
    makers = SignedPdfs()
    (folder / "trust").mkdir()
    (folder / "trust" / "ca.pem").write_bytes(makers.ca.certificate.public_bytes(Encoding.PEM))
    costs = {}
    for count in SIGNATURES:
        made = await asyncio.to_thread(_make, folder / str(count), makers, count, files, size)
        costs[str(count)] = await _measured(folder / "trust", made, count, telling(f"{count} signatures"))
    return {
        "files": files,
        "size": size,
        "cpu_ms_by_signatures": {name: cost["cpu_ms"] for name, cost in costs.items()},
        "wall_ms_by_signatures": {name: cost["wall_ms"] for name, cost in costs.items()},
        "agreed": True,
        "machine": machine(),
    }


def _make(folder: Path, makers: SignedPdfs, signatures: int, files: int, size: int) -> list[Path]:
    folder.mkdir()
    made = []
    for number in range(files + 1):
        path = folder / f"{number}.pdf"
        drawn = draw([f"Văn bản mẫu số {number}", "", *BODY], size=size, seed=1000 * signatures + number)
        path.write_bytes(makers.sign(drawn, signatures))
        made.append(path)
    return made


async def _measured(trust: Path, made: list[Path], signatures: int, told: Told) -> dict[str, dict[str, float]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.trust.pdf.examining", str(trust)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    orders, answers = process.stdin, process.stdout
    assert orders is not None
    assert answers is not None
    expected = "valid" if signatures else "unsigned"

    async def examine(path: Path) -> None:
        orders.write(f"{path}\n".encode())
        said = json.loads(await answers.readline() or b"{}")
        if (said.get("verdict"), said.get("signatures")) != (expected, signatures):
            raise DoesNotCount(f"a PDF with {signatures} signatures was called {said}")

    try:
        await examine(made[0])  # starts the child process
        cpu, wall, done = [], [], 0
        for batch in (made[1 + start :: BATCHES] for start in range(BATCHES)):
            used, began = cpu_seconds_of_all(process.pid), time.monotonic()
            for path in batch:
                await examine(path)
            cpu.append((cpu_seconds_of_all(process.pid) - used) * 1000 / len(batch))
            wall.append((time.monotonic() - began) * 1000 / len(batch))
            done += len(batch)
            told(done)
    finally:
        orders.close()
        await process.wait()
    return {"cpu_ms": spread(cpu), "wall_ms": {"median": round(statistics.median(wall), 3)}}
