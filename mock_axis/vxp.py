"""The axis's other face: the HTTP protocol it speaks today, over the same mailboxes as the SOAP one.

POST (downloads and counts: GET) /vxp/OPERATION. Parameters are headers; only those that the HMAC covers count. It
neither deduplicates nor signs, and what it hands out is not what it got: `mock_axis.vxp_form` writes every file anew.
Faults strike by the operation's name as on the SOAP face.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
import json
import os
import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from mock_axis.agencies import Agencies
from mock_axis.edxml_writing import VIETNAM
from mock_axis.faults import Faults
from mock_axis.keys import Trust
from mock_axis.mailbox import Mailbox
from mock_axis.operations import Operations
from mock_axis.pki import Pki
from mock_axis.vxp_acts import Acts, Call, Reply, VxpRefused

ROOT = "/vxp"
PREFIX = "XroadVnpt-"
CLOCKS_APART = dt.timedelta(days=1)
"""Timestamps are looked at loosely: integrators fix them when their object is made."""
_TIMESTAMP = re.compile(r"\d{8}T\d{6}\+\d{4}")


def secret_file(pki: Pki, system: str) -> Path:
    """Where the secret of a gateway lies; made at the first question."""
    path = pki.root / "gateway" / system / "vxp.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{uuid.uuid4().hex}.new")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32), encoding="ascii")
        try:
            os.link(draft, path)  # the first one stays, whoever else asks at the same moment
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path


class Vxp:
    def __init__(
        self,
        operations: Operations,
        box: Mailbox,
        agencies: Agencies,
        faults: Faults,
        pki: Pki,
        trust: Trust,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._faults, self._pki, self._trust, self._now = faults, pki, trust, now
        self._acts = Acts(operations, box, agencies, faults, trust, now)

    def mount(self, app: web.Application) -> None:
        app.router.add_route("*", ROOT + "/{operation}", self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        act = self._acts.by_name.get((request.method, operation))
        if act is None:
            return web.Response(status=404)
        try:
            call = self._opened(request)
            early = await self._strike_before(operation)
            if early is not None:
                return early
            reply = await act(call)
        except VxpRefused as refused:
            reply = Reply({"status": "FAIL", "ErrorCode": refused.code, "ErrorDesc": refused.why})
        if rule := self._faults.strikes("slow-reply", operation):
            await asyncio.sleep(rule.number("seconds", 2))
        return await self._put_on_wire(request, operation, reply)

    def _opened(self, request: web.Request) -> Call:
        """Who asks, and the parameters that their secret vouches for. Raises `VxpRefused`."""
        headers = request.headers
        system = headers.get(PREFIX + "systemid", "")
        text = headers.get(PREFIX + "sign-header", "")
        if system not in self._pki.gateways or system not in self._trust.parties:
            raise VxpRefused("15", "SystemId is not known")
        key = secret_file(self._pki, system).read_text(encoding="ascii").strip()
        expected = hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(expected, headers.get(PREFIX + "hash-header", "")):
            raise VxpRefused("15", "hash-header does not vouch for sign-header")
        said = _signed(text, headers)
        if not {"systemid", "timestamp", "Content-Type"} <= set(said):
            raise VxpRefused("15", "systemid, timestamp and Content-Type must be signed")
        self._check_clock(said["timestamp"])
        return Call(system, said, request)

    def _check_clock(self, timestamp: str) -> None:
        try:
            if not _TIMESTAMP.fullmatch(timestamp):
                raise ValueError(timestamp)
            at = dt.datetime.strptime(timestamp[:15], "%d%m%YT%H%M%S").replace(tzinfo=VIETNAM)
        except ValueError:
            raise VxpRefused("15", "timestamp is not ddMMyyyy'T'HHmmss+SSSS") from None
        if abs(self._now() - at) > CLOCKS_APART:
            raise VxpRefused("15", "timestamp is of another day")

    # --- faults around the act ---

    async def _strike_before(self, operation: str) -> web.Response | None:
        if rule := self._faults.strikes("slow", operation):
            await asyncio.sleep(rule.number("seconds", 2))
        if rule := self._faults.strikes("disk-full", operation):
            return web.Response(status=int(rule.number("status", 507)), text="Insufficient Storage")
        if rule := self._faults.strikes("busy", operation):
            return web.Response(status=503, headers={"Retry-After": f"{rule.number('seconds', 1):.0f}"})
        if rule := self._faults.strikes("fail", operation):
            raise VxpRefused(rule.options.get("code", "20"), "asked for by a test")
        return None

    async def _put_on_wire(self, request: web.Request, operation: str, reply: Reply) -> web.StreamResponse:
        if self._faults.strikes("reply-lost", operation):
            _hang_up(request)
            return web.Response()
        cut = self._faults.strikes("cut", operation)
        left = int(cut.number("bytes", 1000)) if cut else None
        kind, length, pieces = _form(reply)
        response = web.StreamResponse(headers={"Content-Type": kind})
        response.content_length = length
        await response.prepare(request)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await response.write(piece if left is None else piece[:left])
            if left is not None and (left := left - len(piece)) <= 0:
                _hang_up(request)
                return response
        await response.write_eof()
        return response


def _signed(text: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The parameters by their bare names: each one stands in the signed string as it stands in its header."""
    try:
        table: Any = json.loads(text)
    except ValueError:
        raise VxpRefused("15", "sign-header is not JSON") from None
    if not isinstance(table, dict) or list(table) != [
        PREFIX + name for name in headers.get(PREFIX + "sign-header-key", "").split(";")
    ]:
        raise VxpRefused("15", "sign-header-key and sign-header differ")
    for name, value in table.items():
        if headers.get(name) != value:
            raise VxpRefused("15", "a signed parameter differs from its header")
    return {name.removeprefix(PREFIX): str(value) for name, value in table.items()}


def _form(reply: Reply) -> tuple[str, int, Iterator[bytes]]:
    """(content type, length, pieces)"""
    if reply.pieces is not None:
        return "application/octet-stream", reply.size, reply.pieces
    body = json.dumps(reply.fields, ensure_ascii=False).encode()
    return "application/json; charset=utf-8", len(body), iter((body,))


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
