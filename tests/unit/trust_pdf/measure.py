"""What examining a PDF with two signatures costs: `python -m tests.unit.trust_pdf.measure [FILES] [WORKERS]`.

Files of 100 kB, signed by a person and an organisation (RSA-2048, one intermediate CA), revocation lists at hand. Processor
time is that of the workers, warm; the wall clock also counts whatever else the machine is doing.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from gateway.trust.pdf import PdfExaminer
from mock_axis.pdf import BODY, draw
from tests.unit.trust_pdf.conftest import Desk
from tests.unit.trust_pdf.pki import NOW, ORGAN, PERSON, Pki


def used(processes):
    """Processor seconds of these, in user and system mode."""
    ticks = 0
    for process in processes:
        with contextlib.suppress(FileNotFoundError):
            ticks += sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / 100


async def measure(folder, pki, pdfs, workers, *, text):
    desk = Desk(folder, pki)
    desk.lay_out_lists()
    turn = iter(range(len(pdfs)))

    async def some():
        for index in turn:
            report = await examiner.examine(pdfs[index], now=NOW, text=text)
            assert report.verdict == "valid", report

    options = desk.options(workers=workers, files_per_worker=100_000)
    async with PdfExaminer(options) as examiner:
        await asyncio.gather(*(examiner.examine(pdfs[0], now=NOW, text=text) for _ in range(2 * workers)))
        processes = [worker._process.pid for worker in examiner._idle]
        before, began = used(processes), time.monotonic()
        await asyncio.gather(*(some() for _ in range(workers)))
        wall, cpu = time.monotonic() - began, used(processes) - before
    print(
        f"{workers} worker(s), {'with' if text else 'no'} text: {1000 * cpu / len(pdfs):.1f} ms CPU, "
        f"{1000 * wall * workers / len(pdfs):.1f} ms a file, {len(pdfs) / wall:.1f} files/s"
    )


def main(files, workers):
    with tempfile.TemporaryDirectory() as root:
        keys = Path(root, "keys")
        keys.mkdir()
        pki, paths = Pki(keys), [Path(root, f"{number}.pdf") for number in range(files)]
        for number, path in enumerate(paths):
            drawing = draw([f"Văn bản số {number}", *BODY], size=100_000, seed=number)
            path.write_bytes(asyncio.run(pki.sign(drawing, PERSON, ORGAN)))
        for count in sorted({1, workers}):
            for text in (False, True):
                folder = Path(root, f"{count}-{text}")
                folder.mkdir()
                asyncio.run(measure(folder, pki, paths, count, text=text))


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *("100", "2")[len(sys.argv) - 1 :]]))
