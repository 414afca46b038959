"""Reading the journal: messages and what belongs to them, lists for screens, figures for metrics."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, exists, func, or_, select

from gateway.journal import chain, entry_queries, partner_queries, queries, tables
from gateway.journal.query import Query
from gateway.journal.rows import content_ref_from, delivery_from, maybe_time, message_from, stamp, time
from gateway.journal.sqlite import Transaction
from gateway.model import Direction, Kind
from gateway.states import ContentRef, Delivery, Message, Stage, State


@dataclass(frozen=True, slots=True)
class EntryRow:
    seq: int
    at: dt.datetime
    code: str
    who: str
    facts: Mapping[str, str | int | None]
    detail: str | None
    """None where there was none, or a purge erased it."""
    digest: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    n: int
    stage: Stage
    holder: str
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    """None: under way, or left open by a crash."""
    outcome: str | None
    doubt: bool


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    receipt_id: str
    kind: str
    given: bool
    body: bytes
    mismatch: str | None
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class StatusRow:
    organ: str
    status: str
    status_at: dt.datetime
    heard_at: dt.datetime


@dataclass(frozen=True, slots=True)
class InboxRow:
    seq: int
    """Where to go on from."""
    offered_at: dt.datetime
    message: Message


@dataclass(frozen=True, slots=True)
class MessageFilter:
    direction: Direction | None = None
    state: State | None = None
    office: str | None = None
    """That handed it in, or that it is for."""
    kind: Kind | None = None
    held: bool | None = None
    axis: str | None = None
    reason: str | None = None
    """Held for this reason."""
    doubt: bool = False
    """Only those of which the other side may already have what the journal does not know it has."""
    organ: str | None = None
    """Among its deliveries, or its sender."""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Accepted at or after `since` and before `until`."""
    query: str | None = None
    """An id, ours or theirs or the wire's, or a part of what people read (subject, number)."""


@dataclass(frozen=True, slots=True)
class Page:
    rows: Sequence[Message]
    """Newest first."""
    next: int | None
    """The cursor of the following page; None at the end."""


@dataclass(frozen=True, slots=True)
class Stats:
    messages: Mapping[tuple[str, str], int]
    """(direction, state) → how many."""
    held: Mapping[str, int]
    oldest_due_seconds: Mapping[str, float]
    """Direction → for how long the message due longest has waited; 0 where none waits."""
    in_doubt: int
    receipts_owed: int
    endpoints_failing_seconds: Mapping[str, float]
    block_age_seconds: float
    """For how long the oldest entry has waited for a block; 0 where none waits."""


def message(tx: Transaction, message_id: str) -> Message | None:
    row = tx.one(queries.MESSAGE, {"id": message_id})
    return message_from(row) if row else None


def submission(tx: Transaction, submission_id: str) -> list[Message]:
    return [message_from(row) for row in tx.all(queries.MESSAGES_OF_SUBMISSION, {"id": submission_id})]


def deliveries(tx: Transaction, message_id: str) -> list[Delivery]:
    return [delivery_from(row) for row in tx.all(queries.DELIVERIES, {"id": message_id})]


def statuses(tx: Transaction, message_id: str) -> list[StatusRow]:
    return [
        StatusRow(organ, status, time(status_at), time(heard_at))
        for _, organ, status, status_at, heard_at in tx.all(queries.STATUSES, {"id": message_id})
    ]


def contents(tx: Transaction, message_id: str) -> list[ContentRef]:
    return [content_ref_from(row) for row in tx.all(queries.CONTENTS, {"id": message_id})]


def extra(tx: Transaction, message_id: str) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in tx.all(queries.EXTRAS, {"id": message_id})}


def receipts(tx: Transaction, message_id: str) -> list[ReceiptRow]:
    return [
        ReceiptRow(receipt_id, kind, bool(given), body, mismatch, time(at))
        for _, _, receipt_id, kind, given, body, _, mismatch, at in tx.all(queries.RECEIPTS, {"id": message_id})
    ]


def receipt_given(tx: Transaction, message_id: str) -> bytes | None:
    row = tx.one(queries.RECEIPT_GIVEN, {"id": message_id})
    return row[0] if row else None


def confirmed_but_listed(tx: Transaction, axis: str, listed: Sequence[str], asked_at: int) -> list[tuple[str, bytes]]:
    values = {"axis": axis, "asked_at": asked_at}
    found = (tx.one(queries.CONFIRMED_BUT_LISTED, {**values, "axis_id": axis_id}) for axis_id in listed)
    return [(row[0], row[1]) for row in found if row]


_KNOWN = Query(
    select(tables.message.c.number).where(
        tables.message.c.direction == "in",
        tables.message.c.axis == bindparam("axis"),
        tables.message.c.axis_id == bindparam("axis_id"),
    )
)


def unknown(tx: Transaction, axis: str, listed: Sequence[str]) -> set[str]:
    return {axis_id for axis_id in listed if tx.one(_KNOWN, {"axis": axis, "axis_id": axis_id}) is None}


_UNCONFIRMED = Query(
    select(func.count()).select_from(
        select(tables.message.c.number)
        .where(
            # What is in these states came in. Asked for the direction too, SQLite would walk all that ever came from the axis.
            or_(tables.message.c.state == State.ANNOUNCED.value, tables.message.c.state == State.RECEIVED.value),
            tables.message.c.axis == bindparam("axis"),
            tables.message.c.held.is_(None),
            # What was put off will be listed for longer than anybody waits.
            or_(tables.message.c.attempts == 0, tables.message.c.holder.is_not(None)),
        )
        .limit(bindparam("enough"))
        .subquery()
    )
)


def unconfirmed(tx: Transaction, axis: str, enough: int) -> int:
    row = tx.one(_UNCONFIRMED, {"axis": axis, "enough": enough})
    return int(row[0]) if row else 0


_REJECTED_BUT_LISTED = Query(
    select(tables.message.c.axis_id).where(
        tables.message.c.direction == "in",
        tables.message.c.axis == bindparam("axis"),
        tables.message.c.axis_id == bindparam("axis_id"),
        tables.message.c.state == State.REJECTED.value,
        ~exists().where(tables.receipt.c.message_id == tables.message.c.message_id, tables.receipt.c.given == 1),
    )
)


def rejected_but_listed(tx: Transaction, axis: str, listed: Sequence[str]) -> list[str]:
    found = (tx.one(_REJECTED_BUT_LISTED, {"axis": axis, "axis_id": axis_id}) for axis_id in listed)
    return [row[0] for row in found if row]


def timeline(tx: Transaction, message_id: str) -> list[EntryRow]:
    return [
        EntryRow(seq, time(at), code, who, json.loads(facts), detail, digest)
        for seq, at, code, who, facts, detail, digest in tx.all(entry_queries.TIMELINE, {"id": message_id})
    ]


def attempts(tx: Transaction, message_id: str) -> list[AttemptRow]:
    return [
        AttemptRow(n, Stage(stage), holder, time(opened_at), maybe_time(closed_at), outcome, bool(doubt))
        for _, n, stage, holder, opened_at, closed_at, outcome, doubt in tx.all(queries.ATTEMPTS, {"id": message_id})
    ]


def find_sent(tx: Transaction, document_id: str, organ: str) -> list[Message]:
    rows = tx.all(queries.SENT_DOCUMENTS, {"document_id": document_id, "organ": organ})
    return [message_from(row) for row in rows]


def find_by_axis_id(tx: Transaction, direction: Direction, axis: str, axis_id: str) -> Message | None:
    row = tx.one(queries.MESSAGE_BY_AXIS_ID, {"direction": direction.value, "axis": axis, "axis_id": axis_id})
    return message_from(row) if row else None


def twin_key(sender: str, document_id: str, business_type: int, digests: Sequence[str]) -> str:
    """One key for what is the same document again: `digests` are its attachments' SHA-256, in any order."""
    same = {"sender": sender, "document_id": document_id, "type": business_type, "digests": sorted(digests)}
    return hashlib.sha256(chain.canonical(same)).hexdigest()


def claim_twin(tx: Transaction, twin: str, message_id: str) -> str:
    row = tx.one(queries.MESSAGE_BY_TWIN, {"twin": twin})
    if row is not None:
        first = message_from(row)
        if first.state is not State.REJECTED or first.purged_at is not None:
            return first.message_id
        # Its sender was told that nobody has it: the same document sent again is no duplicate of one that was refused.
        tx.run(queries.GIVE_UP_TWIN, {"id": first.message_id})
    tx.run(queries.CLAIM_TWIN, {"id": message_id, "twin": twin})
    return message_id


def find_by_twin(tx: Transaction, twin: str) -> Message | None:
    row = tx.one(queries.MESSAGE_BY_TWIN, {"twin": twin})
    return message_from(row) if row else None


def find_received(tx: Transaction, document_id: str, sender: str) -> list[Message]:
    rows = tx.all(queries.TRUSTED_DOCUMENTS, {"document_id": document_id, "sender": sender})
    return [message_from(row) for row in rows]


def pending_handovers(tx: Transaction, message_id: str) -> list[str]:
    return [row[0] for row in tx.all(queries.PENDING_HANDOVERS, {"id": message_id})]


def inbox(tx: Transaction, office: str, after: int, limit: int) -> list[InboxRow]:
    rows = tx.all(queries.INBOX, {"office": office, "after": after, "limit": limit})
    return [InboxRow(row[0], time(row[1]), message_from(row[2:])) for row in rows]


# --- lists ------------------------------------------------------------------------------------------------------


def list_messages(tx: Transaction, chosen: MessageFilter, after: int | None, limit: int) -> Page:
    # Put together for each call: what nobody asked for should not cost the planner its index.
    conditions, values = _conditions(chosen)
    if after is not None:
        conditions.append(tables.message.c.number < bindparam("after"))
        values["after"] = after
    statement = (
        select(*queries.MESSAGE_COLUMNS)
        .where(*conditions)
        .order_by(tables.message.c.number.desc())
        .limit(bindparam("limit"))
    )
    rows = tx.all(Query(statement), {**values, "limit": limit + 1})
    shown = rows[:limit]
    number = queries.MESSAGE_COLUMNS.index(tables.message.c.number)
    return Page([message_from(row) for row in shown], shown[-1][number] if len(rows) > limit else None)


def _conditions(chosen: MessageFilter) -> tuple[list[ColumnElement[bool]], dict[str, Any]]:
    column = tables.message.c
    conditions: list[ColumnElement[bool]] = []
    values: dict[str, Any] = {}
    equal = {"direction": chosen.direction, "state": chosen.state, "kind": chosen.kind, "axis": chosen.axis}
    for name, value in {**equal, "held": chosen.reason}.items():
        if value is not None:
            conditions.append(column[name] == bindparam(name))
            values[name] = str(value)
    if chosen.held is not None:
        conditions.append(column.held.is_not(None) if chosen.held else column.held.is_(None))
    if chosen.doubt:
        conditions += [column.doubt == 1, column.closed_at.is_(None)]
    if chosen.since is not None:
        conditions.append(column.accepted_at >= bindparam("since"))
        values["since"] = stamp(chosen.since)
    if chosen.until is not None:
        conditions.append(column.accepted_at < bindparam("until"))
        values["until"] = stamp(chosen.until)
    if chosen.office is not None:
        handed = tables.handover.c
        for_it = exists().where(handed.message_id == column.message_id, handed.office == bindparam("office"))
        conditions.append(or_(column.office == bindparam("office"), for_it))
        values["office"] = chosen.office
    if chosen.organ is not None:
        to = tables.delivery.c
        at_it = exists().where(to.message_id == column.message_id, to.organ == bindparam("organ"))
        conditions.append(or_(column.sender == bindparam("organ"), at_it))
        values["organ"] = chosen.organ
    if chosen.query:
        ids = (column.message_id, column.document_id, column.axis_id, column.submission_id)
        wanted: BindParameter[str] = bindparam("wanted")
        conditions.append(or_(*(each == wanted for each in ids), column.detail.like(bindparam("part"), escape="\\")))
        escaped = chosen.query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values |= {"wanted": chosen.query, "part": f"%{escaped}%"}
    return conditions, values


def stats(tx: Transaction, now: int) -> Stats:
    def age(since: int | None) -> float:
        return max(0.0, (now - since) / 1_000_000) if since is not None else 0.0

    messages = {(direction, state): count for state, direction, count in tx.all(queries.COUNTS)}
    oldest = {direction.value: 0.0 for direction in Direction}
    oldest |= {direction: age(due_at) for direction, due_at in tx.all(queries.OLDEST_DUE, {"now": now})}
    in_doubt, unblocked = tx.one(queries.IN_DOUBT), tx.one(entry_queries.OLDEST_UNBLOCKED)
    assert in_doubt is not None
    assert unblocked is not None
    return Stats(
        messages=messages,
        held=dict(tx.all(queries.HELD)),
        oldest_due_seconds=oldest,
        in_doubt=in_doubt[0],
        receipts_owed=messages.get((Direction.IN.value, State.RECEIVED.value), 0),
        endpoints_failing_seconds={name: age(since) for name, _, since, _ in tx.all(partner_queries.ENDPOINTS)},
        block_age_seconds=age(unblocked[0]),
    )
