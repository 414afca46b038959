"""Units of work about what messages do to earlier ones: recalls with their answers, updates, replacements.

`relation` says which message concerns which, for ever; `recall` holds, for each organ a document is asked back from,
the last time it was and what came of it. Two rules are kept here, where nothing can come in between: a document of ours
is asked back from an organ once until that organ has refused, and one that is asked back is *frozen*: its office can
neither update nor replace it (NĐ 30/2020/NĐ-CP PL VI.III.8).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, bindparam, or_, select, update

from gateway.errors import Refused
from gateway.journal import chain, changes, entry_queries, purges, queries
from gateway.journal.query import Query
from gateway.journal.rows import dumps, maybe_time, message_from, message_row_from, stamp, time
from gateway.journal.sqlite import Transaction
from gateway.journal.tables import message, numbered, recall, relation
from gateway.model import Direction, Problem
from gateway.states import (
    AGREED,
    ASKED_BACK,
    DECLINED,
    Act,
    ChangeAnswered,
    Concerns,
    Entry,
    Message,
    Numbered,
    Purge,
    RecallAnswered,
    State,
    withheld,
)

DOES = {Act.RECALL: "recalls", Act.UPDATE: "updates", Act.REPLACE: "replaces"}
DONE = {Act.RECALL: "recall-asked", Act.UPDATE: "updated-by", Act.REPLACE: "replaced-by"}
SAID = {AGREED: "recall-agreed", DECLINED: "recall-declined"}
WITHDRAWN = "withdrawn"


def _one_of(column: ColumnElement[str], *states: State) -> ColumnElement[bool]:
    # An IN list is expanded anew for each run, which statements compiled once are not.
    return or_(*(column == state.value for state in states))


_of = recall.c.message_id == bindparam("id")
_asker = message.alias("asker")
_in_vain = (
    select(_asker.c.message_id)
    .where(_asker.c.message_id == recall.c.asked_by, _one_of(_asker.c.state, State.REJECTED, State.EXPIRED))
    .correlate(recall)
    .exists()
)
"""What was to ask for it never got there."""
_time_is_over = _asker.c.sent_at + recall.c.due_at - recall.c.asked_at
"""An organ's time begins when what asks it is at the axis, not while that is held, or waits for an axis that is down."""
_counted = select(_time_is_over).where(_asker.c.message_id == recall.c.asked_by).correlate(recall).scalar_subquery()

RELATE = Query(
    lambda new: new(relation).on_conflict_do_nothing(index_elements=("message_id", "earlier", "act")),
    *("message_id", "earlier", "act", "at"),
)
OF_MESSAGE = Query(
    select(relation.c.message_id, relation.c.earlier, relation.c.act, relation.c.at)
    .where(or_(relation.c.message_id == bindparam("id"), relation.c.earlier == bindparam("id")))
    .order_by(relation.c.at, relation.c.message_id, relation.c.earlier)
)
ASK = Query(
    lambda new: (stmt := new(recall)).on_conflict_do_update(
        index_elements=("message_id", "organ"),
        set_={
            name: stmt.excluded[name]
            for name in ("asked_by", "asked_at", "due_at", "answer", "answered_by", "answered_at", "late")
        },
        where=or_(recall.c.answer == DECLINED, recall.c.answer.is_(None) & or_(recall.c.late == 1, _in_vain)),
    ),
    *(column.name for column in recall.columns),
)
ANSWER = Query(
    # A refusal may turn into consent, never the other way round: what was destroyed stays so.
    update(recall).where(
        _of,
        recall.c.organ == bindparam("at_organ"),
        or_(recall.c.answer.is_(None), (recall.c.answer == DECLINED) & (bindparam("said") == AGREED)),
    ),
    *("answer", "answered_by", "answered_at"),
)
ASKED = Query(
    # Of the document itself, or of each that it asks back: a peer may name either.
    select(recall.c.message_id, recall.c.asked_by, recall.c.answer)
    .where(
        recall.c.organ == bindparam("at_organ"),
        or_(
            _of,
            (recall.c.asked_by == bindparam("id"))
            & recall.c.message_id.in_(select(relation.c.earlier).where(relation.c.message_id == bindparam("id"))),
        ),
    )
    .order_by(recall.c.message_id)
)
RECALLS = Query(
    select(
        *(recall.c[name] for name in ("organ", "asked_by", "asked_at", "answer", "answered_by", "answered_at", "late")),
        _counted.label("over_at"),
        _in_vain.label("in_vain"),
    )
    .where(_of)
    .order_by(recall.c.organ)
)
OVERDUE = Query(
    select(recall.c.message_id, recall.c.organ, recall.c.asked_by)
    .join_from(recall, _asker, _asker.c.message_id == recall.c.asked_by)
    .where(
        *(recall.c.answer.is_(None), recall.c.late == 0),
        recall.c.due_at <= bindparam("now"),  # never before that: by the index
        _time_is_over <= bindparam("now"),
    )
    .order_by(recall.c.due_at)
    .limit(bindparam("limit"))
)
MARK_LATE = Query(
    update(recall)
    .where(
        _of,
        recall.c.organ == bindparam("at_organ"),
        recall.c.asked_by == bindparam("by"),
        recall.c.answer.is_(None),
        recall.c.late == 0,
    )
    .values(late=1)
)
_document = (message.c.document_id == bindparam("document_id"), message.c.kind == "document")
HANDED_IN = Query(
    select(*queries.MESSAGE_COLUMNS)
    .where(
        *_document,
        message.c.direction == "out",
        message.c.office == bindparam("office"),
        or_(message.c.state != State.REJECTED.value, message.c.sent_at.is_not(None)),
    )
    .order_by(message.c.number)
)
RECEIVED = Query(
    select(*queries.MESSAGE_COLUMNS)
    .where(
        *_document,
        message.c.direction == "in",
        message.c.duplicate_of.is_(None),
        ~_one_of(message.c.state, State.ANNOUNCED, State.REJECTED),
    )
    .order_by(message.c.number)
)
NUMBERED = Query(
    select(*queries.MESSAGE_COLUMNS)
    .join_from(numbered, message, message.c.message_id == numbered.c.message_id)
    .where(
        numbered.c.sender == bindparam("of"),
        numbered.c.year == bindparam("in_year"),
        numbered.c.code == bindparam("same"),
        message.c.direction == bindparam("way"),
        message.c.duplicate_of.is_(None),
        or_(message.c.state != State.REJECTED.value, message.c.sent_at.is_not(None)),
    )
    .order_by(message.c.number)
)
NEVER_TRIED = Query(
    select(*queries.MESSAGE_COLUMNS).where(
        message.c.message_id == bindparam("id"),
        message.c.doubt == 0,
        # Packing asks nobody for anything; a call that is under way may be answered any moment.
        or_(
            message.c.state == State.ACCEPTED.value,
            _one_of(message.c.state, State.PACKED, State.EXPIRED) & message.c.holder.is_(None),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class RelationRow:
    message_id: str
    earlier: str
    act: Act
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class RecallRow:
    organ: str
    asked_by: str
    """Message id of what asked: a status 13, or a document of type 1."""
    asked_at: dt.datetime
    due_at: dt.datetime | None
    """None until what asks has left; of a document received never set."""
    answer: str | None
    answered_by: str | None
    answered_at: dt.datetime | None
    late: bool
    in_vain: bool
    """What was to ask for it was rejected or expired on its way."""

    @property
    def state(self) -> Literal["asked", "agreed", "declined", "unanswered", "not-asked"]:
        """`unanswered` once its time is over, `not-asked` where the asking never got there."""
        if self.answer is not None:
            return "agreed" if self.answer == AGREED else "declined"
        if self.in_vain:
            return "not-asked"
        return "unanswered" if self.late else "asked"

    @property
    def freezes(self) -> bool:
        return self.state in {"asked", "agreed", "unanswered"}

    @property
    def closed(self) -> bool:
        """Asking again would ask for nothing new."""
        return self.state in {"asked", "agreed"}


@dataclass(frozen=True, slots=True)
class Overdue:
    message_id: str
    organ: str
    asked_by: str


# --- what is done -----------------------------------------------------------------------------------------------


def enter(
    tx: Transaction, message_id: str, effect: Concerns | RecallAnswered | ChangeAnswered, who: str, now: int
) -> None:
    """Raises `Refused` (409), and so lets nothing of its unit happen."""
    if isinstance(effect, Concerns):
        _concern(tx, message_id, effect, who, now)
    elif isinstance(effect, ChangeAnswered):
        changes.answer(tx, effect, who, now)
    else:
        _answer(tx, effect, who, now)


def _concern(tx: Transaction, message_id: str, effect: Concerns, who: str, now: int) -> None:
    """Enter it in both timelines. Raises `Refused` (409) where the earlier document, of ours, does not allow it."""
    row = tx.one(queries.MESSAGE, {"id": effect.earlier})
    assert row is not None, "what is concerned was looked up"
    earlier = message_from(row)
    if not tx.run(RELATE, {"message_id": message_id, "earlier": effect.earlier, "act": effect.act.value, "at": now}):
        return
    facts: dict[str, str | int | None] = {"by": message_id}
    if effect.act is Act.RECALL:
        facts["organs"] = " ".join(effect.organs)
        _ask(tx, earlier, message_id, effect, now)
    elif earlier.direction is Direction.OUT and any(row.freezes for row in recalls(tx, effect.earlier)):
        raise refused("recalled", "business")
    chain.append(tx, message_id, Entry(DOES[effect.act], {"message_id": effect.earlier}), who, now)
    chain.append(tx, effect.earlier, Entry(DONE[effect.act], facts), who, now)


def _ask(tx: Transaction, earlier: Message, by: str, effect: Concerns, now: int) -> None:
    due_at = None if effect.due_at is None else stamp(effect.due_at)
    for organ in effect.organs:
        key = {"message_id": earlier.message_id, "organ": organ}
        asked = {**key, "asked_by": by, "asked_at": now, "due_at": due_at, "late": 0}
        new = tx.run(ASK, {**asked, "answer": None, "answered_by": None, "answered_at": None})
        if earlier.direction is Direction.OUT:
            if not new:
                raise refused("already-recalled", "receivers", organ=organ)
            tx.run(queries.STATUS_HEARD, {**key, "status": ASKED_BACK, "status_at": now, "heard_at": now, "file": None})
    if earlier.direction is Direction.IN:
        _mark(tx, earlier.message_id, by)


def _mark(tx: Transaction, message_id: str, by: str) -> None:
    """Say so in what an office is still to be handed. Not while somebody works on it: it may be there by now."""
    row = tx.one(queries.MESSAGE, {"id": message_id})
    assert row is not None
    found = message_row_from(row)
    if found.holder is not None or found.message.detail is None:
        return
    tx.run(
        queries.set_columns(("detail",)), {"id": message_id, "detail": dumps({**found.message.detail, "recalled": by})}
    )
    tx.run(queries.NEXT_VERSION, {"id": message_id})


def _answer(tx: Transaction, said: RecallAnswered, who: str, now: int) -> None:
    """Raises `Refused` (409) where our own office's word is `demanded` and no recall waits for it."""
    asked = tx.all(ASKED, {"id": said.message_id, "at_organ": said.organ})
    answered = [_answer_one(tx, earlier, by, before, said, who, now) for earlier, by, before in asked]
    if said.demanded and not any(answered):
        raise refused("recall-answered", "code")


def _answer_one(
    tx: Transaction, message_id: str, asked_by: str, before: str | None, said: RecallAnswered, who: str, now: int
) -> bool:
    if before is not None and not said.demanded and changes.answered_by(tx, message_id, said.organ):
        return False  # it was declined, and changed since: this is the answer to the change
    values = {"id": message_id, "at_organ": said.organ, "said": said.code}
    new = {"answer": said.code, "answered_by": said.by, "answered_at": now}
    if not tx.run(ANSWER, {**values, **new}):
        return False
    tx.run(changes.ANSWER_ANEW, {"message_id": asked_by, "organ": said.organ, **new})
    chain.append(tx, message_id, Entry(SAID[said.code], {"organ": said.organ, "by": said.by}), who, now)
    return True


def withdraw(tx: Transaction, message_id: str, who: str, now: int) -> None:
    """End what has not left: nobody has it, so nobody must be asked. Raises `Refused` (409) where somebody may have it."""
    row = tx.one(NEVER_TRIED, {"id": message_id})
    if row is None:
        raise refused("being-sent", "")
    before = message_row_from(row)
    entry, head = chain.link(message_id, before.head, Entry(WITHDRAWN, {"reason": WITHDRAWN}), who, now)
    tx.run(entry_queries.NEW_ENTRY, entry)
    columns = {
        "state": State.REJECTED.value,
        "version": before.message.version + 1,
        "due_at": None,
        "closed_at": now,
        "held": None,
        "holder": None,
        "woken": 0,
        **head.columns,
    }
    tx.run(queries.set_columns(tuple(sorted(columns))), {"id": message_id, **columns})
    if withheld(before.message.held):
        # Taken back it is no less a suspected secret: nothing of it may stay that two persons have not cleared.
        purges.carry_out(tx, Purge(message_id, purges.STATE_SECRET), who, now)


def mark_late(tx: Transaction, over: Overdue) -> bool:
    """False: answered, asked anew or marked meanwhile."""
    return bool(tx.run(MARK_LATE, {"id": over.message_id, "at_organ": over.organ, "by": over.asked_by}))


def refused(code: str, field: str, **facts: str) -> Refused:
    return Refused([Problem(field, code, code.replace("-", " "), facts)], code=code, status=409)


# --- look-ups ---------------------------------------------------------------------------------------------------


def of_message(tx: Transaction, message_id: str) -> list[RelationRow]:
    return [
        RelationRow(later, earlier, Act(act), time(at))
        for later, earlier, act, at in tx.all(OF_MESSAGE, {"id": message_id})
    ]


def recalls(tx: Transaction, message_id: str) -> list[RecallRow]:
    return [
        RecallRow(
            organ, by, time(asked), maybe_time(due), said, said_by, maybe_time(said_at), bool(late), bool(in_vain)
        )
        for organ, by, asked, said, said_by, said_at, late, due, in_vain in tx.all(RECALLS, {"id": message_id})
    ]


def overdue(tx: Transaction, now: int, limit: int) -> list[Overdue]:
    return [Overdue(*row) for row in tx.all(OVERDUE, {"now": now, "limit": limit})]


def handed_in(tx: Transaction, office: str, document_id: str) -> list[Message]:
    """The office's own documents under this DocumentId, but for those that never left and were rejected."""
    return [message_from(row) for row in tx.all(HANDED_IN, {"office": office, "document_id": document_id})]


def received(tx: Transaction, document_id: str) -> list[Message]:
    """What was received under this DocumentId, from whomever."""
    return [message_from(row) for row in tx.all(RECEIVED, {"document_id": document_id})]


def of_number(tx: Transaction, given: Numbered, direction: str) -> list[Message]:
    values = {"of": given.sender, "in_year": given.year, "same": given.code, "way": direction}
    return [message_from(row) for row in tx.all(NUMBERED, values)]


def never_tried(tx: Transaction, message_id: str) -> bool:
    """Whether it can be withdrawn: nobody can have it."""
    return tx.one(NEVER_TRIED, {"id": message_id}) is not None
