"""What every store of contents promises."""

import asyncio
import errno
import hashlib
import os

import pytest

from gateway.errors import Busy, NeedsOperator, Rejection, StorageBroken
from gateway.journal import DiskContents

SMALL, LARGE = 5_000, 300_000


@pytest.fixture(params=["disk"])
async def contents(request, tmp_path):
    opened = DiskContents(tmp_path / "contents", segment_below=100_000, segment_bytes=64_000)
    yield opened
    await opened.close()


async def chunks(data, size=7_000):
    for start in range(0, len(data), size):
        yield data[start : start + size]


def files(folder):
    return sorted(path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 1, SMALL, 99_999, 100_000, LARGE, 3_000_000])
async def test_what_was_stored_is_read_back_with_its_digest_and_size(contents, size):
    data = os.urandom(size)
    content = await contents.store(chunks(data), limit=size)
    assert (content.sha256, content.size) == (hashlib.sha256(data).hexdigest(), size)
    assert await contents.read(content) == data
    other = await contents.store_bytes(data)
    assert other.sha256 == content.sha256
    assert await contents.read(other) == data


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_part_is_read_from_start_to_before_end(contents, size):
    data = os.urandom(size)
    content = await contents.store_bytes(data)
    for start, end in [(0, 1), (1, None), (size - 1, size), (size, None), (10, 10), (3, size + 99)]:
        part = b"".join([piece async for piece in contents.open(content, start, end)])
        assert part == data[start:end]


async def test_pieces_are_never_whole_large_contents(contents):
    content = await contents.store_bytes(os.urandom(2_000_000))
    assert max([len(piece) async for piece in contents.open(content)]) <= 256 * 1024


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_too_much_is_rejected_and_nothing_of_it_is_kept(contents, size, tmp_path):
    with pytest.raises(Rejection, match="too-large"):
        await contents.store(chunks(os.urandom(size)), limit=size - 1)
    assert files(tmp_path / "contents") == []


async def test_a_transfer_that_breaks_off_leaves_nothing(contents, tmp_path):
    async def broken():
        yield os.urandom(LARGE)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await contents.store(broken(), limit=LARGE * 2)
    assert files(tmp_path / "contents") == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_erasing_one_copy_leaves_the_other_and_no_trace_of_itself(contents, size, tmp_path):
    data = os.urandom(size)
    kept, erased = await contents.store_bytes(data), await contents.store_bytes(data)
    between = await contents.store_bytes(b"between")
    await contents.erase(erased)
    await contents.erase(erased)
    assert await contents.read(kept) == data
    assert await contents.read(between) == b"between"
    copies = sum(path.read_bytes().count(data) for path in (tmp_path / "contents").rglob("*") if path.is_file())
    assert copies == 1


async def test_many_at_once_are_all_there(contents):
    every = [os.urandom(size % 20_000) for size in range(0, 400_000, 4_001)]
    stored = await asyncio.gather(*(contents.store_bytes(data) for data in every))
    assert [await contents.read(content) for content in stored] == every
    assert len({content.place for content in stored}) == len(every)


async def test_a_full_segment_is_followed_by_the_next(contents, tmp_path):
    for _ in range(5):
        await contents.store_bytes(os.urandom(30_000))
    assert len(list((tmp_path / "contents" / "segments").iterdir())) == 3


async def test_another_process_life_writes_to_segments_of_its_own(tmp_path):
    lives = []
    for _ in range(2):
        contents = DiskContents(tmp_path)
        lives.append(await contents.store_bytes(b"one life"))
        await contents.close()
    assert lives[0].place.split(":")[0] != lives[1].place.split(":")[0]
    contents = DiskContents(tmp_path)
    assert [await contents.read(content) for content in lives] == [b"one life"] * 2
    await contents.close()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_contents_that_lost_their_end_are_reported_missing(contents, size, tmp_path):
    content = await contents.store_bytes(os.urandom(size))
    os.truncate(tmp_path / "contents" / content.place.partition(":")[0], size - 1)
    later = DiskContents(tmp_path / "contents")
    with pytest.raises(NeedsOperator, match="content-missing"):
        await later.read(content)
    await later.close()


async def test_of_the_newest_no_more_is_kept_in_memory_than_so_many_bytes_and_none_that_was_erased(contents):
    stored = [await contents.store_bytes(os.urandom(99_999)) for _ in range(340)]
    assert contents._newest_bytes == sum(map(len, contents._newest.values())) <= 32 << 20
    assert stored[0].place not in contents._newest
    assert len(await contents.read(stored[0])) == 99_999
    await contents.erase(stored[-1])
    assert stored[-1].place not in contents._newest
    assert await contents.read(stored[-1]) == bytes(99_999)


async def test_a_place_outside_the_store_is_refused(contents):
    content = await contents.store_bytes(b"x")
    for place in ("/etc/passwd", "files/../../x", "tmp/x"):
        with pytest.raises(ValueError, match="place"):
            await contents.read(type(content)(content.sha256, 1, place))


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_full_disk_is_a_plea_for_patience_and_later_it_goes_on(contents, size, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        patch.setattr(os, "fsync", full)
        with pytest.raises(Busy, match="disk-full"):
            await contents.store_bytes(os.urandom(size))
    data = os.urandom(size)
    assert await contents.read(await contents.store_bytes(data)) == data


@pytest.mark.parametrize(("size", "call"), [(SMALL, "fdatasync"), (LARGE, "fsync")])
async def test_after_a_failed_fsync_nothing_more_is_stored(contents, size, call, monkeypatch):
    def failing(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        with pytest.raises(StorageBroken):
            await contents.store_bytes(os.urandom(size))
    with pytest.raises(StorageBroken):
        await contents.store_bytes(b"x")
