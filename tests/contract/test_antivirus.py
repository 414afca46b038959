"""What every virus scanner must answer: Debian's clamd where it is installed, and a simulator of its protocol."""

import asyncio
import hashlib
import io
import time
import zipfile

import pytest

from gateway.errors import Unreachable
from gateway.model import Content
from gateway.outside.clamd import Clamd
from gateway.ports import Scanned, ScanVerdict
from tests.scanner import EICAR, STREAM_MAX, clamd, simulated


@pytest.fixture(scope="module")
def daemon():
    with clamd() as section:
        yield section


@pytest.fixture(params=["simulated", "clamd"])
async def scanner(request):
    if request.param == "clamd":
        yield Clamd(request.getfixturevalue("daemon"))
        return
    async with simulated() as simulator:
        yield Clamd(simulator.section())


async def scan(scanner, data, piece=60_000):
    async def chunks():
        for start in range(0, len(data), piece):
            yield data[start : start + piece]
            yield b""

    return await scanner.scan(Content(hashlib.sha256(data).hexdigest(), len(data), ""), chunks())


def zipped(data, count=1):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number}.txt", data + bytes([number]))
    return buffer.getvalue()


async def test_what_carries_nothing_is_clean(scanner):
    assert await scan(scanner, b"%PDF-1.7 " + bytes(300_000)) == Scanned(ScanVerdict.CLEAN)
    assert await scan(scanner, b"") == Scanned(ScanVerdict.CLEAN)


async def test_a_virus_is_found_and_named_wherever_the_pieces_part_it(scanner):
    found = await scan(scanner, EICAR, piece=7)
    assert found.verdict is ScanVerdict.INFECTED
    assert found.code.startswith("Lienthong.Test.EICAR")


async def test_what_is_larger_than_it_takes_could_not_be_examined(scanner):
    big = bytes(STREAM_MAX + 100_000)
    assert await scan(scanner, big, piece=256 << 10) == Scanned(ScanVerdict.NOT_EXAMINED, "too-large")


async def test_many_at_once_each_get_their_own_verdict(scanner):
    found = await asyncio.gather(*(scan(scanner, EICAR if n % 3 == 0 else b"n%d" % n) for n in range(30)))
    assert [each.verdict is ScanVerdict.INFECTED for each in found] == [n % 3 == 0 for n in range(30)]


async def test_clamd_finds_it_within_a_zip_and_says_when_it_did_not_look_at_all_of_one(daemon):
    scanner = Clamd(daemon)
    assert (await scan(scanner, zipped(EICAR))).verdict is ScanVerdict.INFECTED
    found = await scan(scanner, zipped(b"x", count=10))
    assert found.verdict is ScanVerdict.NOT_EXAMINED
    assert found.code.startswith("Heuristics.Limits.Exceeded")


async def test_what_is_larger_than_we_show_it_is_not_sent_there():
    async with simulated() as simulator:
        scanner = Clamd(simulator.section(largest_bytes=10))
        assert await scan(scanner, bytes(11)) == Scanned(ScanVerdict.NOT_EXAMINED, "too-large")
        assert await scan(scanner, bytes(10)) == Scanned(ScanVerdict.CLEAN)
        assert simulator.scanned == 1


@pytest.mark.parametrize("fault", ["dead", "mid-stream", "slow", "error", "nonsense"])
async def test_without_an_answer_there_is_no_verdict(fault):
    async with simulated() as simulator:
        simulator.fault = fault
        started = time.monotonic()
        with pytest.raises(Unreachable, match="antivirus-unreachable"):
            await scan(Clamd(simulator.section(timeout_seconds=0.3)), EICAR + bytes(500_000))
        assert time.monotonic() - started < 5


async def test_where_nobody_listens_there_is_no_verdict(tmp_path):
    async with simulated() as simulator:
        section = simulator.section()
    for each in (section, section.model_copy(update={"clamd": str(tmp_path / "no.ctl")})):
        with pytest.raises(Unreachable):
            await scan(Clamd(each), b"x")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"stream: Heuristics.Encrypted.Zip FOUND", Scanned(ScanVerdict.NOT_EXAMINED, "Heuristics.Encrypted.Zip")),
        (b"stream: Win.Trojan.Thu-1 FOUND", Scanned(ScanVerdict.INFECTED, "Win.Trojan.Thu-1")),
        (b"stream: <b>not a code</b> FOUND", Scanned(ScanVerdict.INFECTED, "unnamed")),
    ],
)
async def test_only_a_code_passes_for_a_virus_name(answer, expected):
    async with simulated() as simulator:
        simulator.answer = answer
        assert await scan(Clamd(simulator.section()), b"x") == expected


async def test_it_is_never_asked_by_more_connections_than_allowed():
    async with simulated() as simulator:
        scanner = Clamd(simulator.section(at_once=2))
        await asyncio.gather(*(scan(scanner, b"x") for _ in range(10)))
        assert simulator.most_open <= 2


async def test_a_file_that_goes_piece_by_piece_in_time_has_a_time_for_all_of_it():
    async def slowly():
        for _ in range(100):
            await asyncio.sleep(0.1)
            yield b"x"

    async with simulated() as simulator:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="antivirus-unreachable"):
            await Clamd(simulator.section(timeout_seconds=0.3)).scan(Content("00" * 32, 100, ""), slowly())
        assert time.monotonic() - started < 5
