"""What organs say to our updates and replacements: 15, they agree, or 16, they do not.

The same codes answer recalls, and a peer may name either of the two documents. An answer that a recall waits for is the
recall's; what is said of a document that was not asked back since is the answer to its last change that went to that organ.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import bindparam, exists, or_, select

from gateway.journal import chain
from gateway.journal.query import Query
from gateway.journal.rows import time
from gateway.journal.sqlite import Transaction
from gateway.journal.tables import delivery, message, recall, relation
from gateway.states import AGREED, Act, ChangeAnswered, Entry

SENT_TO = Query(
    select(relation.c.message_id, relation.c.earlier, relation.c.act, relation.c.at)
    .join_from(relation, message, message.c.message_id == relation.c.message_id)
    .where(
        or_(relation.c.message_id == bindparam("id"), relation.c.earlier == bindparam("id")),
        or_(relation.c.act == Act.UPDATE.value, relation.c.act == Act.REPLACE.value),
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


@dataclass(frozen=True, slots=True)
class Change:
    """An update or a replacement of ours, as one organ may answer it."""

    message_id: str
    earlier: tuple[str, ...]
    """Message ids of the documents that it changes."""
    act: Act
    at: dt.datetime


def answered_by(tx: Transaction, about: str, organ: str) -> Change | None:
    """The change that an answer about this document, of ours, would be to."""
    rows = tx.all(SENT_TO, {"id": about, "at_organ": organ})
    if not rows:
        return None
    later, _, act, at = next((row for row in rows if row[0] == about), rows[0])
    earlier = tuple(row[1] for row in rows if row[0] == later)
    return Change(later, earlier, Act(act), time(at))


def answer(tx: Transaction, said: ChangeAnswered, who: str, now: int) -> None:
    """Enter it in the timelines of both; nothing where the document was asked back meanwhile."""
    change = answered_by(tx, said.about, said.organ)
    if change is None:
        return
    code = f"{change.act.value}-{'agreed' if said.code == AGREED else 'declined'}"
    facts: dict[str, str | int | None] = {"organ": said.organ, "by": said.by}
    chain.append(tx, change.message_id, Entry(code, facts), who, now)
    for earlier in change.earlier:
        chain.append(tx, earlier, Entry(code, {**facts, "message_id": change.message_id}), who, now)
