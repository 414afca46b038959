"""Carrying out an outcome: the message moved, its effects applied, the entry chained, in the caller's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from gateway.journal import chain, deadlines, entry_queries, keys, purges, queries, relations
from gateway.journal.chain import Head
from gateway.journal.rows import (
    MICROSECOND,
    MessageRow,
    attachment_text,
    delivery_values,
    dumps,
    for_column,
    message_row_from,
    message_values,
    stamp,
)
from gateway.journal.sqlite import Transaction
from gateway.model import Direction
from gateway.states import (
    NEXT,
    AddDelivery,
    AnswerKey,
    ChangeAnswered,
    Cleared,
    Concerns,
    ContentRef,
    Delivery,
    Effect,
    Entry,
    Erase,
    HandedOver,
    KeepReceipt,
    Message,
    NewMessage,
    Outcome,
    Purge,
    RecallAnswered,
    SettleDelivery,
    State,
    stage_for,
)

EXTRAS = frozenset({"recipe", "parsed", "findings"})
"""What an outcome may change beside the message's own columns; JSON, read back by `Journal.extra`."""


def message_row(tx: Transaction, message_id: str) -> MessageRow | None:
    row = tx.one(queries.MESSAGE, {"id": message_id})
    return message_row_from(row) if row else None


def carry_out(
    tx: Transaction, row: MessageRow, outcome: Outcome, who: str, now: int, *, interrupted: bool = False
) -> None:
    """Do what `outcome` says, and what followed it at once; `interrupted`: someone's attempt is still open.

    Raises ValueError for a move or a change that does not exist: a stage's bug.
    """
    message_id = row.message.message_id
    state, head, changes = row.message.state, row.head, dict[str, object]()
    last, attempts = outcome, row.message.attempts
    for step in outcome.steps:
        if step is not outcome and step.effects:
            tx.run(entry_queries.MOVE_HEAD, {"id": message_id, **head.columns})  # an effect may have entries of its own
        last = _apply_effects(tx, row.message, step, who, now)
        before, state = state, _next(state, last)
        attempts = _attempts(attempts, before, state, at_once=step is not outcome)
        head = chain.head(tx, message_id) if last.effects else head
        entry, head = chain.link(message_id, head, last.entry, who, now)
        tx.run(entry_queries.NEW_ENTRY, entry)
        changes |= last.changes or {}
    columns = {
        **_moved(row, last, state, attempts, now, interrupted=interrupted),
        **_changed(tx, message_id, changes),
        **head.columns,
    }
    tx.run(queries.set_columns(tuple(sorted(columns))), {"id": message_id, **columns})
    if state is State.TRUSTED:
        offer(tx, message_id, now)
    if state is State.SENT and state is not row.message.state:
        close_when_answered(tx, message_id, who, now)


def _next(state: State, outcome: Outcome) -> State:
    following = outcome.state or state
    if following is not state and following not in NEXT[state]:
        raise ValueError(f"no message goes from {state} to {following}")
    return following


def _attempts(so_far: int, before: State, state: State, *, at_once: bool) -> int:
    """Attempts in the state that a step leads to. A stage done at once is one, though nobody claimed the message for it."""
    return so_far + at_once if state is before else 0


def _apply_effects(tx: Transaction, message: Message, outcome: Outcome, who: str, now: int) -> Outcome:
    """Apply an outcome's effects; the outcome that counts: the other one where all it settles had been heard before."""
    effects = outcome.effects
    if outcome.otherwise is not None:
        settles = [effect for effect in effects if isinstance(effect, SettleDelivery)]
        fresh = [_settle_delivery(tx, effect, who, now) for effect in settles]
        if settles and not any(fresh):
            return _apply_effects(tx, message, outcome.otherwise, who, now)
        effects = tuple(effect for effect in effects if not isinstance(effect, SettleDelivery))
    for effect in effects:
        apply_effect(tx, message, effect, who, now)
    return outcome


def note(tx: Transaction, row: MessageRow, outcome: Outcome, who: str, now: int) -> None:
    """Do what `outcome` says beside the road, and leave the message where it is, due when it was, held as it was.

    Who works on it keeps the lease, and the message is due again as soon as they settle: they may not know of this.
    """
    message_id = row.message.message_id
    for effect in outcome.effects:
        apply_effect(tx, row.message, effect, who, now)
    if columns := _changed(tx, message_id, outcome.changes or {}):
        tx.run(queries.set_columns(tuple(sorted(columns))), {"id": message_id, **columns})
    if row.message.state is State.TRUSTED:
        offer(tx, message_id, now)
    chain.append(tx, message_id, outcome.entry, who, now)
    if row.holder is None:
        tx.run(queries.NEXT_VERSION, {"id": message_id})
    else:
        wake(tx, message_id, now)


def _moved(
    row: MessageRow, outcome: Outcome, state: State, attempts: int, now: int, *, interrupted: bool = False
) -> dict[str, object]:
    """The columns that say where the message is now."""
    before = row.message
    moved = state is not before.state
    due_at = None
    if outcome.held is None and stage_for(state, before.kind) is not None:
        if row.woken:
            due_at = now
        elif outcome.due_in is not None:
            due_at = now + outcome.due_in // MICROSECOND
    closed_at = None
    if state.final:
        closed_at = now if moved else for_column("closed_at", before.closed_at)
    return {
        "state": state.value,
        "version": before.version + 1,
        "attempts": attempts,
        "due_at": due_at,
        "sent_at": now if moved and state is State.SENT else for_column("sent_at", before.sent_at),
        "closed_at": closed_at,
        "held": outcome.held,
        "holder": None,
        # A doubt lasts as long as its stage: a later attempt that could not even ask has not settled it.
        "doubt": int(not moved and (outcome.doubt or row.doubt or interrupted)),
        "woken": 0,
    }


def _changed(tx: Transaction, message_id: str, changes: Mapping[str, object]) -> dict[str, object]:
    """The columns to change; what is kept beside them is written at once."""
    _keep_beside(tx, message_id, changes)
    return _columns(changes)


def _columns(changes: Mapping[str, object]) -> dict[str, object]:
    if unknown := changes.keys() - queries.CHANGEABLE - EXTRAS:
        raise ValueError(f"an outcome cannot change {', '.join(sorted(unknown))}")
    return {name: for_column(name, value) for name, value in changes.items() if name in queries.CHANGEABLE}


def _keep_beside(tx: Transaction, message_id: str, changes: Mapping[str, object]) -> None:
    for name in changes.keys() & EXTRAS:
        tx.run(queries.SET_EXTRA, {"message_id": message_id, "name": name, "value": dumps(changes[name])})


def with_reason(outcome: Outcome, why: str) -> Outcome:
    """The same outcome, its entry telling why a person wanted it."""
    return replace(outcome, entry=replace(outcome.entry, detail=why))


# --- effects ----------------------------------------------------------------------------------------------------


def apply_effect(  # noqa: C901 -- one case for each kind
    tx: Transaction, message: Message, effect: Effect, who: str, now: int
) -> None:
    message_id = message.message_id
    match effect:
        case AnswerKey():
            keys.answer(tx, effect)
        case NewMessage():
            insert(tx, effect, who, now)
        case ContentRef():
            refer(tx, message_id, effect, now)
        case KeepReceipt():
            _keep_receipt(tx, message_id, effect, now)
        case SettleDelivery():
            _settle_delivery(tx, effect, who, now)
        case HandedOver():
            if tx.run(queries.HANDED_OVER, {"id": effect.message_id, "to": effect.office, "now": now}):
                chain.append(tx, effect.message_id, Entry("handed-over", {"office": effect.office}), who, now)
        case AddDelivery():
            _add_delivery(tx, message_id, effect.delivery, message.direction, now)
        case Concerns() | RecallAnswered() | ChangeAnswered():
            relations.enter(tx, message_id, effect, who, now)
        case Erase() | Purge() | Cleared():
            purges.apply(tx, message_id, effect, who, now)
        case _:
            deadlines.mark(tx, message_id, effect)


def insert(tx: Transaction, new: NewMessage, who: str, now: int) -> bool:
    """Write a message that is born now. False: its axis id is already known, and nothing is done."""
    message, steps = new.message, new.then.steps if new.then else ()
    message_id, state, head = message.message_id, message.state, Head()
    entries, changes, attempts = [], dict[str, object](), 0
    for nth, step in enumerate((Outcome(_birth(new)), *steps)):
        before, state = state, _next(state, step)
        attempts = _attempts(attempts, before, state, at_once=nth > 0)
        entry, head = chain.link(message_id, head, step.entry, who, now)
        entries.append(entry)
        changes |= step.changes or {}
    columns = message_values(message, now)
    if steps:
        columns |= _moved(
            MessageRow(message, None, doubt=False, woken=False, tries=0, head=head), steps[-1], state, attempts, now
        )
    if not tx.run(queries.NEW_MESSAGE, {**columns, **_columns(changes), **head.columns}):
        return False
    for entry in entries:
        tx.run(entry_queries.NEW_ENTRY, entry)
    _keep_beside(tx, message_id, changes)
    for delivery in new.deliveries:
        _add_delivery(tx, message_id, delivery, message.direction, now)
    if message.direction is Direction.IN and message.office is not None:
        _owe(tx, message_id, message.office, now)
    for reference in new.contents:
        refer(tx, message_id, reference, now)
    for effect in (*new.marks, *(effect for step in steps for effect in step.effects)):
        apply_effect(tx, message, effect, who, now)
    if state is State.TRUSTED:
        offer(tx, message_id, now)
    return True


def _birth(new: NewMessage) -> Entry:
    """The first entry of a message's chain."""
    message = new.message
    facts: dict[str, str | int | None] = {
        "axis": message.axis,
        "direction": message.direction.value,
        "kind": message.kind.value,
        "submission_id": message.submission_id,
    }
    facts |= {
        name: value
        for name in ("office", "axis_id", "document_id", "size", "sha256", "supersedes", "held")
        if (value := getattr(message, name)) not in {None, ""}
    } | dict(new.facts)
    return Entry(message.state.value, facts)


def refer(tx: Transaction, message_id: str, reference: ContentRef, now: int) -> None:
    content = reference.content
    tx.run(
        queries.KEEP_CONTENT,
        {"place": content.place, "sha256": content.sha256, "size": content.size, "kept_at": now},
    )
    tx.run(
        queries.REFER,
        {
            "message_id": message_id,
            "role": reference.role,
            "place": content.place,
            "attachment": attachment_text(reference.attachment),
        },
    )


def _keep_receipt(tx: Transaction, message_id: str, receipt: KeepReceipt, now: int) -> None:
    tx.run(
        queries.KEEP_RECEIPT,
        {
            "message_id": message_id,
            "receipt_id": receipt.receipt_id,
            "kind": receipt.kind,
            "given": int(receipt.given),
            "body": receipt.body,
            "sha256": hashlib.sha256(receipt.body).hexdigest(),
            "mismatch": receipt.mismatch,
            "at": now,
        },
    )


def _add_delivery(tx: Transaction, message_id: str, delivery: Delivery, direction: Direction, now: int) -> None:
    tx.run(queries.ADD_DELIVERY, delivery_values(message_id, delivery))
    if direction is Direction.IN and delivery.office is not None:
        _owe(tx, message_id, delivery.office, now)


def _owe(tx: Transaction, message_id: str, office: str, now: int) -> None:
    tx.run(
        queries.NEW_HANDOVER, {"message_id": message_id, "office": office, "state": "pending", "seq": None, "at": now}
    )


def offer(tx: Transaction, message_id: str, now: int) -> None:
    """Put an examined message into the inboxes of the offices that are to have it."""
    for (office,) in tx.all(queries.UNOFFERED, {"id": message_id}):
        tx.run(queries.OFFER, {"id": message_id, "to": office, "now": now})


def _settle_delivery(tx: Transaction, heard: SettleDelivery, who: str, now: int) -> bool:
    """Note a status once, however often it comes; what was answered stays answered, and the latest answer shows.

    False where it had been noted before, from the very same file.
    """
    row = tx.one(queries.DELIVERY, {"id": heard.message_id, "to": heard.organ})
    if row is None:
        return True
    at = stamp(heard.at)
    key = {"message_id": heard.message_id, "organ": heard.organ, "status": heard.status, "status_at": at}
    if not tx.run(queries.STATUS_HEARD, {**key, "heard_at": now, "file": heard.file}):
        noted = tx.one(queries.STATUS_FILE, key)
        return noted is not None and noted[0] != heard.file
    shown, status_at, answered = row
    # The wire tells whole seconds: of two in one second the further one shows, whichever was examined first.
    newer = status_at is None or (at, heard.status) >= (status_at, shown)
    if (heard.answered and not answered) or (heard.answered == bool(answered) and newer):
        tx.run(
            queries.SETTLE_DELIVERY,
            {
                "id": heard.message_id,
                "to": heard.organ,
                "status": heard.status,
                "status_at": at,
                "answered": int(heard.answered),
            },
        )
    facts: dict[str, str | int | None] = {"organ": heard.organ, "status": heard.status, "status_at": at}
    chain.append(tx, heard.message_id, Entry("status-heard", facts), who, now)
    close_when_answered(tx, heard.message_id, who, now)
    return True


def close_when_answered(tx: Transaction, message_id: str, who: str, now: int) -> None:
    """Close a sent message as soon as every delivery is answered; where someone works on it, the chase then closes it."""
    row = tx.one(queries.UNANSWERED_SENT, {"id": message_id})
    if row is None or not row[0] or row[0] != row[1]:
        return
    entry, head = chain.link(message_id, chain.head(tx, message_id), Entry("closed", {"answered": row[0]}), who, now)
    if tx.run(queries.CLOSE_SENT, {"id": message_id, "now": now, **head.columns}):
        tx.run(entry_queries.NEW_ENTRY, entry)
    else:
        wake(tx, message_id, now)


def wake(tx: Transaction, message_id: str, now: int) -> bool:
    """Due now; where someone works on it, due as soon as they settle."""
    return bool(tx.run(queries.WAKE, {"id": message_id, "now": now}))
