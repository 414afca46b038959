"""Revocation lists and OCSP answers, fetched for PDFs and kept.

A certificate names the addresses, so whoever had one issued could choose whom we call: only hosts in the configuration
are asked, redirects are not followed, and size and time are bounded. What comes is not believed here; the workers
verify it. It is kept by its digest for good, for evidence, and served again until its own end, a day at most.

    revocation/answers/SHA256.crl | .ocsp     each answer once, as it came
    revocation/asked/DIGEST.json              the answer to one question, and until when it serves
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import os
import secrets
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog
from cryptography import x509
from cryptography.x509 import ocsp

from gateway.errors import GatewayError, Unreachable
from gateway.ports import RevocationAsked, RevocationFound

log = structlog.get_logger(__name__)

LARGEST: Final = {"ocsp": 64 << 10, "crl": 16 << 20}
SECONDS = 10.0
"""For one answer."""
LONGEST = dt.timedelta(days=1)
"""An answer serves no longer, whatever it says of itself: who signed it is not known here."""
AGAIN = dt.timedelta(minutes=5)
"""Who did not answer, or not to the point, is left alone for so long."""
_ACCEPT = {"ocsp": "application/ocsp-response", "crl": "application/pkix-crl"}


class FetchedRevocation:
    """Implements `gateway.ports.RevocationAnswers`."""

    def __init__(self, folder: Path, hosts: Sequence[str], now: Callable[[], dt.datetime]) -> None:
        """`hosts`: names or addresses, with a port where it is not the scheme's own."""
        self._answers, self._asked = folder / "answers", folder / "asked"
        self._hosts = frozenset(host.lower() for host in hosts)
        self._now = now
        self._waiting: dict[str, asyncio.Task[Path | None]] = {}
        self._not_before: dict[str, dt.datetime] = {}
        for each in (self._answers, self._asked):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def answers(self, asks: Sequence[RevocationAsked]) -> RevocationFound:
        allowed = [each for each in asks if self._allowed(each.url)]
        found = await asyncio.gather(*(self._answer(each) for each in allowed))
        return RevocationFound(tuple(dict.fromkeys(each for each in found if each)), failed=None in found)

    def useless(self, asks: Sequence[RevocationAsked]) -> None:
        for each in asks:
            key = _key(each)
            (self._asked / f"{key}.json").unlink(missing_ok=True)
            self._not_before[key] = self._now() + AGAIN

    def _allowed(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or parts.username is not None or not parts.hostname:
            return False
        usual = port in {None, 443 if parts.scheme == "https" else 80}
        name = parts.hostname.lower()
        return f"{name}:{port}" in self._hosts or (usual and name in self._hosts)

    async def _answer(self, ask: RevocationAsked) -> Path | None:
        """One question is asked once at a time, however many documents wait for it."""
        key = _key(ask)
        if (kept := await asyncio.to_thread(self._kept, key)) is not None:
            return kept
        if self._not_before.get(key, self._now()) > self._now():
            return None
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._fetched(ask, key))
            task.add_done_callback(lambda _: self._waiting.pop(key, None))
        return await asyncio.shield(task)

    def _kept(self, key: str) -> Path | None:
        try:
            told = json.loads((self._asked / f"{key}.json").read_bytes())
            if dt.datetime.fromisoformat(told["until"]) <= self._now():
                return None
            path = self._answers / Path(told["answer"]).name
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return path if path.exists() else None

    async def _fetched(self, ask: RevocationAsked, key: str) -> Path | None:
        try:
            data = await self._call(ask)
            until = min(await asyncio.to_thread(_ends, ask.kind, data, self._now()), self._now() + LONGEST)
            path = await asyncio.to_thread(self._keep, key, ask.kind, data, until)
        except GatewayError as error:
            log.warning("no revocation answer", host=urlsplit(ask.url).hostname, kind=ask.kind, reason=error.code)
            self._forget_old()
            self._not_before[key] = self._now() + AGAIN
            return None
        return path

    def _forget_old(self) -> None:
        now = self._now()
        for key in [key for key, until in self._not_before.items() if until <= now]:
            del self._not_before[key]

    async def _call(self, ask: RevocationAsked) -> bytes:
        limit, headers = LARGEST[ask.kind], {"Accept": _ACCEPT[ask.kind]}
        body = b64decode(ask.request) if ask.kind == "ocsp" else None
        if body is not None:
            headers["Content-Type"] = "application/ocsp-request"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS), auto_decompress=False) as session,
                session.request(
                    "POST" if body is not None else "GET", ask.url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise Unreachable("revocation-status", f"answered {response.status}")
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > limit:
                        raise Unreachable("revocation-too-large", f"over {limit} bytes")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable("revocation-unreachable", type(error).__name__) from None
        return bytes(data)

    def _keep(self, key: str, kind: str, data: bytes, until: dt.datetime) -> Path:
        path = self._answers / f"{hashlib.sha256(data).hexdigest()}.{kind}"
        told = json.dumps({"answer": path.name, "until": until.isoformat()}).encode()
        try:
            if not path.exists():
                _write(path, data)
            _write(self._asked / f"{key}.json", told)
        except OSError as error:
            raise Unreachable("revocation-folder", error.strerror or "") from None
        return path


def _key(ask: RevocationAsked) -> str:
    return hashlib.sha256(f"{ask.kind}\n{ask.url}\n{ask.request}".encode()).hexdigest()


def _ends(kind: str, data: bytes, now: dt.datetime) -> dt.datetime:
    """Until when an answer serves by its own word. Raises `Unreachable` for what is no answer, or has ended."""
    ends: dt.datetime | None
    try:
        if kind == "ocsp":
            answer = ocsp.load_der_ocsp_response(data)
            if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise Unreachable("revocation-refused", answer.response_status.name)
            ends = answer.next_update_utc
        else:
            ends = x509.load_der_x509_crl(data).next_update_utc
    except ValueError:
        raise Unreachable("revocation-form", "not the form of an answer") from None
    ends = now + AGAIN if ends is None else ends
    if ends <= now:
        raise Unreachable("revocation-ended", "the answer has ended")
    return ends


def _write(path: Path, data: bytes) -> None:
    """Whole and durable, or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
