"""What a document that an office hands in does to its earlier ones: which they are, and whether it still may.

A recall (type 1) names them by ResponseFor, an update (2) by the DocumentId in `business`, a replacement (3) one by one.
They must be the office's own and have gone out under the same sender. What has not left is withdrawn by a recall, since
nobody has it; what may or may not have left can be neither withdrawn nor asked back. That nothing is asked back twice,
and nothing frozen is changed, is decided in the journal (`gateway.journal.relations`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.journal import Journal
from gateway.model import Direction, Document, Problem, ResponseFor, Status
from gateway.pipeline.checks import refuse
from gateway.rules.duplicates import numbered
from gateway.rules.statuses import RETURNED
from gateway.states import ASKED_BACK, Act, Concerns, Message

ACTS = {1: Act.RECALL, 2: Act.UPDATE, 3: Act.REPLACE}


@dataclass(frozen=True, slots=True)
class Earlier:
    """The documents that one submission concerns."""

    act: Act | None = None
    sent: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Message id, and the organs it went to."""
    withdrawn: tuple[str, ...] = ()
    """Message ids of those that have not left."""
    due_at: dt.datetime | None = None

    def marks(self, organs: Iterable[str]) -> tuple[Concerns, ...]:
        """What a message for these organs does."""
        if self.act is None:
            return ()
        if self.act is not Act.RECALL:
            return tuple(Concerns(message_id, self.act) for message_id, _ in self.sent)
        to = set(organs)
        asked = [(message_id, tuple(organ for organ in had if organ in to)) for message_id, had in self.sent]
        return tuple(Concerns(message_id, self.act, back, self.due_at) for message_id, back in asked if back)


NOTHING = Earlier()


class EarlierSent:
    def __init__(self, journal: Journal, recall_life: dt.timedelta, now: Callable[[], dt.datetime]) -> None:
        self._journal = journal
        self._recall_life = recall_life
        self._now = now

    async def of(self, office: str, subject: Document | Status) -> Earlier:
        """Raises `Refused`: 422 for what is not the office's own, 409 for what cannot be changed as it stands."""
        if isinstance(subject, Status):
            if subject.code != ASKED_BACK:
                return NOTHING
            organs, named = {subject.response_for.organ}, [("response_for", subject.response_for)]
            found = await self._all(office, subject.sender.code, named)
            return await self._recall(found, organs)
        if subject.business.type == 0:
            return NOTHING
        act = ACTS[subject.business.type]
        found = await self._all(office, subject.sender.code, list(_named(subject)))
        if act is Act.RECALL:
            return await self._recall(found, {organ.code for organ in subject.to})
        await self._check_receivers(subject, found)
        for message in found:
            if message.sent_at is None:
                raise _conflict("not-sent")
            if any(row.freezes for row in await self._journal.recalls(message.message_id)):
                raise _conflict("recalled")
        return Earlier(act, tuple((message.message_id, ()) for message in found))

    async def _all(self, office: str, sender: str, named: list[tuple[str, ResponseFor]]) -> list[Message]:
        found: dict[str, Message] = {}
        problems = []
        for where, each in named:
            earlier = [one for one in await self._find(office, sender, each) if one.sender == sender]
            if not earlier:
                problems.append(Problem(where, "earlier-unknown", "the office sent no such document from this organ"))
            found |= {one.message_id: one for one in earlier}
        refuse(problems)
        return list(found.values())

    async def _find(self, office: str, sender: str, named: ResponseFor) -> list[Message]:
        """By DocumentId, else by number and date; recalls themselves apart."""
        found = await self._journal.handed_in(office, named.document_id) if named.document_id else ()
        if not found and named.code and named.promulgation_date:
            number = numbered(sender, named.code, named.promulgation_date)
            found = [one for one in await self._journal.of_number(number, Direction.OUT) if one.office == office]
        return [one for one in found if business_type(one) != 1]

    async def _recall(self, found: list[Message], organs: set[str]) -> Earlier:
        sent: list[tuple[str, tuple[str, ...]]] = []
        withdrawn: list[str] = []
        for message in found:
            deliveries = await self._journal.deliveries(message.message_id)
            asked = [each for each in deliveries if each.organ in organs]
            if not asked:
                continue
            if await self._journal.never_tried(message.message_id):
                if len(asked) < len(deliveries):
                    raise _conflict("not-sent")  # one message for all of them: it goes out to all, or to none
                withdrawn.append(message.message_id)
                continue
            if message.sent_at is None:
                raise _conflict("being-sent")
            had = tuple(each.organ for each in asked if each.status != RETURNED)
            if had:
                sent.append((message.message_id, had))
        if not sent:
            # The act itself has a shorter way to take back what nobody has.
            raise _conflict("not-sent" if withdrawn else "nothing-to-recall")
        return Earlier(Act.RECALL, tuple(sent), tuple(withdrawn), self._now() + self._recall_life)

    async def _check_receivers(self, document: Document, found: list[Message]) -> None:
        """That organs listed as having an old document, or as taken off its list, did get it."""
        had = {
            each.organ: message.document_id
            for message in found
            for each in await self._journal.deliveries(message.message_id)
        }
        business = document.business
        named = [
            (f"business.replacements[{i}].organs[{j}]", organ)
            for i, one in enumerate(business.replacements)
            for j, organ in enumerate(one.organs)
        ]
        named += [
            (f"business.receiver_changes[{i}].organ", change.organ)
            for i, change in enumerate(business.receiver_changes)
            if not change.added
        ]
        refuse([Problem(where, "not-a-receiver", "it did not go there") for where, organ in named if organ not in had])


def _named(document: Document) -> Iterable[tuple[str, ResponseFor]]:
    match document.business.type:
        case 1:
            yield from ((f"response_for[{index}]", named) for index, named in enumerate(document.response_for))
        case 2:
            yield "business.document_id", ResponseFor(document.sender.code, document_id=document.business.document_id)
        case _:
            for index, old in enumerate(document.business.replacements):
                where = f"business.replacements[{index}].document_id"
                yield where, ResponseFor(document.sender.code, document_id=old.document_id)


def business_type(message: Message) -> int:
    """0 of what was purged, or brought over from another gateway: nobody knows better."""
    document = (message.detail or {}).get("document")
    business = document.get("business") if isinstance(document, dict) else None
    kind = business.get("type") if isinstance(business, dict) else 0
    return kind if isinstance(kind, int) else 0


def _conflict(code: str) -> Refused:
    return Refused([Problem("", code, code.replace("-", " "))], code=code, status=409)
