"""What organs say to updates and replacements: 15, they agree, or 16, they do not.

The same codes answer recalls, and a peer may name either of the two documents. An answer that a recall waits for is the
recall's; what is said of a document that was not asked back since is the answer to its last change that went to that organ.
Our own offices speak of the change itself, and of one that was asked back as of any other document.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import bindparam, exists, or_, select

from gateway.errors import Refused
from gateway.journal import chain
from gateway.journal.query import Query
from gateway.journal.rows import time
from gateway.journal.sqlite import Transaction
from gateway.journal.tables import change_answer, delivery, message, recall, relation
from gateway.model import Problem
from gateway.states import AGREED, DECLINED, Act, ChangeAnswered, Entry

_changes = or_(relation.c.act == Act.UPDATE.value, relation.c.act == Act.REPLACE.value)
SENT_TO = Query(
    select(relation.c.message_id, relation.c.earlier, relation.c.act, relation.c.at)
    .join_from(relation, message, message.c.message_id == relation.c.message_id)
    .where(
        or_(relation.c.message_id == bindparam("id"), relation.c.earlier == bindparam("id")),
        _changes,
        message.c.direction == "out",
        message.c.sent_at.is_not(None),
        exists().where(delivery.c.message_id == relation.c.message_id, delivery.c.organ == bindparam("at_organ")),
        ~exists().where(
            recall.c.message_id == bindparam("id"),
            recall.c.organ == bindparam("at_organ"),
            recall.c.asked_at >= relation.c.at,
        ),
    )
    .order_by(relation.c.at.desc(), relation.c.message_id, relation.c.earlier)
)
CHANGED_BY = Query(
    select(relation.c.earlier).where(relation.c.message_id == bindparam("id"), _changes).order_by(relation.c.earlier)
)
ASKED_BACK = Query(
    select(recall.c.asked_by).where(recall.c.message_id == bindparam("id"), recall.c.organ == bindparam("at_organ"))
)
_columns = tuple(column.name for column in change_answer.columns)
ANSWER = Query(
    lambda new: (stmt := new(change_answer)).on_conflict_do_update(
        index_elements=("message_id", "organ"),
        set_={name: stmt.excluded[name] for name in ("answer", "answered_by", "answered_at")},
        where=(change_answer.c.answer == DECLINED) & (stmt.excluded.answer == AGREED),
    ),
    *_columns,
)
ANSWER_ANEW = Query(
    lambda new: (stmt := new(change_answer)).on_conflict_do_update(
        index_elements=("message_id", "organ"),
        set_={name: stmt.excluded[name] for name in ("answer", "answered_by", "answered_at")},
    ),
    *_columns,
)
ANSWERS = Query(
    select(
        *(change_answer.c[name] for name in ("organ", "answer", "answered_by", "answered_at")),
        message.c.detail,
    )
    .join_from(change_answer, message, message.c.message_id == change_answer.c.answered_by)
    .where(change_answer.c.message_id == bindparam("id"))
    .order_by(change_answer.c.organ)
)


@dataclass(frozen=True, slots=True)
class Change:
    """An update or a replacement, as one organ may answer it."""

    message_id: str
    earlier: tuple[str, ...]
    """Message ids of the documents that it changes."""
    act: Act
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class ChangeAnswerRow:
    """What one organ says to a message that recalls, updates or replaces."""

    organ: str
    answer: str
    """15 or 16."""
    answered_by: str
    """Message id of the status that says so."""
    answered_at: dt.datetime
    reason: str
    """As that status gives it; empty once that was purged."""

    @property
    def state(self) -> Literal["agreed", "declined"]:
        return "agreed" if self.answer == AGREED else "declined"


def answered_by(tx: Transaction, about: str, organ: str) -> Change | None:
    """The change that an answer about this document, of ours, would be to."""
    rows = tx.all(SENT_TO, {"id": about, "at_organ": organ})
    if not rows:
        return None
    later, _, act, at = next((row for row in rows if row[0] == about), rows[0])
    earlier = tuple(row[1] for row in rows if row[0] == later)
    return Change(later, earlier, Act(act), time(at))


def answer(tx: Transaction, said: ChangeAnswered, who: str, now: int) -> None:
    """Keep it, and enter it in the timelines of both. Nothing where it contradicts what was said, or the document was asked
    back meanwhile: our own office's word is refused then (409).
    """
    change = answered_by(tx, said.about, said.organ) if said.received_as is None else _received(tx, said, now)
    if change is None:
        return
    key = {"message_id": change.message_id, "organ": said.organ}
    if not tx.run(ANSWER, {**key, "answer": said.code, "answered_by": said.by, "answered_at": now}):
        if said.received_as is not None:
            raise _refused("change-answered")
        return
    code = f"{change.act.value}-{'agreed' if said.code == AGREED else 'declined'}"
    facts: dict[str, str | int | None] = {"organ": said.organ, "by": said.by}
    chain.append(tx, change.message_id, Entry(code, facts), who, now)
    for earlier in change.earlier:
        chain.append(tx, earlier, Entry(code, {**facts, "message_id": change.message_id}), who, now)


def _received(tx: Transaction, said: ChangeAnswered, now: int) -> Change:
    assert said.received_as is not None
    if tx.one(ASKED_BACK, {"id": said.about, "at_organ": said.organ}):
        raise _refused("asked-back")
    earlier = tuple(row[0] for row in tx.all(CHANGED_BY, {"id": said.about}))
    return Change(said.about, earlier, said.received_as, time(now))


def _refused(code: str) -> Refused:
    return Refused([Problem("code", code, code.replace("-", " "))], code=code, status=409)


def answers(tx: Transaction, message_id: str) -> list[ChangeAnswerRow]:
    return [
        ChangeAnswerRow(organ, said, by, time(at), _reason(detail))
        for organ, said, by, at, detail in tx.all(ANSWERS, {"id": message_id})
    ]


def _reason(detail: str | None) -> str:
    """Of a status, as `pipeline.detail` keeps one."""
    status = json.loads(detail).get("status", {}) if detail else {}
    return str(status.get("description", ""))
