"""Short forms of the benchmarks that count: they run, and all sides agree. No figure is judged here."""

import asyncio
import json

import pytest

from mock_axis.scene import command


async def bench(tmp_path, *arguments):
    process = await asyncio.create_subprocess_exec(
        *command(), "bench", *arguments, "--json", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)


async def test_a_short_year_ends_with_the_same_counts_on_all_three_sides(tmp_path):
    told = await bench(tmp_path, "year", "--documents", "30", "--seed", "7")
    assert told["counts"] == {
        what: dict.fromkeys(("axis", "office", "journal"), count)
        for what, count in {"documents_out": 10, "documents_in": 20, "statuses_out": 40, "statuses_in": 20}.items()
    }
    assert told["receipts_verified"] == 10 + 20 + 40 + 20
    assert 0 < told["signed"] < told["documents"] == 30


@pytest.mark.slow
async def test_examining_pdfs_costs_more_with_every_signature(tmp_path):
    told = (await bench(tmp_path, "pdf", "--files", "10", "--size", "20000"))["cpu_ms_by_signatures"]
    assert list(told) == ["0", "1", "2", "3", "5"]
    assert told["5"]["median"] > told["0"]["median"]


@pytest.mark.slow
async def test_a_quick_exchange_over_vxp_keeps_an_answer_for_each_document(tmp_path):
    told = await bench(tmp_path, "exchange", "--quick", "--driver", "vxp")
    assert told["acknowledgements"] == 20 + told["documents"]
