"""The first command of the README."""

import asyncio
import json

from mock_axis.scene import command


async def test_the_demo_shows_that_nothing_is_lost_or_doubled():
    process = await asyncio.create_subprocess_exec(
        *command(), "demo", "--documents", "6", "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, trouble = await process.communicate()
    assert process.returncode == 0, trouble.decode()[-2000:]
    result = json.loads(output)
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
