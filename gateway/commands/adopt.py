"""`lienthong adopt`: take over what another gateway sent and received before."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from gateway import config
from gateway.app import utc_now
from gateway.journal import Journal
from gateway.pipeline.adopting import Adopted, Line, adopt, read

DEFAULT = Path("lienthong.toml")


def adopt_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, one document each.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    config_file: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = DEFAULT,
) -> None:
    """Enter documents of an earlier gateway as closed messages, so that statuses and duplicates of them are known.

    The file is taken whole or not at all, and may be given again.
    """
    settings = config.load(config_file)
    with file.open(encoding="utf-8") as opened:
        lines = read(opened, settings)
    done = Adopted(0, 0) if check else asyncio.run(_adopt(lines, settings))
    if as_json:
        print(json.dumps({"lines": len(lines), "new": done.new, "known": done.known}))
    elif check:
        print(f"{len(lines)} lines, nothing wrong")
    else:
        print(f"{done.new} documents taken over, {done.known} known already")


async def _adopt(lines: list[Line], settings: config.Settings) -> Adopted:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    journal = await Journal.open(settings.data_dir / "journal.sqlite", now=utc_now)
    try:
        with Progress(transient=True) as progress:
            task = progress.add_task("Taking over", total=len(lines))
            return await adopt(lines, settings, journal, told=lambda: progress.advance(task))
    finally:
        await journal.close()
