"""How the journal's rows become the gateway's words and back: times, messages, content references."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from pydantic_core import to_json

from gateway.journal.chain import Head
from gateway.journal.queries import MESSAGE_COLUMNS, STANDING_COLUMNS
from gateway.model import Attachment, Content, Direction, Kind, ProofGrade
from gateway.states import ContentRef, Delivery, Message, State, stage_for

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)

_LATEST = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // MICROSECOND
"""One row with a time beyond the calendar must not keep all others from being read."""

_TIMES = frozenset({"accepted_at", "due_at", "expires_at", "sent_at", "closed_at", "status_at", "purged_at"})

Row = tuple[Any, ...]


def stamp(time: dt.datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (time - _EPOCH) // MICROSECOND


def time(stamped: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=min(stamped, _LATEST))


def maybe_time(stamped: int | None) -> dt.datetime | None:
    return None if stamped is None else time(stamped)


def dumps(value: object) -> str:
    return to_json(value).decode()


def for_column(name: str, value: object) -> object:
    """A field's value as its column keeps it."""
    if value is None:
        return None
    if name in _TIMES:
        assert isinstance(value, dt.datetime)
        return stamp(value)
    if name == "detail":
        return dumps(dict(value)) if isinstance(value, Mapping) else dumps(value)
    if name == "urgency":
        assert isinstance(value, int)
        return max(0, min(value, 3))  # a lane of its own for each of these four
    return value


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message with what the journal alone needs to know of it."""

    message: Message
    holder: str | None
    doubt: bool
    woken: bool
    tries: int
    head: Head


_NAMES = [column.name for column in MESSAGE_COLUMNS]
MESSAGE_FIELDS = tuple(field for field in Message.__dataclass_fields__)
_PICK: Callable[[Row], Row] = itemgetter(*(_NAMES.index(name) for name in MESSAGE_FIELDS))
_PICK_REST: Callable[[Row], Row] = itemgetter(*(_NAMES.index(name) for name in STANDING_COLUMNS))


def message_from(row: Row) -> Message:
    fields: dict[str, Any] = dict(zip(MESSAGE_FIELDS, _PICK(row), strict=True))
    fields["direction"] = Direction(fields["direction"])
    fields["kind"] = Kind(fields["kind"])
    fields["state"] = State(fields["state"])
    if fields["proof"] is not None:
        fields["proof"] = ProofGrade(fields["proof"])
    if fields["detail"] is not None:
        fields["detail"] = json.loads(fields["detail"])
    for name in ("accepted_at", "due_at", "expires_at", "sent_at", "closed_at", "purged_at"):
        if fields[name] is not None:
            fields[name] = time(fields[name])
    return Message(**fields)


def message_row_from(row: Row) -> MessageRow:
    return standing_from(message_from(row), _PICK_REST(row))


def standing_from(message: Message, standing: Row) -> MessageRow:
    """The row of a message that is known already."""
    holder, doubt, woken, tries, *head = standing
    return MessageRow(message, holder, bool(doubt), bool(woken), tries, Head(*head))


def message_values(message: Message, now: int) -> dict[str, Any]:
    """The columns of a message that is born now, but for the head of its chain.

    One in a working state is due now, unless it is held or says when it is due.
    """
    values: dict[str, Any] = {name: for_column(name, getattr(message, name)) for name in MESSAGE_FIELDS}
    if values["accepted_at"] is None:
        values["accepted_at"] = now
    if message.held is not None or stage_for(message.state, message.kind) is None:
        values["due_at"] = None
    elif values["due_at"] is None:
        values["due_at"] = now
    if message.state.final and values["closed_at"] is None:
        values["closed_at"] = now
    values |= {
        "holder": None,
        "doubt": 0,
        "woken": 0,
        "tries": 0,
        "twin": None,
    }
    return values


def delivery_from(row: Row) -> Delivery:
    organ, office, status, status_at, answered = row
    return Delivery(organ, office, status, maybe_time(status_at), bool(answered))


def delivery_values(message_id: str, delivery: Delivery) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "organ": delivery.organ,
        "office": delivery.office,
        "status": delivery.status,
        "status_at": for_column("status_at", delivery.status_at),
        "answered": int(delivery.answered),
    }


def attachment_text(attachment: Attachment | None) -> str | None:
    if attachment is None:
        return None
    return dumps([attachment.content_id, attachment.name, attachment.content_type, attachment.description])


def content_ref_from(row: Row) -> ContentRef:
    role, sha256, size, place, attachment = row
    content = Content(sha256, size, place)
    if attachment is None:
        return ContentRef(role, content)
    content_id, name, content_type, description = json.loads(attachment)
    return ContentRef(role, content, Attachment(content_id, name, content_type, description, content))
