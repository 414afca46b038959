"""The runner's units of work: claim under a lease, renew it, settle what came of it; and the poller's announcements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby, islice, zip_longest
from operator import itemgetter

from gateway.ids import new_id
from gateway.journal import queries
from gateway.journal.outcomes import carry_out, insert, message_row, note
from gateway.journal.query import Query
from gateway.journal.rows import Row, message_row_from, standing_from
from gateway.journal.sqlite import Transaction
from gateway.model import Direction
from gateway.ports import Announced
from gateway.states import BEFORE_START, Message, NewMessage, Outcome, Stage, State, Work, stage_for


def claim(tx: Transaction, holder: str, limit: int, now: int, until: int, skip_stages: frozenset[Stage]) -> list[Work]:
    """Take up to `limit` messages that are due: urgent first, and of equal urgency one endpoint after the other."""
    due = list(islice(_due(tx, limit, now, queries.due_in_lane(skip_stages)), limit))
    claimed = [tx.one(queries.CLAIM, {"id": message_id, "by": holder, "until": until}) for message_id in due]
    return [_open(tx, row, holder, now) for row in claimed if row is not None]


def _due(tx: Transaction, limit: int, now: int, query: Query) -> Iterator[str]:
    for _, lanes in groupby(tx.all(queries.LANES, {"now": now}), key=itemgetter(1)):
        waiting = [
            tx.all(query, {"endpoint": endpoint, "urgency": urgency, "now": now, "limit": limit})
            for endpoint, urgency in lanes
        ]
        for turn in zip_longest(*waiting):
            yield from (row[0] for row in turn if row is not None)


def _open(tx: Transaction, claimed: Row, holder: str, now: int) -> Work:
    row = message_row_from(claimed)
    stage = stage_for(row.message.state, row.message.kind)
    assert stage is not None
    tx.run(
        queries.OPEN_ATTEMPT,
        {
            "message_id": row.message.message_id,
            "n": row.tries,
            "stage": stage.value,
            "holder": holder,
            "opened_at": now,
            "closed_at": None,
            "outcome": None,
            "doubt": 0,
        },
    )
    return Work(row.message, holder, row.tries, row.doubt)


def renew(tx: Transaction, work: Work, until: int) -> bool:
    message = work.message
    return bool(
        tx.run(queries.RENEW, {"id": message.message_id, "seen": message.version, "by": work.holder, "until": until})
    )


def settle(tx: Transaction, work: Work, outcome: Outcome, now: int) -> bool:
    message = work.message
    standing = tx.one(queries.STANDING, {"id": message.message_id, "seen": message.version, "by": work.holder})
    if standing is None:
        return False
    tx.run(
        queries.CLOSE_ATTEMPT,
        {
            "id": message.message_id,
            "nth": work.attempt,
            "closed_at": now,
            "outcome": outcome.entry.code,
            "doubt": int(outcome.doubt),
        },
    )
    carry_out(tx, standing_from(message, standing), outcome, work.holder, now)
    return True


def advance(
    tx: Transaction, work: Work, outcome: Outcome, now: int, until: int, skip_stages: frozenset[Stage]
) -> tuple[bool, Work | None]:
    """Settle, and take the message again at once where it is due and its endpoint is not in back-off."""
    if not settle(tx, work, outcome, now):
        return False, None
    message = work.message
    stage = stage_for(outcome.state_after(message.state), message.kind)
    if stage is None or stage in skip_stages:
        return True, None
    values = {"id": message.message_id, "by": work.holder, "until": until, "now": now}
    claimed = tx.one(queries.CLAIM_IF_DUE, values)
    return True, _open(tx, claimed, work.holder, now) if claimed is not None else None


def apply(tx: Transaction, message_id: str, outcome: Outcome, who: str, expect: int | None, now: int) -> bool:
    row = message_row(tx, message_id)
    if row is None or (expect is not None and row.message.version != expect):
        return False
    if outcome.state is None and outcome.due_in is None and outcome.held is None:
        note(tx, row, outcome, who, now)
    else:
        carry_out(tx, row, outcome, who, now, interrupted=row.holder is not None)
    return True


def announce(tx: Transaction, axis: str, born: Sequence[NewMessage], now: int) -> list[NewMessage]:
    """Those that were not known before."""
    return [new for new in born if insert(tx, new, f"axis:{axis}", now)]


def announced(axis: str, item: Announced, endpoint: str, start_at: dt.datetime | None = None) -> Message:
    """What a line of an axis's list makes; held where the axis took it before `start_at`."""
    message_id = new_id()
    return Message(
        message_id=message_id,
        direction=Direction.IN,
        kind=item.kind,
        state=State.ANNOUNCED,
        axis=axis,
        endpoint=endpoint,
        submission_id=message_id,
        axis_id=item.axis_id,
        document_id=item.document_id,
        sender=item.sender,
        urgency=item.urgency,
        size=item.size,
        sha256=item.sha256,
        held=BEFORE_START if start_at and item.at and item.at < start_at else None,
    )
