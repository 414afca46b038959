"""What systems fetch: lists, files, and the confirmations that take items off the list."""

from __future__ import annotations

import datetime as dt
import uuid
from base64 import b64decode
from collections.abc import Iterator

from lxml import etree

from mock_axis import mailbox, receipts, soap, xmlsig
from mock_axis.calls import Answer, Call, Desk
from mock_axis.mailbox import Item
from mock_axis.receipts import Receipt
from mock_axis.soap import AxisFault, element, field, get
from mock_axis.store import Transaction

LIST_LIMIT = 10_000
INLINE_LIMIT = 64 << 10


class Giving:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.list_limit = LIST_LIMIT
        """Items that a list has at most, whatever was asked for."""

    async def pending(self, call: Call) -> Answer:
        limit = min(soap.number(call.element, "Limit"), self.list_limit)
        after = get(call.element, "After") or None
        now = self._desk.now().timestamp()
        inline = soap.number(call.element, "InlineBelow") if get(call.element, "InlineBelow") else 0
        items = await self._desk.perform(call, lambda tx: mailbox.pending(tx, call.system, now, limit, after))
        if self._desk.faults.strikes("out-of-order", call.operation):
            self._desk.faults.shuffle(items)
        return Answer("".join(element("Pending", _pending(item) + self._inline(item, inline)) for item in items))

    def _inline(self, item: Item, below: int) -> str:
        """The file itself, where it is small enough."""
        if item.message.size > min(below, INLINE_LIMIT):
            return ""
        return element("Content", xmlsig.b64(b"".join(self._desk.box.store.read(item.message.place))))

    async def item(self, call: Call) -> Answer:
        item_id = get(call.element, "AxisId")

        def look(tx: Transaction) -> Item | None:
            mailbox.note_fetch(tx, call.system, item_id)
            return mailbox.item(tx, call.system, item_id)

        item = await self._desk.perform(call, look)
        if item is None:
            # Another system's item is as unknown as one that never was.
            raise AxisFault("NotFound", "no such item")
        message = item.message
        pieces = self._desk.box.store.read(message.place)
        if self._desk.faults.strikes("wrong-digest", call.operation):
            pieces = _one_byte_changed(pieces)
        content_id = f"{uuid.uuid4().hex}@axis"
        file = field("ContentId", content_id) + field("Size", str(message.size)) + field("Sha256", message.sha256)
        fields = field("AxisId", item.item_id) + field("Kind", message.kind) + element("File", file)
        return Answer(fields, content_id, message.size, pieces)

    async def confirm(self, call: Call) -> Answer:
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
                taken.append((item, body, bool(self._desk.faults.strikes("delivered-again", call.operation))))
        now = self._desk.now().timestamp()

        def keep(tx: Transaction) -> None:
            for item, body, keep_listed in taken:
                mailbox.confirm(tx, call.system, item.item_id, body, now, keep_listed=keep_listed)

        await self._desk.perform(call, keep)
        return Answer("".join(refused))

    async def _receipt_for(self, call: Call, line: etree._Element) -> tuple[Item, bytes]:
        """The item that a confirmation is for, and its receipt. Raises `AxisFault`."""
        item_id = get(line, "AxisId")
        item = await self._desk.box.ask(lambda tx: mailbox.item(tx, call.system, item_id))
        if item is None:
            # Another system's item is as unknown as one that never was.
            raise AxisFault("NotFound", "no such item")
        try:
            body = b64decode("".join(get(line, "Receipt").split()), validate=True)
            receipt = receipts.read(body, self._desk.trust.parties[call.system], self._desk.now())
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
            "AddressedTo": (receipt.addressed_to, self._desk.system),
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
