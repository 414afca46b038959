"""The log's lines about how far a message has come: `sent`, `closed`, `rejected`, `expired`; `accepted` is the door's own.

Codes and names of partners only, never what a document says. Each costs some 20 µs of processor time. A document that its
last answer closes has no line of its own: that of the status names it in `about`.
"""

from __future__ import annotations

import structlog

from gateway.model import Kind
from gateway.states import Message, Outcome, State

TOLD = frozenset({State.SENT, State.CLOSED, State.REJECTED, State.EXPIRED})

log = structlog.get_logger(__name__)


def tell(message: Message, outcome: Outcome) -> None:
    """What `outcome`, now written, made of `message`."""
    said: dict[str, object] = {"message_id": message.message_id, "kind": message.kind.value, "axis": message.axis}
    facts = outcome.entry.facts or {}
    if outcome.entry.code == "receipt-mismatch":
        log.warning("receipt mismatch", **said, fields=facts.get("fields"))
    if outcome.state in TOLD and outcome.state is not message.state:
        if "reason" in facts:
            said["reason"] = facts["reason"]
        if message.kind is not Kind.DOCUMENT and message.submission_id != message.message_id:
            said["about"] = message.submission_id
        log.info(outcome.state.value, **said, by=outcome.entry.code)
