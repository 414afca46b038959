import asyncio
import contextlib
import datetime as dt
import os

import pytest

from gateway.journal import DiskContents, Journal, NewSubmission
from gateway.model import Direction, Kind
from gateway.pipeline import loops
from gateway.states import ContentRef, Message, NewMessage, State
from tests.fakes import FakeClock

A_DAY_AND_MORE = dt.timedelta(hours=25)


@pytest.fixture
async def store(tmp_path):
    clock = FakeClock()
    journal = await Journal.open(tmp_path / "journal.sqlite", now=clock)
    contents = DiskContents(tmp_path / "contents", segment_below=1000)
    yield journal, contents, clock
    await journal.close()
    await contents.close()


async def swept(journal, contents, clock):
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(loops.sweep(journal, contents, clock), 0.5)


def age(folder, by=A_DAY_AND_MORE):
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            os.utime(path, (stat.st_atime, stat.st_mtime - by.total_seconds()))


async def accept_with(journal, content):
    message = Message("m-1", Direction.OUT, Kind.DOCUMENT, State.ACCEPTED, "national", "inside", "m-1", office="tinh")
    held = NewMessage(message, contents=(ContentRef("attachment", content),))
    await journal.accept(NewSubmission("tinh", "k", "f", {"submission": "m-1"}, (held,)))


async def test_bytes_of_an_upload_that_a_crash_cut_short_are_removed_after_a_day(store, tmp_path):
    journal, contents, clock = store
    needed = await contents.store_bytes(os.urandom(5000))
    await accept_with(journal, needed)
    lost = await contents.store_bytes(os.urandom(5000))
    await swept(journal, contents, clock)
    assert await contents.read(lost), "an upload under way must not be swept"
    age(tmp_path / "contents")
    await swept(journal, contents, clock)
    assert len(await contents.read(needed)) == 5000
    assert not (tmp_path / "contents" / lost.place).exists()


async def test_a_segment_that_is_needed_or_written_to_stays(store, tmp_path):
    journal, contents, clock = store
    needed = await contents.store_bytes(b"small and needed")
    await accept_with(journal, needed)
    age(tmp_path / "contents")
    await swept(journal, contents, clock)
    assert await contents.read(needed) == b"small and needed"


async def test_a_segment_of_an_earlier_process_that_holds_nothing_needed_is_removed(store, tmp_path):
    journal, contents, clock = store
    earlier = DiskContents(tmp_path / "contents", segment_below=1000)
    forgotten = await earlier.store_bytes(b"small and forgotten")
    await earlier.close()
    age(tmp_path / "contents")
    await swept(journal, contents, clock)
    assert not (tmp_path / "contents" / forgotten.place.partition(":")[0]).exists()
