"""That the benchmarks run, agree and say what they measured; no figure is judged here."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

LIENTHONG = Path(sys.executable).with_name("lienthong")


async def bench(tmp_path, *arguments):
    process = await asyncio.create_subprocess_exec(
        LIENTHONG, "bench", *arguments, "--json", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
    return json.loads(output)


async def test_a_quick_exchange_runs_agrees_and_tells_all_its_figures(tmp_path):
    told = await bench(tmp_path, "exchange", "--quick")
    assert told["agreed"]
    assert told["receipts_verified"] == 2 * (20 + told["documents"])
    assert (told["size"], told["pairs"]) == (100_000, 1)
    for figure in ("ratio", "gateway_cpu_ms", "floor_cpu_ms", "documents_per_second"):
        assert 0 < told[figure]["min"] <= told[figure]["median"] <= told[figure]["max"]
    latency = told["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert latency["rate"] > 0
    assert set(told["machine"]) == {"cores", "cpu", "python", "kernel", "sqlite"}


@pytest.mark.slow
async def test_a_large_attachment_goes_out_and_comes_in_beside_small_documents(tmp_path):
    told = await bench(tmp_path, "large", "--size", str(8 << 20))
    for way in (told["out"], told["in"]):
        assert way["small_documents"] > 0
        assert way["rss_before_mb"] > 0
        assert way["small_latency_ms"]["p50"] > 0


@pytest.mark.slow
async def test_a_preloaded_journal_holds_the_rows_asked_for_and_carries_documents(tmp_path):
    told = await bench(
        tmp_path, "backlog", *("--documents", "10", "--pairs", "1", "--finished", "800", "--waiting", "400")
    )
    assert told["preloaded"] == 1200
    assert told["agreed"]
    assert told["ratio"]["median"] > 0
