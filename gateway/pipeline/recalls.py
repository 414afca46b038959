"""Asking a document back by status 13, one for each organ that has it; answering such a recall; waiting for answers.

What has not left is withdrawn: nobody has it. An organ that never answers is shown as such once its time is over, and
its sender's office is told; nothing waits for it. Recalls by a document of their own (type 1) come in by the door
(`gateway.pipeline.intake`); both end in the same rows of the journal.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.config import Settings
from gateway.errors import Busy, GatewayError, Refused
from gateway.ids import new_id
from gateway.journal import Answered, Journal, KeyReused, NewSubmission, Running
from gateway.model import Direction, Document, Kind, Problem, ResponseFor, Status
from gateway.pipeline import detail, notices
from gateway.pipeline.checks import refuse
from gateway.ports import Asked
from gateway.rules.statuses import RECALL_ANSWERS, RETURNED
from gateway.states import (
    AGREED,
    ASKED_BACK,
    DECLINED,
    Act,
    Concerns,
    Delivery,
    Effect,
    Entry,
    Message,
    NewMessage,
    Outcome,
    Purge,
    RecallAnswered,
    State,
)

KEY_LEASE = dt.timedelta(seconds=15)
AT_ONCE = 100
WHO = "recalls"
NOT_ASKED = ""


class Recalls:
    def __init__(
        self, journal: Journal, settings: Settings, now: Callable[[], dt.datetime], nudge: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._answer_life = dt.timedelta(hours=settings.times.recall_hours)
        self._send_life = dt.timedelta(hours=settings.times.expires_hours)
        self._now = now
        self._nudge = nudge

    async def own(self, office: str, message_id: str) -> list[Message]:
        """All messages of the document that the office handed in. Raises `GatewayError("not-found")` for any other."""
        message = await self._journal.message(message_id)
        if (
            message is None
            or message.office != office
            or (message.direction, message.kind) != (Direction.OUT, Kind.DOCUMENT)
        ):
            raise GatewayError("not-found")
        return [
            each
            for each in await self._journal.submission(message.submission_id)
            if each.office == office and (each.direction, each.kind) == (Direction.OUT, Kind.DOCUMENT)
        ]

    async def needs_no_document(
        self,
        office: str,
        key: str,
        documents: Sequence[Message],
        reason: str,
        receivers: Sequence[str] | None,
        record: Mapping[str, Any] | None,
    ) -> bool:
        """Whether a recall by a document only withdraws: nothing has left, or the same request did so before."""
        if all([await self._journal.never_tried(each.message_id) for each in documents]):
            return True
        before = await self._journal.answered(office, key)
        return before is not None and before.fingerprint == _fingerprint(documents, reason, receivers, record)

    async def ask(
        self,
        office: str,
        key: str,
        message_id: str,
        reason: str,
        receivers: Sequence[str] | None,
        record: Mapping[str, Any] | None = None,
    ) -> Asked:
        """Ask the document back from `receivers`, or from everybody who has it. `record`: of the document that was to ask,
        where nothing has left and none is needed.

        Raises `Refused`, with 409 where there is nothing to ask back or it cannot be told now; `Busy`.
        """
        documents = await self.own(office, message_id)
        fingerprint = _fingerprint(documents, reason, receivers, record)
        taken = await self._journal.reserve(office, key, KEY_LEASE)
        if isinstance(taken, Running):
            raise Busy("key-running", "the first request with this key is still running", after=taken.after)
        if isinstance(taken, Answered):
            if taken.fingerprint != fingerprint:
                raise KeyReused
            return _asked(taken.answer, repeated=True)
        try:
            answer, born, withdrawn = await self._plan(office, documents, reason, receivers)
            submission = NewSubmission(office, key, fingerprint, answer, born, withdrawn)
            kept = await asyncio.shield(self._journal.accept(submission))
        except BaseException:
            await asyncio.shield(self._journal.release_key(taken))
            raise
        self._nudge()
        return _asked(kept, repeated=kept != answer)

    async def _plan(
        self, office: str, documents: Sequence[Message], reason: str, receivers: Sequence[str] | None
    ) -> tuple[dict[str, Any], tuple[NewMessage, ...], tuple[str, ...]]:
        had = {each.message_id: await self._journal.deliveries(each.message_id) for each in documents}
        everybody = {delivery.organ for deliveries in had.values() for delivery in deliveries}
        refuse(
            [
                Problem(f"receivers[{index}]", "not-a-receiver", "it did not go there")
                for index, organ in enumerate(receivers or ())
                if organ not in everybody
            ]
        )
        wanted = everybody if receivers is None else set(receivers)
        born: list[NewMessage] = []
        withdrawn: list[Message] = []
        asked_before = False
        for document in documents:
            to = [each for each in had[document.message_id] if each.organ in wanted]
            if document.state is State.REJECTED or not to:
                continue
            if await self._journal.never_tried(document.message_id):
                if len(to) < len(had[document.message_id]):
                    raise _conflict("not-sent")  # one message for all of them: it goes out to all, or to none
                withdrawn.append(document)
                continue
            if document.sent_at is None:
                raise _conflict("being-sent")
            rows = await self._journal.recalls(document.message_id)
            asked = {row.organ for row in rows if row.closed}
            asked_before = asked_before or bool(asked)
            wanting = [each for each in to if each.organ not in asked or receivers is not None]
            born += [self._status(office, document, each, reason) for each in wanting if each.status != RETURNED]
        if not born and not withdrawn:
            raise _conflict("already-recalled" if asked_before else "nothing-to-recall")
        submission = born[0].message.message_id if born else ""
        answer = {
            "submission": submission,
            "messages": [_line(new.message, new.deliveries) for new in born],
            "withdrawn": [_line(each, had[each.message_id]) for each in withdrawn],
        }
        return (
            answer,
            tuple(replace(new, message=replace(new.message, submission_id=submission)) for new in born),
            tuple(each.message_id for each in withdrawn),
        )

    def _status(self, office: str, earlier: Message, to: Delivery, reason: str) -> NewMessage:
        if "document" not in (earlier.detail or {}):
            raise _conflict("purged")
        document, now = detail.document_bare(earlier.detail or {}), self._now()
        message = Message(
            message_id=new_id(),
            direction=Direction.OUT,
            kind=Kind.STATUS,
            state=State.ACCEPTED,
            axis=earlier.axis,
            endpoint="inside",
            submission_id="",
            office=office,
            document_id=earlier.document_id,
            sender=earlier.sender,
            urgency=earlier.urgency,
            detail=detail.of_status(asking(document, to.organ, reason, now)),
            accepted_at=now,
            due_at=now,
            expires_at=now + self._send_life,
        )
        asked = Concerns(earlier.message_id, Act.RECALL, (to.organ,), now + self._answer_life)
        return NewMessage(message, (Delivery(to.organ, to.office),), marks=(asked,))


def _fingerprint(
    documents: Sequence[Message], reason: str, receivers: Sequence[str] | None, record: Mapping[str, Any] | None
) -> str:
    asked: list[object] = ["recall", documents[0].submission_id, reason, sorted(receivers or ())]
    described = json.dumps(asked if record is None else [*asked, record], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def asking(document: Document, organ: str, reason: str, now: dt.datetime) -> Status:
    """Status 13: of all statuses the only one that names the receiver, and not the sender, in ResponseFor."""
    return Status(
        sender=document.sender,
        response_for=ResponseFor(organ, document.code, document.document_id, document.promulgation_date),
        code=ASKED_BACK,
        description=reason,
        timestamp=now,
    )


def answered_by_us(message_id: str, organ: str, code: str, by: str) -> tuple[Effect, ...]:
    """What follows when our office answers a recall of a document it received: 15, it is destroyed; 16, it is not.

    What the office destroyed the gateway must not keep either (QĐ 28/2018/QĐ-TTg Đ9.2, NĐ 30/2020/NĐ-CP PL VI.III.8).
    """
    answered = RecallAnswered(message_id, organ, code, by, demanded=True)
    return (answered, Purge(message_id, "recalled", once_given_back=True)) if code == AGREED else (answered,)


def may_answer(code: str, said: str | None) -> bool:
    """Whether that word answers a recall to which `said` was said so far: a refusal may still turn into consent."""
    return code in RECALL_ANSWERS and (said is None or (said == DECLINED and code == AGREED))


def check_answer(code: str, answer: str | None, act: Act | None) -> None:
    """Refuse our office's word where it contradicts the recall, or where there is nothing that it could answer.

    `answer`: what that organ has said to the recall so far, None for nothing yet, `NOT_ASKED` where none was heard of;
    `act`: what the document does to an earlier one.
    """
    if code in RECALL_ANSWERS and answer == NOT_ASKED and act not in {Act.UPDATE, Act.REPLACE}:
        told = "nobody asked for it back, and it neither updates nor replaces an earlier one"
        raise Refused([Problem("code", "recall-not-asked", told)], code="recall-not-asked", status=409)
    if code not in RECALL_ANSWERS and answer == AGREED:
        raise Refused(
            [Problem("code", "recall-answered", "it was said to be destroyed")], code="recall-answered", status=409
        )


async def still_named(journal: Journal, purged: Message, asked_by: str) -> ResponseFor:
    """What is purged as an answer to its recall names it: in the words of the recall."""
    asker = await journal.message(asked_by)
    read = (asker.detail if asker else None) or {}
    named: tuple[ResponseFor, ...] = ()
    if "status" in read:
        named = (detail.status(read).response_for,)
    elif "document" in read:
        document = detail.document_bare(read)
        same = tuple(each for each in document.response_for if each.document_id == purged.document_id)
        named = same or document.response_for
    said = named[0] if named else ResponseFor(purged.sender)
    return replace(said, organ=purged.sender, code=said.code or purged.document_id, document_id=purged.document_id)


async def look(journal: Journal, now: Callable[[], dt.datetime]) -> int:
    """Enter the recalls that nobody answered in time, and tell their offices. How many they were."""
    found = 0
    while over := await journal.overdue_recalls(AT_ONCE):
        for each in over:
            message = await journal.message(each.message_id)
            assert message is not None, "a recall is of a message"
            entry = Entry("recall-unanswered", {"organ": each.organ, "by": each.asked_by})
            told = notices.about(message, "recall.unanswered", now(), each.organ)
            found += await journal.miss_recall(each, Outcome(entry, effects=told), who=WHO)
    return found


def _asked(answer: Mapping[str, Any], *, repeated: bool) -> Asked:
    return Asked(tuple(answer["messages"]), tuple(answer["withdrawn"]), repeated)


def _line(message: Message, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    return {"message_id": message.message_id, "axis": message.axis, "organs": [each.organ for each in deliveries]}


def _conflict(code: str) -> Refused:
    return Refused([Problem("", code, code.replace("-", " "))], code=code, status=409)
