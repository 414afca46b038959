"""The door's units of work: a submission is answered once, and its answer and its messages commit together."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.journal import queries, relations
from gateway.journal.keys import KeyReused
from gateway.journal.outcomes import insert
from gateway.journal.rows import dumps
from gateway.journal.sqlite import Transaction
from gateway.states import NewMessage


@dataclass(frozen=True, slots=True)
class NewSubmission:
    """What an office handed in, checked and stored: to be accepted."""

    office: str
    key: str
    """The office's idempotency key."""
    fingerprint: str
    answer: Mapping[str, Any]
    """What the office is told, now and whenever it asks again; JSON."""
    messages: tuple[NewMessage, ...]
    withdrawn: tuple[str, ...] = ()
    """Message ids of what the office takes back before it has left."""


@dataclass(frozen=True, slots=True, eq=False)
class Reserved:
    """The key is ours for the length of the lease: this very reservation's, and no later one's of the same key."""

    office: str
    key: str
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The key had its answer already."""

    fingerprint: str
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Running:
    """Another request with the key is under way."""

    after: float
    """Seconds until its reservation lapses."""


def answered(tx: Transaction, office: str, key: str) -> Answered | None:
    row = tx.one(queries.SUBMISSION, {"office": office, "key": key})
    return None if row is None else Answered(row[0], json.loads(row[1]))


def accept(tx: Transaction, submission: NewSubmission, now: int) -> dict[str, Any]:
    answer, key = dumps(dict(submission.answer)), {"office": submission.office, "key": submission.key}
    if not tx.run(queries.PUT_SUBMISSION, {**key, "fingerprint": submission.fingerprint, "answer": answer}):
        # A request that outlived its reservation: whoever came after it has been answered.
        first = answered(tx, **key)
        if first is None or first.fingerprint != submission.fingerprint:
            raise KeyReused
        return first.answer
    for new in submission.messages:
        if not insert(tx, new, f"office:{submission.office}", now):
            raise ValueError("a message handed in cannot have an axis id that is taken")
    for message_id in submission.withdrawn:
        relations.withdraw(tx, message_id, f"office:{submission.office}", now)
    accepted: dict[str, Any] = json.loads(answer)
    return accepted
