"""An axis that says exactly what a test tells it to: the partner for replies no honest axis gives."""

import base64
import datetime as dt
import hashlib
import inspect
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from lxml import etree

from adapters.axis.soap import connect
from gateway.model import Kind
from gateway.ports import AxisContext, Parcel
from mock_axis.keys import Key
from mock_axis.wssecurity import SOAP, secure
from tests.pki import AXIS, GATEWAY, NOW, valid, write_keys, write_trust

AX = "urn:lienthong:axis:1"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
MULTIPART = 'multipart/related; type="text/xml"; boundary="cut"'


@dataclass
class Asked:
    """One request as it came."""

    envelope: etree._Element
    action: str
    content_type: str
    raw: bytes

    @property
    def call(self):
        return self.envelope.find("{*}Body")[0]

    @property
    def operation(self):
        return etree.QName(self.call).localname

    def text(self, name):
        return self.call.findtext(f".//{{{AX}}}{name}")

    @property
    def signature_digest(self):
        value = self.envelope.findtext(f".//{{{DSIG}}}SignatureValue")
        return base64.b64encode(hashlib.sha256(base64.b64decode(value)).digest()).decode()


@dataclass
class ScriptedAxis:
    answers: list = field(default_factory=list)
    """Functions of `Asked`, used up in order; the last one stays."""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    signer: object = None
    now: dt.datetime = NOW

    def head(self, asked, **changed):
        said = {
            "RequestId": asked.text("RequestId"),
            "RequestSignatureDigest": asked.signature_digest,
            "SystemId": AXIS,
        } | changed
        return "".join(f"<{name}>{value}</{name}>" for name, value in said.items() if value is not None)

    def sign(self, body, signer=None):
        member = signer or self.signer or valid(AXIS)
        key = Key(member.key, member.certificate, member.pair().der)
        # What is signed has to be in canonical form, as it stands within the Body.
        canonical = etree.tostring(etree.fromstring(body), method="c14n", exclusive=True).decode()
        return secure(canonical.replace(f' xmlns:soap="{SOAP}"', ""), key, self.now)[0]

    def reply(self, asked, inner="", **changed):
        return self.sign(
            f'<{asked.operation}Response xmlns="{AX}">{self.head(asked, **changed)}{inner}</{asked.operation}Response>'
        )

    def accepted(self, asked, axis_id="A-1", receipt=b"receipt", **changed):
        inner = f"<AxisId>{axis_id}</AxisId><Receipt>{base64.b64encode(receipt).decode()}</Receipt>"
        return self.reply(asked, inner, **changed)

    def fault(self, asked, code, more="", **changed):
        return self.sign(
            f'<soap:Fault xmlns:soap="{SOAP}"><faultcode>soap:Client</faultcode>'
            f'<faultstring>no</faultstring><detail><AxisFault xmlns="{AX}">{self.head(asked, **changed)}'
            f"<Code>{code}</Code><Message>free text</Message>{more}</AxisFault></detail></soap:Fault>"
        )

    def file(self, asked, data, *, size=None, sha256=None, content_id="f1", part=None):
        """A GetDocument reply as multipart/related bytes; `part` replaces what really travels."""
        inner = (
            f"<AxisId>{asked.text('AxisId')}</AxisId><Kind>document</Kind><File><ContentId>f1</ContentId>"
            f"<Size>{len(data) if size is None else size}</Size>"
            f"<Sha256>{sha256 or hashlib.sha256(data).hexdigest()}</Sha256></File>"
        )
        return b"".join(
            [
                b"--cut\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n",
                self.reply(asked, inner),
                f"\r\n--cut\r\nContent-Type: application/octet-stream\r\nContent-ID: <{content_id}>\r\n\r\n".encode(),
                data if part is None else part,
                b"\r\n--cut--\r\n",
            ]
        )

    async def handle(self, request):
        raw = await request.read()
        kind = request.headers["Content-Type"]
        root = raw
        if kind.startswith("multipart/"):
            root = raw.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0]
        asked = Asked(etree.fromstring(root), request.headers["SOAPAction"], kind, raw)
        self.asked.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        said = answer(asked)
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, web.StreamResponse):
            return said
        return web.Response(body=said, headers={"Content-Type": "text/xml; charset=utf-8"})


@pytest.fixture
async def axis():
    scripted = ScriptedAxis()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/axis", scripted.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/axis"
    yield scripted
    await runner.cleanup()


@pytest.fixture
def context(tmp_path):
    return AxisContext(
        name="national",
        system_id=GATEWAY,
        axis_system_id=AXIS,
        keys=write_keys(tmp_path / "keys", valid(GATEWAY)),
        trust=write_trust(tmp_path / "trust", valid(AXIS), valid("other-system")),
        now=lambda: NOW,
    )


@pytest.fixture
async def driver(axis, context):
    made = connect({"url": axis.url, "idle_seconds": 2, "first_byte_seconds": 2}, context)
    yield made
    await made.close()


def parcel(data=b"<edXML/>", kind=Kind.DOCUMENT, message_id="0123456789abcdef0123", **changed):
    async def chunks():
        yield data

    return Parcel(
        **{
            "message_id": message_id,
            "kind": kind,
            "document_id": "D1",
            "sender": "000.00.00.H99",
            "to": ("000.00.00.G22",),
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "chunks": chunks,
        }
        | changed
    )


@pytest.fixture(name="parcel")
def _parcel():
    return parcel
