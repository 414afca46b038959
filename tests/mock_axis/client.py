"""A gateway's side of the wire, as bare as can be: raw aiohttp, envelopes signed one by one."""

import asyncio
import base64
import datetime as dt
import hashlib
import io
import uuid
from dataclasses import dataclass, field
from email.parser import BytesParser

import aiohttp
from lxml import etree

from mock_axis import edxml_writing, pki, receipts, soap, wssecurity
from mock_axis.edxml_writing import Attachment, Letter, Notice, Organ
from mock_axis.keys import KeyRing, Trust
from mock_axis.receipts import Receipt

AX = "{urn:lienthong:axis:1}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
OURS, THEIRS = "000.00.00.H08", "000.00.00.G22"
TODAY = dt.date(2026, 11, 20)


class Fault(Exception):
    def __init__(self, code, detail):
        super().__init__(code)
        self.code, self.detail = code, detail


def new_id():
    return uuid.uuid4().hex


@dataclass
class Reply:
    body: etree._Element
    envelope: bytes
    file: bytes = b""
    request_digest: bytes = b""

    def __getitem__(self, name):
        return self.body.findtext(f".//{AX}{name}")

    def receipt_bytes(self):
        return base64.b64decode(self["Receipt"])


@dataclass
class Client:
    mock: object
    system: str = pki.GATEWAY
    session: aiohttp.ClientSession = None
    key: object = None
    offset: dt.timedelta = field(default_factory=dt.timedelta)

    async def __aenter__(self):
        self.session = aiohttp.ClientSession()
        self.ring = KeyRing(self.mock.pki.gateway_keys(self.system))
        self.trust = Trust(self.mock.pki.gateway_trust(self.system))
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await asyncio.sleep(0)

    def now(self):
        return dt.datetime.now(dt.UTC) + self.offset

    def signing(self):
        return self.key or self.ring.signing(dt.datetime.now(dt.UTC))

    def envelope(self, operation, fields="", request_id=None, system=None):
        body = (
            f'<ax:{operation} xmlns:ax="urn:lienthong:axis:1">'
            + soap.field("RequestId", request_id or new_id())
            + soap.field("SystemId", system or self.system)
            + f"{fields}</ax:{operation}>"
        )
        return wssecurity.secure(body, self.signing(), self.now())

    async def call(self, operation, fields="", *, request_id=None, file=None, content_id="f@h08", root="text/xml"):
        envelope, value = self.envelope(operation, fields, request_id)
        return await self.post(operation, envelope, value, file=file, content_id=content_id, root=root)

    async def post(self, operation, envelope, value=b"", *, file=None, content_id="f@h08", root="text/xml"):
        headers = {"SOAPAction": f'"urn:lienthong:axis:1:{operation}"', "Content-Type": "text/xml; charset=utf-8"}
        data = envelope
        if file is not None:
            headers["Content-Type"] = f'multipart/related; boundary=XX; type="{root}"; start-info="text/xml"'
            data = (
                f"--XX\r\nContent-Type: {root}; charset=UTF-8\r\nContent-ID: <e@h08>\r\n\r\n".encode()
                + envelope
                + f"\r\n--XX\r\nContent-Type: application/octet-stream\r\nContent-ID: <{content_id}>\r\n\r\n".encode()
                + file
                + b"\r\n--XX--\r\n"
            )
        async with self.session.post(self.mock.url, data=io.BytesIO(data), headers=headers) as response:
            raw = await response.read()
            return self.read(response, raw, value)

    def read(self, response, raw, value):
        """Trusts nothing: signature, binding to the request, and the file against the Body."""
        file = b""
        if response.content_type == "multipart/related":
            head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
            parts = BytesParser().parsebytes(head + raw).get_payload()
            boundary = parts[0]
            raw_envelope = boundary.get_payload(decode=True)
            file = raw.split(b"\r\n\r\n", 2)[2].rsplit(b"\r\n--", 1)[0]
            raw = raw_envelope
        if not response.headers.get("Content-Type", "").startswith(("text/xml", "multipart/related")):
            raise Fault(f"http-{response.status}", None)
        spoken = wssecurity.check(raw, self.trust, self.now())
        assert spoken.system == pki.AXIS
        child = spoken.body[0]
        detail = child.find(f"detail/{AX}AxisFault")
        if detail is not None:
            raise Fault(detail.findtext(f"{AX}Code"), detail)
        digest = base64.b64decode(child.findtext(f"{AX}RequestSignatureDigest"))
        if digest != hashlib.sha256(value).digest():
            raise Fault("not-our-reply", child)
        return Reply(child, raw, file, digest)

    # --- the operations ---

    async def send(self, file, message_id=None, *, operation="SendDocument", size=None, sha256=None, **more):
        fields = soap.field("MessageId", message_id or new_id()) + soap.element(
            "File",
            soap.field("ContentId", "f@h08")
            + soap.field("Size", str(len(file) if size is None else size))
            + soap.field("Sha256", sha256 or hashlib.sha256(file).hexdigest()),
        )
        return await self.call(operation, fields, file=file, **more)

    async def send_together(self, *parcels):
        """(message id, file) each, and another digest where the Body is to lie; gives the results, name → text, in the order of the reply."""
        lines, parts = "", b""
        for number, (message_id, file, *sha256) in enumerate(parcels):
            named = soap.field("ContentId", f"f{number}@h08") + soap.field("Size", str(len(file)))
            named += soap.field("Sha256", *(sha256 or [hashlib.sha256(file).hexdigest()]))
            lines += soap.element("Parcel", soap.field("MessageId", message_id) + soap.element("File", named))
            parts += (
                f"\r\n--XX\r\nContent-Type: application/octet-stream\r\nContent-ID: <f{number}@h08>\r\n\r\n".encode()
            )
            parts += file
        first, _, rest = parts.partition(b"\r\n\r\n")
        assert first
        reply = await self.call("SendTogether", lines, file=rest, content_id="f0@h08")
        return [{etree.QName(e).localname: e.text for e in result} for result in reply.body.iter(f"{AX}Result")]

    async def pending(self, limit=100):
        reply = await self.call("GetPendingDocumentIds", soap.field("Limit", str(limit)))
        return [{etree.QName(e).localname: e.text for e in item} for item in reply.body.iter(f"{AX}Pending")]

    async def get(self, axis_id):
        return await self.call("GetDocument", soap.field("AxisId", axis_id))

    async def confirm(self, axis_id, receipt):
        """One confirmation; a refusal of it is raised as the fault it names."""
        fields = soap.field("AxisId", axis_id) + soap.field("Receipt", base64.b64encode(receipt).decode())
        reply = await self.call("ConfirmReceived", soap.element("Confirmation", fields))
        refused = reply.body.find(f"{AX}Refused")
        if refused is not None:
            raise Fault(refused.findtext(f"{AX}Code"), refused)
        return reply

    async def find(self, message_id):
        return await self.call("FindMessage", soap.field("MessageId", message_id))

    # --- what a gateway writes ---

    def document(
        self, *, to=(THEIRS,), sender=OURS, number="15", attachments=(b"%PDF-1.7 thu",), priority=0, change=None
    ):
        letter = Letter(
            Organ(sender, "Ủy ban nhân dân tỉnh"),
            [Organ(code, code) for code in to],
            number,
            "UBND-VX",
            "V/v <thử> & liên thông",
            TODAY,
            priority,
            attachments=[Attachment(f"tep-{n}.pdf", content) for n, content in enumerate(attachments)],
            change=change,
        )
        return b"".join(edxml_writing.document(letter, self.signing()))

    def status(self, about, *, code="01", to=THEIRS):
        notice = Notice(Organ(OURS, "UBND tỉnh"), to, "1/CV", about, "2026/11/20", code, "Đã đến", self.now())
        return edxml_writing.status(notice, self.signing())

    def receipt(self, item, fetched, **changes):
        read = read_file(fetched)
        fields = {
            "receipt_id": new_id(),
            "kind": "gateway-received",
            "issued_by": self.system,
            "addressed_to": pki.AXIS,
            "message_id": new_id(),
            "axis_id": item["AxisId"],
            "document_id": item["DocumentId"],
            "sender": item["FromOrganId"],
            "to": read.to,
            "size": int(item["Size"]),
            "sha256": item["Sha256"],
            "attachments": read.attachments,
            "time": self.now(),
        }
        return receipts.issue(Receipt(**(fields | changes)), self.signing())


def read_file(data):
    from mock_axis.edxml_reading import EdxmlReader

    reader = EdxmlReader()
    reader.feed(data)
    return reader.close()
