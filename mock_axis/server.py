"""The axis on the wire: POST /axis (SOAP 1.1, see `schemas/axis/axis.wsdl`), GET /axis?wsdl.

The order of checks is fixed: WS-Security before anything, then the form, then the act; every reply is bound to its
request and signed after the act is durable. Faults asked for by a test strike here, around the act.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import MultipartReader, web
from lxml import etree

import schemas
from mock_axis import keys, soap, wssecurity, xmlsig
from mock_axis.calls import Answer, Call
from mock_axis.faults import Faults, Rule
from mock_axis.keys import Key, KeyRing, Trust
from mock_axis.operations import Operations
from mock_axis.soap import AxisFault, Binding
from mock_axis.wssecurity import Stale
from mock_axis.xmlsig import BadSignature, NotXml

XML = "text/xml; charset=utf-8"
WSDL = schemas.path("axis/axis.wsdl")
XSD = schemas.path("axis/axis.xsd")


@dataclass(slots=True)
class Reply:
    """What goes out unless a fault strikes."""

    status: int
    envelope: bytes
    answer: Answer
    headers: dict[str, str]


class Server:
    def __init__(
        self,
        operations: Operations,
        ring: KeyRing,
        trust: Trust,
        faults: Faults,
        strangers: Path,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._operations, self._ring, self._trust, self._faults, self._now = operations, ring, trust, faults, now
        self._strangers = strangers
        self._older: dict[str, Reply] = {}

    def application(self) -> web.Application:
        app = web.Application(client_max_size=soap.ENVELOPE_LIMIT)
        app.router.add_post("/axis", self._post)
        app.router.add_get("/axis", self._describe)
        return app

    async def _describe(self, request: web.Request) -> web.Response:
        if "xsd" in request.query:
            return web.Response(body=XSD.read_bytes(), headers={"Content-Type": XML})
        if "wsdl" not in request.query:
            return web.Response(status=404)
        here = str(request.url.with_query(None))
        wsdl = WSDL.read_text(encoding="utf-8").replace('schemaLocation="axis.xsd"', f'schemaLocation="{here}?xsd"')
        return web.Response(text=wsdl.replace("http://127.0.0.1:9000/axis", here), headers={"Content-Type": XML})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        envelope, operation = b"", "Fault"
        try:
            envelope, parts = await soap.read_envelope(request)
            call, bound = self._open(envelope, parts)
            operation = call.operation
            early = await self._strike_before(operation)
            if early is not None:
                return early
            if rule := self._faults.strikes("busy", operation):
                raise AxisFault("Busy", "later, please", retry_after=int(rule.number("seconds", 1)))
            answer = await self._operations.answer(call)
        except AxisFault as fault:
            reply = self._refuse(fault, soap.binding(envelope))
        else:
            body = soap.reply_body(operation, bound, self._operations.system, answer.fields)
            reply = self._sign(200, body, operation, answer)
        if rule := self._faults.strikes("slow-reply", operation):
            await asyncio.sleep(rule.number("seconds", 2))
        reply = self._replay_older(operation, reply)
        return await self._put_on_wire(request, operation, reply)

    def _open(self, envelope: bytes, parts: MultipartReader | None) -> tuple[Call, Binding]:
        """Who speaks, and a valid request of theirs. Raises `AxisFault`."""
        now = self._now()
        try:
            spoken = wssecurity.check(envelope, self._trust, now)
        except NotXml as exc:
            raise AxisFault("BadForm", str(exc)) from None
        except BadSignature as exc:
            raise AxisFault("BadSignature", str(exc)) from None
        except Stale:
            raise AxisFault("Clock", "the Timestamp is outside the window", server_time=wssecurity.zulu(now)) from None
        element = soap.payload(spoken.body)
        operation = etree.QName(element).localname
        if operation not in self._operations.names:
            raise AxisFault("BadForm", "not a request")
        if soap.get(element, "SystemId") != spoken.system:
            raise AxisFault("BadSignature", "the signer is another system than the Body names")
        request_id = soap.get(element, "RequestId")
        call = Call(operation, spoken.system, request_id, element, parts)
        return call, Binding(request_id, spoken.signature_digest)

    def _refuse(self, fault: AxisFault, bound: Binding) -> Reply:
        body = soap.fault_body(fault, bound, self._operations.system)
        # SOAP 1.1 wants 500 with a fault; 503 lets proxies and people see that it will pass.
        reply = self._sign(503 if fault.code == "Busy" else 500, body, "Fault", Answer())
        if fault.retry_after is not None:
            reply.headers["Retry-After"] = str(fault.retry_after)
        return reply

    def _sign(self, status: int, body: str, operation: str, answer: Answer) -> Reply:
        now = self._now()
        key = self._ring.signing(now)
        if self._faults.strikes("foreign-signature", operation):
            key = self._spare("stranger")
        if self._faults.strikes("expired-certificate", operation):
            key = self._spare("expired")
        if rule := self._faults.strikes("clock-skew", operation):
            now += dt.timedelta(seconds=rule.number("seconds", 7200))
        envelope, value = wssecurity.secure(body, key, now)
        if self._faults.strikes("broken-signature", operation):
            written = xmlsig.b64(value).encode()
            broken = xmlsig.b64(bytes([value[0] ^ 1]) + value[1:]).encode()
            envelope = envelope.replace(written, broken)
        return Reply(status, envelope, answer, {})

    def _spare(self, name: str) -> Key:
        return keys.load_key(self._strangers / f"{name}.key.pem")

    # --- faults around the act ---

    async def _strike_before(self, operation: str) -> web.Response | None:
        if rule := self._faults.strikes("slow", operation):
            await asyncio.sleep(rule.number("seconds", 2))
        if rule := self._faults.strikes("disk-full", operation):
            return web.Response(status=int(rule.number("status", 507)), text="Insufficient Storage")
        if rule := self._faults.strikes("unsigned-fault", operation):
            return _unsigned(rule)
        return None

    def _replay_older(self, operation: str, reply: Reply) -> Reply:
        older = self._older.get(operation)
        if reply.status == 200 and reply.answer.pieces is None:
            self._older.setdefault(operation, reply)
        if older is not None and self._faults.strikes("replayed-older-reply", operation):
            return older
        return reply

    async def _put_on_wire(self, request: web.Request, operation: str, reply: Reply) -> web.StreamResponse:
        if self._faults.strikes("reply-lost", operation):
            _hang_up(request)
            return web.Response()
        cut = self._faults.strikes("cut", operation)
        body = self._body(reply)
        headers = {**reply.headers, "Content-Type": body.content_type}
        if body.length <= soap.IN_MEMORY and cut is None:
            return web.Response(status=reply.status, body=body.whole(), headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.content_length = body.length
        await response.prepare(request)
        left = int(cut.number("bytes", 1000)) if cut else body.length + 1
        async for chunk in body.chunks():
            await response.write(chunk[:left])
            left -= len(chunk)
            if left <= 0:
                _hang_up(request)
                return response
        await response.write_eof()
        return response

    def _body(self, reply: Reply) -> soap.Outgoing:
        answer = reply.answer
        if answer.pieces is None:
            return soap.Outgoing(XML, reply.envelope)
        xop = self._operations.xop
        return soap.with_file(reply.envelope, answer.content_id, answer.size, answer.pieces, xop=xop)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def _unsigned(rule: Rule) -> web.Response:
    fault = AxisFault(rule.options.get("code", "BadForm"), "nobody signed this")
    body = soap.fault_body(fault, Binding(), "unknown")
    envelope = f'<soap:Envelope xmlns:soap="{wssecurity.SOAP}"><soap:Body>{body}</soap:Body></soap:Envelope>'
    return web.Response(status=500, body=envelope.encode(), headers={"Content-Type": XML})
