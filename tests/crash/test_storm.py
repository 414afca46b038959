"""The storm's short form, or with `--full` the long one; `make storm` runs it by itself."""

import json
import secrets

import pytest

from tests.crash import storm


@pytest.mark.parametrize("kills", [14, pytest.param(200, marks=pytest.mark.slow)])
async def test_no_kill_loses_or_doubles_a_document(tmp_path, kills):
    seed = secrets.randbelow(1 << 31)
    print("seed", seed)
    result = await storm.storms(tmp_path, seed, kills, minutes=0.4 if kills < 20 else 45, drain_seconds=30)
    told = json.dumps(result, ensure_ascii=False)
    print(told)
    assert result["lost"] == result["doubled"] == 0, told
    assert result["kills"] > 2, told
    assert result["control_doubled"] + result["control_statuses_doubled"] > 0, told
    assert result["held"], told
