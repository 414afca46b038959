"""Statuses that come in: about a document of ours, settling its delivery; or 13, asking back what we received.

A status that matches nothing goes to the office that owns the organ it names, and is held for a person where none does.
Either way it stands in nobody's way: it was confirmed to its axis before it was looked into.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from gateway.errors import NeedsOperator, Rejection
from gateway.journal import Change, Journal
from gateway.model import Direction, Status
from gateway.pipeline.directory import Directories
from gateway.pipeline.earlier_received import LONGEST_WAIT, NOT_THEIRS, EarlierReceived, wait
from gateway.pipeline.earlier_sent import ACTS, business_type
from gateway.pipeline.partners import Partners
from gateway.pipeline.refused_secrets import ENTRY as RECALL_OF_REFUSED
from gateway.pipeline.routing import Router
from gateway.rules import statuses
from gateway.rules.duplicates import numbered
from gateway.rules.statuses import REPEATED
from gateway.states import (
    ASKED_BACK,
    Act,
    AddDelivery,
    ChangeAnswered,
    Delivery,
    Entry,
    Message,
    Outcome,
    RecallAnswered,
    SettleDelivery,
    State,
)

NOW = dt.timedelta(0)
UNMATCHED = "status-unmatched"

STATUS_CODE = re.compile("[0-9A-Za-z]{1,8}")
"""Codes we do not know are carried, but they stand in the journal for ever: no text may pass for one."""


class StatusesHeard:
    def __init__(
        self,
        journal: Journal,
        partners: Partners,
        router: Router,
        directories: Directories,
        earlier: EarlierReceived,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._journal = journal
        self._partners = partners
        self._router = router
        self._directories = directories
        self._earlier = earlier
        self._now = now

    async def examine(self, message: Message, status: Status, verdict: str) -> Outcome:
        if not STATUS_CODE.fullmatch(status.code):
            raise Rejection("status-code", "not a code")
        about, organ = await self._about(message.axis, status)
        if not about:
            if status.code == ASKED_BACK:
                return await self._asked_back(message, status, verdict)
            return self._unmatched(status, verdict, UNMATCHED)
        at = status.timestamp or self._now()
        changed = await self._changed(about, organ, status.code)
        steps = [(each, await self._step(each, organ, status.code, changed.get(each.message_id))) for each in about]
        settles = tuple(
            SettleDelivery(each.message_id, organ, status.code, at, step.answers, message.sha256)
            for each, step in steps
            if step.settles
        )
        findings = sorted({step.finding for _, step in steps if step.finding})
        repeated = findings == [REPEATED] and not settles
        offices = {} if repeated else dict.fromkeys(each.office for each in about if each.office)
        facts: dict[str, str | int | None] = {
            "status": status.code,
            "organ": status.sender.code,
            "about": about[0].message_id,
            "signature": verdict,
        }
        if findings:
            facts["finding"] = " ".join(findings)
        changes = {"endpoint": self._partners.first_pushed(offices), "submission_id": about[0].submission_id}
        return Outcome(
            Entry("status-heard", facts),
            state=State.TRUSTED if offices else State.CLOSED,
            due_in=NOW if offices else None,
            changes=changes,
            effects=(
                *settles,
                *_answers(about, organ, status.code, message.message_id),
                *_to_changes([each for each, step in steps if step.settles], changed, organ, status.code, message),
                *(AddDelivery(Delivery(status.response_for.organ, office)) for office in offices),
            ),
            otherwise=Outcome(
                Entry("status-heard", {**facts, "finding": REPEATED}), state=State.CLOSED, changes=changes
            ),
        )

    async def _asked_back(self, message: Message, status: Status, verdict: str) -> Outcome:
        """The sender of a document we received wants it back: its offices hear, and answer by 15 or 16."""
        asked = await self._earlier.asked_back(message, status)
        if asked.held:
            return Outcome(Entry("waits-for-earlier"), due_in=LONGEST_WAIT)
        if asked.refused:
            # Under an id that somebody else's secret bears, the sender's own document may yet come.
            if asked.stranger and (later := wait(message, self._now(), is_status=True)):
                return Outcome(Entry("waits-for-earlier"), due_in=later)
            about = asked.refused[0]
            said: dict[str, str | int | None] = {"about": about.message_id, "signature": verdict}
            if asked.stranger:
                said["finding"] = NOT_THEIRS
            return Outcome(Entry(RECALL_OF_REFUSED, said), state=State.CLOSED, effects=asked.effects)
        if not asked.documents:
            if not asked.stranger and (later := wait(message, self._now(), is_status=True)):
                return Outcome(Entry("waits-for-earlier"), due_in=later)
            return self._unmatched(status, verdict, NOT_THEIRS if asked.stranger else UNMATCHED)
        if not asked.offices and any(each.purged_at is None for each in asked.documents):
            raise NeedsOperator("organ-unowned", "no office of ours owns a receiver of what it asks for any more")
        first, offices = asked.documents[0].message_id, dict.fromkeys(asked.offices.values())
        facts: dict[str, str | int | None] = {"about": first, "organs": " ".join(asked.offices), "signature": verdict}
        return Outcome(
            Entry("recall-heard", facts),
            state=State.TRUSTED if offices else State.CLOSED,
            due_in=NOW if offices else None,
            changes={
                "endpoint": self._partners.first_pushed(offices),
                "submission_id": asked.documents[0].submission_id,
                "detail": {
                    **(message.detail or {}),
                    "act": Act.RECALL.value,
                    "concerns": [each.message_id for each in asked.documents],
                },
            },
            effects=(
                *asked.effects,
                *(AddDelivery(Delivery(organ, office)) for organ, office in asked.offices.items()),
            ),
        )

    def _unmatched(self, status: Status, verdict: str, finding: str) -> Outcome:
        """For the office that owns the organ it names; where none does, it is held, for a person to see."""
        organ = status.response_for.organ
        office = self._router.office_of(organ)
        if office is None:
            raise NeedsOperator(finding, "a status about no document of ours, for no organ of ours")
        facts: dict[str, str | int | None] = {"status": status.code, "organ": status.sender.code, "signature": verdict}
        return Outcome(
            Entry(finding, facts),
            state=State.TRUSTED,
            due_in=NOW,
            changes={
                "endpoint": self._partners.first_pushed({office: None}),
                "findings": [{"code": finding, "severity": "warning"}],
            },
            effects=(AddDelivery(Delivery(organ, office)),),
        )

    async def _about(self, axis: str, status: Status) -> tuple[list[Message], str]:
        """Our documents that the status may be about, and the code under which they went to the organ that speaks."""
        document_id, organ = status.response_for.document_id, status.sender.code
        if found := await self._journal.find_sent(document_id, organ):
            return found, organ
        # An organ may speak under a newer code, its own or that of the organ it went up in.
        for code in sorted(await self._directories.aliases(axis, organ)):
            if found := await self._journal.find_sent(document_id, code):
                return found, code
        return await self._about_number(status, organ), organ

    async def _about_number(self, status: Status, organ: str) -> list[Message]:
        """By number and date, where a product writes the DocumentId in another form than it got it."""
        named = status.response_for
        if not (named.code and named.promulgation_date):
            return []
        number = numbered(named.organ, named.code, named.promulgation_date)
        return [
            each
            for each in await self._journal.of_number(number, Direction.OUT)
            if organ in {to.organ for to in await self._journal.deliveries(each.message_id)}
        ]

    async def _changed(self, about: list[Message], organ: str, code: str) -> dict[str, Change]:
        """By message id of what the status is about: the update or replacement of ours that it answers, if any."""
        if statuses.named(code) not in statuses.RECALL_ANSWERS:
            return {}
        found = {each.message_id: await self._journal.change_answered_by(each.message_id, organ) for each in about}
        return {message_id: change for message_id, change in found.items() if change}

    async def _step(self, about: Message, organ: str, code: str, change: Change | None) -> statuses.Step:
        heard = [row for row in await self._journal.statuses(about.message_id) if row.organ == organ]
        answers = statuses.named(code) in statuses.RECALL_ANSWERS
        if not answers or (change is None and ACTS.get(business_type(about)) is not Act.RECALL):
            return statuses.step([row.status for row in heard], code, statuses.By.RECEIVER)
        # Whatever else was said of a recall, an update or a replacement, its answer is in order, and each is answered anew.
        since = [row for row in heard if change is None or row.heard_at >= change.at]
        said = [row.status for row in since if row.status in statuses.RECALL_ANSWERS]
        return statuses.step([ASKED_BACK, *said], code, statuses.By.RECEIVER)


def _answers(about: list[Message], organ: str, code: str, by: str) -> tuple[RecallAnswered, ...]:
    """An answer to a recall, where the status is one."""
    said = statuses.named(code)
    if said not in statuses.RECALL_ANSWERS:
        return ()
    return tuple(RecallAnswered(each.message_id, organ, said, by) for each in about)


def _to_changes(
    about: list[Message], changed: dict[str, Change], organ: str, code: str, heard: Message
) -> tuple[ChangeAnswered, ...]:
    """Each change once, though the status may name both of its documents: they may have one DocumentId."""
    named = {changed[each.message_id].message_id: each for each in about if each.message_id in changed}
    return tuple(
        ChangeAnswered(each.message_id, organ, statuses.named(code), heard.message_id) for each in named.values()
    )
