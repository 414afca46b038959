"""Rows of the office as the record of the office API: the door knows only that, and judges everything else."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import Refused
from gateway.model import Problem

_PLACES: Mapping[str, tuple[str, ...]] = {
    "from_code": ("from", "code"),
    "from_name": ("from", "name"),
    "document_number": ("number",),
    "document_notation": ("notation",),
    "promulgation_date": ("promulgation", "date"),
    "promulgation_place": ("promulgation", "place"),
    "type_code": ("type", "code"),
    "type_name": ("type", "name"),
    "subject": ("subject",),
    "summary": ("summary",),
    "signer_competence": ("signer", "competence"),
    "signer_position": ("signer", "position"),
    "signer_name": ("signer", "full_name"),
    "due_date": ("due_date",),
    "priority": ("priority",),
    "document_id": ("document_id",),
    "deliver_by": ("deliver_by",),
    "secrecy": ("secrecy",),
    "reason": ("business", "reason"),
}
"""Column → where the record has it."""


def record_of(
    row: Mapping[str, Any], receivers: Sequence[Mapping[str, Any]], attachments: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Raises `Refused` where `more` is not to be understood, or says again what a column says."""
    record: dict[str, Any] = {}
    for column, place in _PLACES.items():
        value = row[column]
        if value is None or value == "":
            continue
        if isinstance(value, dt.date):
            value = value.isoformat()[:10]  # Oracle's dates have a time
        inner = record
        for part in place[:-1]:
            inner = inner.setdefault(part, {})
        inner[place[-1]] = value
    if receivers or not row["act"]:  # else they follow from the earlier document
        record["to"] = [_without_gaps(code=each["code"], name=each["name"]) for each in receivers]
    record["attachments"] = [
        _without_gaps(
            name=each["name"],
            content_type=each["content_type"],
            description=each["description"],
            size=each["size_bytes"],
            sha256=each["sha256"],
        )
        for each in attachments
    ]
    return record | _more(row["more"], record)


def recall_of(
    row: Mapping[str, Any], receivers: Sequence[Mapping[str, Any]], attachments: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The office API's `RecallRequest`: the row is the recalling document too, where it is to be one. As `record_of`."""
    request = _without_gaps(reason=row["reason"], by=row["recall_by"])
    if receivers:
        request["receivers"] = [each["code"] for each in receivers]
    if row["recall_by"] == "document":
        request["record"] = record_of(row, receivers, attachments)
    return request


def _more(text: str | None, record: Mapping[str, Any]) -> dict[str, Any]:
    if not text or not text.strip():
        return {}
    try:
        more = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        more = None
    if not isinstance(more, dict):
        raise Refused([Problem("more", "not-json", "one JSON object is needed, with no name twice")])
    # Which of two values counts is for nobody to guess, least of all where a degree of secrecy stands.
    if twice := sorted(set(more) & set(record)):
        raise Refused([Problem(f"more.{name[:60]}", "repeated", "a column says this already") for name in twice])
    return more


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError
    return read


def _without_gaps(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}
