"""Units of work about the others: endpoints in back-off, roles that one node holds, the offices' keys."""

from __future__ import annotations

import datetime as dt
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.journal import partner_queries
from gateway.journal.rows import maybe_time, time
from gateway.journal.sqlite import SqliteStore, Transaction

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


class PartnerRecords:
    """What the journal knows of endpoints in back-off, of roles, and of the offices' keys: one unit of work each."""

    def __init__(self, store: SqliteStore, stamp_now: Callable[..., int]) -> None:
        self._store = store
        self._stamp = stamp_now
        self._offices: dict[str, str] = {}
        """By the digests of their keys, as read since another process last wrote."""
        self._as_of = 0

    async def endpoint_failed(self, name: str, after: float | None, *, first: float, longest: float) -> dt.datetime:
        """Note a failure; the time of the next try. `first`, `longest` and `after` in seconds.

        The wait doubles with each failure and is jittered; `after`, where the endpoint named it, is obeyed instead.
        """
        now = self._stamp()
        return time(await self._store.write(lambda tx: endpoint_failed(tx, name, after, first, longest, now)))

    async def endpoint_ok(self, name: str) -> None:
        """A sign of life: all is forgiven."""
        await self._store.write(lambda tx: endpoint_ok(tx, name))

    async def endpoints(self) -> Sequence[EndpointRow]:
        """Those in back-off."""
        return await self._store.read(endpoints)

    async def take_role(self, name: str, holder: str, lease: dt.timedelta) -> bool:
        """Take a role that one node may hold, or keep it. False: another holds it."""
        now, until = self._stamp(), self._stamp(lease)
        return await self._store.write(lambda tx: take_role(tx, name, holder, now, until))

    async def release_role(self, name: str, holder: str) -> None:
        await self._store.write(lambda tx: release_role(tx, name, holder))

    async def add_key(self, office: str, hashed: str, label: str) -> str:
        """Keep the digest of an office's key; returns the key's id."""
        now = self._stamp()
        return await self._store.write(lambda tx: add_key(tx, office, hashed, label, now))

    async def revoke_key(self, key_id: str) -> bool:
        """False: no such key, or revoked already."""
        now = self._stamp()
        try:
            return await self._store.write(lambda tx: revoke_key(tx, key_id, now))
        finally:
            self._offices.clear()

    async def office_of_key(self, hashed: str) -> str | None:
        if (as_of := self._store.others_wrote()) != self._as_of:
            self._offices, self._as_of = {}, as_of
        office = self._offices.get(hashed)
        if office is None and (office := self._store.glance(lambda tx: office_of_key(tx, hashed))) is not None:
            self._offices[hashed] = office
        return office

    async def keys(self) -> Sequence[KeyRow]:
        return await self._store.read(keys)
