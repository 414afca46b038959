"""What the axis does for each operation of `axis.wsdl`, once it knows who asks.

Each operation decides, has the mailbox act and remember the request in one commit, and returns the fields of its
reply; HTTP, envelopes and signatures of requests and replies are the server's.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import uuid
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from aiohttp import MultipartReader
from lxml import etree

from mock_axis import mailbox, receipts, soap, wssecurity, xmlsig
from mock_axis.agencies import Agencies
from mock_axis.edxml_reading import BadForm, Read
from mock_axis.faults import Faults
from mock_axis.keys import Key, KeyRing, Trust
from mock_axis.mailbox import Item, Mailbox, Message, Routing
from mock_axis.receipts import Receipt
from mock_axis.soap import AxisFault, Upload, element, field, get
from mock_axis.store import Transaction

Result = TypeVar("Result")
UPLOAD_LIMIT = 1 << 30
LIST_LIMIT = 10_000
INLINE_LIMIT = 64 << 10


@dataclass(slots=True)
class Switches:
    """How this axis behaves; a test may change them between calls."""

    deduplicates: bool = True
    """Off: every send of one message id makes a new message."""
    finds: bool = True
    """Off: FindMessage is answered with fault NotFound."""
    xop: bool = False
    """GetDocument answers under root type application/xop+xml."""


@dataclass(slots=True)
class Call:
    """A verified, valid request."""

    operation: str
    system: str
    request_id: str
    element: etree._Element
    parts: MultipartReader | None
    remembered: bool = False
    """Whether its id is in the mailbox's books already."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The fields of a reply, and the file that goes beside it."""

    fields: str = ""
    content_id: str = ""
    size: int = 0
    pieces: Iterator[bytes] | None = None


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


class Operations:
    def __init__(
        self,
        system: str,
        box: Mailbox,
        keys: KeyRing,
        trust: Trust,
        agencies: Agencies,
        faults: Faults,
        switches: Switches,
        now: Callable[[], dt.datetime],
        stranger: Callable[[], Key],
    ) -> None:
        self.system, self._box, self._keys, self._trust = system, box, keys, trust
        self._agencies, self._faults, self.switches, self._now = agencies, faults, switches, now
        self._stranger = stranger
        self.list_limit = LIST_LIMIT
        """Items that a list has at most, whatever was asked for."""
        self._by_name = {
            "SendDocument": self._send,
            "UpdateTraces": self._send,
            "SendTogether": self._send_together,
            "FindMessage": self._find,
            "GetPendingDocumentIds": self._list,
            "GetDocument": self._get,
            "ConfirmReceived": self._confirm,
            "GetTraces": self._traces,
            "CheckPermission": self._permission,
            "GetOrganizations": self._organizations,
        }

    @property
    def names(self) -> Collection[str]:
        return self._by_name.keys()

    async def answer(self, call: Call) -> Answer:
        """Raises `AxisFault`."""
        try:
            return await self._by_name[call.operation](call)
        except mailbox.Replayed:
            raise AxisFault("Replayed", "this request was answered before") from None
        except AxisFault:
            await self._remember(call)
            raise
        except BadForm as exc:
            await self._remember(call)
            raise AxisFault("BadForm", f"the edXML file: {exc}") from None

    async def _remember(self, call: Call) -> None:
        """A refused request is not to be tried again under the same id either."""
        if call.remembered:
            return
        try:
            await self._perform(call, lambda _: None)
        except mailbox.Replayed:
            raise AxisFault("Replayed", "this request was answered before") from None

    async def _perform(self, call: Call, unit: Callable[[Transaction], Result]) -> Result:
        result = await self._box.perform(call.system, call.request_id, self._now().timestamp(), unit)
        call.remembered = True
        return result

    # --- sending ---

    async def _send(self, call: Call) -> Answer:
        (parcel,) = uploaded = await self._uploads(call, [call.element])
        self._same(parcel, call.operation)
        (prepared,) = await self._prepare_all(call, uploaded)
        if isinstance(prepared, AxisFault):
            raise prepared
        (result,) = await self._keep(call, [prepared])
        if isinstance(result, AxisFault):
            raise result
        return Answer(result)

    async def _send_together(self, call: Call) -> Answer:
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
                upload = await soap.read_upload(call.parts, get(file, "ContentId"), size, self._box.store.draft())
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
            deduplicates = self.switches.deduplicates
            return [
                mailbox.accept(tx, each.message, each.content, each.routing, deduplicates=deduplicates)
                for each in prepared
            ]

        try:
            kept = await self._perform(call, keep)
        except mailbox.Replayed:
            for each in prepared:
                await self._forget(each.content)
            raise
        self._agencies.wake()
        return [await self._accepted(call, *pair) for pair in zip(prepared, kept, strict=True)]

    async def _prepared(self, call: Call, parcel: _Parcel) -> _Prepared | AxisFault:
        """What is to be kept of a parcel, or why it is not taken."""
        read, now = parcel.upload.read, self._now()
        try:
            if not self._trust.parties[call.system].speaks_for(read.sender):
                raise AxisFault("NotYours", "the system may not speak for that organ", organ=read.sender)
            routing = self.route(read, now)
        except AxisFault as fault:
            parcel.drop()
            return fault
        upload, axis_id = parcel.upload, uuid.uuid4().hex
        said = self._receipt(call, parcel.message_id, axis_id, upload, now)
        receipt = receipts.issue(said, self._keys.signing(now))
        message = Message(
            axis_id, call.system, parcel.message_id, read.kind, read.sender, read.document_id, read.to,
            read.attachments, read.priority, upload.size, upload.sha256, read.status_code, read.description, read.code,
            read.promulgation_date, receipt, now.timestamp(),
        )  # fmt: skip
        content = (
            await asyncio.to_thread(self._box.store.adopt, upload.content)
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
            await asyncio.to_thread(self._box.store.forget, content)

    def route(self, read: Read, now: dt.datetime) -> Routing:
        """All or nothing: every receiver exists, or nothing is taken. Raises `AxisFault`."""
        systems: dict[str, None] = {}
        agencies: dict[str, None] = {}
        for organ in read.to:
            if organ in self._agencies.names:
                agencies[organ] = None
                continue
            owners = [
                party.system
                for party in self._trust.parties.values()
                if party.system not in self._agencies.names and party.speaks_for(organ)
            ]
            if not owners:
                raise AxisFault("UnknownOrgan", "no system owns that organ", organ=organ)
            systems[owners[0]] = None
        return Routing(
            systems=tuple((system, *self.delivery(now)) for system in systems),
            agencies=tuple((agency, self._agencies.verdict(read, now)) for agency in agencies),
            tasks=self._agencies.answers_to(read, tuple(agencies), now),
        )

    def delivery(self, now: dt.datetime) -> tuple[float, int]:
        """(listed from when, how many times): as it should be, or as faults have it."""
        late = self._faults.strikes("late", "Deliver")
        doubled = self._faults.strikes("delivered-twice", "Deliver")
        return now.timestamp() + (late.number("seconds", 5) if late else 0), 2 if doubled else 1

    def _receipt(self, call: Call, message_id: str, axis_id: str, upload: Upload, now: dt.datetime) -> Receipt:
        read = upload.read
        return Receipt(
            receipt_id=uuid.uuid4().hex,
            kind="axis-accepted",
            issued_by=self.system,
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
        wrong = self._faults.strikes("wrong-digest", operation)
        foreign = self._faults.strikes("foreign-receipt", operation)
        if not wrong and not foreign:
            return receipt
        now = self._now()
        said = receipts.read(receipt, self._trust.parties[self.system], now)
        if wrong:
            said = replace(said, sha256=hashlib.sha256(said.sha256.encode()).hexdigest())
        key = self._stranger() if foreign else self._keys.signing(now)
        return receipts.issue(said, key)

    async def _find(self, call: Call) -> Answer:
        if not self.switches.finds:
            raise AxisFault("NotFound", "this axis does not look up messages")
        held = await self._perform(call, lambda tx: mailbox.find(tx, call.system, get(call.element, "MessageId")))
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

    # --- receiving ---

    async def _list(self, call: Call) -> Answer:
        limit = min(soap.number(call.element, "Limit"), self.list_limit)
        after = get(call.element, "After") or None
        now = self._now().timestamp()
        inline = soap.number(call.element, "InlineBelow") if get(call.element, "InlineBelow") else 0
        items = await self._perform(call, lambda tx: mailbox.pending(tx, call.system, now, limit, after))
        if self._faults.strikes("out-of-order", call.operation):
            self._faults.shuffle(items)
        return Answer("".join(element("Pending", _pending(item) + self._inline(item, inline)) for item in items))

    def _inline(self, item: Item, below: int) -> str:
        """The file itself, where it is small enough."""
        if item.message.size > min(below, INLINE_LIMIT):
            return ""
        return element("Content", xmlsig.b64(b"".join(self._box.store.read(item.message.place))))

    async def _get(self, call: Call) -> Answer:
        item_id = get(call.element, "AxisId")

        def look(tx: Transaction) -> Item | None:
            mailbox.note_fetch(tx, call.system, item_id)
            return mailbox.item(tx, call.system, item_id)

        item = await self._perform(call, look)
        if item is None:
            # Another system's item is as unknown as one that never was.
            raise AxisFault("NotFound", "no such item")
        message = item.message
        pieces = self._box.store.read(message.place)
        if self._faults.strikes("wrong-digest", call.operation):
            pieces = _one_byte_changed(pieces)
        content_id = f"{uuid.uuid4().hex}@axis"
        file = field("ContentId", content_id) + field("Size", str(message.size)) + field("Sha256", message.sha256)
        fields = field("AxisId", item.item_id) + field("Kind", message.kind) + element("File", file)
        return Answer(fields, content_id, message.size, pieces)

    async def _confirm(self, call: Call) -> Answer:
        """Each confirmation stands for itself; those taken are kept in one commit."""
        taken: list[tuple[Item, bytes, bool]] = []
        refused: list[str] = []
        for line in call.element.findall(f"{{{soap.AX}}}Confirmation"):
            try:
                item, body = await self._receipt_for(call, line)
            except AxisFault as fault:
                said = (
                    field("AxisId", get(line, "AxisId")) + field("Code", fault.code) + field("Message", fault.message)
                )
                refused.append(element("Refused", said))
            else:
                taken.append((item, body, bool(self._faults.strikes("delivered-again", call.operation))))
        now = self._now().timestamp()

        def keep(tx: Transaction) -> None:
            for item, body, keep_listed in taken:
                mailbox.confirm(tx, call.system, item.item_id, body, now, keep_listed=keep_listed)

        await self._perform(call, keep)
        return Answer("".join(refused))

    async def _receipt_for(self, call: Call, line: etree._Element) -> tuple[Item, bytes]:
        """The item that a confirmation is for, and its receipt. Raises `AxisFault`."""
        item_id = get(line, "AxisId")
        item = await self._box.ask(lambda tx: mailbox.item(tx, call.system, item_id))
        if item is None:
            # Another system's item is as unknown as one that never was.
            raise AxisFault("NotFound", "no such item")
        try:
            body = b64decode("".join(get(line, "Receipt").split()), validate=True)
            receipt = receipts.read(body, self._trust.parties[call.system], self._now())
        except xmlsig.BadSignature as exc:
            # Its certificate may not be known here yet: said apart from a receipt that is wrong for good.
            raise AxisFault("BadSignature", str(exc)) from None
        except (ValueError, xmlsig.NotXml) as exc:
            raise AxisFault("BadReceipt", str(exc)) from None
        differing = self._differing(receipt, call, item)
        if differing:
            raise AxisFault("BadReceipt", f"differs in: {', '.join(differing)}")
        return item, body

    def _differing(self, receipt: Receipt, call: Call, item: Item) -> list[str]:
        """Names of the fields in which a gateway's receipt is not about this item."""
        message = item.message
        expected = {
            "Kind": (receipt.kind, "gateway-received"),
            "IssuedBy": (receipt.issued_by, call.system),
            "AddressedTo": (receipt.addressed_to, self.system),
            "AxisId": (receipt.axis_id, item.item_id),
            "DocumentId": (receipt.document_id, message.document_id),
            "FromOrganId": (receipt.sender, message.sender),
            "Size": (receipt.size, message.size),
            "Sha256": (receipt.sha256, message.sha256),
        }
        differing = [name for name, (said, held) in expected.items() if said != held]
        if not receipt.to and not receipt.attachments:
            return differing  # a gateway that cannot read the file vouches for its bytes alone
        if receipt.attachments != message.attachments:
            differing.append("Attachment")
        # It speaks for the receivers that are its own, or repeats the whole list.
        if not receipt.to or not set(receipt.to) <= set(message.to):
            differing.append("ToOrganId")
        return differing

    # --- looking up ---

    async def _traces(self, call: Call) -> Answer:
        document_id = get(call.element, "DocumentId")
        party = self._trust.parties[call.system]
        statuses = await self._perform(call, lambda tx: mailbox.statuses_of(tx, document_id))
        traces = [
            field("OrganId", status.sender)
            + field("StatusCode", status.status_code)
            + field("Description", status.description)
            + field("Timestamp", wssecurity.zulu(dt.datetime.fromtimestamp(status.at, dt.UTC)))
            for status in statuses
            if all(party.speaks_for(organ) for organ in status.to)
        ]
        return Answer("".join(element("Trace", trace) for trace in traces))

    async def _permission(self, call: Call) -> Answer:
        await self._perform(call, lambda _: None)
        allowed = self._trust.parties[call.system].speaks_for(get(call.element, "OrganId"))
        return Answer(field("Allowed", "true" if allowed else "false"))

    async def _organizations(self, call: Call) -> Answer:
        await self._perform(call, lambda _: None)
        organs = dict(self._agencies.names)
        for party in self._trust.parties.values():
            organs |= {organ: organ for organ in party.organs if "*" not in organ and organ not in organs}
        lines = (field("OrganId", code) + field("OrganName", name) for code, name in organs.items())
        return Answer("".join(element("Organization", line) for line in lines))


def _refusal(fault: AxisFault) -> str:
    return (
        field("Code", fault.code)
        + field("Message", fault.message)
        + (field("OrganId", fault.organ[:35]) if fault.organ else "")
        + (field("RetryAfter", str(fault.retry_after)) if fault.retry_after is not None else "")
    )


def _pending(item: Item) -> str:
    message = item.message
    return (
        field("AxisId", item.item_id)
        + field("Kind", message.kind)
        + field("FromOrganId", message.sender)
        + field("DocumentId", message.document_id)
        + field("Priority", str(message.priority))
        + field("Size", str(message.size))
        + field("Sha256", message.sha256)
        + field("AcceptedAt", f"{dt.datetime.fromtimestamp(message.at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}")
    )


def _one_byte_changed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        yield bytes([piece[0] ^ 1]) + piece[1:] if number == 0 else piece
