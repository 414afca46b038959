"""An adapter that says exactly what a test tells it to: the partner for answers no mock gives."""

import hashlib
import inspect
import json
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.axis.vxp import connect
from gateway.model import Kind
from gateway.ports import AxisContext, Parcel
from tests.pki import AXIS, GATEWAY, NOW

SECRET = "bi-mat-thu-nghiem=="
CODE = "15/UBND-VX"
SENDER, RECEIVER = "000.00.00.H08", "000.00.00.G22"


@dataclass
class Asked:
    method: str
    operation: str
    headers: dict
    body: bytes

    def param(self, name):
        return self.headers.get(f"XroadVnpt-{name}")


@dataclass
class ScriptedAxis:
    answers: list = field(default_factory=list)
    """Of each call in turn: what to answer, or a function of `Asked`; the last one stays."""
    asked: list = field(default_factory=list)
    url: str = ""

    async def handle(self, request):
        asked = Asked(
            request.method, request.match_info["operation"], dict(request.headers), await request.content.read()
        )
        self.asked.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(asked)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, bytes):
            return web.Response(body=answer)
        return web.Response(body=json.dumps(answer).encode(), content_type="application/json")


def ok(**fields):
    return {"status": "OK", "ErrorCode": "0", "ErrorDesc": "", **fields}


def fail(code, why="lý do"):
    return {"status": "FAIL", "ErrorCode": code, "ErrorDesc": why, "DocId": None}


@pytest.fixture
async def axis():
    scripted = ScriptedAxis()
    app = web.Application()
    app.router.add_route("*", "/adapter/{operation}", scripted.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/adapter"
    yield scripted
    await runner.cleanup()


@pytest.fixture
def context(tmp_path):
    return AxisContext(
        name="national", system_id=GATEWAY, axis_system_id=AXIS, keys=tmp_path, trust=tmp_path, now=lambda: NOW
    )


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "vxp.secret"
    path.write_text(SECRET + "\n", encoding="ascii")
    return path


@pytest.fixture
async def connected(axis, context, secret):
    """A driver with these options beside the usual ones."""
    made = []

    def connected(**options):
        usual = {"url": axis.url, "secret_file": str(secret), "idle_seconds": 2, "first_byte_seconds": 2}
        made.append(connect(usual | options, context))
        return made[-1]

    yield connected
    for driver in made:
        await driver.close()


@pytest.fixture
def driver(connected):
    return connected()


def parcel(data=b"<edXML/>", kind=Kind.DOCUMENT, **changed):
    async def chunks():
        yield data

    return Parcel(
        **{
            "message_id": "0123456789abcdef0123",
            "kind": kind,
            "document_id": f"{SENDER},2026/11/20,{CODE}",
            "sender": SENDER,
            "to": (RECEIVER,),
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "chunks": chunks,
            "code": CODE,
        }
        | changed
    )


def line(doc_id="A-1", **changed):
    """A line of the list of sent messages, as the axis is known to write it."""
    return {
        "serviceType": "eDoc",
        "messageType": "edoc",
        "senderDocId": doc_id,
        "receiverDocId": "",
        "fromCode": SENDER,
        "toCode": RECEIVER,
        "notation": CODE,
        "title": "",
        "sentTime": "22/11/2026 08:00:00",
        "sendStatus": "done",
    } | changed
