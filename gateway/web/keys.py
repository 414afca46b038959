"""Who calls: `Authorization: Bearer lt_…`, one office per key.

Only the SHA-256 of a key is stored. A key has 256 random bits, so looking its digest up tells an attacker nothing by
its timing, and no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import Refused
from gateway.web import problems
from gateway.web.rates import Rates

OFFICE = web.RequestKey("office", str)
KEY = web.RequestKey("key", str)
"""Digest of the key used: names the caller where the secret itself must not."""

_FORM = re.compile(r"lt_[A-Za-z0-9_-]{43}")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lienthong"'}


def new_key() -> str:
    return f"lt_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """Tells offices by their keys; a key of an office that is not among `offices` is none."""

    def __init__(
        self, office_of_key: Callable[[str], Awaitable[str | None]], offices: frozenset[str], rates: Rates
    ) -> None:
        self._rates = rates
        self._office_of_key = office_of_key
        self._offices = offices

    async def identify(self, key: str) -> tuple[str, str]:
        """The office, and the key's digest. Raises `Refused` (401), and `Busy` (429) for a key that asks too often."""
        if not _FORM.fullmatch(key):
            raise Refused([], code="key-required", status=401)
        hashed = digest(key)
        office = await self._office_of_key(hashed)
        if office is None or office not in self._offices:
            raise Refused([], code="key-unknown", status=401)
        self._rates.take(hashed)
        return office, hashed


def bearer(request: web.Request) -> str:
    """The key in the header Authorization; empty without one."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def authenticated(keys: Keys, public: frozenset[str]) -> Middleware:
    """Let in who holds a key; all others get 401, but for the `public` paths."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in public:
            return await handler(request)
        try:
            request[OFFICE], request[KEY] = await keys.identify(bearer(request))
        except Refused as error:
            return problems.answer(request, error.code, error.status, headers=_CHALLENGE)
        return await handler(request)

    return middleware
