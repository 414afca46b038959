"""What the axis answered, and what a refusal leads to.

Nothing here is signed: an answer is the axis's word as far as the network is trusted, and no further. Its free text may
quote what was sent, so no more than a short, cleaned excerpt of it is ever told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError, NeedsOperator, Rejection, Unknown, Unreachable

EXCERPT = 80
_UNTOLD = re.compile(r"[^\w .,:;()/\[\]-]+")

RECEIVER = {"18": "receiver-unknown", "23": "receiver-locked"}
FILE = {"10": "file-invalid", "21": "file-not-processed", "22": "edxml-form"}
OURSELVES = {"15": "credentials", "19": "sender-not-registered"}
"""The codes that a provincial axis of the same family documents; the national list was never published."""


@dataclass(frozen=True, slots=True)
class Answer:
    fields: Mapping[str, Any]
    body: bytes
    """As it came."""

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    @property
    def refused(self) -> bool:
        # OK decides where it is said; some answers have only the code.
        status = self.text("status").upper()
        return status != "OK" if status else self.text("ErrorCode") not in {"", "0"}

    def lines(self) -> list[Mapping[str, Any]]:
        """The objects of a list. Raises `Unknown` when it is something else."""
        data = self.fields.get("data")
        if data is None:
            return []
        if not isinstance(data, list) or not all(isinstance(line, dict) for line in data):
            raise Unknown("axis-reply-form", "not a list of objects")
        return data


def read_answer(body: bytes) -> Answer:
    """The JSON of an answer; a bare list is its `data`. Raises `Unknown`. The caller has limited the size."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Unknown("axis-reply-form", "not JSON") from exc
    if isinstance(said, list):
        said = {"status": "OK", "data": said}
    if not isinstance(said, dict):
        raise Unknown("axis-reply-form", "not an object")
    return Answer(said, body)


def consequence(answer: Answer, *, hands_over: bool) -> GatewayError:
    """What a FAIL leads to; of a call that hands a file over, an unknown reason leaves a doubt."""
    code = answer.text("ErrorCode")
    said = f"the axis says {code or 'FAIL'}: {excerpt(answer.text('ErrorDesc'))}"
    if code in OURSELVES:
        return NeedsOperator(f"axis-{OURSELVES[code]}", said)
    if not hands_over:
        return Unreachable("axis-fail", said)
    if code in RECEIVER or code in FILE:
        return Rejection(f"axis-{(RECEIVER | FILE)[code]}", said)
    return Unknown("axis-fail", said)


def excerpt(text: str) -> str:
    """So much of a foreign text as may be told."""
    return _UNTOLD.sub(" ", text)[:EXCERPT].strip() or "no reason given"
