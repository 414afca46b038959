"""What the axis holds: messages, who has yet to fetch them, receipts both ways, requests already answered.

Every public method is durable when it returns. A unit that acts for a request remembers the request in the same
commit, so that a replay is refused exactly when the first one was acted upon.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mock_axis.store import Store, Transaction

Result = TypeVar("Result")

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY, axis_id TEXT NOT NULL UNIQUE, system TEXT NOT NULL, message_id TEXT NOT NULL,
  once TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, sender TEXT NOT NULL, document_id TEXT NOT NULL, to_organs TEXT NOT NULL,
  attachments TEXT NOT NULL, priority INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, place TEXT NOT NULL,
  status_code TEXT NOT NULL, description TEXT NOT NULL, code TEXT NOT NULL, promulgation_date TEXT NOT NULL,
  receipt BLOB, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS messages_by_id ON messages (system, message_id);
CREATE INDEX IF NOT EXISTS messages_by_document ON messages (document_id);
CREATE TABLE IF NOT EXISTS items (
  system TEXT NOT NULL, item_id TEXT NOT NULL, axis_id TEXT NOT NULL, priority INTEGER NOT NULL, seq INTEGER NOT NULL,
  due REAL NOT NULL, waiting INTEGER NOT NULL DEFAULT 1, fetched INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (system, item_id));
CREATE INDEX IF NOT EXISTS items_waiting ON items (system, priority DESC, seq) WHERE waiting = 1;
CREATE TABLE IF NOT EXISTS confirmations (
  system TEXT NOT NULL, item_id TEXT NOT NULL, digest TEXT NOT NULL, receipt BLOB NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (system, item_id, digest));
CREATE TABLE IF NOT EXISTS registered (
  agency TEXT NOT NULL, axis_id TEXT NOT NULL, verdict TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (agency, axis_id));
CREATE TABLE IF NOT EXISTS tasks (
  task_id INTEGER PRIMARY KEY, due REAL NOT NULL, agency TEXT NOT NULL, axis_id TEXT NOT NULL,
  status_code TEXT NOT NULL, description TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (due);
CREATE TABLE IF NOT EXISTS answered (
  signer TEXT NOT NULL, request_id TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (signer, request_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answered_at ON answered (at);
"""


class Replayed(Exception):
    """This signer's request was answered before."""


@dataclass(frozen=True, slots=True)
class Message:
    axis_id: str
    system: str
    """The sending system; an agency's own organ code."""
    message_id: str
    kind: str
    sender: str
    document_id: str
    to: tuple[str, ...]
    attachments: tuple[tuple[str, str], ...]
    priority: int
    size: int
    sha256: str
    status_code: str
    description: str
    code: str
    promulgation_date: str
    receipt: bytes | None
    at: float
    place: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A message as one receiving system sees it: under its own id, which faults may double."""

    item_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Routing:
    """Where an accepted message goes, decided before the commit."""

    systems: tuple[tuple[str, float, int], ...] = ()
    """(receiving system, listed from when, how many times)"""
    agencies: tuple[tuple[str, str], ...] = ()
    """(agency, its verdict on the edXML signature)"""
    tasks: tuple[tuple[float, str, str, str, str], ...] = ()
    """(due, agency, status code, description, about) of the answers to come; `about`: the DocumentId of an earlier document
    that is answered instead, by an agency that has it"""


_MESSAGE = (
    "axis_id, system, message_id, kind, sender, document_id, to_organs, attachments, priority, size, sha256, "
    "status_code, description, code, promulgation_date, receipt, at, place"
)
_JOINED = ", ".join(f"m.{name}" for name in _MESSAGE.split(", "))


class Mailbox:
    def __init__(self, folder: Path, *, remember_seconds: float) -> None:
        self.store = Store(folder, SCHEMA)
        self._remember_seconds = remember_seconds

    async def close(self) -> None:
        await self.store.close()

    async def perform(self, signer: str, request_id: str, now: float, unit: Callable[[Transaction], Result]) -> Result:
        """Remember the request and act, in one commit. Raises `Replayed`.

        A unit that wants its request remembered returns its refusal; what it raises is forgotten with the request.
        """

        def remembered(tx: Transaction) -> Result:
            done = tx.run("INSERT OR IGNORE INTO answered VALUES (?, ?, ?)", (signer, request_id, now))
            if not done.rowcount:
                raise Replayed(request_id)
            tx.run("DELETE FROM answered WHERE at < ?", (now - self._remember_seconds,))
            return unit(tx)

        return await self.store.write(remembered)

    async def ask(self, unit: Callable[[Transaction], Result]) -> Result:
        return await self.store.write(unit)


# --- units: plain functions of a transaction --------------------------------------------------------------------


def accept(tx: Transaction, message: Message, content: bytes | str, routing: Routing, *, deduplicates: bool) -> Message:
    """Keep a message and put it into the mailboxes; returns the one held before, where there is one.

    `content`: small bytes, or the place of a file already durable.
    """
    if deduplicates:
        held = find(tx, message.system, message.message_id)
        if held is not None:
            return held
    once = f"{message.system}/{message.message_id}" + ("" if deduplicates else f"/{message.axis_id}")
    place = content if isinstance(content, str) else tx.add_bytes(content)
    seq = tx.run(
        "INSERT INTO messages (axis_id, system, message_id, once, kind, sender, document_id, to_organs, attachments,"
        " priority, size, sha256, place, status_code, description, code, promulgation_date, receipt, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.axis_id, message.system, message.message_id, once, message.kind, message.sender,
            message.document_id, json.dumps(message.to), json.dumps(message.attachments), message.priority,
            message.size, message.sha256, place, message.status_code, message.description, message.code,
            message.promulgation_date, message.receipt, message.at,
        ),
    ).lastrowid  # fmt: skip
    for system, due, times in routing.systems:
        for number in range(times):
            item_id = message.axis_id if number == 0 else uuid.uuid4().hex
            tx.run(
                "INSERT INTO items (system, item_id, axis_id, priority, seq, due) VALUES (?, ?, ?, ?, ?, ?)",
                (system, item_id, message.axis_id, message.priority, seq, due),
            )
    for agency, verdict in routing.agencies:
        tx.run("INSERT INTO registered VALUES (?, ?, ?, ?)", (agency, message.axis_id, verdict, message.at))
    for due, agency, code, description, about in routing.tasks:
        if axis_id := _registered_by(tx, agency, about) if about else message.axis_id:
            add_task(tx, due, agency, axis_id, code, description)
    return message


def find(tx: Transaction, system: str, message_id: str) -> Message | None:
    """The first message of that id, as its sender knows it."""
    row = tx.run(
        f"SELECT {_MESSAGE} FROM messages WHERE system = ? AND message_id = ? ORDER BY seq LIMIT 1",  # noqa: S608 constant
        (system, message_id),
    ).fetchone()
    return None if row is None else _message(row)


def by_axis_id(tx: Transaction, axis_id: str) -> Message | None:
    row = tx.run(f"SELECT {_MESSAGE} FROM messages WHERE axis_id = ?", (axis_id,)).fetchone()  # noqa: S608 constant
    return None if row is None else _message(row)


def pending(tx: Transaction, system: str, now: float, limit: int, after: str | None = None) -> list[Item]:
    """What waits, urgent first, then oldest; with `after` what comes after that item, nothing after a stranger's."""
    rows = tx.run(
        f"SELECT i.item_id, {_JOINED} FROM items i JOIN messages m USING (axis_id)"  # noqa: S608 constant
        " WHERE i.system = ? AND i.waiting = 1 AND i.due <= ? AND (? IS NULL OR (-i.priority, i.seq) >"
        " (SELECT -priority, seq FROM items WHERE system = ? AND item_id = ?))"
        " ORDER BY i.priority DESC, i.seq LIMIT ?",
        (system, now, after, system, after, limit),
    )
    return [Item(row[0], _message(row[1:])) for row in rows]


def item(tx: Transaction, system: str, item_id: str) -> Item | None:
    """One item of a system, waiting or not; another system's is not found."""
    row = tx.run(
        f"SELECT i.item_id, {_JOINED} FROM items i JOIN messages m USING (axis_id)"  # noqa: S608 constant
        " WHERE i.system = ? AND i.item_id = ?",
        (system, item_id),
    ).fetchone()
    return None if row is None else Item(row[0], _message(row[1:]))


def note_fetch(tx: Transaction, system: str, item_id: str) -> None:
    tx.run("UPDATE items SET fetched = fetched + 1 WHERE system = ? AND item_id = ?", (system, item_id))


def confirm(tx: Transaction, system: str, item_id: str, receipt: bytes, now: float, *, keep_listed: bool) -> bool:
    """Keep a receipt and take the item off the list. True when this was its first receipt."""
    first = not tx.run("SELECT 1 FROM confirmations WHERE system = ? AND item_id = ?", (system, item_id)).fetchone()
    tx.run(
        "INSERT OR IGNORE INTO confirmations VALUES (?, ?, ?, ?, ?)",
        (system, item_id, hashlib.sha256(receipt).hexdigest(), receipt, now),
    )
    waiting = 1 if keep_listed and first else 0
    tx.run("UPDATE items SET waiting = ? WHERE system = ? AND item_id = ?", (waiting, system, item_id))
    return first


def statuses_of(tx: Transaction, document_id: str) -> list[Message]:
    rows = tx.run(
        f"SELECT {_MESSAGE} FROM messages WHERE document_id = ? AND kind = 'status' ORDER BY seq",  # noqa: S608 constant
        (document_id,),
    )
    return [_message(row) for row in rows]


def sent(tx: Transaction, system: str, kind: str, since: float, until: float) -> list[Message]:
    """What a system sent in [since, until), oldest first."""
    rows = tx.run(
        f"SELECT {_MESSAGE} FROM messages WHERE system = ? AND kind = ? AND at >= ? AND at < ? ORDER BY seq",  # noqa: S608 constant
        (system, kind, since, until),
    )
    return [_message(row) for row in rows]


def add_task(tx: Transaction, due: float, agency: str, axis_id: str, code: str, description: str) -> None:
    tx.run(
        "INSERT INTO tasks (due, agency, axis_id, status_code, description) VALUES (?, ?, ?, ?, ?)",
        (due, agency, axis_id, code, description),
    )


def _registered_by(tx: Transaction, agency: str, document_id: str) -> str | None:
    """The axis id under which the agency last got that document."""
    row = tx.run(
        "SELECT m.axis_id FROM registered r JOIN messages m USING (axis_id)"
        " WHERE r.agency = ? AND m.document_id = ? AND m.kind = 'document' ORDER BY m.seq DESC LIMIT 1",
        (agency, document_id),
    ).fetchone()
    return None if row is None else str(row[0])


def due_tasks(tx: Transaction, now: float, limit: int) -> list[tuple[int, str, Message, str, str]]:
    """(task id, agency, the document to answer, status code, description)"""
    rows = tx.run(
        f"SELECT t.task_id, t.agency, t.status_code, t.description, {_JOINED}"  # noqa: S608 constant
        " FROM tasks t JOIN messages m USING (axis_id) WHERE t.due <= ? ORDER BY t.due, t.task_id LIMIT ?",
        (now, limit),
    )
    return [(row[0], row[1], _message(row[4:]), row[2], row[3]) for row in rows]


def next_due(tx: Transaction) -> float | None:
    found: float | None = tx.run("SELECT min(due) FROM tasks").fetchone()[0]
    return found


def task_done(tx: Transaction, task_id: int) -> None:
    tx.run("DELETE FROM tasks WHERE task_id = ?", (task_id,))


def messages(tx: Transaction, limit: int = -1) -> list[Message]:
    return [_message(row) for row in tx.run(f"SELECT {_MESSAGE} FROM messages ORDER BY seq LIMIT ?", (limit,))]  # noqa: S608 constant


def registered(tx: Transaction) -> list[tuple[str, str, Message]]:
    """(agency, verdict, message), in order of arrival."""
    rows = tx.run(
        f"SELECT r.agency, r.verdict, {_JOINED} FROM registered r JOIN messages m USING (axis_id) ORDER BY m.seq"  # noqa: S608 constant
    )
    return [(row[0], row[1], _message(row[2:])) for row in rows]


def confirmations(tx: Transaction) -> Sequence[tuple[str, str, str, str, bytes, float]]:
    """(system, item id, axis id of the message, document id, receipt bytes, at)"""
    return tx.run(
        "SELECT c.system, c.item_id, i.axis_id, m.document_id, c.receipt, c.at FROM confirmations c"
        " JOIN items i USING (system, item_id) JOIN messages m USING (axis_id) ORDER BY c.at, c.rowid"
    ).fetchall()


def counts(tx: Transaction) -> dict[str, int]:
    """Cheap totals for whoever watches."""
    row = tx.run(
        "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM items WHERE waiting = 1),"
        " (SELECT count(*) FROM confirmations), (SELECT count(*) FROM registered), (SELECT count(*) FROM tasks)"
    ).fetchone()
    return dict(zip(("messages", "waiting", "confirmations", "registered", "tasks"), row, strict=True))


def _message(row: sqlite3.Row | tuple[Any, ...]) -> Message:
    fields = list(row)
    fields[6] = tuple(json.loads(fields[6]))
    fields[7] = tuple((name, digest) for name, digest in json.loads(fields[7]))
    return Message(*fields)
