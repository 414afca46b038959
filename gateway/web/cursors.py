"""Opaque cursors: where a list goes on. What they hold is nobody's business but ours."""

from __future__ import annotations

import base64
import binascii

from gateway.errors import Refused
from gateway.model import Problem

LIMIT_MAX = 200
LIMIT_DEFAULT = 50


def write(after: int | None) -> str | None:
    return None if after is None else base64.urlsafe_b64encode(f"v1.{after}".encode()).decode().rstrip("=")


def read(cursor: str | None) -> int | None:
    """Raises `Refused` for what is no cursor of ours."""
    if not cursor:
        return None
    try:
        version, _, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").partition(".")
        if version != "v1" or not number.isdecimal() or len(number) > 18:
            raise ValueError
    except (binascii.Error, ValueError):
        raise Refused([Problem("cursor", "cursor", "not a cursor of this list")], status=400) from None
    return int(number)


def read_limit(text: str | None) -> int:
    if not text:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LIMIT_MAX):
        problem = Problem("limit", "limit", f"must be 1 to {LIMIT_MAX}", {"limit": str(LIMIT_MAX)})
        raise Refused([problem], status=400)
    return int(text)
