"""`lienthong keys`: the offices' keys to the office API. A key is shown once, when it is made; only its digest is kept."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gateway import config
from gateway.errors import Refused
from gateway.journal import Journal
from gateway.model import Problem
from gateway.web.keys import digest, new_key

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Keys to the office API.")

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
DEFAULT = Path("lienthong.toml")


@app.command()
def add(
    office: Annotated[str, typer.Option(help="The office that the key speaks for.")],
    label: Annotated[str, typer.Option(help="Whom or what it is for.")] = "",
    as_json: AsJson = False,
    config_file: Config = DEFAULT,
) -> None:
    """Make a key for an office and show it, this once."""
    settings = config.load(config_file)
    offices = [section.name for section in settings.office]
    if office not in offices:
        raise Refused([Problem("office", "office-unknown", f"no such office; there are: {', '.join(offices)}")])
    key = new_key()
    key_id = _with_journal(settings, lambda journal: journal.partners.add_key(office, digest(key), label))
    if as_json:
        typer.echo(json.dumps({"id": key_id, "office": office, "label": label, "key": key}, ensure_ascii=False))
        return
    typer.echo(key)
    typer.echo(f"key {key_id} of {office}: keep it safe, it cannot be shown again", err=True)


@app.command("list")
def show(as_json: AsJson = False, config_file: Config = DEFAULT) -> None:
    """List the keys: ids, offices and labels, never a key."""
    keys = _with_journal(config.load(config_file), lambda journal: journal.partners.keys())
    if as_json:
        rows = [
            {
                "id": row.key_id,
                "office": row.office,
                "label": row.label,
                "added_at": row.added_at.isoformat(),
                "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
            }
            for row in keys
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not keys:
        typer.echo("no keys yet")
    for row in keys:
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}Z" if row.revoked_at else "valid"
        typer.echo(f"{row.key_id}  {row.office:20}  {row.added_at:%Y-%m-%d %H:%M}Z  {state:24}  {row.label}")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")], config_file: Config = DEFAULT) -> None:
    """Take a key back; its next request gets 401."""
    if not _with_journal(config.load(config_file), lambda journal: journal.partners.revoke_key(key_id)):
        raise Refused([Problem("id", "key-unknown", "there is no valid key of this id")], code="key-unknown")
    typer.echo(f"key {key_id} is revoked", err=True)


def _with_journal(settings: config.Settings, ask: Callable[[Journal], Awaitable[T]]) -> T:
    async def run() -> T:
        journal = await Journal.open(settings.data_dir / "journal.sqlite", now=lambda: dt.datetime.now(dt.UTC))
        try:
            return await ask(journal)
        finally:
            await journal.close()

    return asyncio.run(run())
