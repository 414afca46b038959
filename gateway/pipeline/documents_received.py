"""Documents that come in: whether our offices are to have them, and what is odd about them.

Rejected is what lacks what no document can, or whose PDFs no office it is for would take; held what looks like a state
secret, is infected, or is for no organ of ours; closed what was received before. An act may wait for the document that
it concerns. All else is trusted, with findings for its offices.

Left to others: the edXML signature and the telling of a rejection (`incoming`), the hand-over (`handing`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from gateway.edxml import check
from gateway.errors import NeedsOperator, Rejection
from gateway.journal import Journal, twin_key
from gateway.model import Direction, Document, Problem
from gateway.pipeline import detail
from gateway.pipeline.duplicates import same_number
from gateway.pipeline.earlier_received import EarlierReceived, Found
from gateway.pipeline.earlier_sent import ACTS
from gateway.pipeline.partners import Partners
from gateway.pipeline.pdfs import Looked, Pdfs
from gateway.pipeline.refused_secrets import ENTRY as RECALL_OF_REFUSED
from gateway.pipeline.routing import Router
from gateway.pipeline.scanning import INFECTED, Scanning, Scans
from gateway.pipeline.suspicion import Suspects
from gateway.pipeline.unwrapping import offered
from gateway.rules.deadlines import Deadlines
from gateway.rules.duplicates import SAME_NUMBER, number_of
from gateway.states import AddDelivery, ContentRef, Delivery, Entry, Message, Outcome, Purge, State

NOW = dt.timedelta(0)

MUST = frozenset({"from.code", "to", "document_id"})
"""What a received document cannot do without; everything else it may lack, and is shown as a finding."""


class DocumentsReceived:
    def __init__(
        self,
        journal: Journal,
        partners: Partners,
        router: Router,
        earlier: EarlierReceived,
        suspects: Suspects,
        deadlines: Deadlines,
        now: Callable[[], dt.datetime],
        pdfs: Pdfs | None,
        scanning: Scanning | None,
    ) -> None:
        self._journal = journal
        self._partners = partners
        self._router = router
        self._earlier = earlier
        self._suspects = suspects
        self._deadlines = deadlines
        self._now = now
        self._pdfs = pdfs
        self._scanning = scanning

    async def examine(self, message: Message, refs: Sequence[ContentRef], document: Document, verdict: str) -> Outcome:
        wrong = [each for each in check.check_document(document) if each.code == "missing" and each.field in MUST]
        if wrong:
            raise Rejection("form", "; ".join(f"{each.field}: {each.message}" for each in wrong[:5]))
        if withheld := await self._suspects.judge_words(message, refs, document):
            return withheld
        ours = [(organ.code, office) for organ in document.to if (office := self._router.office_of(organ.code))]
        if not ours:
            raise NeedsOperator("organ-unowned", "no office of ours owns a receiver")
        concerned = await self._earlier.of(message, document) if document.business.type else Found()
        if ends := await self._before_it(message, refs, concerned, verdict):
            return ends
        facts: dict[str, str | int | None]
        scans = await self._scan(message, refs)
        if scans.infected:
            # Held, not rejected: a person tells the sender, or finds that the scanner is wrong. No office gets it.
            facts = {"reason": INFECTED, "signature": verdict, **scans.facts}
            return Outcome(
                Entry("held", facts), held=INFECTED, changes={"detail": {**(message.detail or {}), **scans.more}}
            )
        pdfs = await self._look(message, refs, document, [office for _, office in ours])
        if isinstance(pdfs, Outcome):
            return pdfs
        digests = [each.content.sha256 for each in document.attachments if each.content]
        twin = twin_key(document.sender.code, document.document_id, document.business.type, digests)
        first = await self._journal.claim_twin(twin, message.message_id)
        if first != message.message_id:
            return await self._duplicate(message, first, verdict)
        offices = dict.fromkeys(office for _, office in ours)
        facts = {"signature": verdict, "offices": " ".join(offices), **scans.facts, **pdfs.facts}
        changes: dict[str, object] = {"endpoint": self._partners.first_pushed(offices)}
        if more := {**scans.more, **pdfs.more, **_concerns(document, concerned)}:
            changes["detail"] = {**(message.detail or {}), **more}
        arrived = message.accepted_at or self._now()
        findings = await self._findings(message, document, (*scans.warned, *pdfs.told), arrived, facts)
        findings += [{"code": code, "severity": "warning"} for code in concerned.findings]
        if findings:
            changes["findings"] = findings
        number = number_of(document, arrived)
        return Outcome(
            Entry("trusted", facts),
            state=State.TRUSTED,
            due_in=NOW,
            changes=changes,
            effects=(
                *(AddDelivery(Delivery(organ, office)) for organ, office in ours),
                *self._deadlines.of_received(document, arrived),
                *((number,) if number else ()),
                *concerned.effects,
            ),
        )

    async def _before_it(
        self, message: Message, refs: Sequence[ContentRef], concerned: Found, verdict: str
    ) -> Outcome | None:
        """What becomes of it because of what it concerns; None: it goes on.

        What names a state secret is held like one, for two persons; what only asks it back is answered and closed.
        """
        if not concerned.held and (ends := await self._names_refused(message, refs, concerned, verdict)):
            return ends
        later = concerned.later(message, self._now())
        return Outcome(Entry("waits-for-earlier"), due_in=later) if later else None

    async def _names_refused(
        self, message: Message, refs: Sequence[ContentRef], concerned: Found, verdict: str
    ) -> Outcome | None:
        if concerned.closes:
            facts: dict[str, str | int | None] = {"about": " ".join(concerned.refused), "signature": verdict}
            return Outcome(Entry(RECALL_OF_REFUSED, facts), state=State.CLOSED, effects=concerned.closes)
        if not concerned.refused:
            return None
        named = Problem("business", "names-refused", "it names a document that was rejected as a state secret")
        return await self._suspects.judge(message, refs, [named])

    async def _findings(
        self,
        message: Message,
        document: Document,
        told: Iterable[Problem],
        arrived: dt.datetime,
        facts: dict[str, str | int | None],
    ) -> list[dict[str, str]]:
        """What is odd about it, for its offices; `facts` gets what the journal is to say of it for ever."""
        findings: list[dict[str, str]] = detail.findings(message.detail)
        if findings:
            facts["findings"] = " ".join(sorted({each["code"] for each in findings}))
        findings += [{"code": each.code, "severity": "warning", "field": each.field} for each in told]
        if earlier := await self._same_id(message, document):
            facts["differs_from"] = earlier
            findings.append({"code": "document-id-reused", "severity": "warning", "message_id": earlier})
        if twice := await same_number(self._journal, document, Direction.IN, arrived, message.submission_id):
            facts["same_number"] = twice
            findings.append({"code": SAME_NUMBER, "severity": "warning", "message_id": twice})
        return findings

    async def _duplicate(self, message: Message, of: str, verdict: str) -> Outcome:
        first = await self._journal.message(of)
        gone = first is not None and first.purged_at is not None
        return Outcome(
            Entry("duplicate", {"of": of, "signature": verdict}),
            state=State.CLOSED,
            changes={"duplicate_of": of},
            effects=(Purge(message.message_id, "duplicate-of-purged"),) if gone else (),
        )

    async def _scan(self, message: Message, refs: Sequence[ContentRef]) -> Scans:
        """For viruses, before any reader of documents opens the attachments: each as it came, and what a zip wrapped."""
        if self._scanning is None or not refs:
            return Scans()
        named = [
            (f"attachments[{index}]", ref.content)
            for way in (False, True)
            for index, ref in enumerate(_attachments(refs, unwrap=way))
        ]
        return await self._scanning.on_the_way_in(message, dict.fromkeys(named))

    async def _look(
        self, message: Message, refs: Sequence[ContentRef], document: Document, offices: list[str]
    ) -> Looked | Outcome:
        """Into the PDFs. Raises `Rejection` where every office it is for would refuse their signatures."""
        if self._pdfs is None or not document.attachments:
            return Looked()
        looked = await self._pdfs.look([ref.content for ref in _attachments(refs)], dict.fromkeys(offices))
        if withheld := await self._suspects.judge(message, refs, looked.suspected):
            return withheld
        if looked.refused:
            raise Rejection("pdf-signatures", "; ".join(f"{each.field}: {each.code}" for each in looked.refused[:5]))
        return looked

    async def _same_id(self, message: Message, document: Document) -> str | None:
        """An earlier document of the sender under the same DocumentId and of the same kind, but of other content."""
        for each in await self._journal.find_received(document.document_id, document.sender.code):
            if each.message_id == message.message_id:
                return None
            if each.purged_at is not None:
                continue
            if detail.document_bare(each.detail or {}).business.type == document.business.type:
                return each.message_id
        return None


def _attachments(refs: Sequence[ContentRef], *, unwrap: bool = True) -> list[ContentRef]:
    return [ref for ref in offered(refs, unwrap=unwrap) if ref.role == "attachment"]


def _concerns(document: Document, found: Found) -> dict[str, object]:
    """What the events tell of it."""
    if not found.earlier:
        return {}
    return {"act": ACTS[document.business.type].value, "concerns": list(found.earlier)}
