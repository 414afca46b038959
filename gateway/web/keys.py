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

from gateway.web import problems

OFFICE = web.RequestKey("office", str)
KEY = web.RequestKey("key", str)
"""Digest of the key used: names the caller where the secret itself must not."""

_FORM = re.compile(r"lt_[A-Za-z0-9_-]{43}")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lienthong"'}


def new_key() -> str:
    return f"lt_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def authenticated(
    office_of_key: Callable[[str], Awaitable[str | None]], offices: frozenset[str], public: frozenset[str]
) -> Middleware:
    """Let in who holds a key of one of `offices`; all others get 401, but for the `public` paths."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in public:
            return await handler(request)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _FORM.fullmatch(key.strip()):
            return problems.answer(request, "key-required", 401, headers=_CHALLENGE)
        hashed = digest(key.strip())
        office = await office_of_key(hashed)
        if office not in offices:
            return problems.answer(request, "key-unknown", 401, headers=_CHALLENGE)
        request[OFFICE], request[KEY] = office, hashed
        return await handler(request)

    return middleware
