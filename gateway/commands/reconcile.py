"""`lienthong reconcile`: our books against an axis's list of what we sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway import config
from gateway.app import connected_axis, utc_now
from gateway.journal import Journal
from gateway.pipeline.reconcile import Report, compare
from gateway.ports import ListsSent
from gateway.rules.clock import today


def reconcile(
    axis: Annotated[str, typer.Option("--axis", help="Name of the axis.")],
    day: Annotated[str, typer.Option("--day", help="YYYY-MM-DD in Vietnam; yesterday when left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config_file: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = Path(
        "lienthong.toml"
    ),
) -> None:
    """Compare a day with the axis's list of sent messages; exit 1 where they differ. The gateway does so each day."""
    settings = config.load(config_file)
    section = next((each for each in settings.axis if each.name == axis), None)
    if section is None:
        raise typer.BadParameter(f"no axis is called {axis!r}", param_hint="--axis")
    try:
        wanted = dt.date.fromisoformat(day) if day else today(utc_now()) - dt.timedelta(days=1)
    except ValueError:
        raise typer.BadParameter("YYYY-MM-DD is expected", param_hint="--day") from None

    async def work() -> Report:
        journal = await Journal.open(settings.data_dir / "journal.sqlite", now=utc_now)
        try:
            async with connected_axis(section, settings) as driver:
                if not isinstance(driver, ListsSent):
                    raise typer.BadParameter(f"driver {section.driver} cannot list what was sent", param_hint="--axis")
                return await compare(driver, journal, section.name, wanted)
        finally:
            await journal.close()

    report = asyncio.run(work())
    if as_json:
        print(json.dumps({**asdict(report), "differences": report.differences}, ensure_ascii=False))
    else:
        _tell(report)
    if report.differences:
        raise typer.Exit(1)


def _tell(report: Report) -> None:
    print(f"{report.axis}, {report.day}: {report.listed} listed by the axis, {report.ours} in our books")
    kinds = {
        "sent, but not listed": report.missing,
        "listed a second time": report.doubled,
        "undecided here": report.undecided,
        "listed, but not ours": report.foreign,
    }
    for what, those in kinds.items():
        for each in those:
            print(f"  {what}: message {each.message_id or '-'}, axis id {each.axis_id or '-'}")
