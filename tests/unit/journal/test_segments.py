"""Small contents gathered for one write: what happens to the others when one of them cannot be written."""

import asyncio

import pytest

from gateway.journal.segments import SegmentWriter


@pytest.fixture
async def writer(tmp_path):
    made = SegmentWriter(tmp_path, 1 << 20)
    yield made
    await made.close()


async def test_the_others_of_a_group_are_durable_when_one_cannot_be_written_for_whatever_reason(writer, monkeypatch):
    write, synced = writer._write, []

    def out_of_memory(data):
        if data == b"two":
            raise MemoryError
        return write(data)

    monkeypatch.setattr(writer, "_write", out_of_memory)
    monkeypatch.setattr(writer, "_sync", synced.append)
    results = await asyncio.gather(*map(writer.append, (b"one", b"two", b"three")), return_exceptions=True)
    assert [type(result) for result in results] == [tuple, MemoryError, tuple]
    assert len(synced) == 1


async def test_nothing_is_kept_where_it_cannot_be_made_durable(writer, monkeypatch):
    def lost(_):
        raise OSError(5, "I/O error")

    monkeypatch.setattr(writer, "_sync", lost)
    results = await asyncio.gather(*map(writer.append, (b"one", b"two")), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]


async def test_what_waits_is_written_before_it_closes(tmp_path):
    writer = SegmentWriter(tmp_path, 1 << 20)
    waiting = asyncio.ensure_future(writer.append(b"late"))
    await asyncio.sleep(0)
    await writer.close()
    name, offset, _ = await waiting
    assert (tmp_path / name).read_bytes()[offset : offset + 4] == b"late"
