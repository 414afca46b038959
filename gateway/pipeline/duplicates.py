"""Looks for an earlier document of the same identifier or number, at the door and on receipt (`gateway.rules.duplicates`)."""

from __future__ import annotations

import datetime as dt

from gateway.journal import Journal
from gateway.model import Direction, Document, Problem
from gateway.rules import duplicates


async def earlier(
    journal: Journal, document: Document, direction: Direction, at: dt.datetime, submission_id: str = ""
) -> tuple[Problem, ...]:
    """Warnings that name the first earlier message, of another submission than `submission_id`; rejected ones apart."""
    if not duplicates.looked_at(document):
        return ()
    sender = document.sender.code
    same_id = await journal.same_document_id(sender, document.document_id, direction, submission_id)
    return duplicates.warnings(same_id, await same_number(journal, document, direction, at, submission_id))


async def same_number(
    journal: Journal, document: Document, direction: Direction, at: dt.datetime, submission_id: str = ""
) -> str | None:
    """The first earlier message whose document has the same number; `at` is when this one came."""
    number = duplicates.number_of(document, at)
    if number is None or not duplicates.looked_at(document):
        return None
    return await journal.same_number(number, direction, submission_id)
