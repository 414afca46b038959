"""What people do to messages from outside the runner: resend, release, reject, purge; and how any act is done.

Each act is an entry with who and why, in the same transaction as what it changes. An act is written against the version
it looked at and looks again when the message has moved meanwhile. What an office does is in `office_acts`, what persons
decide about suspected secrets in `secret_acts`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from gateway.errors import GatewayError, Refused
from gateway.journal import Journal, MessageFilter
from gateway.journal.purge_ledger import LedgerBroken
from gateway.model import Direction, Problem
from gateway.pipeline import milestones, notices, refusing
from gateway.pipeline.outgoing import IN_DOUBT
from gateway.pipeline.record import Text
from gateway.states import (
    Effect,
    Entry,
    Message,
    Outcome,
    Purge,
    State,
    stage_for,
    withheld,
)

log = structlog.get_logger(__name__)

NOW = dt.timedelta(0)
TRIES = 10
PAGE = 500
BY_OPERATOR = "rejected-by-operator"
PURGED_BY_OPERATOR = "purged-by-operator"


class NotFound(GatewayError):
    """No such message."""


async def _nothing() -> None:
    """Nobody purges here."""


def gone() -> Refused:
    """Its content was purged."""
    told = "its content was purged; ids, times, digests and receipts remain"
    return Refused([Problem("", "purged", told)], code="purged", status=410)


class Acts:
    def __init__(
        self,
        journal: Journal,
        now: Callable[[], dt.datetime],
        nudge: Callable[[], None],
        office_of: refusing.OfficeOf,
        tell: Callable[[Message, Outcome], None] = milestones.tell,
        purged: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        """`tell`: of what an act made of a message; a command has no log to tell it to. `purged`: does what a purge leaves
        to do (`Purging.finish`); whoever asked for one hears of it after that.
        """
        self._purged = purged
        self._tell = tell
        self._journal = journal
        self._office_of = office_of
        self._now = now
        self._nudge = nudge

    async def resend(self, message_id: str, who: str, why: str) -> None:
        """Same id, same bytes, due now, asking first. Raises `Refused` where there is nothing to send."""

        async def outcome(message: Message) -> Outcome:
            if message.purged_at is not None:
                raise gone()
            if message.direction is not Direction.OUT or message.state not in {
                State.ACCEPTED,
                State.PACKED,
                State.EXPIRED,
            }:
                raise impossible(message, "resend")
            return Outcome(Entry("resend"), due_in=NOW, doubt=True)

        await self.act(message_id, outcome, who=who, why=why)

    async def release(self, message_id: str, who: str, why: str) -> None:
        """Let a held message go on; what was held in doubt goes on without it. Raises `Refused` when it is not held, or
        held as a suspected state secret: that takes two persons (`gateway.pipeline.secret_acts`).
        """

        async def outcome(message: Message) -> Outcome:
            if message.held is None or withheld(message.held):
                raise impossible(message, "release")
            # The axis could not say whether it has the message: that is what the person has found out.
            settled = {"doubt": 0} if message.held == IN_DOUBT else None
            return Outcome(Entry("released", {"reason": message.held}), due_in=NOW, changes=settled)

        await self.act(message_id, outcome, who=who, why=why)

    async def release_all(self, axis: str, reason: str, who: str, why: str) -> int:
        """Release what is held on an axis for one reason, the oldest first; how many. Raises `Refused` for a reason
        that has to be looked into message by message.
        """
        if reason == IN_DOUBT or withheld(reason):
            text = "each message held so needs a decision of its own: release it by its id"
            raise Refused([Problem("held", "one-by-one", text, {"reason": reason})])
        chosen = MessageFilter(axis=axis, reason=reason)
        page = await self._journal.list(chosen, None, PAGE)
        held = [each.message_id for each in page.rows]
        while page.next is not None:
            page = await self._journal.list(chosen, page.next, PAGE)
            held += [each.message_id for each in page.rows]
        released = 0
        for message_id in reversed(held):
            with contextlib.suppress(Refused):  # somebody else was faster
                await self.release(message_id, who, why)
                released += 1
        return released

    async def reject(self, message_id: str, who: str, why: str, *, tell_why: bool = False) -> None:
        """End a message that is not final; its office hears, or the sender of a received document by status 02.

        A sender hears a neutral reason, and `why` itself only with `tell_why`. Raises `Refused` when it cannot be ended.
        """
        if tell_why:
            _check_words(why)

        async def outcome(message: Message) -> Outcome:
            ends = message.state.final or stage_for(message.state, message.kind) is None
            if ends or message.state is State.SENT or withheld(message.held):
                raise impossible(message, "reject")
            effects: tuple[Effect, ...]
            if message.direction is Direction.OUT:
                effects = notices.about(message, "message.rejected", self._now(), BY_OPERATOR, why)
            else:
                reason = why if tell_why else refusing.NEUTRAL.format(code=BY_OPERATOR)
                effects = await refusing.statuses_owed(self._journal, self._office_of, message, reason, self._now())
            return Outcome(Entry("rejected", {"reason": BY_OPERATOR}), state=State.REJECTED, effects=effects)

        await self.act(message_id, outcome, who=who, why=why)

    async def purge(self, message_id: str, who: str, why: str) -> None:
        """Erase what people read of a message that has come to its end, and its contents. Purging again changes nothing.

        Raises `Refused` for one that is still under way.
        """

        async def outcome(message: Message) -> Outcome | None:
            if message.purged_at is not None:
                return None
            if not message.state.final:
                raise impossible(message, "purge")
            return Outcome(Entry("purge-ordered"), effects=(Purge(message_id, PURGED_BY_OPERATOR),))

        await self.act(message_id, outcome, who=who, why=why)
        await self._purged()

    async def _finish_purge(self, who: str) -> None:
        """Raises `LedgerBroken` for an operator. An office's act is done and cannot be undone: the loop does the rest."""
        try:
            await self._purged()
        except LedgerBroken as error:
            if not who.startswith("office:"):
                raise
            log.error("purge not finished", reason=error.code, detail=error.message)  # noqa: TRY400  # the code says all

    async def act(
        self,
        message_id: str,
        outcome: Callable[[Message], Awaitable[Outcome | None]],
        *,
        who: str,
        why: str | None,
    ) -> None:
        """Do what `outcome` makes of the message as it is, or nothing where that is None. Raises what it raises."""
        for _ in range(TRIES):
            message = await self._journal.message(message_id)
            if message is None:
                raise NotFound("not-found")
            decided = await outcome(message)
            if decided is None:
                return
            if await self._journal.apply(message_id, decided, who=who, why=why, expect=message.version):
                self._tell(message, decided)
                self._nudge()
                if any(isinstance(effect, Purge) for effect in decided.effects):
                    await self._finish_purge(who)
                return
        raise GatewayError("moving", "the message is being worked on; try again")


def _check_words(why: str) -> None:
    """What a sender is told must fit into a status, as an office's own reason does."""
    try:
        _WORDS.validate_python(why)
    except ValidationError:
        raise Refused([Problem("why", "reason", "at most 500 characters that a document may hold")]) from None


_WORDS: TypeAdapter[str] = TypeAdapter(Annotated[Text, Field(max_length=500)])


def impossible(message: Message, act: str) -> Refused:
    text = f'a message in state {message.state.value} cannot take "{act}"'
    return Refused(
        [Problem("", f"cannot-{act}", text, {"state": message.state.value})], code=f"cannot-{act}", status=409
    )
