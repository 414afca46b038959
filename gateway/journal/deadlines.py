"""Units of work about times that the law sets a message, and about numbers that it gives out once a year.

A deadline is due, met or late, and each is a stored fact: `late` says that it was met after its time, or found unmet
when its time was over. What is due when is `gateway.rules.deadlines`' business.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, select, update

from gateway.journal.query import Query
from gateway.journal.rows import maybe_time, stamp, time
from gateway.journal.sqlite import Transaction
from gateway.journal.tables import deadline, message, numbered
from gateway.states import Due, Met, Numbered

_open = deadline.c.met_at.is_(None)
_status = message.alias("said")


def _met_at(when: object) -> Mapping[str, object]:
    return {"met_at": when, "late": case((deadline.c.late == 1, 1), (deadline.c.due_at < when, 1), else_=0)}


SET_DUE = Query(
    lambda new: new(deadline).on_conflict_do_nothing(index_elements=("message_id", "rule")),
    *("message_id", "rule", "due_at", "met_at", "late"),
)
MEET = Query(
    update(deadline)
    .where(deadline.c.message_id == bindparam("id"), deadline.c.rule == bindparam("of"), _open)
    .values(_met_at(bindparam("at")))
)
_sent_at = select(message.c.sent_at).where(message.c.message_id == deadline.c.message_id).scalar_subquery()
MEET_SENT = Query(
    update(deadline).where(deadline.c.rule == bindparam("of"), _open, _sent_at.is_not(None)).values(_met_at(_sent_at))
)
_told_at = (
    select(func.min(_status.c.sent_at))
    .join_from(message, _status, _status.c.submission_id == message.c.submission_id)
    .where(message.c.message_id == deadline.c.message_id, _status.c.kind == "status", _status.c.direction == "out")
    .scalar_subquery()
)
MEET_TOLD = Query(
    update(deadline).where(deadline.c.rule == bindparam("of"), _open, _told_at.is_not(None)).values(_met_at(_told_at))
)
OVER = Query(
    select(deadline.c.message_id, deadline.c.rule, deadline.c.due_at)
    .where(deadline.c.rule == bindparam("of"), deadline.c.late == 0, _open, deadline.c.due_at <= bindparam("now"))
    .order_by(deadline.c.due_at)
    .limit(bindparam("limit"))
)
MARK_LATE = Query(
    update(deadline)
    .where(deadline.c.message_id == bindparam("id"), deadline.c.rule == bindparam("of"), _open, deadline.c.late == 0)
    .values(late=1)
)
OF_MESSAGE = Query(
    select(deadline.c.rule, deadline.c.due_at, deadline.c.met_at, deadline.c.late)
    .where(deadline.c.message_id == bindparam("id"))
    .order_by(deadline.c.due_at, deadline.c.rule)
)
COUNT_OPEN = Query(
    # What was rejected owes nothing any more.
    select(deadline.c.rule, deadline.c.late, func.count())
    .join_from(deadline, message, message.c.message_id == deadline.c.message_id)
    .where(_open, message.c.state != "rejected")
    .group_by(deadline.c.rule, deadline.c.late)
)

PUT_NUMBER = Query(
    lambda new: new(numbered).on_conflict_do_nothing(index_elements=("message_id",)),
    *("message_id", "sender", "year", "code"),
)
SAME_NUMBER = Query(
    select(numbered.c.message_id)
    .join_from(numbered, message, message.c.message_id == numbered.c.message_id)
    .where(
        numbered.c.sender == bindparam("of"),
        numbered.c.year == bindparam("in_year"),
        numbered.c.code == bindparam("same"),
        message.c.direction == bindparam("way"),
        message.c.state != "rejected",
        message.c.submission_id != bindparam("not_of"),
    )
    .order_by(message.c.number)
    .limit(1)
)
SAME_ID = Query(
    select(message.c.message_id)
    .where(
        message.c.document_id == bindparam("same"),
        message.c.sender == bindparam("of"),
        message.c.kind == "document",
        message.c.direction == bindparam("way"),
        message.c.state != "rejected",
        message.c.submission_id != bindparam("not_of"),
    )
    .order_by(message.c.number)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class DeadlineRow:
    rule: str
    due_at: dt.datetime
    met_at: dt.datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class Missed:
    message_id: str
    rule: str
    due_at: dt.datetime


def mark(tx: Transaction, message_id: str, mark: Due | Met | Numbered) -> None:
    match mark:
        case Due(rule, due_at):
            values = {"message_id": message_id, "rule": rule, "due_at": stamp(due_at), "met_at": None, "late": 0}
            tx.run(SET_DUE, values)
        case Met(about, rule, at):
            tx.run(MEET, {"id": about, "of": rule, "at": stamp(at)})
        case Numbered(sender, year, code):
            tx.run(PUT_NUMBER, {"message_id": message_id, "sender": sender, "year": year, "code": code})


def meet_by_sending(tx: Transaction, sent: frozenset[str], told: frozenset[str]) -> int:
    """Close what has been met since: rules met when the message itself is at the axis (`sent`), and rules met when a
    status about it is (`told`). How many were.
    """
    return sum(tx.run(MEET_SENT, {"of": rule}) for rule in sorted(sent)) + sum(
        tx.run(MEET_TOLD, {"of": rule}) for rule in sorted(told)
    )


def over(tx: Transaction, rule: str, now: int, limit: int) -> list[Missed]:
    """What is unmet, past its time and not marked late yet; longest over first."""
    rows = tx.all(OVER, {"of": rule, "now": now, "limit": limit})
    return [Missed(message_id, found, time(due_at)) for message_id, found, due_at in rows]


def mark_late(tx: Transaction, message_id: str, rule: str) -> bool:
    """False: met, or marked, meanwhile."""
    return bool(tx.run(MARK_LATE, {"id": message_id, "of": rule}))


def of_message(tx: Transaction, message_id: str) -> list[DeadlineRow]:
    rows = tx.all(OF_MESSAGE, {"id": message_id})
    return [DeadlineRow(rule, time(due_at), maybe_time(met_at), bool(late)) for rule, due_at, met_at, late in rows]


def open_counts(tx: Transaction) -> Mapping[tuple[str, bool], int]:
    """(rule, late) → how many are unmet."""
    return {(rule, bool(late)): count for rule, late, count in tx.all(COUNT_OPEN)}


def same_number(tx: Transaction, given: Numbered, direction: str, submission_id: str) -> str | None:
    """The first message of another submission with this number."""
    values = {"of": given.sender, "in_year": given.year, "same": given.code, "way": direction, "not_of": submission_id}
    row = tx.one(SAME_NUMBER, values)
    return row[0] if row else None


def same_id(tx: Transaction, sender: str, document_id: str, direction: str, submission_id: str) -> str | None:
    """The first message of another submission with this DocumentId."""
    row = tx.one(SAME_ID, {"of": sender, "same": document_id, "way": direction, "not_of": submission_id})
    return row[0] if row else None
