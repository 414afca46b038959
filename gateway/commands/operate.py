"""What operators do from the command line: `status`, `show`, `resend`, `release`, `reject`.

They work on the journal itself, beside a running gateway or without one. Each act takes who and why, and becomes an
entry of the message it changed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway.app import utc_now
from gateway.commands import columns, secrecy
from gateway.commands.person import person
from gateway.config import Settings, load
from gateway.errors import GatewayError
from gateway.journal import Journal, MessageFilter
from gateway.journal.rows import time
from gateway.model import Direction, Kind
from gateway.pipeline.acts import Acts
from gateway.pipeline.routing import Router
from gateway.states import BEFORE_START, Message
from gateway.web.antivirus_answers import antivirus
from gateway.web.pdf_answers import pdfs

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

    async def ask(journal: Journal) -> tuple[dict[str, Any], list[str]]:
        stats = await journal.stats()
        held = await journal.list(MessageFilter(held=True), after=None, limit=HELD_SHOWN)
        doubtful = await journal.list(MessageFilter(doubt=True), after=None, limit=HELD_SHOWN)
        told = {
            "messages": [
                {"direction": way, "state": state, "count": count}
                for (way, state), count in sorted(stats.messages.items())
            ],
            "oldest_due_seconds": stats.oldest_due_seconds,
            "in_doubt": stats.in_doubt,
            "receipts_owed": stats.receipts_owed,
            "held_by_reason": dict(stats.held),
            "endpoints_failing_seconds": stats.endpoints_failing_seconds,
            "held": [
                {"message_id": row.message_id, "direction": row.direction, "kind": row.kind, "reason": row.held}
                for row in held.rows
            ],
        }
        return told, [row.message_id for row in doubtful.rows]

    found, doubtful = _with_journal(load(config), ask)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    if not found["messages"]:
        print("no messages yet")
    _table("Messages", ("direction", "state", "count"), found["messages"])
    reasons = [{"reason": reason, "count": count} for reason, count in sorted(found["held_by_reason"].items())]
    _table("Held, by reason", ("reason", "count"), reasons)
    _table("Held: a person must act", ("message_id", "direction", "kind", "reason"), found["held"])
    for name, seconds in found["endpoints_failing_seconds"].items():
        typer.secho(f"{name} has failed for {seconds:.0f} s", fg="red")
    print(f"in doubt {found['in_doubt']}, receipts owed {found['receipts_owed']}")
    for message_id in doubtful:
        print(f"  in doubt  {message_id}")


def show(message_id: MessageId, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """One message: its state, deliveries, receipts and timeline."""

    async def ask(journal: Journal) -> tuple[dict[str, Any], dict[str, Any]]:
        message = await journal.message(message_id)
        if message is None:
            raise _unknown(message_id)
        told = {
            "message_id": message.message_id,
            "direction": message.direction,
            "kind": message.kind,
            "state": message.state,
            "axis": message.axis,
            "axis_id": message.axis_id,
            "document_id": message.document_id,
            "held": message.held,
            "purged_at": _iso(message.purged_at),
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
            "relations": [
                {"act": each.act, "message_id": each.message_id, "earlier": each.earlier}
                for each in await journal.relations(message_id)
            ],
            "recalls": [
                {"organ": each.organ, "state": each.state, "asked_by": each.asked_by, "answered_by": each.answered_by}
                for each in await journal.recalls(message_id)
            ],
            "answers": [
                {"organ": each.organ, "state": each.state, "answered_by": each.answered_by}
                for each in await journal.change_answers(message_id)
            ],
            "pdfs": [each.model_dump(mode="json") for each in pdfs(message.detail)],
            "antivirus": [each.model_dump(mode="json") for each in antivirus(message.detail)],
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
        doubtful = await journal.list(MessageFilter(query=message_id, doubt=True), after=None, limit=1)
        more = {
            "sender": message.sender,
            "office": message.office,
            "accepted_at": message.accepted_at,
            "sent_at": message.sent_at,
            "expires_at": message.expires_at,
            "attempts": message.attempts,
            "in_doubt": "yes" if doubtful.rows else "no",
        }
        return told, more

    found, more = _with_journal(load(config), ask)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found, more)


def _show(found: dict[str, Any], more: dict[str, Any]) -> None:
    facts = {name: value for name, value in found.items() if not isinstance(value, list)} | more
    for name, value in facts.items():
        if value not in {None, ""}:
            print(f"{name:12} {columns.printable(_second(value) if name.endswith('_at') else value)}")
    deliveries = [one | {"at": _second(one["at"])} for one in found["deliveries"]]
    _table("Deliveries", ("organ", "office", "status", "at"), deliveries)
    receipts = [one | {"whose": "ours" if one["given"] else "theirs"} for one in found["receipts"]]
    _table("Receipts", ("receipt_id", "kind", "whose", "mismatch"), receipts)
    _table("Does to an earlier one", ("act", "message_id", "earlier"), found["relations"])
    _table("Asked back", ("organ", "state", "asked_by", "answered_by"), found["recalls"])
    _table("What organs say to it", ("organ", "state", "answered_by"), found["answers"])
    _table("PDFs", ("pdf", "signer", "kind", "verdict", "revocation", "reasons"), list(_signatures(found["pdfs"])))
    _table("Virus scan", ("field", "verdict", "code"), found["antivirus"])
    print("Timeline")
    for entry in found["timeline"]:
        parts = [_second(entry["at"]), entry["act"], entry["who"]]
        parts += [f"{name}={_fact(name, value)}" for name, value in entry["facts"].items() if value is not None]
        parts.append(entry["why"])
        print("  " + "  ".join(columns.printable(part) for part in parts if part))


def _signatures(pdfs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One line for each signature, one for a PDF without."""
    for pdf in pdfs:
        nobody = {"name": "", "kind": "", "revocation": "", "verdict": pdf["verdict"], "reasons": pdf["findings"]}
        for one in pdf["signatures"] or [nobody]:
            yield one | {"pdf": pdf["field"], "signer": one["name"], "reasons": " ".join(one["reasons"])}


def resend(message_id: MessageId, why: Why, who: Who = "", config: Config = DEFAULT_CONFIG) -> None:
    """Send the same bytes again under the same id, now, asking first."""
    _act(config, message_id, why, lambda acts: acts.resend(message_id, person(who).name, why))
    print(f"{message_id} will be sent again now, asking first")


def release(
    why: Why,
    message_id: Annotated[str, typer.Argument(help="The message id; none with --axis.")] = "",
    axis: Annotated[str, typer.Option("--axis", help="All of this axis that are held for the reason --held.")] = "",
    held: Annotated[str, typer.Option("--held", help="With --axis: the reason that `status` shows.")] = BEFORE_START,
    who: Who = "",
    key: Annotated[
        Path | None, typer.Option(help="The security officer's private key, PEM: brings back what is in quarantine.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Let a held message go on, or with --axis all that an axis held for one reason, e.g. from before `start_at`.

    One held as a suspected state secret needs the word of two persons that it is none.
    """
    if bool(message_id) == bool(axis):
        raise typer.BadParameter("give a message id, or --axis")
    if axis:
        _release_all(config, axis, held, person(who).name, why)
    elif secrecy.is_withheld(config, message_id):
        print(secrecy.release(config, message_id, person(who), why, key))
    else:
        _act(config, message_id, why, lambda acts: acts.release(message_id, person(who).name, why))
        print(f"{message_id} goes on")


def _release_all(config: Path, axis: str, held: str, who: str, why: str) -> None:
    settings = _ready(config, why)
    if axis not in {each.name for each in settings.axis}:
        raise typer.BadParameter(f"no axis is called {axis!r}", param_hint="--axis")
    count = _with_journal(settings, lambda journal: _acts(journal, settings).release_all(axis, held, who, why))
    print(f"{count} messages go on")


def reject(
    message_id: MessageId,
    why: Why,
    who: Who = "",
    tell_why: Annotated[
        bool, typer.Option("--tell-why", help="Give the sender of a received document this reason, not a neutral one.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """End a message for good. Its office hears; the sender of a received document hears by status 02.

    One held as a suspected state secret is purged too, and nobody hears why.
    """
    if secrecy.is_withheld(config, message_id):
        if tell_why:
            raise GatewayError(
                "tell-why", "a rejected state secret is not told of in a person's words: leave out --tell-why"
            )
        print(secrecy.reject(config, message_id, person(who), why))
        return
    message = _act(
        config, message_id, why, lambda acts: acts.reject(message_id, person(who).name, why, tell_why=tell_why)
    )
    told = ""
    if message.direction is Direction.OUT:
        told = "; its office will be told"
    elif message.kind is Kind.DOCUMENT:
        told = "; its sender will be told by status 02, for each organ of ours that does not have it"
    print(f"{message_id} rejected{told}")


def _act(config: Path, message_id: str, why: str, act: Callable[[Acts], Awaitable[None]]) -> Message:
    """The message that was acted on, as it was."""
    settings = _ready(config, why)

    async def carry_out(journal: Journal) -> Message:
        message = await journal.message(message_id)
        if message is None:
            raise _unknown(message_id)
        await act(_acts(journal, settings))
        return message

    return _with_journal(settings, carry_out)


def _ready(config: Path, why: str) -> Settings:
    secrecy.reason(why)
    return load(config)


def _acts(journal: Journal, settings: Settings) -> Acts:
    office_of = Router(settings.office, settings.route).office_of
    return Acts(journal, utc_now, lambda: None, office_of, tell=lambda *_: None)


def _unknown(message_id: str) -> GatewayError:
    return GatewayError("not-found", f"no message has the id {message_id}")


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


def _table(title: str, heads: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    columns.show(title, heads, [[row[head] for head in heads] for row in rows])


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _second(value: object) -> object:
    """A moment, or what `_iso` made of one, to the second in UTC; anything else as it is."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return value
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%SZ}" if isinstance(value, dt.datetime) else value


def _fact(name: str, value: object) -> object:
    """A time among an entry's facts is a text, or, as in the journal's tables, microseconds since 1970."""
    if not name.endswith("_at"):
        return value
    return _second(time(value) if isinstance(value, int) else value)
