"""What operators do from the command line: `status`, `show`, `resend`, `release`, `reject`.

They work on the journal itself, beside a running gateway or without one. Each act takes who and why, and becomes an
entry of the message it changed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from gateway.app import utc_now
from gateway.config import Settings, load
from gateway.errors import GatewayError
from gateway.journal import Journal, MessageFilter
from gateway.pipeline.acts import Acts

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]
MessageId = Annotated[str, typer.Argument(help="The message id.")]
Why = Annotated[str, typer.Option("--why", prompt="Why", help="The reason, kept in the journal.")]
Who = Annotated[str, typer.Option("--who", help="Who acts; the account's name when left out.")]

DEFAULT_CONFIG = Path("lienthong.toml")
HELD_SHOWN = 50

T = TypeVar("T")


def status(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """How things stand: messages by state, what is held, which partners fail."""

    async def ask(journal: Journal) -> dict[str, Any]:
        stats = await journal.stats()
        held = await journal.list(MessageFilter(held=True), after=None, limit=HELD_SHOWN)
        return {
            "messages": [
                {"direction": way, "state": state, "count": count} for (way, state), count in stats.messages.items()
            ],
            "oldest_due_seconds": stats.oldest_due_seconds,
            "in_doubt": stats.in_doubt,
            "receipts_owed": stats.receipts_owed,
            "endpoints_failing_seconds": stats.endpoints_failing_seconds,
            "held": [
                {"message_id": row.message_id, "direction": row.direction, "kind": row.kind, "reason": row.held}
                for row in held.rows
            ],
        }

    found = _with_journal(load(config), ask)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    console = Console()
    _print(console, "Messages", ("direction", "state", "count"), found["messages"])
    _print(console, "Held: a person must act", ("message_id", "direction", "kind", "reason"), found["held"])
    for name, seconds in found["endpoints_failing_seconds"].items():
        console.print(f"[red]{name} has failed for {seconds:.0f} s[/red]")
    console.print(f"in doubt {found['in_doubt']}, receipts owed {found['receipts_owed']}")


def show(message_id: MessageId, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """One message: its state, deliveries, receipts and timeline."""

    async def ask(journal: Journal) -> dict[str, Any]:
        message = await journal.message(message_id)
        if message is None:
            raise GatewayError("not-found", f"no message has the id {message_id}")
        return {
            "message_id": message.message_id,
            "direction": message.direction,
            "kind": message.kind,
            "state": message.state,
            "axis": message.axis,
            "axis_id": message.axis_id,
            "document_id": message.document_id,
            "held": message.held,
            "due_at": _iso(message.due_at),
            "proof": message.proof,
            "sha256": message.sha256,
            "deliveries": [
                {"organ": each.organ, "office": each.office, "status": each.status, "at": _iso(each.status_at)}
                for each in await journal.deliveries(message_id)
            ],
            "receipts": [
                {"receipt_id": each.receipt_id, "kind": each.kind, "given": each.given, "mismatch": each.mismatch}
                for each in await journal.receipts(message_id)
            ],
            "timeline": [
                {
                    "at": _iso(entry.at),
                    "act": entry.code,
                    "who": entry.who,
                    "facts": dict(entry.facts),
                    "why": entry.detail,
                }
                for entry in await journal.timeline(message_id)
            ],
        }

    found = _with_journal(load(config), ask)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    console = Console()
    for name in (
        "message_id",
        "direction",
        "kind",
        "state",
        "axis",
        "axis_id",
        "document_id",
        "held",
        "due_at",
        "proof",
    ):
        if found[name] is not None:
            console.print(f"[bold]{name}[/bold] {found[name]}")
    _print(console, "Deliveries", ("organ", "office", "status", "at"), found["deliveries"])
    _print(console, "Receipts", ("receipt_id", "kind", "given", "mismatch"), found["receipts"])
    _print(console, "Timeline", ("at", "act", "who", "facts", "why"), found["timeline"])


def resend(message_id: MessageId, why: Why, who: Who = "", config: Config = DEFAULT_CONFIG) -> None:
    """Send the same bytes again under the same id, now, asking first."""
    _act(config, who, lambda acts, person: acts.resend(message_id, person, why))


def release(message_id: MessageId, why: Why, who: Who = "", config: Config = DEFAULT_CONFIG) -> None:
    """Let a held message go on."""
    _act(config, who, lambda acts, person: acts.release(message_id, person, why))


def reject(message_id: MessageId, why: Why, who: Who = "", config: Config = DEFAULT_CONFIG) -> None:
    """End a message for good; its office hears."""
    _act(config, who, lambda acts, person: acts.reject(message_id, person, why))


def _act(config: Path, who: str, act: Callable[[Acts, str], Awaitable[None]]) -> None:
    async def carry_out(journal: Journal) -> None:
        await act(Acts(journal, utc_now, lambda: None), who or getpass.getuser())

    _with_journal(load(config), carry_out)


def _with_journal(settings: Settings, ask: Callable[[Journal], Awaitable[T]]) -> T:
    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        raise GatewayError("no-journal", f"{path} does not exist: has the gateway run with this configuration?")

    async def opened() -> T:
        journal = await Journal.open(path, now=utc_now)
        try:
            return await ask(journal)
        finally:
            await journal.close()

    return asyncio.run(opened())


def _print(console: Console, title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    console.print(table)


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None
