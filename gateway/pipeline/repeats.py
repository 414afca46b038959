"""What an idempotency key was used for, and the answer that a repeat gets.

Two submissions are the same where the office gave the same: the canonical JSON part, and what the files are; not the
multipart around them, which differs on every try.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import Refused
from gateway.journal import Answered, KeyReused
from gateway.model import Attachment, Problem
from gateway.ports import Submitted


@dataclass(frozen=True, slots=True)
class Given:
    """What an office gave, where its record was filled up from an earlier document, which may be gone by the next try."""

    said: Mapping[str, Any]
    only_again: Refused | None = None
    """Why only what was handed in before can be answered."""


def fingerprint(described: Mapping[str, Any], attachments: Sequence[Attachment]) -> str:
    files = [[one.name, one.content.size, one.content.sha256] for one in attachments if one.content]
    canonical = json.dumps([described, files], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def again(first: Answered, *fingerprints: str) -> Submitted:
    """The first answer, to what may be known by several. Raises `KeyReused` where it was for something else."""
    if first.fingerprint not in fingerprints:
        raise KeyReused
    return submitted(first.answer, repeated=True)


def submitted(answer: Mapping[str, Any], *, repeated: bool) -> Submitted:
    return Submitted(
        submission_id=answer["submission"],
        messages=tuple(answer["messages"]),
        repeated=repeated,
        warnings=tuple(Problem(**warning) for warning in answer["warnings"]),
    )
