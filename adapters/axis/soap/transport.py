"""HTTP to the axis: one pooled session, bodies streamed both ways, limits and time-outs on everything.

Says whether a failed call can have had an effect: `Unreachable` until the first byte of the body was handed to the
connection, `Unknown` from then on. Knows nothing of SOAP.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from adapters.axis.soap.mime import ROOT_TYPES, Malformed, Parts, Written, header
from adapters.axis.soap.options import Options
from gateway.errors import GatewayError, NeedsOperator, Unknown, Unreachable
from gateway.trust.tls import chain_ends, client_context

_BUFFER = 256 << 10
_LONGEST_WAIT = 3600.0
"""A `Retry-After` beyond this many seconds is not believed."""
_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    envelope: bytes
    """The root part; empty when the reply is no SOAP at all."""
    parts: Parts | None
    """What follows the root part, still on the wire."""
    after: float | None
    """Seconds, from a `Retry-After` header."""


class _Sending:
    """The body under way: knows whether it has begun, and moves the deadline as it goes on."""

    def __init__(self, body: Written, options: Options, clock: asyncio.Timeout) -> None:
        self.begun = self.done = self.answered = False
        self.failure: Exception | None = None
        self._body, self._options, self._clock = body, options, clock

    async def chunks(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        self.begun = True
        try:
            async for chunk in self._body.chunks():
                if not self.answered:  # an axis may answer before it has read all, and then the clock has stopped
                    self._clock.reschedule(loop.time() + self._options.idle_seconds)
                yield chunk
        except Exception as exc:
            self.failure = exc
            raise
        self.done = True
        if not self.answered:
            self._clock.reschedule(loop.time() + self._options.first_byte_seconds)


class Transport:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self.client_certificate_ends: dt.datetime | None = None
        """Of the certificate in use: a new file counts once it is read."""
        self._tls = self._context()

    def reload(self) -> None:
        """Read the TLS files anew, for new connections. Blocks for small files. Raises `Misconfigured`."""
        self._tls = self._context()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def post(self, action: str, body: Written, limit: int) -> AsyncIterator[Answer]:
        """One request. The reply's root part may have `limit` bytes. Raises `Unreachable`, `Unknown`, `NeedsOperator`."""
        response, sending = await self._begin(action, body)
        try:
            yield await self._answer(response, limit)
        finally:
            # A connection is used again only when both sides are through with it.
            if sending.done and response.content.at_eof():
                response.release()
            else:
                response.close()

    async def _begin(self, action: str, body: Written) -> tuple[aiohttp.ClientResponse, _Sending]:
        session = self._open_session()
        clock = asyncio.timeout(None)
        sending = _Sending(body, self._options, clock)
        try:
            async with clock:
                response = await session.post(
                    self._options.url,
                    data=sending.chunks(),
                    headers={
                        "Content-Type": body.content_type,
                        "Content-Length": str(body.length),
                        "SOAPAction": action,
                        "Accept-Encoding": "identity",
                    },
                    allow_redirects=False,
                    ssl=self._tls,
                )
                sending.answered = True
        except _TROUBLE as exc:
            raise self._trouble(sending, exc) from exc
        return response, sending

    async def _answer(self, response: aiohttp.ClientResponse, limit: int) -> Answer:
        after = response.headers.get("Retry-After", "")
        seconds = min(float(after), _LONGEST_WAIT) if after.isascii() and after.isdecimal() else None
        kind = header(response.headers.get("Content-Type", ""))
        envelope, parts = b"", None
        if kind.get_content_type() == "multipart/related":
            try:
                parts = Parts(kind, lambda: self._more(response))
                envelope = await parts.envelope(limit)
            except Malformed as exc:
                raise Unknown("axis-reply-form", str(exc), after=seconds) from exc
        elif kind.get_content_type() in ROOT_TYPES:
            held = bytearray()
            while chunk := await self._more(response):
                held += chunk
                if len(held) > limit:
                    raise Unknown("axis-reply-too-large", f"more than {limit} bytes", after=seconds)
            envelope = bytes(held)
        return Answer(response.status, envelope, parts, seconds)

    async def _more(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            async with asyncio.timeout(self._options.idle_seconds):
                return await response.content.readany()
        except _TROUBLE as exc:
            raise Unknown("axis-reply-lost", type(exc).__name__) from exc

    def _trouble(self, sending: _Sending, exc: BaseException) -> GatewayError:
        # Texts of aiohttp's errors may quote what the peer sent: only the kind is told.
        what = type(exc).__name__
        if sending.failure is not None:
            # The request was cut short by us: the axis cannot have it.
            if isinstance(sending.failure, GatewayError):
                return sending.failure
            return NeedsOperator("content-unreadable", type(sending.failure).__name__)
        if not sending.begun:
            return Unreachable("axis-unreachable", what)
        return Unknown("axis-reply-lost", what)

    def _open_session(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the running loop, and a configuration check has none.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._options.max_connections),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._options.connect_seconds),
                read_bufsize=_BUFFER,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _context(self) -> ssl.SSLContext | bool:
        if not self._options.url.startswith("https:"):
            return True
        context = client_context(self._options.ca, self._options.certificate, self._options.key)
        if self._options.certificate:
            self.client_certificate_ends = chain_ends(self._options.certificate)
        return context
