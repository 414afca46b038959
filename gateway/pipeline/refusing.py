"""What the sender of a received document hears when it is rejected: status 02 of each of our organs that will not have it.

Whether a rule or a person rejected it makes no difference but for the reason. Nothing is said where the file did not
say what it is and from whom.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from gateway.journal import Journal
from gateway.model import Document
from gateway.pipeline import detail, replies
from gateway.rules.statuses import RETURNED
from gateway.states import Effect, Message, State

NEUTRAL = "Hệ thống không nhận được văn bản ({code})"

OfficeOf = Callable[[str], str | None]
"""The office of ours that owns an organ."""


async def statuses_owed(
    journal: Journal, office_of: OfficeOf, message: Message, reason: str, now: dt.datetime
) -> tuple[Effect, ...]:
    read = message.detail or {}
    if "document" not in read:
        return ()
    document = detail.document_bare(read)
    refusing = await _without_it(journal, office_of, message, document)
    return tuple(
        replies.status_message(message, document, organ, RETURNED, now, reason=reason)
        for organ in document.to
        if organ.code in refusing
    )


async def _without_it(journal: Journal, office_of: OfficeOf, message: Message, document: Document) -> set[str]:
    """Our organs among the receivers whose office does not have the document."""
    if message.state is not State.TRUSTED:
        return {organ.code for organ in document.to if office_of(organ.code)}
    pending = await journal.pending_handovers(message.message_id)
    return {each.organ for each in await journal.deliveries(message.message_id) if each.office in pending}
