"""The headers that carry the parameters of a call, and the HMAC that vouches for them.

Every name and value is fresh for each request: nothing of one call can leak into the next.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

from gateway.errors import NeedsOperator

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
PREFIX = "XroadVnpt-"
AGENT = "JAVASDKAgent/1.0.0 XRoad/VPCP"
VERSION = "3.0.201608"

Parameters = Sequence[tuple[str, str]]


def signed_headers(
    system_id: str,
    secret: bytes,
    timestamp: str,
    content_type: str,
    parameters: Parameters,
) -> dict[str, str]:
    """Headers of one request. Raises `NeedsOperator` for a value that cannot stand in a header."""
    said = [("systemid", system_id), ("timestamp", timestamp), ("Content-Type", content_type), *parameters]
    for name, value in said:
        if not value.isprintable() or not value.isascii():
            raise NeedsOperator("axis-parameter", f"{name} cannot travel as a header")
    prefixed = {PREFIX + name: value for name, value in said}
    # The axis can only verify the string it is given: the order is free, the form is compact JSON.
    text = json.dumps(prefixed, separators=(",", ":"), ensure_ascii=False)
    return prefixed | {
        "Content-Type": content_type,
        PREFIX + "sign-header-key": ";".join(name for name, _ in said),
        PREFIX + "sign-header": text,
        PREFIX + "hash-header": hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(),
        PREFIX + "version": VERSION,
        "User-Agent": AGENT,
    }


def timestamp(now: dt.datetime, form: Literal["milliseconds", "zone"]) -> str:
    """`ddMMyyyy'T'HHmmss+SSSS` on Vietnam's clock; what looks like a zone is milliseconds unless `form` says `zone`."""
    local = now.astimezone(VIETNAM)
    after = "0700" if form == "zone" else f"{local.microsecond // 1000:04d}"
    return f"{local:%d%m%YT%H%M%S}+{after}"


def file_hash(sha256: str, form: Literal["padded", "unpadded"]) -> str:
    """Hex of a digest, or the same with the first zero of each byte left out."""
    if form == "padded":
        return sha256
    return "".join(f"{byte:x}" for byte in bytes.fromhex(sha256))
