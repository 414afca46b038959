"""The first command of the README."""

import asyncio
import json
import os
from pathlib import Path

from mock_axis.scene import command

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/try-with-the-mock-axis.md"


async def run(place, *options, **environment):
    process = await asyncio.create_subprocess_exec(
        *(*command(), "demo", *options),
        cwd=place,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, trouble = await process.communicate()
    return process.returncode, output.decode(), trouble.decode()


async def test_the_demo_shows_that_nothing_is_lost_or_doubled(tmp_path):
    code, output, trouble = await run(tmp_path, "--documents", "6", "--json", "--folder", "demo-out")
    assert code == 0, trouble[-2000:]
    result = json.loads(output)
    explained = PAGE.read_text(encoding="utf-8")
    assert [key for key in result if f"`{key}`" not in explained] == []
    assert result["kept"]
    assert result["sent"] == 10  # organs: the fourth of six letters goes to three; an update, and a recalling document
    assert result["received"] == 4  # and an agency's update
    assert (result["recalls"], result["updates"]) == (3, 2)  # one each way, and one by a document
    assert (result["lost"], result["doubled"], result["receipts_bad"], result["receipts_missing"]) == (0, 0, 0, 0)
    assert result["receipts_verified"] > result["sent"]
    assert result["secrets_rejected"] == 2
    assert result["evidence_verified"] == 1
    assert {"proven"} == {result["evidence"][claim] for claim in ("bytes", "signature", "journal", "blocks")}
    assert sum(result["faults_struck"].values()) > 0


async def test_what_does_not_start_is_said_in_one_line_and_its_log_stays(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho first\necho lienthong: no luck today\nexit 1\n")
    broken.chmod(0o700)
    code, output, trouble = await run(tmp_path, TMPDIR=str(tmp_path), LIENTHONG_COMMAND=str(broken))
    (log,) = tmp_path.glob("lienthong-demo-*/axis.log")
    assert (code, output) == (1, "")
    assert trouble.splitlines()[-1] == f"lienthong: the axis did not start: no luck today; see {log}"
    assert "Traceback" not in trouble
