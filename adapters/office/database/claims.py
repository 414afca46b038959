"""Which of the office's ready rows are ours to work on, and for how long.

    ready ─claim, one statement─▶ ready, claimed_by us ─answer, if still ours─▶ taken | rejected

A claim ends by itself: what a process that died had claimed is ready again after the lease. An answer is written only
where the claim is still the same one, so a stale holder changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, update

from adapters.office.database.connection import Database
from adapters.office.database.options import DatabaseOptions
from gateway.errors import GatewayError, Refused
from gateway.model import Problem


@dataclass(frozen=True, slots=True)
class Claim:
    key: str
    """The office's own id of the row."""
    token: str


class Claims:
    """The claims on one table, whose first column is its key."""

    def __init__(
        self, database: Database, table: Table, options: DatabaseOptions, now: Callable[[], dt.datetime]
    ) -> None:
        self._database = database
        self._table = table
        self._key = next(iter(table.primary_key.columns))
        self._at_once = options.at_once
        self._lease = options.lease_seconds
        self._now = now

    async def take(self) -> list[Claim]:
        """Claim ready rows that nobody holds: the urgent first, then by key."""
        token, until = uuid.uuid4().hex, self._after(self._lease)
        return await self._database.run(lambda connection: self._take(connection, token, until))

    @contextlib.asynccontextmanager
    async def held(self, claims: list[Claim]) -> AsyncIterator[None]:
        """Renews the claims while the block runs."""
        tokens = {claim.token for claim in claims}
        renewing = asyncio.create_task(self._renew(tokens))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])  # awaited itself, its end could not be told from the end of who waits for it
            if not renewing.cancelled():
                renewing.result()

    async def answer(
        self, claim: Claim, values: Mapping[str, Any], more: Callable[[Connection], None] | None = None
    ) -> bool:
        """Write the outcome, and `more` in the same transaction; False where the claim is ours no longer."""

        def work(connection: Connection) -> bool:
            set_to = {**values, "claimed_by": None, "claimed_until": None, "answered_at": self._after(0)}
            if connection.execute(update(self._table).where(self._is(claim)).values(set_to)).rowcount != 1:
                return False
            if more is not None:
                more(connection)
            return True

        return await self._database.run(work)

    async def put_off(self, claim: Claim, seconds: float) -> None:
        """Free the row, but not before some time."""
        later = {"claimed_by": None, "claimed_until": self._after(seconds)}
        await self._database.run(
            lambda connection: connection.execute(update(self._table).where(self._is(claim)).values(later))
        )

    def _take(self, connection: Connection, token: str, until: dt.datetime) -> list[Claim]:
        columns = self._table.c
        now = self._after(0)
        free = and_(columns.state == "ready", or_(columns.claimed_until.is_(None), columns.claimed_until <= now))
        urgent = [columns.priority.desc()] if "priority" in columns else []
        # In a table of its own, because not every database updates a table that it is selecting from.
        chosen = select(self._key).where(free).order_by(*urgent, self._key).limit(self._at_once).subquery()
        # `free` stands here too: another claim may have come between, and then the row is looked at anew.
        claim = update(self._table).where(self._key.in_(select(chosen)), free)
        connection.execute(claim.values(claimed_by=token, claimed_until=until))
        mine = select(self._key).where(columns.claimed_by == token).order_by(*urgent, self._key)
        return [Claim(key, token) for key in connection.execute(mine).scalars()]

    async def row(self, claim: Claim) -> dict[str, Any]:
        """What the office wrote. Raises `Refused` where a column holds what its type does not allow."""

        def read(connection: Connection) -> dict[str, Any]:
            return connection.execute(select(self._table).where(self._key == claim.key)).one()._asdict()

        try:
            return await self._database.run(read)
        except ValueError:
            # SQLite keeps any text in a date's column.
            raise Refused([Problem("", "date", "a date is not written as 2026-01-31")]) from None

    async def _renew(self, tokens: set[str]) -> None:
        columns = self._table.c
        while True:
            await asyncio.sleep(self._lease / 3)
            longer = update(self._table).where(columns.claimed_by.in_(tokens), columns.state == "ready")
            longer = longer.values(claimed_until=self._after(self._lease))
            with contextlib.suppress(GatewayError):  # whoever needs the database next meets the trouble
                await self._database.run(lambda connection, renewed=longer: connection.execute(renewed))  # type: ignore[misc]

    def _is(self, claim: Claim) -> ColumnElement[bool]:
        return and_(self._key == claim.key, self._table.c.claimed_by == claim.token, self._table.c.state == "ready")

    def _after(self, seconds: float) -> dt.datetime:
        return (self._now() + dt.timedelta(seconds=seconds)).astimezone(dt.UTC).replace(tzinfo=None)
