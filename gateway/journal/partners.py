"""Units of work about the others: endpoints in back-off, roles that one node holds, the offices' keys."""

from __future__ import annotations

import datetime as dt
import random
import secrets
from dataclasses import dataclass

from gateway.journal import partner_queries
from gateway.journal.rows import maybe_time, time
from gateway.journal.sqlite import Transaction

_DOUBLINGS = 30
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint in back-off; one that answers has no row."""

    name: str
    failures: int
    failing_since: dt.datetime
    next_try_at: dt.datetime


@dataclass(frozen=True, slots=True)
class KeyRow:
    key_id: str
    office: str
    label: str
    added_at: dt.datetime
    revoked_at: dt.datetime | None


def endpoint_failed(tx: Transaction, name: str, after: float | None, first: float, longest: float, now: int) -> int:
    """When it may be tried again. `after` is what the endpoint asked for: it is obeyed, up to `longest`.

    What fails while it is in back-off was under way before: many at once are one failure.
    """
    row = tx.one(partner_queries.ENDPOINT, {"of": name})
    failures, since, until = row or (0, now, now)
    if until <= now:
        failures += 1
    elif after is None:
        return int(until)
    if after is None:
        delay = min(longest, first * 2 ** min(failures - 1, _DOUBLINGS))
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 -- spreads the load, keeps no secret
    else:
        delay = min(after, longest)
    next_try_at = now + int(delay * _SECOND)
    tx.run(
        partner_queries.PUT_ENDPOINT,
        {"name": name, "failures": failures, "failing_since": since, "next_try_at": next_try_at},
    )
    return next_try_at


def endpoint_ok(tx: Transaction, name: str) -> None:
    tx.run(partner_queries.FORGIVE, {"of": name})


def endpoints(tx: Transaction) -> list[EndpointRow]:
    return [
        EndpointRow(name, failures, time(since), time(next_try_at))
        for name, failures, since, next_try_at in tx.all(partner_queries.ENDPOINTS)
    ]


def take_role(tx: Transaction, name: str, holder: str, now: int, until: int) -> bool:
    return bool(tx.run(partner_queries.TAKE_ROLE, {"name": name, "holder": holder, "until": until, "now": now}))


def release_role(tx: Transaction, name: str, holder: str) -> None:
    tx.run(partner_queries.RELEASE_ROLE, {"of": name, "by": holder})


def add_key(tx: Transaction, office: str, hashed: str, label: str, now: int) -> str:
    key_id = f"k-{secrets.token_hex(6)}"
    tx.run(
        partner_queries.ADD_KEY,
        {"key_id": key_id, "office": office, "hash": hashed, "label": label, "added_at": now, "revoked_at": None},
    )
    return key_id


def revoke_key(tx: Transaction, key_id: str, now: int) -> bool:
    return bool(tx.run(partner_queries.REVOKE_KEY, {"id": key_id, "now": now}))


def office_of_key(tx: Transaction, hashed: str) -> str | None:
    row = tx.one(partner_queries.OFFICE_OF_KEY, {"hashed": hashed})
    return row[0] if row else None


def keys(tx: Transaction) -> list[KeyRow]:
    return [
        KeyRow(key_id, office, label, time(added_at), maybe_time(revoked_at))
        for key_id, office, label, added_at, revoked_at in tx.all(partner_queries.KEYS)
    ]
