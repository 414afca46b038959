"""Reading the journal: messages and what belongs to them."""

from __future__ import annotations

import json
from typing import Any

from gateway.journal import queries
from gateway.journal.rows import content_ref_from, delivery_from, message_from
from gateway.journal.sqlite import Transaction
from gateway.states import ContentRef, Delivery, Message


def message(tx: Transaction, message_id: str) -> Message | None:
    row = tx.one(queries.MESSAGE, {"id": message_id})
    return message_from(row) if row else None


def deliveries(tx: Transaction, message_id: str) -> list[Delivery]:
    return [delivery_from(row) for row in tx.all(queries.DELIVERIES, {"id": message_id})]


def contents(tx: Transaction, message_id: str) -> list[ContentRef]:
    return [content_ref_from(row) for row in tx.all(queries.CONTENTS, {"id": message_id})]


def extra(tx: Transaction, message_id: str) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in tx.all(queries.EXTRAS, {"id": message_id})}
