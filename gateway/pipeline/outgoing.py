"""The road out: pack → send → sent → closed.

`pack` signs and freezes the edXML file; what it freezes is a recipe (literal bytes and references into contents) that
gives the same bytes again for ever. `send` hands it to the axis, asks before repeating where a repeat would double,
and counts nothing as sent until the receipt matches what was really sent in every field. `chase` closes the message
when every organ has answered, or the wait is over.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.config import Settings
from gateway.edxml import build, check, older
from gateway.errors import NeedsOperator, Rejection, Retryable, Unknown
from gateway.journal import Journal, MessageFilter
from gateway.model import Content, Direction, Kind, ProofGrade
from gateway.pipeline import detail, notices
from gateway.pipeline.deadlines import answered as ends_terms
from gateway.pipeline.partners import AxisPartner, Partners
from gateway.ports import Acceptance, Chunks, Contents, Finds, Parcel
from gateway.states import ContentRef, Entry, KeepReceipt, Message, Outcome, Stage, State, Work
from gateway.trust import edxml_signature, receipts
from gateway.trust.errors import SignatureInvalid

MISMATCHES_BEFORE_HOLD = 5
TWINS_BEFORE_HOLD = 5
TWINS_LOOKED_AT = 100
IN_DOUBT = "in-doubt"
"""Held: it may have been sent, and only a person can find out."""
NOW = dt.timedelta(0)


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` froze: enough to give the file again, and to know what a receipt for it must say."""

    pieces: tuple[build.Piece, ...]
    attachments: tuple[tuple[str, str], ...]
    """(content id, SHA-256 of the raw bytes)"""
    to: tuple[str, ...]

    def table(self) -> dict[str, Any]:
        """As the journal keeps it, ready for JSON."""
        return {"pieces": build.recipe_table(self.pieces), "attachments": self.attachments, "to": self.to}

    @classmethod
    def of(cls, kept: Any) -> Packed:
        """From what the journal keeps: a table, or the JSON text that was kept at first."""
        table = json.loads(kept) if isinstance(kept, str) else kept
        pieces = table["pieces"]
        return cls(
            build.recipe_from_json(pieces) if isinstance(pieces, str) else build.recipe_from(pieces),
            tuple((cid, sha256) for cid, sha256 in table["attachments"]),
            tuple(table["to"]),
        )


async def chunks_of(pieces: Iterable[build.Piece], contents: Contents) -> Chunks:
    """The packed file, byte for byte, from its recipe."""
    for piece in pieces:
        if isinstance(piece, build.Literal):
            yield piece.data
        else:
            async for chunk in build.base64_chunks(contents.open(piece.content)):
                yield chunk


class Outgoing:
    def __init__(
        self,
        journal: Journal,
        contents: Contents,
        partners: Partners,
        settings: Settings,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._journal = journal
        self._contents = contents
        self._partners = partners
        self._settings = settings
        self._now = now

    async def pack(self, work: Work) -> Outcome:
        """Also what is late already: it expires packed, so that it can be sent after all."""
        return await self.packed(work.message, await self._journal.contents_of(work))

    async def packed(self, message: Message, refs: Iterable[ContentRef]) -> Outcome:
        """`message` with its contents, packed; it need not be in the journal yet."""
        axis = self._partners.axis(message.axis)
        now = self._now()
        # A key that ends while the message may still wait would make its receipt unverifiable for the other side.
        key = axis.keys.ring.signing(now, max((message.expires_at or now) - now, dt.timedelta(0)))

        def frozen() -> Packed:
            return _pack(message, refs, lambda parts: edxml_signature.sign(parts, key, now), axis.edxml_form)

        # On the loop: the signature costs less than a thread's hop and its fight for the interpreter.
        packed = frozen()
        size, sha256 = await self._measure(packed)
        return Outcome(
            Entry("packed", {"size": size, "sha256": sha256, "certificate": key.fingerprint}),
            state=State.PACKED,
            due_in=NOW,
            changes={
                "recipe": packed.table(),
                "size": size,
                "sha256": sha256,
                "endpoint": f"axis:{message.axis}",
            },
        )

    async def _measure(self, packed: Packed) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        async for chunk in chunks_of(packed.pieces, self._contents):
            digest.update(chunk)
            size += len(chunk)
        return size, digest.hexdigest()

    async def send(self, work: Work) -> Outcome:
        message = work.message
        axis = self._partners.axis(message.axis)
        packed = Packed.of((await self._journal.extra_of(work))["recipe"])
        parcel = parcel_of(message, packed, self._contents)
        late = message.state is State.EXPIRED
        if late or self._late(message):
            found = await self._last_question(work, axis, parcel)
            if found is None and not late:
                return _expired(message)
        else:
            found = await self._ask(work, axis, parcel)
        acceptance = found or await axis.driver.send(parcel)
        return await self._sent(work, axis, packed, acceptance)

    async def _ask(self, work: Work, axis: AxisPartner, parcel: Parcel) -> Acceptance | None:
        """In doubt: deduplicates → repeat; finds → ask; neither → a person."""
        if not work.doubt or not axis.must_ask_first or not self._settings.runner.ask_before_repeating:
            return None
        if not axis.can_find:
            raise NeedsOperator(IN_DOUBT, "the axis can neither deduplicate nor be asked")
        return await self._find(work, axis, parcel)

    async def _last_question(self, work: Work, axis: AxisPartner, parcel: Parcel) -> Acceptance | None:
        """The last act before a message expires is to find it; in doubt it may not expire."""
        if not axis.can_find:
            if work.doubt and axis.must_ask_first:
                raise NeedsOperator(IN_DOUBT, "not confirmed in time, and the axis cannot be asked")
            # Where a repeat is the same message, repeating is asking.
            return await axis.driver.send(parcel) if work.doubt else None
        try:
            return await self._find(work, axis, parcel)
        except Retryable:
            if work.doubt:
                raise
            return None

    async def _find(self, work: Work, axis: AxisPartner, parcel: Parcel) -> Acceptance | None:
        """Ask the axis. Where it can only be asked by listing, a line must not be taken for two messages."""
        if axis.driver.can.finds is not Finds.BY_LISTING:
            return await axis.driver.find(parcel)
        message = work.message
        tries = [
            each.opened_at for each in await self._journal.attempts(message.message_id) if each.stage is Stage.SEND
        ]

        async def is_another(axis_id: str) -> bool:
            known = await self._journal.find_by_axis_id(Direction.OUT, message.axis, axis_id)
            return known is not None and known.message_id != message.message_id

        found = await axis.driver.find(replace(parcel, since=min(tries, default=None), is_another=is_another))
        # In this order, after the list was read: one under way then is either still undecided or known by its axis id.
        if found and (await self._has_undecided_twin(message) or await is_another(found.axis_id)):
            if message.attempts >= TWINS_BEFORE_HOLD:
                raise NeedsOperator(IN_DOUBT, "another message about the same document is in doubt too")
            raise Unknown("twin-in-doubt", "another message about the same document is under way")
        return found

    async def _has_undecided_twin(self, message: Message) -> bool:
        """Whether another one that a list cannot tell from this may be there, under an axis id not known yet."""
        alike = MessageFilter(
            direction=Direction.OUT, kind=message.kind, organ=message.sender, query=message.document_id
        )
        rows = (await self._journal.list(alike, None, TWINS_LOOKED_AT)).rows
        return len(rows) == TWINS_LOOKED_AT or any(
            each.message_id != message.message_id
            and each.axis == message.axis
            and each.axis_id is None
            and each.attempts > 0
            and each.state in {State.PACKED, State.EXPIRED}
            for each in rows
        )

    async def _sent(self, work: Work, axis: AxisPartner, packed: Packed, acceptance: Acceptance) -> Outcome:
        message, now = work.message, self._now()
        kept: tuple[KeepReceipt, ...] = ()
        facts: dict[str, str | int | None] = {"axis_id": acceptance.axis_id}
        if axis.driver.can.signs_receipts:
            receipt, wrong = _judge(message, axis, packed, acceptance, now)
            kept = (receipt,)
            if wrong:
                return self._mismatch(work, receipt, wrong)
            facts |= {"receipt": receipt.receipt_id, "receipt_sha256": hashlib.sha256(receipt.body).hexdigest()}
            proof = ProofGrade.SIGNED_RECEIPT
        else:
            proof = ProofGrade.ACKNOWLEDGED
            facts["reply_sha256"] = hashlib.sha256(acceptance.reply).hexdigest()
            kept = (KeepReceipt(acceptance.axis_id, "axis-acknowledged", given=False, body=acceptance.reply),)
        late = message.state is State.EXPIRED
        answered = message.kind is Kind.STATUS  # nobody answers a status: the axis's receipt ends its road
        return Outcome(
            Entry("sent-late" if late else "sent", facts),
            state=State.CLOSED if answered and not late else State.SENT,
            due_in=None if answered and not late else dt.timedelta(hours=self._settings.times.chase_hours),
            changes={"axis_id": acceptance.axis_id, "proof": proof, "sent_at": now},
            effects=(
                *kept,
                *(notices.about(message, "message.late", now) if late else ()),
                *await ends_terms(self._journal, message, now),
            ),
        )

    def _mismatch(self, work: Work, receipt: KeepReceipt, wrong: str) -> Outcome:
        """A receipt that does not match is kept, and settles nothing: what the axis holds is unknown."""
        held = "receipt-mismatch" if work.message.attempts >= MISMATCHES_BEFORE_HOLD else None
        return Outcome(
            Entry("receipt-mismatch", {"fields": wrong, "receipt": receipt.receipt_id}),
            due_in=None if held else dt.timedelta(seconds=self._settings.times.longest_call_seconds),
            held=held,
            doubt=True,
            effects=(receipt,),
        )

    async def chase(self, work: Work) -> Outcome:
        message = work.message
        deliveries = await self._journal.deliveries(message.message_id)
        silent = [each.organ for each in deliveries if not each.answered]
        if not silent:
            return Outcome(Entry("closed", {"answered": len(deliveries)}), state=State.CLOSED)
        ends = (message.sent_at or self._now()) + dt.timedelta(hours=self._settings.times.chase_hours)
        if self._now() < ends:
            return Outcome(Entry("waiting", {"silent": len(silent)}), due_in=ends - self._now())
        return Outcome(Entry("closed-unanswered", {"silent": " ".join(silent)}), state=State.CLOSED)

    def rejected(self, work: Work, error: Rejection) -> Outcome:
        """The axis or a rule will never take it: its office hears."""
        return Outcome(
            Entry("rejected", {"reason": error.code}, error.message),
            state=State.REJECTED,
            effects=notices.about(work.message, "message.rejected", self._now(), error.code, error.message),
        )

    def _late(self, message: Message) -> bool:
        return message.expires_at is not None and self._now() >= message.expires_at


def _expired(message: Message) -> Outcome:
    now = message.expires_at
    assert now is not None
    return Outcome(
        Entry("expired", {"expires_at": now.isoformat()}),
        state=State.EXPIRED,
        effects=notices.about(message, "message.expired", now, "not-confirmed-in-time"),
    )


def _pack(message: Message, refs: Iterable[Any], sign: Callable[[build.SignedParts], bytes], form: str) -> Packed:
    assert message.detail is not None
    if message.kind is Kind.STATUS:
        status = detail.status(message.detail)
        pieces = older.pack_status(status) if form == "e-doc" else build.pack_status(status, sign=sign)
        attachments: tuple[tuple[str, str], ...] = ()
        to: tuple[str, ...] = (status.response_for.organ,)
    else:
        document = detail.document(message.detail, refs)
        pieces = older.pack_document(document) if form == "e-doc" else build.pack_document(document, sign=sign)
        attachments = tuple((each.content_id, _held(each.content).sha256) for each in document.attachments)
        to = tuple(organ.code for organ in document.to)
    if form == "qcvn102":
        _check_form(pieces)
    return Packed(tuple(pieces), attachments, to)


def _check_form(pieces: Iterable[build.Piece]) -> None:
    """Against the XSD, attachments left out: what the gateway writes is strict."""
    envelope = b"".join(piece.data for piece in pieces if isinstance(piece, build.Literal))
    wrong = [finding for finding in check.validate_xsd(envelope) if finding.severity == "error"]
    if wrong:
        raise Rejection("form", "; ".join(f"{finding.where}: {finding.message}" for finding in wrong[:5]))


def _held(content: Content | None) -> Content:
    if content is None:
        raise ValueError("an attachment without bytes")
    return content


def parcel_of(message: Message, packed: Packed, contents: Contents) -> Parcel:
    assert message.size is not None
    assert message.sha256 is not None
    return Parcel(
        message_id=message.message_id,
        kind=message.kind,
        document_id=message.document_id,
        sender=message.sender,
        to=packed.to,
        size=message.size,
        sha256=message.sha256,
        chunks=lambda: chunks_of(packed.pieces, contents),
        code=str((message.detail or {}).get("code", "")),
    )


def _read_receipt(body: bytes, axis: AxisPartner, now: dt.datetime) -> receipts.Receipt:
    """Raises `SignatureInvalid`."""
    try:
        return receipts.read(body, trust=axis.keys.trust, issuer=axis.axis_system_id, at=now)
    except SignatureInvalid as error:
        if error.code != "signer-unknown":
            raise
        axis.keys.look_again()
        return receipts.read(body, trust=axis.keys.trust, issuer=axis.axis_system_id, at=now)


def _judge(
    message: Message, axis: AxisPartner, packed: Packed, acceptance: Acceptance, now: dt.datetime
) -> tuple[KeepReceipt, str]:
    """The receipt as it will be kept, and the names of the fields that are wrong (empty: it proves what was sent)."""
    body = acceptance.receipt or b""
    expected = receipts.Receipt(
        receipt_id="",
        kind="axis-accepted",
        issued_by=axis.axis_system_id,
        addressed_to=axis.system_id,
        message_id=message.message_id,
        axis_id=acceptance.axis_id,
        document_id=message.document_id,
        sender=message.sender,
        to=packed.to,
        size=message.size or 0,
        sha256=message.sha256 or "",
        attachments=packed.attachments,
        time=now,
    )
    try:
        receipt = _read_receipt(body, axis, now)
    except SignatureInvalid as error:
        kept = KeepReceipt(
            hashlib.sha256(body).hexdigest(), "axis-accepted", given=False, body=body, mismatch=error.code
        )
        return kept, error.code
    wrong = ",".join(receipts.mismatches(receipt, expected))
    return KeepReceipt(receipt.receipt_id, receipt.kind, given=False, body=body, mismatch=wrong or None), wrong
