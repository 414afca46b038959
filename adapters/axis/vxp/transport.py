"""HTTP to the adapter: one pooled session, bodies streamed both ways, limits and time-outs on everything.

Says whether a failed call can have had an effect: `Unreachable` until the first byte of the body was handed to the
connection, `Unknown` from then on. Knows nothing of the protocol's headers and answers.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from adapters.axis.vxp.options import Options
from gateway.errors import GatewayError, NeedsOperator, Unknown, Unreachable
from gateway.ports import Chunks
from gateway.trust.tls import chain_ends, client_context

_BUFFER = 256 << 10
_LONGEST_WAIT = 3600.0
"""A `Retry-After` beyond this many seconds is not believed."""
_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True, slots=True)
class Body:
    length: int
    chunks: Callable[[], Chunks]


@dataclass(frozen=True, slots=True)
class Reply:
    """The head of a reply; its bytes are still on the wire."""

    status: int
    after: float | None
    """Seconds, from a `Retry-After` header."""
    chunks: Callable[[], Chunks]

    async def whole(self, limit: int) -> bytes:
        """Raises `Unknown` past `limit` bytes."""
        held = bytearray()
        async for chunk in self.chunks():
            held += chunk
            if len(held) > limit:
                raise Unknown("axis-reply-too-large", f"more than {limit} bytes")
        return bytes(held)


class _Sending:
    """The body under way: knows whether it has begun, and moves the deadline as it goes on."""

    def __init__(self, body: Body, options: Options, clock: asyncio.Timeout) -> None:
        self.begun = self.done = self.answered = False
        self.failure: Exception | None = None
        self._body, self._options, self._clock = body, options, clock

    async def chunks(self) -> Chunks:
        loop = asyncio.get_running_loop()
        self.begun = True
        try:
            async for chunk in self._body.chunks():
                if not self.answered:  # an adapter may answer before it has read all, and then the clock has stopped
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
    async def call(
        self, method: str, operation: str, headers: Mapping[str, str], body: Body | None
    ) -> AsyncIterator[Reply]:
        """One request. Raises `Unreachable`, `Unknown`, `NeedsOperator`."""
        clock = asyncio.timeout(None)
        sending = _Sending(body or Body(0, _nothing), self._options, clock)
        response = await self._begin(method, operation, headers, body, sending, clock)
        try:
            yield Reply(response.status, _after(response), lambda: self._chunks(response))
        finally:
            # A connection is used again only when both sides are through with it.
            if (body is None or sending.done) and response.content.at_eof():
                response.release()
            else:
                response.close()

    async def _begin(
        self,
        method: str,
        operation: str,
        headers: Mapping[str, str],
        body: Body | None,
        sending: _Sending,
        clock: asyncio.Timeout,
    ) -> aiohttp.ClientResponse:
        length = {} if body is None else {"Content-Length": str(body.length)}
        try:
            async with clock:
                if body is None:
                    longest = self._options.connect_seconds + self._options.first_byte_seconds
                    clock.reschedule(asyncio.get_running_loop().time() + longest)
                response = await self._open_session().request(
                    method,
                    f"{self._options.url}/{operation}",
                    data=None if body is None else sending.chunks(),
                    headers={**headers, **length, "Accept-Encoding": "identity"},
                    allow_redirects=False,
                    ssl=self._tls,
                )
                sending.answered = True
        except _TROUBLE as exc:
            raise _trouble(sending, exc) from exc
        return response

    async def _chunks(self, response: aiohttp.ClientResponse) -> Chunks:
        """Ends normally only where HTTP says that all of it came."""
        while True:
            try:
                async with asyncio.timeout(self._options.idle_seconds):
                    chunk = await response.content.readany()
            except _TROUBLE as exc:
                raise Unknown("axis-reply-lost", type(exc).__name__) from exc
            if not chunk:
                return
            yield chunk

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


async def _nothing() -> Chunks:
    return
    yield b""  # what makes it a generator


def _after(response: aiohttp.ClientResponse) -> float | None:
    after = response.headers.get("Retry-After", "")
    return min(float(after), _LONGEST_WAIT) if after.isascii() and after.isdecimal() else None


def _trouble(sending: _Sending, exc: BaseException) -> GatewayError:
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
