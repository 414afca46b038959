import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from gateway.trust.pdf import Limits, PdfExaminer
from gateway.trust.pdf.examiner import WorkerBroken
from tests.unit.trust_pdf import hostile
from tests.unit.trust_pdf.pki import NOW, ORGAN, PERSON


async def pieces(data, size=64 << 10):
    for start in range(0, len(data), size):
        yield data[start : start + size]


def workers():
    """Process ids of our children that examine PDFs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"gateway.trust.pdf.worker" in process.joinpath("cmdline").read_bytes():
                found.append(int(process.name))
    return found


@pytest.fixture
async def examiner(desk):
    options = desk.options(workers=1, limits=Limits(cpu_seconds=3, wall_seconds=30, text_seconds=1))
    async with PdfExaminer(options) as examiner:
        yield examiner


async def test_a_worker_tells_signers_and_text_and_leaves_nothing_behind(desk, pki, tmp_path):
    (tmp_path / "spool").mkdir()
    signed = await pki.sign(pki.drawing, PERSON, ORGAN)
    (tmp_path / "a.pdf").write_bytes(signed)
    async with PdfExaminer(desk.options(workers=1, folder=tmp_path / "spool")) as examiner:
        report = await examiner.examine(pieces(signed), now=NOW, text=True)
        assert (report.verdict, [each.signer.kind for each in report.signatures]) == (
            "valid",
            ["person", "organisation"],
        )
        assert report.text.verdict == "read"
        assert "Kính gửi: các cơ quan" in report.text.content
        assert "Kính gửi" not in repr(report)
        assert (await examiner.examine(tmp_path / "a.pdf", now=NOW)) == await examiner.examine(pieces(signed), now=NOW)
        assert len(workers()) == 1
    assert workers() == []
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("make", hostile.ALL, ids=lambda make: make.__name__)
async def test_a_hostile_file_costs_no_more_than_its_limits_and_harms_no_other(examiner, pki, make):
    began = time.monotonic()
    report = await examiner.examine(pieces(make()), now=NOW, text=True)
    assert time.monotonic() - began < 30
    assert report.verdict in {"could-not-be-examined", "unsigned"}
    if report.verdict == "unsigned":
        assert report.text.content.strip() == ""
    assert (await examiner.examine(pieces(pki.drawing), now=NOW)).verdict == "unsigned"


async def test_a_file_that_eats_the_processor_is_cut_off_and_its_worker_replaced(desk, pki):
    async with PdfExaminer(desk.options(workers=1, limits=Limits(cpu_seconds=1))) as examiner:
        await examiner.examine(pieces(pki.drawing), now=NOW)
        before = workers()
        report = await examiner.examine(pieces(hostile.slow()), now=NOW)
        assert (report.verdict, report.findings) == ("could-not-be-examined", ("processor-time",))
        assert (await examiner.examine(pieces(pki.drawing), now=NOW)).verdict == "unsigned"
        assert workers() != before


async def test_memory_is_bounded(desk, pki):
    async with PdfExaminer(desk.options(workers=1, limits=Limits(memory_bytes=128 << 20))) as examiner:
        report = await examiner.examine(pieces(hostile.many_objects(400_000)), now=NOW)
        assert (report.verdict, report.findings) == ("could-not-be-examined", ("memory",))
        assert (await examiner.examine(pieces(pki.drawing), now=NOW)).verdict == "unsigned"


async def test_a_killed_worker_is_an_answer_and_is_replaced(examiner, pki):
    await examiner.examine(pieces(pki.drawing), now=NOW)
    asking = asyncio.create_task(examiner.examine(pieces(hostile.slow(10)), now=NOW))
    await asyncio.sleep(0.2)
    os.kill(workers()[0], signal.SIGKILL)
    assert (await asking).findings == ("died",)
    assert (await examiner.examine(pieces(pki.drawing), now=NOW)).verdict == "unsigned"


async def test_silence_is_cut_off_by_the_clock(desk, pki):
    async with PdfExaminer(desk.options(workers=1, limits=Limits(wall_seconds=1))) as examiner:
        await examiner.examine(pieces(pki.drawing), now=NOW)
        os.kill(workers()[0], signal.SIGSTOP)
        assert (await examiner.examine(pieces(pki.drawing), now=NOW)).findings == ("time",)
        assert (await examiner.examine(pieces(pki.drawing), now=NOW)).verdict == "unsigned"


async def test_a_caller_that_gives_up_leaves_no_worker_amid_a_file(examiner, pki):
    await examiner.examine(pieces(pki.drawing), now=NOW)
    asking = asyncio.create_task(examiner.examine(pieces(hostile.slow(10)), now=NOW))
    await asyncio.sleep(0.2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert workers() == []
    assert (await examiner.examine(pieces(pki.drawing), now=NOW)).verdict == "unsigned"


async def test_a_worker_is_replaced_after_its_share_of_files(desk, pki):
    async with PdfExaminer(desk.options(workers=1, files_per_worker=2)) as examiner:
        seen = set()
        for _ in range(4):
            await examiner.examine(pieces(pki.drawing), now=NOW)
            seen.update(workers())
        assert len(seen) == 2


async def test_a_file_over_the_limit_never_reaches_a_worker(desk, tmp_path):
    (tmp_path / "large.pdf").write_bytes(bytes(2000))
    async with PdfExaminer(desk.options(limits=Limits(bytes=1000))) as examiner:
        assert (await examiner.examine(pieces(bytes(2000)), now=NOW)).findings == ("too-large",)
        assert (await examiner.examine(tmp_path / "large.pdf", now=NOW)).findings == ("too-large",)
        assert workers() == []


async def test_a_worker_that_cannot_start_is_our_fault_not_the_files(desk, pki):
    async with PdfExaminer(desk.options(limits=Limits(memory_bytes=1 << 70))) as examiner:
        with pytest.raises(WorkerBroken):
            await examiner.examine(pieces(pki.drawing), now=NOW)


def test_a_worker_opens_no_connection_and_starts_no_process():
    # In a process of its own: an audit hook stays for good.
    import subprocess
    import sys

    script = """
import socket, subprocess, sys
from pathlib import Path
from gateway.trust.pdf.options import PdfOptions
from gateway.trust.pdf.worker import _confine
_confine(PdfOptions(Path(".")))
def refused(act):
    try:
        act()
    except PermissionError:
        return True
print(refused(lambda: socket.create_connection(("127.0.0.1", 9))), refused(lambda: subprocess.run(["true"])))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
