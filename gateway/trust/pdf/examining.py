"""Examines PDFs named on standard input, a line each, and answers each with its verdict: what a benchmark measures.

`python -m gateway.trust.pdf.examining TRUST` examines as the gateway does, in a child process under its limits.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path

from gateway.trust.pdf.examiner import PdfExaminer
from gateway.trust.pdf.options import PdfOptions


async def answer(trust: Path) -> None:
    async with PdfExaminer(PdfOptions(trust, workers=1)) as examiner:
        while line := await asyncio.to_thread(sys.stdin.readline):
            report = await examiner.examine(Path(line.rstrip("\n")), now=dt.datetime.now(dt.UTC), text=True)
            sys.stdout.write(json.dumps({"verdict": report.verdict, "signatures": len(report.signatures)}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(answer(Path(sys.argv[1])))
