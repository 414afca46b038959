"""The office that listens: each message is told by one signed webhook, and fetched by the office afterwards.

The envelope and the signature are those of Standard Webhooks, which receivers' libraries know. The body holds ids and
codes, never content: what it speaks of is fetched from the office API, with the office's key. Posts are not repeated
here; the road puts the message off and comes again with the same `webhook-id`, by which the receiver knows a repeat.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import os
import ssl
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

import aiohttp
from pydantic import Field, field_validator
from yarl import URL

from adapters.office.options import AbsolutePath, Options, read
from gateway.errors import Busy, Misconfigured, NeedsOperator, Unknown, Unreachable
from gateway.model import Problem
from gateway.ports import Door, Event, Handover, Office, OfficeContext

LARGEST_BODY = 64 << 10
LARGEST_ANSWER = 16 << 10
"""Of an answer's body no more is read; it means nothing, but a read one leaves the connection fit for reuse."""
LONGEST_PATIENCE = 24 * 3600.0
SECRET_BYTES = range(24, 65)
"""What Standard Webhooks asks of a secret."""


class WebhookOptions(Options):
    url: str
    """Where the office listens: https, or http on this machine."""
    secret_files: tuple[AbsolutePath, ...] = ()
    """Files with one `whsec_…` each. Two during a roll: every post is signed with all of them."""
    secret_env: tuple[str, ...] = ()
    """Environment variables with one `whsec_…` each."""
    ca_file: AbsolutePath | None = None
    """Who vouches for the office's certificate, where that is not a public authority."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    connections: Annotated[int, Field(ge=1, le=100)] = 16

    @field_validator("url")
    @classmethod
    def _fit_url(cls, value: str) -> str:
        url = URL(value)
        if not url.host or url.scheme not in {"http", "https"}:
            raise ValueError("an http or https URL is needed")
        if url.user or url.password or url.fragment:
            raise ValueError("no user, password or fragment in the URL")
        if url.scheme == "http" and not _on_this_machine(url.host):
            raise ValueError("http is for this machine only; use https")
        return value


def connect(options: Mapping[str, Any], context: OfficeContext) -> Office:
    """Raises `Misconfigured`."""
    return WebhookOffice(_read(options), context)


def check(options: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with the options, the secrets that they name included."""
    try:
        settings = _read(options)
    except Misconfigured as exc:
        return list(exc.problems)
    problems = []
    if settings.ca_file and not settings.ca_file.is_file():
        problems.append(Problem("ca_file", "unreadable", f"{settings.ca_file} is not a file"))
    for name in _secret_names(settings):
        try:
            _secret(name, {})
        except NeedsOperator as exc:
            problems.append(Problem("secret_files / secret_env", exc.code, exc.message))
    return problems


def sign(secret: bytes, webhook_id: str, timestamp: int, body: bytes) -> str:
    """One `v1` signature of Standard Webhooks over `id.timestamp.body`."""
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


class WebhookOffice:
    pulls = False

    def __init__(self, options: WebhookOptions, context: OfficeContext) -> None:
        self.name = context.name
        self._options = options
        self._given = context.secrets
        self._now: Callable[[], dt.datetime] = context.now
        self._session: aiohttp.ClientSession | None = None
        self._secrets: dict[str, tuple[tuple[int, ...] | None, bytes]] = {}

    async def hand_over(self, handover: Handover) -> None:
        """Post the event; 2xx means that the office has it for good."""
        event = handover.event
        body = _body(event, handover.organs)
        webhook_id = f"{event.message_id}_{event.type.replace('.', '-')}"  # a full stop would blur what is signed
        timestamp = int(self._now().timestamp())
        secrets = [self._secret(name) for name in _secret_names(self._options)]
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(sign(secret, webhook_id, timestamp, body) for secret in secrets),
        }
        try:
            async with self._pool().post(
                self._options.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.content.read(LARGEST_ANSWER)
                self._judge(answer.status, answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise Unreachable("webhook-unreachable", f"no connection to the office ({type(exc).__name__})") from None
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Unknown("webhook-unanswered", f"no answer from the office ({type(exc).__name__})") from None

    async def run(self, door: Door) -> None:
        """Nothing to carry: this office calls the office API."""
        del door

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _secret(self, name: str) -> bytes:
        """A file is read again as soon as it is another one, so that a roll needs no restart."""
        stamp = _stamp(name)
        kept = self._secrets.get(name)
        if stamp is None or kept is None or kept[0] != stamp:
            kept = self._secrets[name] = stamp, _secret(name, self._given)
        return kept[1]

    def _pool(self) -> aiohttp.ClientSession:
        # Made on first use: it belongs to the running loop, and `connect` may be called outside of one.
        if self._session is None:
            trusted = ssl.create_default_context(cafile=self._options.ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._options.connections, ssl=trusted),
                timeout=aiohttp.ClientTimeout(
                    total=self._options.timeout_seconds, sock_connect=self._options.timeout_seconds / 2
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": "lienthong-gateway"},
                trust_env=False,
            )
        return self._session

    def _judge(self, status: int, retry_after: str) -> None:
        said = f"the office answered {status}"
        if 200 <= status < 300:
            return
        if status == 429 or (status == 503 and retry_after):
            raise Busy("webhook-busy", said, after=_seconds(retry_after, self._now()))
        if status >= 500 or status in {408, 425}:
            raise Unknown("webhook-error", said)
        if status < 400:
            raise NeedsOperator("webhook-redirect", f"{said}; redirects are not followed")
        if status in {404, 410}:
            raise NeedsOperator("webhook-gone", said)
        raise NeedsOperator("webhook-refused", said)


def _read(options: Mapping[str, Any]) -> WebhookOptions:
    settings = read(WebhookOptions, options)
    if not settings.secret_files and not settings.secret_env:
        raise Misconfigured(
            [
                Problem(
                    "secret_files", "missing", "name a file (secret_files) or a variable (secret_env) with the secret"
                )
            ]
        )
    return settings


def _body(event: Event, organs: tuple[str, ...]) -> bytes:
    body = json.dumps(
        {
            "type": event.type,
            "timestamp": event.at.isoformat(),
            "data": {**event.data, "message_id": event.message_id, "organs": organs},
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    if len(body) > LARGEST_BODY:
        raise NeedsOperator("webhook-too-large", f"an event of {len(body)} bytes; at most {LARGEST_BODY} are sent")
    return body


def _secret_names(options: WebhookOptions) -> tuple[str, ...]:
    return (*(str(path) for path in options.secret_files), *(f"${name}" for name in options.secret_env))


def _stamp(name: str) -> tuple[int, ...] | None:
    """What tells a file from the one that was there before; None where that cannot be told."""
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _secret(name: str, given: Mapping[str, str]) -> bytes:
    """The octets behind the name of a file or, led by `$`, of an environment variable.

    Raises `NeedsOperator`, and never tells the value.
    """
    try:
        text = given.get(name.removeprefix("$")) or (
            os.environ.get(name[1:], "") if name.startswith("$") else Path(name).read_text("ascii")
        )
    except (OSError, UnicodeError):
        raise NeedsOperator("secret-missing", f"{name} cannot be read") from None
    try:
        secret = base64.b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise NeedsOperator("secret-unfit", f"{name} holds no whsec_… in base64") from None
    if not text.strip().startswith("whsec_") or len(secret) not in SECRET_BYTES:
        raise NeedsOperator("secret-unfit", f"{name} must hold whsec_ and the base64 of 24 to 64 octets")
    return secret


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds(retry_after: str, now: dt.datetime) -> float | None:
    """A Retry-After in seconds, whichever of its two forms it has (RFC 9110, 10.2.3)."""
    try:
        seconds = float(retry_after) if retry_after.isdecimal() else (_http_date(retry_after) - now).total_seconds()
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST_PATIENCE)


def _http_date(text: str) -> dt.datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
