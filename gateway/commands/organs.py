"""`lienthong organs`: the organ directories of the axes, as last copied; `sync` copies one now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway import config
from gateway.app import connected_axis, utc_now
from gateway.commands import columns
from gateway.errors import GatewayError
from gateway.journal import Journal, OrganLine
from gateway.pipeline.directory import Directory, Standing, Synced
from gateway.pipeline.directory import sync as copy
from gateway.rules.clock import today

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="The axes' organ directories.")

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
AxisName = Annotated[str, typer.Option("--axis", help="Only this axis.")]
DEFAULT = Path("lienthong.toml")


@app.command()
def sync(
    axis: AxisName = "",
    force: Annotated[bool, typer.Option("--force", help="Even if most organs would be closed by it.")] = False,
    as_json: AsJson = False,
    config_file: Config = DEFAULT,
) -> None:
    """Copy the directories now; the gateway does so once a day."""
    settings = config.load(config_file)

    async def work(journal: Journal) -> dict[str, Synced]:
        done = {}
        for section in _sections(settings, axis):
            async with connected_axis(section, settings) as driver:
                done[section.name] = await copy(driver, journal, today(utc_now()), name=section.name, force=force)
        return done

    for name, done in _with_journal(settings, work).items():
        told = {"axis": name, "organs": done.listed, "changed": done.written, "closed": done.closed}
        if as_json:
            print(json.dumps(told, ensure_ascii=False))
        else:
            print(f"{name}: {done.listed} organs listed, {done.written} lines changed, {done.closed} organs closed")


@app.command()
def find(
    text: Annotated[str, typer.Argument(metavar="NAME", help="Words of the name, marks or none; or a code.")],
    axis: AxisName = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: AsJson = False,
    config_file: Config = DEFAULT,
) -> None:
    """Find open organs by name or code."""
    day = today(utc_now())
    found = [
        _told(name, line)
        for name, lines in _directories(config.load(config_file), axis).items()
        for line in Directory(lines).find(text, day, limit)
    ]
    _show(found, as_json=as_json)


@app.command()
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The organ's code, of either form.")],
    axis: AxisName = "",
    as_json: AsJson = False,
    config_file: Config = DEFAULT,
) -> None:
    """All that the directories say, and ever said, of an organ; and what may have been meant by an unknown one."""
    day = today(utc_now())
    known, near = [], []
    for name, lines in _directories(config.load(config_file), axis).items():
        directory = Directory(lines)
        known += [_told(name, line) for line in directory.history(code)]
        if directory.look(code, day).standing in {Standing.UNKNOWN, Standing.CLOSED}:
            near += [_told(name, line) for line in directory.nearest(code, "", day)]
    if not known and not near:
        raise GatewayError("organ-unlisted", f"no directory lists {code}, nor anything like it")
    if as_json:
        print(json.dumps({"lines": known, "nearest": near}, ensure_ascii=False))
        return
    _show(known, as_json=False)
    _show(near, as_json=False, title="Nearest open organs")


def _sections(settings: config.Settings, axis: str) -> list[config.AxisSection]:
    sections = [section for section in settings.axis if axis in {"", section.name}]
    if not sections:
        known = ", ".join(section.name for section in settings.axis) or "none"
        raise GatewayError("axis-unknown", f"no axis is called {axis!r}; there are: {known}")
    return sections


def _directories(settings: config.Settings, axis: str) -> dict[str, list[OrganLine]]:
    async def ask(journal: Journal) -> dict[str, list[OrganLine]]:
        return {
            section.name: list(await journal.directory.organs(section.name)) for section in _sections(settings, axis)
        }

    found = _with_journal(settings, ask)
    if not any(found.values()):
        raise GatewayError("no-directory", "no directory was copied yet: run `lienthong organs sync`")
    return found


def _told(axis: str, line: OrganLine) -> dict[str, Any]:
    return {
        "axis": axis,
        "code": line.code,
        "old_code": line.old_code,
        "name": line.name,
        "since": line.since.isoformat(),
        "until": line.until and line.until.isoformat(),
        "predecessors": list(line.predecessors),
    }


def _show(rows: list[dict[str, Any]], *, as_json: bool, title: str = "") -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        if not title:
            print("nothing found")
        return
    cells = [[" ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
    columns.show(title, list(rows[0]), cells)


def _with_journal(settings: config.Settings, ask: Callable[[Journal], Awaitable[T]]) -> T:
    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        raise GatewayError("no-journal", f"{path} does not exist: has the gateway run with this configuration?")

    async def run() -> T:
        journal = await Journal.open(path, now=utc_now)
        try:
            return await ask(journal)
        finally:
            await journal.close()

    return asyncio.run(run())
