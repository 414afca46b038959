"""The sample office as a process of its own for the benchmark: it hears webhooks, keeps them, and does nothing else.

`python -m mock_axis.bench_office FOLDER SECRET_FILE PORT` listens until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mock_axis.office import SampleOffice


async def listen(folder: Path, secret: str, port: int) -> None:
    office = SampleOffice(folder, secrets=[secret])
    try:
        print(await office.start(port=port), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await office.close()


if __name__ == "__main__":
    asyncio.run(listen(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="ascii").strip(), int(sys.argv[3])))
