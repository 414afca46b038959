"""Partners for tests, on the production ports: an axis and an office that can be edited between calls, and a clock.

There is no fake journal: SQLite in a temporary folder is the real one.
"""

import datetime as dt
import hashlib
import uuid
from collections import Counter
from contextlib import asynccontextmanager

from gateway.model import Kind
from gateway.ports import Acceptance, Announced, Capabilities, Fetched, Finds
from gateway.trust import receipts
from tests import pki

SYSTEM, AXIS = pki.GATEWAY, pki.AXIS


class FakeClock:
    def __init__(self, now=pki.NOW):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, **delta):
        self.now += dt.timedelta(**delta)


class FakeAxis:
    """Holds what it was sent, signs real receipts, and misbehaves as told.

    `replies`: a list of what happens to the next sends: an exception to raise before acting, or ("after", exception).
    """

    def __init__(
        self, name="national", *, deduplicates=True, finds=Finds.BY_MESSAGE_ID, signs_receipts=True, now=pki.NOW
    ):
        self.name = name
        self.can = Capabilities(deduplicates, finds, signs_receipts)
        self.clock = now
        self.held = []
        """(message id, axis id, bytes) in the order of arrival."""
        self.replies = []
        self.waiting = {}
        self.taken_at = {}
        """axis id → (kind, bytes): what it has for us."""
        self.confirmed = {}
        self.alter = {}
        """Fields of the receipt to falsify."""
        self.signer = pki.valid(AXIS).pair()
        self.calls = Counter()
        self.spoil = {}
        """axis id → what its transport claims instead of the true SHA-256."""
        self.list_cap = 10_000
        """It never lists more at once."""
        self.down = None
        """Raised by every call while it is set."""
        self.refuses_receipts = None
        """Raised by every confirmation while it is set."""

    def _called(self, name):
        self.calls[name] += 1
        if self.down:
            raise self.down

    async def send(self, parcel):
        self._called("send")
        happens = self.replies.pop(0) if self.replies else None
        if isinstance(happens, Exception):
            raise happens
        data = b"".join([chunk async for chunk in parcel.chunks()])
        axis_id = next((axis_id for known, axis_id, _ in self.held if known == parcel.message_id), None)
        if axis_id is None or not self.can.deduplicates:
            axis_id = f"ax-{len(self.held)}"
            self.held.append((parcel.message_id, axis_id, data))
        acceptance = self._acceptance(parcel, axis_id, data)
        if happens:
            raise happens[1]
        return acceptance

    def _acceptance(self, parcel, axis_id, data):
        if not self.can.signs_receipts:
            return Acceptance(axis_id, None, b'{"status":"OK"}')
        fields = {
            "receipt_id": uuid.uuid5(uuid.NAMESPACE_OID, axis_id).hex,
            "kind": "axis-accepted",
            "issued_by": AXIS,
            "addressed_to": SYSTEM,
            "message_id": parcel.message_id,
            "axis_id": axis_id,
            "document_id": parcel.document_id,
            "sender": parcel.sender,
            "to": parcel.to,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "attachments": self.attachments(data),
            "time": pki.NOW,
        }
        return Acceptance(axis_id, receipts.issue(receipts.Receipt(**fields | self.alter), self.signer))

    @staticmethod
    def attachments(data):
        import base64

        from lxml import etree

        found = []
        for each in etree.fromstring(data).iter("{*}Attachment", "{*}edXMLAttachment"):
            encoded, cid = ("Value", "ContentID") if "edXMLA" in each.tag else ("ContentTransferEncoded", "ContentId")
            raw = base64.b64decode(each.findtext(f"{{*}}{encoded}"))
            cid = each.findtext(f"{{*}}{cid}").removeprefix("cid:")
            found.append((cid, hashlib.sha256(raw).hexdigest()))
        return tuple(found)

    async def find(self, parcel):
        self._called("find")
        for message_id, axis_id, data in self.held:
            if message_id == parcel.message_id:
                return self._acceptance(parcel, axis_id, data)
        return None

    def put(self, axis_id, data, kind=Kind.DOCUMENT):
        self.waiting[axis_id] = (kind, data)

    async def pending(self, limit, after=None):
        self._called("pending")
        listed = list(self.waiting)
        first = 0 if after is None else listed.index(after) + 1 if after in listed else len(listed)
        shown = listed[first : first + min(limit, self.list_cap)]
        return [Announced(each, self.waiting[each][0], at=self.taken_at.get(each)) for each in shown]

    @asynccontextmanager
    async def fetch(self, axis_id, kind):
        self._called("fetch")
        data = self.waiting[axis_id][1]

        async def chunks():
            for start in range(0, len(data), 1000):
                yield data[start : start + 1000]

        yield Fetched(len(data), self.spoil.get(axis_id) or hashlib.sha256(data).hexdigest(), chunks())

    async def confirm(self, axis_id, receipt):
        self._called("confirm")
        if self.refuses_receipts:
            raise self.refuses_receipts
        if self.replies:
            raise self.replies.pop(0)
        self.confirmed.setdefault(axis_id, []).append(receipt)
        self.waiting.pop(axis_id, None)

    async def organs(self):
        return ()

    def certificates(self):
        return {}

    async def reload(self):
        pass

    async def close(self):
        pass


class FakeOffice:
    """Takes what it is handed; `failures` are raised first, one per call."""

    def __init__(self, name, *, pulls=False):
        self.name = name
        self.pulls = pulls
        self.got = []
        self.failures = []

    async def hand_over(self, handover):
        if self.failures:
            raise self.failures.pop(0)
        if handover.event.message_id not in [each.event.message_id for each in self.got]:
            self.got.append(handover)

    async def run(self, door):
        pass

    async def close(self):
        pass
