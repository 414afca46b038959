"""What the demo shows at its end, for people: each document's journey, and the account."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDE = 110
"""Columns; in fewer the table has no room for the steps."""


def show(console: Console, result: Mapping[str, Any], journeys: Sequence[Mapping[str, Any]]) -> None:
    """Each document's journey, as the console's width allows, then the account."""
    if console.width < WIDE:
        _in_lines(console, journeys)
    else:
        _in_a_table(console, journeys)
    _account(console, result)


def _in_lines(console: Console, journeys: Sequence[Mapping[str, Any]]) -> None:
    """Two lines a document, folded between words: what became of it, and its steps."""
    console.print(Text("Each document's journey", style="italic"))
    for each in journeys:
        told = (each["code"], each["state"], each["proof"] or "", ", ".join(_arrived(each)), ", ".join(_changed(each)))
        console.print(Text("  ".join(part for part in told if part), style="bold"))
        console.print(Padding(Text(_steps(each)), (0, 0, 0, 4)))


def _in_a_table(console: Console, journeys: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title="Each document's journey", title_justify="left")
    for column in ("document", "state", "proof", "to → status", "changed"):
        table.add_column(column, no_wrap=True, overflow="ignore")
    table.add_column("steps", overflow="fold")
    for each in journeys:
        arrived, changed = "\n".join(_arrived(each)), "\n".join(_changed(each))
        table.add_row(each["code"], each["state"], each["proof"] or "", arrived, changed, _steps(each))
    console.print(table)


def _account(console: Console, result: Mapping[str, Any]) -> None:
    struck = ", ".join(f"{' '.join(rule.split(':')[:2])} {count}" for rule, count in result["faults_struck"].items())
    console.print(f"Faults of the axis that struck: {struck}; webhooks the office lost: {result['webhooks_lost']}.")
    colour = "green" if result["kept"] else "red"
    console.print(
        f"[{colour}]sent {result['sent']}, received {result['received']}, lost {result['lost']}, "
        f"doubled {result['doubled']}; {result['receipts_verified']} receipts verified again, "
        f"{result['receipts_bad']} bad, {result['receipts_missing']} missing; "
        f"{result['secrets_rejected']} state secrets refused at the door; "
        f"recalls {result['recalls']}, updates {result['updates']}; "
        f"evidence of a delivery exported and {'verified' if result['evidence_verified'] else 'NOT verified'}; "
        f"journal {'verified' if result['journal_verified'] else 'NOT verified'}; {result['seconds']} s[/{colour}]"
    )
    console.print("Counted from what the mock axis and the sample offices hold, not from the gateway's own books.")


def _arrived(each: Mapping[str, Any]) -> list[str]:
    return [f"{one['organ']} → {one['status'] or '…'}" for one in each["deliveries"]]


def _changed(each: Mapping[str, Any]) -> list[str]:
    """What it does to an earlier document, and what was done to it."""
    done = [f"{one['organ']} {one['state']}" for one in each["recalls"]]
    done += [
        f"{one['act']}s an earlier one" if one["message_id"] == each["message_id"] else f"{one['act']}d"
        for one in each["relations"]
        if one["act"] != "recall"
    ]
    return done


def _steps(each: Mapping[str, Any]) -> str:
    """Repeats drawn together: `put-off×3`."""
    drawn = [(code, len(list(same))) for code, same in itertools.groupby(entry["code"] for entry in each["timeline"])]
    return " ".join(code if times == 1 else f"{code}×{times}" for code, times in drawn)
