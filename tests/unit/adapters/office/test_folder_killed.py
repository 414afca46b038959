"""A folder office whose process is killed at random moments loses nothing and doubles nothing.

The child carries an outbox to a door that keeps its books in SQLite, and hands over a fixed list of messages until
each hand-over has returned once; the test plays the office, which takes away what it finds in its inbox.
"""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

MESSAGES = 150
SUBMISSIONS = 150
SEED = 7

CHILD = """
import asyncio, datetime as dt, sqlite3, sys
from pathlib import Path
from adapters.office import folder
from gateway.model import Attachment, Document, Organ
from gateway.ports import AttachmentSource, Event, Handover, OfficeContext, Submitted

root, messages = Path(sys.argv[1]), int(sys.argv[2])
books = sqlite3.connect(root / "books.sqlite", isolation_level=None)
books.execute("PRAGMA synchronous = FULL")
books.execute("CREATE TABLE IF NOT EXISTS accepted (key TEXT PRIMARY KEY, number INTEGER, data BLOB)")
books.execute("CREATE TABLE IF NOT EXISTS handed (message_id TEXT PRIMARY KEY)")
NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)

class Door:
    async def submit(self, office, key, record, uploads):
        data = b"".join([b"".join([chunk async for chunk in upload.chunks]) async for upload in uploads])
        await asyncio.sleep(0.002)
        books.execute("INSERT OR IGNORE INTO accepted VALUES (?, ?, ?)", (key, record["number"], data))
        await asyncio.sleep(0.002)
        return Submitted(key, ())

async def chunks():
    for _ in range(4):
        yield b"x" * 5000
        await asyncio.sleep(0.001)

def handover(number):
    document = Document(Organ("G99"), (Organ("H99"),), "id", "1", "X", "s")
    sources = (AttachmentSource(Attachment("c", "a.pdf"), chunks),)
    event = Event("document.received", f"m{number}", NOW, {})
    return Handover(event, ("H99",), document, None, chunks, sources)

async def main():
    options = {"path": str(root / "share"), "interval_seconds": 0.02, "settle_seconds": 0.02}
    office = folder.connect(options, OfficeContext("x", root, {}, lambda: NOW))
    running = asyncio.create_task(office.run(Door()))
    known = {row[0] for row in books.execute("SELECT message_id FROM handed")}
    for number in range(messages):
        if f"m{number}" not in known:
            await office.hand_over(handover(number))
            await asyncio.sleep(0.002)
            books.execute("INSERT INTO handed VALUES (?)", (f"m{number}",))
    await running

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_folder_office_killed_again_and_again_loses_nothing_and_doubles_nothing(tmp_path):
    share = tmp_path / "share"
    (share / "outbox").mkdir(parents=True)
    drawn = random.Random(SEED)
    taken_away, kills, put = [], 0, 0
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(MESSAGES)])
        for _ in range(6):
            if put < SUBMISSIONS:
                (share / f"outbox/{put}.pdf").write_bytes(b"%d " % put * 3000)
                (share / f"outbox/{put}.json").write_text(
                    json.dumps({"number": put, "attachments": [{"name": f"{put}.pdf"}]})
                )
                put += 1
        ends = time.monotonic() + 0.6 + drawn.random() * 0.5
        while time.monotonic() < ends and child.poll() is None:
            if (share / "inbox").exists():
                for entry in (share / "inbox").iterdir():
                    assert (entry / "document.edxml").stat().st_size == 20000
                    assert (entry / "attachments/a.pdf").stat().st_size == 20000
                    taken_away.append(entry.name)
                    shutil.rmtree(entry)
            time.sleep(0.005)
        assert child.poll() is None, "the child ended by itself"
        child.kill()
        child.wait()
        kills += 1
        settled = len(list((share / "taken").iterdir())) if (share / "taken").exists() else 0
        if settled >= SUBMISSIONS and len(taken_away) >= MESSAGES:
            break
    with sqlite3.connect(tmp_path / "books.sqlite") as books:
        accepted = books.execute("SELECT number, data FROM accepted ORDER BY number").fetchall()
    books.close()
    assert kills > 5, f"too quick for seed {SEED}"
    assert [number for number, _ in accepted] == list(range(SUBMISSIONS))
    assert all(data == b"%d " % number * 3000 for number, data in accepted)
    assert sorted(taken_away) == sorted(f"m{number}" for number in range(MESSAGES))
    assert not list((share / "rejected").iterdir())
