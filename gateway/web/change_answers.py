"""What the office API answers of recalls, updates and replacements, and of what organs say to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal

from gateway.journal import ChangeAnswerRow, RecallRow, RelationRow
from gateway.states import Act
from gateway.web.shown import Shown


class RecallAnswer(Shown):
    """What became of asking one organ to give the document back."""

    organ: str
    """Code of the organ that has it."""
    state: Literal["asked", "agreed", "declined", "unanswered", "not-asked"]
    """`agreed`: destroyed there, it says (15); `declined` (16); `unanswered`: its time is over, and it may still answer;
    `not-asked`: what was to ask for it never got there."""
    asked_by: str
    """Message id of what asks for it: a status 13, or a document of type 1."""
    asked_at: dt.datetime
    """When it was asked for."""
    due_at: dt.datetime | None
    """When it counts as unanswered; null until what asks for it has left, and for a document received."""
    answered_by: str | None
    """Message id of the status that answers; null while none does."""
    answered_at: dt.datetime | None
    """When that was heard, or said by us."""


class ChangeAnswer(Shown):
    """What an organ says to a message that recalls, updates or replaces an earlier one."""

    state: Literal["agreed", "declined"]
    """`agreed` (15) or `declined` (16). Of a recall of several documents the last one said: each document's own stands
    under its `recalls`."""
    reason: str
    """As the organ gives it; empty where it gave none, or where that was purged."""
    answered_by: str
    """Message id of the status that says so."""
    answered_at: dt.datetime
    """When that was heard, or said by us."""


class OrganChangeAnswer(ChangeAnswer):
    """The same, and whose it is."""

    organ: str
    """Code of the organ that says so."""


class RelationAnswer(Shown):
    """What one message does to an earlier one."""

    act: Act
    """Recall, update or replace."""
    message_id: str
    """The message that does it."""
    earlier: str
    """The message that it is done to."""
    at: dt.datetime
    """Since when it is known here."""


def relations(rows: Iterable[RelationRow]) -> list[RelationAnswer]:
    return [RelationAnswer(act=row.act, message_id=row.message_id, earlier=row.earlier, at=row.at) for row in rows]


def recalls(rows: Iterable[RecallRow]) -> list[RecallAnswer]:
    return [
        RecallAnswer(
            organ=row.organ,
            state=row.state,
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            due_at=row.due_at,
            answered_by=row.answered_by,
            answered_at=row.answered_at,
        )
        for row in rows
    ]


def by_organ(rows: Iterable[ChangeAnswerRow]) -> dict[str, ChangeAnswer]:
    return {row.organ: ChangeAnswer(**_said(row)) for row in rows}


def of_organs(rows: Iterable[ChangeAnswerRow]) -> list[OrganChangeAnswer]:
    return [OrganChangeAnswer(organ=row.organ, **_said(row)) for row in rows]


def _said(row: ChangeAnswerRow) -> dict[str, Any]:
    return {
        "state": row.state,
        "reason": row.reason,
        "answered_by": row.answered_by,
        "answered_at": row.answered_at,
    }
