"""Makes a whole record of what an office hands in about one earlier document: what the kind of change implies.

The office says what is new; who it goes to, and what it is about, follow from the earlier document unless said. Pure:
the record is then judged at the door like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.errors import Refused
from gateway.model import Problem, ResponseFor
from gateway.states import Act

TYPES = {Act.RECALL: 1, Act.UPDATE: 2, Act.REPLACE: 3}


def filled(act: Act, record: Mapping[str, Any], earlier: ResponseFor, organs: Iterable[str]) -> dict[str, Any]:
    """`organs`: those the earlier document went to. Raises `Refused` where the record speaks of something else."""
    had = list(organs)
    whole = {"from": earlier.organ, "to": had, **record}
    given = whole.get("business", {})
    if not isinstance(given, dict):
        return whole  # the door says what is wrong with it
    if given.get("type", TYPES[act]) != TYPES[act]:
        raise Refused([Problem("business.type", "not-of-this-kind", "another kind than the address says")])
    business = {**given, "type": TYPES[act]}
    match act:
        case Act.RECALL:
            _name(whole, earlier)
        case Act.UPDATE:
            if business.setdefault("document_id", earlier.document_id) != earlier.document_id:
                problem = Problem("business.document_id", "earlier-differs", "another document than the address says")
                raise Refused([problem])
            business.setdefault("document_changed", True)
            _changes(business, _codes(whole["to"]), had)
        case Act.REPLACE:
            old = business.setdefault("replacements", [])
            if isinstance(old, list) and not any(_is(one, earlier.document_id) for one in old):
                business["replacements"] = [{"document_id": earlier.document_id, "organs": had}, *old]
    return {**whole, "business": business}


def _name(whole: dict[str, Any], earlier: ResponseFor) -> None:
    """Put the earlier document first among those that the recall names."""
    named = whole.get("response_for", [])
    if isinstance(named, list) and not any(_is(one, earlier.document_id) for one in named):
        date = earlier.promulgation_date
        one = {"organ": earlier.organ, "code": earlier.code, "document_id": earlier.document_id}
        whole["response_for"] = [one | ({"promulgation_date": date.isoformat()} if date else {}), *named]


def _changes(business: dict[str, Any], to: list[str], had: list[str]) -> None:
    """Who is new among the receivers, and who is one no longer, unless the office said so itself."""
    changes = [{"organ": organ, "added": True} for organ in to if organ not in had]
    changes += [{"organ": organ, "added": False} for organ in had if organ not in to]
    business.setdefault("receiver_changes", changes)
    business.setdefault("receivers_changed", bool(business["receiver_changes"]))


def _codes(to: object) -> list[str]:
    found = [one.get("code") if isinstance(one, dict) else one for one in to] if isinstance(to, list) else []
    return [code for code in found if isinstance(code, str)]


def _is(one: object, document_id: str) -> bool:
    return isinstance(one, dict) and one.get("document_id") == document_id
