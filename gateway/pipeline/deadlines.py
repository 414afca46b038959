"""Keeps the law's times (`gateway.rules.deadlines`): closes what was met, tells offices of what was not.

Deadlines are born with the message they are about and live in the journal. Most are met by what happens anyway, so this
only looks, a few times a minute, and the times it enters are those of the acts, not of the look.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.journal import Journal, Missed
from gateway.model import Direction, Kind
from gateway.pipeline import detail, notices, recalls
from gateway.rules import deadlines
from gateway.rules.deadlines import RULES
from gateway.states import Entry, Message, Met, NewMessage, Outcome, State

LOOK_SECONDS = 15.0
AT_ONCE = 100
WHO = "deadlines"


async def watch(journal: Journal, now: Callable[[], dt.datetime], nudge: Callable[[], None]) -> None:
    while True:
        if await look(journal, now):
            nudge()
        await asyncio.sleep(LOOK_SECONDS)


async def look(journal: Journal, now: Callable[[], dt.datetime]) -> int:
    """Enter what has been met, and what has not and is over. How many were found over."""
    await journal.meet_deadlines(sent=deadlines.MET_BY_SENDING, told=deadlines.MET_BY_TELLING)
    found = 0
    for rule in RULES:
        while over := await journal.deadlines_over(rule, AT_ONCE):
            for missed in over:
                found += await _miss(journal, missed, now())
    return found + await recalls.look(journal, now)


async def _miss(journal: Journal, missed: Missed, now: dt.datetime) -> bool:
    message = await journal.message(missed.message_id)
    assert message is not None, "a deadline is of a message"
    entry = Entry("deadline-missed", {"rule": missed.rule, "due_at": missed.due_at.isoformat()})
    told = await _notices(journal, message, missed, now)
    return await journal.miss_deadline(missed, Outcome(entry, effects=told), who=WHO)


async def _notices(journal: Journal, message: Message, missed: Missed, now: dt.datetime) -> tuple[NewMessage, ...]:
    """For the office that sent it, or each office that has it. None where the term was over when the message came, or
    where the office has heard worse.
    """
    if message.state is State.REJECTED or (message.accepted_at is not None and missed.due_at <= message.accepted_at):
        return ()
    event, told = RULES[missed.rule].event, message
    if message.direction is Direction.OUT:
        return notices.about(told, event, now, missed.rule)
    offices = {each.office: each.organ for each in await journal.deliveries(message.message_id) if each.office}
    return tuple(
        notice
        for office, organ in offices.items()
        for notice in notices.about(replace(message, office=office, sender=organ), event, now, missed.rule)
    )


async def answered(journal: Journal, message: Message, at: dt.datetime) -> tuple[Met, ...]:
    """That a document of ours is at the axis `at`, and answers the ones it names."""
    read = message.detail or {}
    document = read.get("document")
    if message.kind is not Kind.DOCUMENT or not (isinstance(document, Mapping) and "response_for" in document):
        return ()
    asked = [
        earlier.message_id
        for named in detail.document_bare(read).response_for
        for earlier in await journal.find_received(named.document_id, named.organ)
    ]
    return tuple(Met(message_id, deadlines.ANSWER.name, at) for message_id in asked)
