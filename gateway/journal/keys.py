"""Idempotency keys answered by an act: the key and what it asked for commit together, or neither does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayError, Refused
from gateway.journal import queries
from gateway.journal.rows import dumps
from gateway.journal.sqlite import Transaction
from gateway.model import Problem
from gateway.states import AnswerKey


class KeyReused(Refused):
    """The idempotency key was used for something else."""

    def __init__(self) -> None:
        problem = Problem("", "key-reused", "this idempotency key was used for another submission")
        super().__init__([problem], code="key-reused")


class AnsweredBefore(GatewayError):
    """The key had its answer already; nothing was done again."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__("answered-before")
        self.answer = answer


def answer(tx: Transaction, asked: AnswerKey) -> None:
    """Raises `AnsweredBefore` or `KeyReused`, and so lets nothing of its unit happen."""
    key = {"office": asked.office, "key": asked.key}
    new = {**key, "fingerprint": asked.fingerprint, "answer": dumps(dict(asked.answer))}
    if tx.run(queries.ANSWER_KEY, new):
        return
    row = tx.one(queries.SUBMISSION, key)
    assert row is not None, "the key was taken a moment ago, in this transaction"
    fingerprint, first = row
    if fingerprint != asked.fingerprint:
        raise KeyReused
    raise AnsweredBefore(json.loads(first))
