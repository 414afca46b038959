"""What people and offices do to messages from outside the runner: acknowledge, report, resend, release, reject.

Each act is an entry with who and why, in the same transaction as what it changes. An act is written against the version
it looked at and looks again when the message has moved meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from gateway.errors import GatewayError, Refused
from gateway.journal import AnsweredBefore, Journal, MessageFilter
from gateway.journal.purge_ledger import LedgerBroken
from gateway.model import Direction, Kind, Organ, Problem, Staff
from gateway.pipeline import detail, milestones, notices, recalls, refusing, replies
from gateway.pipeline.earlier_sent import ACTS, business_type
from gateway.pipeline.handing import handed_over
from gateway.pipeline.outgoing import IN_DOUBT
from gateway.pipeline.record import Text
from gateway.rules.deadlines import ANSWER, ENDS_ANSWER
from gateway.rules.statuses import FROM_OFFICE, REASON_REQUIRED, RECALL_ANSWERS
from gateway.states import (
    DECLINED,
    AnswerKey,
    ChangeAnswered,
    Effect,
    Entry,
    Message,
    Met,
    NewMessage,
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
SAME_REPORT = dt.timedelta(minutes=10)
"""A status that may come many times (05) comes again after this."""


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

    async def acknowledge(self, office: str, message_id: str) -> None:
        """The office has it. Repeating is harmless. Raises `NotFound` for what is not in the office's inbox."""

        async def outcome(message: Message) -> Outcome | None:
            pending = await self._journal.pending_handovers(message_id)
            if office not in pending:
                return None
            refs = await self._journal.contents(message_id)
            deliveries = await self._journal.deliveries(message_id)
            effects = handed_over(message, [office], deliveries, refs, self._now())
            if list(pending) == [office]:
                return Outcome(Entry("acknowledged"), state=State.CLOSED, effects=effects)
            # Not a mere note: the version moves on, so that of two offices the later one sees that it is the last.
            return Outcome(Entry("acknowledged"), due_in=NOW, held=message.held, effects=effects)

        message = await self._inbox_item(office, message_id)
        if message.purged_at is not None:
            return  # nothing is left to have
        await self.act(message_id, outcome, who=f"office:{office}", why=None)

    async def report_status(
        self, office: str, message_id: str, code: str, reason: str, organ: str | None = None, staff: Staff | None = None
    ) -> str:
        """Send the office's own status about a document it received. Returns the message id of the status.

        The same again within `SAME_REPORT` is a repeated request, not a second status.
        Raises `Refused` for a code that is not the office's to give, a missing reason or an organ not its own.
        """
        if said := await self._said_before_purge(office, message_id, code, organ):
            return said
        born = await self._status(office, message_id, code, reason, organ, staff)
        reported = born.message.message_id

        async def outcome(message: Message) -> Outcome | None:
            nonlocal reported
            # 15 is never meant anew: what agreed to an update must not destroy it, though it was asked back since.
            asked_anew = code == DECLINED and await self._unanswered(message_id, born.message.sender)
            if not asked_anew and (earlier := await self._same_report(born.message)):
                reported = earlier
                return None
            return await self._reported(message, code, born)

        await self.act(message_id, outcome, who=f"office:{office}", why=None)
        return reported

    async def report_status_once(
        self,
        key: str,
        office: str,
        message_id: str,
        code: str,
        reason: str,
        organ: str | None = None,
        staff: Staff | None = None,
    ) -> tuple[str, bool]:
        """The same under an idempotency key, however often it comes: the status's message id, and whether it repeats.

        A new key is a new status, also within `SAME_REPORT`. Raises as `report_status` does, and `KeyReused`.
        """
        if said := await self._said_before_purge(office, message_id, code, organ):
            return said, True
        born = await self._status(office, message_id, code, reason, organ, staff)
        asked = json.dumps([message_id, code, reason, organ, staff and asdict(staff)], ensure_ascii=False)
        answered = AnswerKey(
            office, key, hashlib.sha256(asked.encode()).hexdigest(), {"message_id": born.message.message_id}
        )

        async def outcome(message: Message) -> Outcome:
            return await self._reported(message, code, born, answered)

        try:
            await self.act(message_id, outcome, who=f"office:{office}", why=None)
        except AnsweredBefore as first:
            return first.answer["message_id"], True
        except Refused:
            if said := await self._said_before_purge(office, message_id, code, organ):
                return said, True  # the same request was faster, and what it was about is gone
            raise
        return born.message.message_id, False

    async def _said_before_purge(self, office: str, message_id: str, code: str, organ: str | None) -> str | None:
        """The office's own earlier status, where what it is about was purged since: the same again has the same answer.

        None: it was not purged, or was asked back since, which its office answers for its own copy. Raises `Refused` for
        anything else that is new about it.
        """
        message = await self._inbox_item(office, message_id)
        if message.purged_at is None or await self._waits(office, message_id, code, organ):
            return None
        for each in await self._journal.submission(message.submission_id):
            if (each.kind, each.office, organ or each.sender) == (Kind.STATUS, office, each.sender) and (
                "status" in (each.detail or {}) and detail.status(each.detail or {}).code == code
            ):
                return each.message_id
        raise gone()

    async def _waits(self, office: str, message_id: str, code: str, organ: str | None) -> bool:
        """Whether a recall waits for that word of the office's."""
        ours = {each.organ for each in await self._journal.deliveries(message_id) if each.office == office}
        rows = (row for row in await self._journal.recalls(message_id) if row.organ in ours)
        # Where it names none, it speaks for the first: a repeated request must not speak for the next one.
        asked = next((row for row in rows if organ in {None, row.organ}), None)
        return asked is not None and recalls.may_answer(code, asked.answer)

    async def _status(
        self, office: str, message_id: str, code: str, reason: str, organ: str | None, staff: Staff | None
    ) -> NewMessage:
        """The status that the office wants sent, if it may."""
        message = await self._inbox_item(office, message_id)
        organs = [each.organ for each in await self._journal.deliveries(message_id) if each.office == office]
        _check_status(message, code, reason, organ, organs)
        spoken = organ or organs[0]
        asked = {row.organ: row for row in await self._journal.recalls(message_id)}
        if code in RECALL_ANSWERS:
            spoken = organ or next((each for each in organs if each in asked), spoken)
        answer = asked[spoken].answer if spoken in asked else recalls.NOT_ASKED
        recalls.check_answer(code, answer, ACTS.get(business_type(message)))
        if message.purged_at is not None and spoken in asked:
            about = await recalls.still_named(self._journal, message, asked[spoken].asked_by)
            return replies.status_about(
                message, about, Organ(spoken), code, self._now(), reason=reason, staff=staff, office=office
            )
        document = detail.document_bare(message.detail or {})
        speaker = next(each for each in document.to if each.code == spoken)
        return replies.status_message(
            message, document, speaker, code, self._now(), reason=reason, staff=staff, office=office
        )

    async def _unanswered(self, message_id: str, organ: str) -> bool:
        """Whether a recall waits for that organ's word: the last one's answer does not answer it."""
        return any(row.organ == organ and row.answer is None for row in await self._journal.recalls(message_id))

    async def _reported(self, message: Message, code: str, born: NewMessage, *more: Effect) -> Outcome:
        """What the word does here. In the version that is written against: the document may have been asked back, that
        answered, or it purged, meanwhile.
        """
        message_id, organ, by = message.message_id, born.message.sender, born.message.message_id
        said = {row.organ: row.answer for row in await self._journal.recalls(message_id)}
        answer, act = said.get(organ, recalls.NOT_ASKED), ACTS.get(business_type(message))
        if message.purged_at is not None and not recalls.may_answer(code, answer):
            raise gone()
        recalls.check_answer(code, answer, act)
        further: tuple[Effect, ...] = ()
        if code in ENDS_ANSWER:
            further = (Met(message_id, ANSWER.name, self._now()),)
        elif code in RECALL_ANSWERS and answer == recalls.NOT_ASKED:
            further = (ChangeAnswered(message_id, organ, code, by, received_as=act),)
        elif code in RECALL_ANSWERS:
            further = recalls.answered_by_us(message_id, organ, code, by)
        return Outcome(Entry("status-reported", {"status": code, "organ": organ}), effects=(*more, born, *further))

    async def _same_report(self, status: Message) -> str | None:
        for each in await self._journal.submission(status.submission_id):
            same = (each.kind, each.office, each.sender) == (status.kind, status.office, status.sender)
            if (
                same
                and "status" in (each.detail or {})
                and self._now() - (each.accepted_at or self._now()) < SAME_REPORT
            ):
                said, again = detail.status(each.detail or {}), detail.status(status.detail or {})
                if (said.code, said.description) == (again.code, again.description):
                    return each.message_id
        return None

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

    async def _inbox_item(self, office: str, message_id: str) -> Message:
        message = await self._journal.message(message_id)
        if (
            message is None
            or message.direction is not Direction.IN
            or message.state not in {State.TRUSTED, State.CLOSED}
        ):
            raise NotFound("not-found")
        if office not in {each.office for each in await self._journal.deliveries(message_id)}:
            raise NotFound("not-found")
        return message

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


def _check_status(message: Message, code: str, reason: str, organ: str | None, organs: list[str]) -> None:
    problems: list[Problem] = []
    if message.kind is not Kind.DOCUMENT:
        problems.append(Problem("", "not-a-document", "statuses are about documents"))
    if code not in FROM_OFFICE:
        codes = ", ".join(sorted(FROM_OFFICE))
        problems.append(Problem("code", "status-code", f"one of {codes}", {"codes": codes}))
    if code in REASON_REQUIRED and not reason.strip():
        problems.append(Problem("reason", "reason-required", "a returned document needs a reason"))
    if organ is not None and organ not in organs:
        problems.append(Problem("organ", "organ-not-yours", "the document did not go to that organ of yours"))
    if problems:
        raise Refused(problems)


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
