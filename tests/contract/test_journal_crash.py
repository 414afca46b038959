"""A journal whose process was killed has everything it acknowledged, and nothing by halves."""

import contextlib
import datetime as dt
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.journal import DiskContents, Journal
from gateway.states import State

ROOT = Path(__file__).resolve().parents[2]


def killed_at_random(folder, seconds):
    """What the child acknowledged before it was killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.journal_child", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        told = child.stdout.readline()
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        told += child.stdout.read()
    # A line that the kill cut short was not told.
    return [line for line in told.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
async def test_what_was_acknowledged_outlives_a_kill(tmp_path, rounds):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged = []
    for _ in range(rounds):
        acknowledged += killed_at_random(tmp_path, chance.uniform(0.05, 0.5))
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    journal = await Journal.open(tmp_path / "journal.db", now=lambda: dt.datetime.now(dt.UTC))
    contents = DiskContents(tmp_path / "contents")
    counted = {"accepted": 0, "packed": 0}
    for line in acknowledged:
        what, message_id = line.split()
        counted[what] += 1
        message = await journal.message(message_id)
        assert message is not None, line
        assert message.state is State.PACKED or what == "accepted", line
        [kept] = await journal.contents(message_id)
        assert await contents.read(kept.content) == message_id.encode() * 50
    report = await journal.blocks.verify(lambda _, __: True)
    await journal.close()
    await contents.close()
    assert report.faults == ()
    assert min(counted.values()) > 0, counted
    assert report.blocks > 0
