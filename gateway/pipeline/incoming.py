"""The road in: announced ─fetch→ received ─confirm→ confirmed ─examine→ trusted ─hand over→ closed.

`fetch` believes nothing but the transport's signed word for size and digest; a failed fetch is tried again and in the
end held, never rejected. `confirm` gives the axis our signed receipt, frozen with the bytes, so that a repeat is the
same. `examine` checks the edXML signature; what came is then judged by `documents_received` or `statuses_heard`. The
hand-over itself is in `gateway.pipeline.handing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway.config import Settings
from gateway.edxml.parse import EdxmlError, Parsed
from gateway.errors import NeedsOperator, Rejection, Retryable, Unreachable
from gateway.ids import new_id
from gateway.journal import Journal
from gateway.model import Content
from gateway.pipeline import detail, refusing
from gateway.pipeline.directory import Directories
from gateway.pipeline.documents_received import DocumentsReceived
from gateway.pipeline.earlier_received import EarlierReceived
from gateway.pipeline.partners import AxisPartner, Partners
from gateway.pipeline.pdfs import Pdfs
from gateway.pipeline.routing import Router
from gateway.pipeline.scanning import Scanning
from gateway.pipeline.splitting import split
from gateway.pipeline.statuses_heard import StatusesHeard
from gateway.pipeline.suspicion import Suspects
from gateway.pipeline.unwrapping import offered, unwrap
from gateway.ports import Contents, Fetched
from gateway.rules.deadlines import Deadlines
from gateway.states import (
    ContentRef,
    Effect,
    Entry,
    KeepReceipt,
    Message,
    Outcome,
    State,
    Work,
)
from gateway.trust import edxml_signature, receipts

NOW = dt.timedelta(0)
ON_THE_LOOP = 64 << 10
"""So many bytes of XML are examined without a thread."""
DAMAGE = frozenset({"not-xml", "encoding"})
"""What a transfer that broke off, or changed bytes, looks like; a sender's own mistake may look the same."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a received file says, as far as it can be read."""

    changes: Mapping[str, object]
    to: tuple[str, ...] = ()
    attachments: tuple[tuple[str, str], ...] = ()
    refs: tuple[ContentRef, ...] = ()

    @property
    def damaged(self) -> str | None:
        """The code of what is wrong with its form, such as a broken transfer can make it."""
        wrong = self.changes.get("detail")
        form = wrong.get("form") if isinstance(wrong, Mapping) else None
        return form if form in DAMAGE else None


class Incoming:
    def __init__(
        self,
        journal: Journal,
        contents: Contents,
        partners: Partners,
        router: Router,
        settings: Settings,
        now: Callable[[], dt.datetime],
        pdfs: Pdfs | None = None,
        scanning: Scanning | None = None,
    ) -> None:
        """Without `pdfs` no PDF is looked into, without `scanning` nothing is scanned for viruses."""
        self._journal = journal
        self._contents = contents
        self._partners = partners
        self._router = router
        self._limits = settings.limits
        directories = Directories(settings.axis, journal, now)
        earlier = EarlierReceived(journal, router.office_of, directories, now)
        self._statuses = StatusesHeard(journal, partners, router, directories, earlier, now)
        suspects = Suspects(journal, contents, settings, now)
        self._documents = DocumentsReceived(
            journal, partners, router, earlier, suspects, Deadlines(settings.working_time), now, pdfs, scanning
        )
        self._now = now

    # --- fetch ---------------------------------------------------------------------------------------------------

    async def fetch(self, work: Work) -> Outcome:
        try:
            return await self.received(work.message)
        except (Retryable, Rejection) as error:
            # Nothing was receipted, so nothing can be rejected: try again, and in the end ask a person.
            attempts = self._partners.axis(work.message.axis).fetch_attempts
            if work.message.attempts >= attempts and not isinstance(error, Unreachable):
                raise NeedsOperator("fetch-failed", error.code) from error
            if isinstance(error, Rejection):
                raise Retryable(error.code, error.message) from error
            raise

    async def received(self, message: Message) -> Outcome:
        """`message` with its file, taken from the axis; it need not be in the journal yet."""
        axis = self._partners.axis(message.axis)
        assert message.axis_id is not None
        async with self._kept_or_erased() as stored:
            async with axis.driver.fetch(message.axis_id, message.kind) as fetched:
                content = await self._contents.store(fetched.chunks, limit=self._limits.edxml_bytes)
            stored.append(content)
            vouched = _compare(fetched, content)
            seen = await self._look_into(message, content, stored)
            if not vouched and seen.damaged:
                raise Retryable(seen.damaged, "nobody vouches for these bytes, and they may have come damaged")
            receipt = await self._receipt(message, axis, content, seen)
        entry = Entry("received", {"size": content.size, "sha256": content.sha256, "receipt": receipt.receipt_id})
        changes = {"size": content.size, "sha256": content.sha256, **seen.changes}
        effects: tuple[Effect, ...] = (ContentRef("edxml", content), *seen.refs, receipt)
        return Outcome(entry, state=State.RECEIVED, due_in=NOW, changes=changes, effects=effects)

    async def discard(self, outcome: Outcome) -> None:
        """Erase what was received for nothing."""
        for effect in outcome.effects:
            if isinstance(effect, ContentRef):
                await self._contents.erase(effect.content)

    @contextlib.asynccontextmanager
    async def _kept_or_erased(self) -> AsyncIterator[list[Content]]:
        """What fails erases what it stored: try after try it would fill the disk, and nothing would refer to it."""
        stored: list[Content] = []
        try:
            yield stored
        except BaseException:
            for content in stored:
                await asyncio.shield(self._contents.erase(content))
            raise

    async def _look_into(self, message: Message, content: Content, stored: list[Content]) -> _Seen:
        """Take the file apart. What cannot be read is said in the detail, for `examine` to judge."""
        try:
            async with self._kept_or_erased() as parts:
                parsed = await split(
                    self._contents.open(content),
                    self._contents,
                    parts,
                    attachment_limit=self._limits.attachment_bytes,
                    total_limit=self._limits.edxml_bytes,
                )
        except Rejection as error:
            return _unreadable(message, error)
        stored += parts
        envelope = content
        if parsed.attachments or content.size > ON_THE_LOOP:  # else the file is no more than its envelope
            envelope = await self._contents.store_bytes(parsed.envelope)
            stored.append(envelope)
        held = [(each, each.content) for each in parsed.attachments if each.content]
        inside = await unwrap(
            parsed,
            self._contents,
            stored,
            attachment_limit=self._limits.attachment_bytes,
            total_limit=self._limits.edxml_bytes,
        )
        changes, to = _said(replace(parsed, findings=(*parsed.findings, *inside.findings)))
        return _Seen(
            changes,
            to,
            tuple((attachment.content_id, bytes_.sha256) for attachment, bytes_ in held),
            (
                *inside.refs(parsed.attachments),
                ContentRef("envelope", envelope),
            ),
        )

    async def _receipt(self, message: Message, axis: AxisPartner, content: Content, seen: _Seen) -> KeepReceipt:
        """Our receipt, frozen with the bytes: a repeat is the same octets."""
        now = self._now()
        receipt = receipts.Receipt(
            receipt_id=new_id(),
            kind="gateway-received",
            issued_by=axis.system_id,
            addressed_to=axis.axis_system_id,
            message_id=message.message_id,
            axis_id=message.axis_id or "",
            document_id=str(seen.changes.get("document_id", message.document_id)),
            sender=str(seen.changes.get("sender", message.sender)),
            to=seen.to,
            size=content.size,
            sha256=content.sha256,
            attachments=seen.attachments,
            time=now,
        )
        key = axis.keys.ring.signing(now)
        body = receipts.issue(receipt, key)
        kind = receipt.kind if axis.driver.can.signs_receipts else "gateway-kept"
        return KeepReceipt(receipt.receipt_id, kind, given=True, body=body)

    # --- confirm -------------------------------------------------------------------------------------------------

    async def confirm(self, work: Work) -> Outcome:
        message = work.message
        receipt = await self._journal.receipt_given_for(work)
        assert receipt is not None, "the receipt commits with the bytes"
        assert message.axis_id is not None
        try:
            await self._partners.axis(message.axis).driver.confirm(message.axis_id, receipt)
        except Rejection as error:
            # It is our receipt that they will not take: no reason to give up the document.
            raise NeedsOperator("receipt-refused", error.code) from error
        return Outcome(Entry("confirmed"), state=State.CONFIRMED, due_in=NOW, changes={"endpoint": "inside"})

    # --- examine -------------------------------------------------------------------------------------------------

    async def examine(self, work: Work) -> Outcome:
        message = work.message
        read = message.detail or {}
        if "form" in read:
            raise Rejection(str(read["form"]), str(read.get("text", "")))
        refs = await self._journal.contents_of(work)
        if message.detail is None:
            return await self._read_again(message, refs)
        verdict = await self._signature(message, refs)
        if "status" in read:
            return await self._statuses.examine(message, detail.status(read), verdict)
        if "document" in read:
            return await self._documents.examine(message, refs, detail.document(read, refs), verdict)
        raise Rejection("form", "neither a document nor a status")

    async def _signature(self, message: Message, refs: Sequence[ContentRef]) -> str:
        """The verdict on the edXML signature. Raises `Rejection` or `NeedsOperator` where the policy says so."""
        axis = self._partners.axis(message.axis)
        if axis.edxml_signature == "ignore":
            return "ignored"
        envelope = next(ref.content for ref in refs if ref.role == "envelope")
        attachments = [
            (ref.attachment.content_id, ref.content.sha256) for ref in offered(refs, unwrap=False) if ref.attachment
        ]
        data = await self._contents.read(envelope)
        at = message.accepted_at or self._now()
        report = await _check(data, attachments, axis, at)
        if report.verdict == "indeterminate":
            axis.keys.look_again()
            report = await _check(data, attachments, axis, at)
        if axis.edxml_signature == "required":
            if report.verdict == "indeterminate":
                raise NeedsOperator("signer-unknown", "the edXML signature's signer is not in the trust store")
            if report.verdict != "valid":
                raise Rejection(f"edxml-signature-{report.verdict}")
            if report.signer is None or not axis.keys.trust.may_speak(report.signer, message.sender):
                raise Rejection("signer-not-sender", "the signer may not speak for the sender")
        return report.verdict

    async def _read_again(self, message: Message, refs: Sequence[ContentRef]) -> Outcome:
        """What came back from quarantine is only the file: take it apart once more."""
        content = next(ref.content for ref in refs if ref.role == "edxml")
        async with self._kept_or_erased() as stored:
            seen = await self._look_into(message, content, stored)
        return Outcome(Entry("read-again"), due_in=NOW, changes=seen.changes, effects=seen.refs)

    # --- rejected ------------------------------------------------------------------------------------------------

    async def rejected(self, work: Work, error: Rejection) -> Outcome:
        """The sender hears of it by status 02 of each organ that will not have it, where the file says who he is."""
        reason = refusing.NEUTRAL.format(code=error.code)
        effects = await refusing.statuses_owed(self._journal, self._router.office_of, work.message, reason, self._now())
        return Outcome(Entry("rejected", {"reason": error.code}, error.message), state=State.REJECTED, effects=effects)


async def _check(
    data: bytes, attachments: list[tuple[str, str]], axis: AxisPartner, at: dt.datetime
) -> edxml_signature.SignatureReport:
    check_it = partial(edxml_signature.check, data, attachments, trust=axis.keys.trust, now=at)
    # A thread's hop costs more than the check of a small envelope.
    return check_it() if len(data) <= ON_THE_LOOP else await asyncio.to_thread(check_it)


def _said(parsed: Parsed) -> tuple[dict[str, object], tuple[str, ...]]:
    """Columns of the message, and the organs the file is for."""
    if parsed.document is not None:
        document = parsed.document
        return {
            "document_id": document.document_id,
            "sender": document.sender.code,
            "urgency": min(document.priority, 3),
            "detail": detail.of_document(document, **detail.odd(parsed)),
        }, tuple(organ.code for organ in document.to)
    if parsed.status is not None:
        status = parsed.status
        return {
            "document_id": status.response_for.document_id,
            "sender": status.sender.code,
            "detail": detail.of_status(status),
        }, (status.response_for.organ,)
    return {}, ()


def _unreadable(message: Message, error: Rejection) -> _Seen:
    """What went wrong; and what the header said, if it came through and names the sender that the axis vouches for.

    Else a stranger could have a refusal told to somebody else about a document of theirs.
    """
    read: dict[str, object] = {"form": error.code, "text": error.message}
    document = error.document if isinstance(error, EdxmlError) else None
    if document and document.sender.code == message.sender and document.document_id:
        read = detail.of_document(document) | read
    return _Seen({"detail": read})


def _compare(fetched: Fetched, content: Content) -> bool:
    """Whether the transport vouches for these very bytes; False where it vouches for none."""
    for said, held in ((fetched.size, content.size), (fetched.sha256, content.sha256)):
        if said is not None and said != held:
            raise Retryable("digest", "the bytes received are not the bytes vouched for")
    return fetched.sha256 is not None
