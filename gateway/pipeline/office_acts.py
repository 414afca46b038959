"""What an office does to what is in its inbox: acknowledge it, and report what became of a document.

Acts as those of people (`gateway.pipeline.acts`), by `office:NAME`. What an office said it may say again: by the key of its
request, or within `SAME_REPORT`; and where the document was purged since, the same again has the same answer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

from gateway.errors import Refused
from gateway.journal import AnsweredBefore, Journal, KeyReused
from gateway.model import Direction, Kind, Organ, Problem, Staff, Status
from gateway.pipeline import detail, recalls, replies
from gateway.pipeline.acts import NOW, Acts, NotFound, gone
from gateway.pipeline.earlier_sent import ACTS, business_type
from gateway.pipeline.handing import handed_over
from gateway.ports import Submitted
from gateway.rules.deadlines import ANSWER, ENDS_ANSWER
from gateway.rules.statuses import FROM_OFFICE, REASON_REQUIRED, RECALL_ANSWERS, named
from gateway.states import (
    AGREED,
    DECLINED,
    Act,
    AnswerKey,
    ChangeAnswered,
    Effect,
    Entry,
    Message,
    Met,
    NewMessage,
    Outcome,
    State,
)

SAME_REPORT = dt.timedelta(minutes=10)
"""A status that may come many times (05) comes again after this."""


class OfficeActs:
    def __init__(self, acts: Acts, journal: Journal, now: Callable[[], dt.datetime]) -> None:
        self._acts = acts
        self._journal = journal
        self._now = now

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
        await self._acts.act(message_id, outcome, who=f"office:{office}", why=None)

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

        await self._acts.act(message_id, outcome, who=f"office:{office}", why=None)
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
        asked = json.dumps([message_id, code, reason, organ, staff and asdict(staff)], ensure_ascii=False)
        fingerprint = hashlib.sha256(asked.encode()).hexdigest()
        if (before := await self._journal.answered(office, key)) is not None:
            if before.fingerprint != fingerprint:
                raise KeyReused
            return before.answer["message_id"], True  # whatever became of the document since
        if said := await self._said_before_purge(office, message_id, code, organ):
            return said, True
        born = await self._status(office, message_id, code, reason, organ, staff)
        answered = AnswerKey(office, key, fingerprint, {"message_id": born.message.message_id})

        async def outcome(message: Message) -> Outcome:
            return await self._reported(message, code, born, answered)

        try:
            await self._acts.act(message_id, outcome, who=f"office:{office}", why=None)
        except AnsweredBefore as first:
            return first.answer["message_id"], True
        except Refused:
            if said := await self._said_before_purge(office, message_id, code, organ):
                return said, True  # the same request was faster, and what it was about is gone
            raise
        return born.message.message_id, False

    async def report_file(self, office: str, key: str, status: Status) -> Submitted | None:
        """A status handed in as a ready file, where it answers a recall, an update or a replacement that the office received:
        its report like any other, written anew. None: it does not. Raises as `report_status` does, and `KeyReused`.
        """
        code, about = named(status.code), status.response_for
        if code not in RECALL_ANSWERS:
            return None
        before = await self._journal.answered(office, key)
        if before is not None and "message_id" not in before.answer:
            return None  # it was sent on as it came, before this was looked at
        for received in reversed(await self._journal.find_received(about.document_id, about.organ)):
            if (status.sender.code, office) in {
                (each.organ, each.office) for each in await self._journal.deliveries(received.message_id)
            }:
                said = code, status.description, status.sender.code, status.staff
                reported, repeated = await self.report_status_once(key, office, received.message_id, *said)
                message = {"message_id": reported, "axis": received.axis, "organs": [about.organ]}
                return Submitted(reported, (message,), repeated=repeated)
        return None

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
            if act in {Act.UPDATE, Act.REPLACE} and code == AGREED:
                await self._demand_heard(message_id, organ, born.message.office)
            further = recalls.answered_by_us(message_id, organ, code, by)
        return Outcome(Entry("status-reported", {"status": code, "organ": organ}), effects=(*more, born, *further))

    async def _demand_heard(self, message_id: str, organ: str, office: str | None) -> None:
        """Who agreed to an update, and cannot know yet that it is asked back, must not destroy it by that. Raises `Refused`."""
        asked = next(row.asked_by for row in await self._journal.recalls(message_id) if row.organ == organ)
        if office in await self._journal.pending_handovers(asked):
            problem = Problem(
                "code", "asked-back", "it was asked back just now: take that recall first, then answer it"
            )
            raise Refused([problem], code="asked-back", status=409)

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
