"""The client of a time-stamping authority (RFC 3161, section 3.4: over HTTP)."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

import aiohttp

from gateway.config import TimestampsSection
from gateway.errors import Unreachable
from gateway.trust import timestamps
from gateway.trust.pdf.trust_list import TrustList

_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class TimeStampingAuthority:
    """Implements `gateway.ports.Timestamper`. Asked a few times a day: each request has a connection of its own."""

    def __init__(self, section: TimestampsSection, now: Callable[[], dt.datetime]) -> None:
        assert section.url is not None
        self._section, self._url, self._now = section, section.url, now
        self._trust = TrustList(section.trust, section.trust)

    async def stamp(self, data: bytes) -> bytes:
        """Raises `Unreachable`, and `SignatureInvalid` for an answer that proves nothing."""
        asked, nonce = timestamps.request(data, self._section.digest)
        token = timestamps.token(await self._ask(asked), nonce)
        known = await asyncio.to_thread(self._trust.known)
        await timestamps.check(token, data, known, self._now())
        return token

    async def _ask(self, asked: bytes) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._section.timeout_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
                session.post(self._url, data=asked, headers=_HEADERS, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise Unreachable("tsa-status", f"the time-stamping authority answered {response.status}")
                answer = await response.content.read(timestamps.LARGEST + 1)
                while len(answer) <= timestamps.LARGEST and (more := await response.content.readany()):
                    answer += more
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable("tsa-unreachable", f"the time-stamping authority: {type(error).__name__}") from None
        if len(answer) > timestamps.LARGEST:
            raise Unreachable("tsa-too-large", f"the time-stamping authority answered over {timestamps.LARGEST} bytes")
        return answer
