"""Handing over to offices: documents, statuses and notices; 01 goes out by itself when the office has the document.

An adapter that pushes is called once per office until it says the office has it; an office that pulls finds the message
in its inbox and acknowledges (`gateway.pipeline.acts`). Either way the hand-over, the 01 of each of its organs and the
close are one transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

from gateway.errors import GatewayError, NeedsOperator, Rejection, Retryable
from gateway.journal import Journal
from gateway.model import Document, Kind, Status
from gateway.pipeline import detail, replies
from gateway.pipeline.partners import Partners
from gateway.pipeline.unwrapping import offered
from gateway.ports import AttachmentSource, Contents, Event, Handover
from gateway.rules.statuses import ARRIVED
from gateway.states import Act, ContentRef, Delivery, Effect, Entry, HandedOver, Message, Outcome, State, Work


class Handing:
    def __init__(
        self,
        journal: Journal,
        contents: Contents,
        partners: Partners,
        now: Callable[[], dt.datetime],
        *,
        as_they_came: Collection[str] = (),
    ) -> None:
        """`as_they_came`: offices that want a zip around one file as it is (`unwrap_zips = false`)."""
        self._journal = journal
        self._contents = contents
        self._partners = partners
        self._now = now
        self._as_they_came = frozenset(as_they_came)

    async def hand_over(self, work: Work) -> Outcome:
        """One try for each office that has it not yet. What succeeded is kept even when another office fails.

        Of several failures the one that a further try may mend is told: a refusal ends the message, so it comes last.
        """
        message = work.message
        pending = await self._journal.pending_handovers(message.message_id)
        pushed = [office for office in pending if not self._partners.office(office).pulls]
        refs = await self._journal.contents_of(work)
        deliveries = await self._journal.deliveries(message.message_id)
        failed: dict[type, GatewayError] = {}
        done: list[str] = []
        for office in pushed:
            organs = tuple(each.organ for each in deliveries if each.office == office)
            try:
                theirs = offered(refs, unwrap=office not in self._as_they_came)
                await self._partners.office(office).hand_over(self._handover(message, organs, theirs))
            except Retryable as error:
                failed[Retryable] = error
            except NeedsOperator as error:
                failed[NeedsOperator] = error
            except Rejection as error:
                # One office cannot end what another has yet to fetch.
                others = len(pushed) < len(pending)
                failed[Rejection] = NeedsOperator("office-refused", error.message) if others else error
            else:
                done.append(office)
        if failed and not done:
            raise next(failed[kind] for kind in (Retryable, NeedsOperator, Rejection) if kind in failed)
        remaining = [office for office in pending if office not in done]
        return self._handed(message, done, remaining, deliveries, refs, again=bool(failed))

    def _handed(
        self,
        message: Message,
        done: list[str],
        remaining: list[str],
        deliveries: Iterable[Delivery],
        refs: Iterable[ContentRef],
        *,
        again: bool,
    ) -> Outcome:
        if not done:
            return Outcome(Entry("offered", {"offices": " ".join(remaining)}))
        effects = handed_over(message, done, deliveries, refs, self._now())
        facts = {"offices": " ".join(done)}
        if not remaining:
            return Outcome(Entry("handed-over", facts), state=State.CLOSED, effects=effects)
        push = next((office for office in remaining if not self._partners.office(office).pulls), None)
        return Outcome(
            Entry("handed-over", facts),
            due_in=dt.timedelta(seconds=1) if again and push else None,
            changes={"endpoint": f"office:{push}"} if push else {"endpoint": "inside"},
            effects=effects,
        )

    async def tell_office(self, work: Work) -> Outcome:
        """A notice takes the same road as a document."""
        return await self.hand_over(work)

    def _handover(self, message: Message, organs: tuple[str, ...], refs: Sequence[ContentRef]) -> Handover:
        read = message.detail or {}
        document, status = _parsed(read, refs)
        edxml = next((ref.content for ref in refs if ref.role == "edxml"), None)
        return Handover(
            event=Event(event_type(message), message.message_id, self._now(), event_data(message, organs)),
            organs=organs,
            document=document,
            status=status,
            edxml=partial(self._contents.open, edxml) if edxml else None,
            attachments=tuple(
                AttachmentSource(ref.attachment, partial(self._contents.open, ref.content))
                for ref in refs
                if ref.attachment is not None
            ),
        )


def handed_over(
    message: Message,
    offices: Iterable[str],
    deliveries: Iterable[Delivery],
    refs: Iterable[ContentRef],
    now: dt.datetime,
) -> tuple[Effect, ...]:
    """What follows when offices have a message: each of their organs says 01 about a document."""
    offices = set(offices)
    effects: list[Effect] = [HandedOver(message.message_id, office) for office in sorted(offices)]
    if message.kind is Kind.DOCUMENT:
        document = detail.document(message.detail or {}, refs)
        named = {organ.code: organ for organ in document.to}
        effects.extend(
            replies.status_message(message, document, named[each.organ], ARRIVED, now)
            for each in deliveries
            if each.office in offices
        )
    return tuple(effects)


def event_type(message: Message) -> str:
    if message.kind is Kind.NOTICE:
        return str((message.detail or {}).get("event", "message.notice"))
    if message.kind is Kind.STATUS and (message.detail or {}).get("act") == Act.RECALL:
        return "recall.asked"
    return f"{message.kind.value}.received"


def event_data(message: Message, organs: Iterable[str]) -> dict[str, Any]:
    """Ids and codes, no content: what an event may say over any wire."""
    read = message.detail or {}
    data: dict[str, Any] = {
        "message_id": message.message_id,
        "document_id": message.document_id,
        "from": message.sender,
        "organs": list(organs),
        "urgency": message.urgency,
    }
    if message.kind is Kind.STATUS:
        status = detail.status(read)
        # A status that matches nothing of ours is about nothing that an office could look up.
        about = message.submission_id if message.submission_id != message.message_id else ""
        data |= {"status": status.code, "about": about}
    if message.kind is Kind.NOTICE:
        data |= {"about": read.get("about", ""), "code": read.get("code", "")}
    if "recalled" in read:
        data["recalled_by"] = read["recalled"]
    if "concerns" in read:
        data |= {"act": read["act"], "concerns": read["concerns"]}
    return data


def _parsed(read: Any, refs: Sequence[ContentRef]) -> tuple[Document | None, Status | None]:
    if "document" in read:
        return detail.document(read, refs), None
    if "status" in read:
        return None, detail.status(read)
    return None, None
