"""What systems hand in: files and their receipts, each kept with its request in one commit, and found again by id."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lxml import etree

from mock_axis import mailbox, receipts, soap, xmlsig
from mock_axis.calls import Answer, Call, Desk
from mock_axis.edxml_reading import Read
from mock_axis.mailbox import Message, Routing
from mock_axis.receipts import Receipt
from mock_axis.soap import AxisFault, Upload, element, field, get
from mock_axis.store import Transaction

UPLOAD_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class _Parcel:
    message_id: str
    upload: Upload

    def drop(self) -> None:
        if isinstance(self.upload.content, Path):
            self.upload.content.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Prepared:
    message: Message
    content: bytes | str
    routing: Routing


class Taking:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def send(self, call: Call) -> Answer:
        (parcel,) = uploaded = await self._uploads(call, [call.element])
        self._same(parcel, call.operation)
        (prepared,) = await self._prepare_all(call, uploaded)
        if isinstance(prepared, AxisFault):
            raise prepared
        (result,) = await self._keep(call, [prepared])
        if isinstance(result, AxisFault):
            raise result
        return Answer(result)

    async def send_together(self, call: Call) -> Answer:
        """Each parcel is taken or refused for itself; those taken are kept in one commit."""
        uploaded = await self._uploads(call, call.element.findall(f"{{{soap.AX}}}Parcel"))
        prepared = await self._prepare_all(call, uploaded)
        kept = iter(await self._keep(call, [each for each in prepared if isinstance(each, _Prepared)]))
        results = [each if isinstance(each, AxisFault) else next(kept) for each in prepared]
        lines = (
            field("MessageId", parcel.message_id) + (_refusal(result) if isinstance(result, AxisFault) else result)
            for parcel, result in zip(uploaded, results, strict=True)
        )
        return Answer("".join(element("Result", line) for line in lines))

    async def _uploads(self, call: Call, lines: Sequence[etree._Element]) -> list[_Parcel]:
        """The parts beside the envelope, in its order. Raises `AxisFault` where one is not what the Body says."""
        parcels: list[_Parcel] = []
        try:
            for line in lines:
                file = line.find(f"{{{soap.AX}}}File")
                assert file is not None  # axis.xsd
                size, sha256 = soap.number(file, "Size"), get(file, "Sha256")
                if size > UPLOAD_LIMIT:
                    raise AxisFault("TooLarge", f"more than {UPLOAD_LIMIT} bytes")
                upload = await soap.read_upload(call.parts, get(file, "ContentId"), size, self._desk.box.store.draft())
                parcels.append(_Parcel(get(line, "MessageId"), upload))
                if (upload.size, upload.sha256) != (size, sha256):
                    raise AxisFault("WrongDigest", "the part is not what the Body says")
        except BaseException:
            for parcel in parcels:
                parcel.drop()
            raise
        return parcels

    def _same(self, parcel: _Parcel, operation: str) -> None:
        if (parcel.upload.read.kind == "status") is not (operation == "UpdateTraces"):
            parcel.drop()
            raise AxisFault("BadForm", "SendDocument carries documents, UpdateTraces statuses")

    async def _prepare_all(self, call: Call, parcels: Sequence[_Parcel]) -> list[_Prepared | AxisFault]:
        try:
            return [await self._prepared(call, parcel) for parcel in parcels]
        except BaseException:
            for parcel in parcels:
                parcel.drop()
            raise

    async def _keep(self, call: Call, prepared: Sequence[_Prepared]) -> list[str | AxisFault]:
        """Keep them in one commit: the fields of the reply, or the refusal, for each."""

        def keep(tx: Transaction) -> list[Message]:
            deduplicates = self._desk.switches.deduplicates
            return [
                mailbox.accept(tx, each.message, each.content, each.routing, deduplicates=deduplicates)
                for each in prepared
            ]

        try:
            kept = await self._desk.perform(call, keep)
        except mailbox.Replayed:
            for each in prepared:
                await self._forget(each.content)
            raise
        self._desk.agencies.wake()
        return [await self._accepted(call, *pair) for pair in zip(prepared, kept, strict=True)]

    async def _prepared(self, call: Call, parcel: _Parcel) -> _Prepared | AxisFault:
        """What is to be kept of a parcel, or why it is not taken."""
        read, now = parcel.upload.read, self._desk.now()
        try:
            if not self._desk.trust.parties[call.system].speaks_for(read.sender):
                raise AxisFault("NotYours", "the system may not speak for that organ", organ=read.sender)
            routing = self.route(read, now)
        except AxisFault as fault:
            parcel.drop()
            return fault
        upload, axis_id = parcel.upload, uuid.uuid4().hex
        said = self._receipt(call, parcel.message_id, axis_id, upload, now)
        receipt = receipts.issue(said, self._desk.keys.signing(now))
        message = Message(
            axis_id, call.system, parcel.message_id, read.kind, read.sender, read.document_id, read.to,
            read.attachments, read.priority, upload.size, upload.sha256, read.status_code, read.description, read.code,
            read.promulgation_date, receipt, now.timestamp(),
        )  # fmt: skip
        content = (
            await asyncio.to_thread(self._desk.box.store.adopt, upload.content)
            if isinstance(upload.content, Path)
            else upload.content
        )
        return _Prepared(message, content, routing)

    async def _accepted(self, call: Call, prepared: _Prepared, kept: Message) -> str | AxisFault:
        if kept is not prepared.message:
            await self._forget(prepared.content)
        if kept.sha256 != prepared.message.sha256:
            return AxisFault("IdReused", "this message id came before with another digest")
        assert kept.receipt is not None
        receipt = self._spoil_receipt(call.operation, kept.receipt)
        return field("AxisId", kept.axis_id) + element("Receipt", xmlsig.b64(receipt))

    async def _forget(self, content: bytes | str) -> None:
        """Only where it is certain that no row names the file."""
        if isinstance(content, str):
            await asyncio.to_thread(self._desk.box.store.forget, content)

    def route(self, read: Read, now: dt.datetime) -> Routing:
        """All or nothing: every receiver exists, or nothing is taken. Raises `AxisFault`."""
        systems: dict[str, None] = {}
        agencies: dict[str, None] = {}
        for organ in read.to:
            if organ in self._desk.agencies.names:
                agencies[organ] = None
                continue
            owners = [
                party.system
                for party in self._desk.trust.parties.values()
                if party.system not in self._desk.agencies.names and party.speaks_for(organ)
            ]
            if not owners:
                raise AxisFault("UnknownOrgan", "no system owns that organ", organ=organ)
            systems[owners[0]] = None
        return Routing(
            systems=tuple((system, *self.delivery(now)) for system in systems),
            agencies=tuple((agency, self._desk.agencies.verdict(read, now)) for agency in agencies),
            tasks=self._desk.agencies.answers_to(read, tuple(agencies), now),
        )

    def delivery(self, now: dt.datetime) -> tuple[float, int]:
        """(listed from when, how many times): as it should be, or as faults have it."""
        late = self._desk.faults.strikes("late", "Deliver")
        doubled = self._desk.faults.strikes("delivered-twice", "Deliver")
        return now.timestamp() + (late.number("seconds", 5) if late else 0), 2 if doubled else 1

    def _receipt(self, call: Call, message_id: str, axis_id: str, upload: Upload, now: dt.datetime) -> Receipt:
        read = upload.read
        return Receipt(
            receipt_id=uuid.uuid4().hex,
            kind="axis-accepted",
            issued_by=self._desk.system,
            addressed_to=call.system,
            message_id=message_id,
            axis_id=axis_id,
            document_id=read.document_id,
            sender=read.sender,
            to=read.to,
            size=upload.size,
            sha256=upload.sha256,
            attachments=read.attachments,
            time=now,
        )

    def _spoil_receipt(self, operation: str, receipt: bytes) -> bytes:
        """The receipt given, or a wrong one in its place where a fault says so; the one kept stays right."""
        wrong = self._desk.faults.strikes("wrong-digest", operation)
        foreign = self._desk.faults.strikes("foreign-receipt", operation)
        if not wrong and not foreign:
            return receipt
        now = self._desk.now()
        said = receipts.read(receipt, self._desk.trust.parties[self._desk.system], now)
        if wrong:
            said = replace(said, sha256=hashlib.sha256(said.sha256.encode()).hexdigest())
        key = self._desk.stranger() if foreign else self._desk.keys.signing(now)
        return receipts.issue(said, key)

    async def find(self, call: Call) -> Answer:
        if not self._desk.switches.finds:
            raise AxisFault("NotFound", "this axis does not look up messages")
        held = await self._desk.perform(call, lambda tx: mailbox.find(tx, call.system, get(call.element, "MessageId")))
        if held is None:
            return Answer(field("Found", "false"))
        assert held.receipt is not None
        receipt = self._spoil_receipt(call.operation, held.receipt)
        return Answer(
            field("Found", "true")
            + field("AxisId", held.axis_id)
            + field("Sha256", held.sha256)
            + element("Receipt", xmlsig.b64(receipt))
        )


def _refusal(fault: AxisFault) -> str:
    return (
        field("Code", fault.code)
        + field("Message", fault.message)
        + (field("OrganId", fault.organ[:35]) if fault.organ else "")
        + (field("RetryAfter", str(fault.retry_after)) if fault.retry_after is not None else "")
    )
