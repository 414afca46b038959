"""From the office's tables to the door: documents and statuses that the office has made ready.

The office's `out_id` is the key at the door: what died between the door's answer and its writing into the table is
handed in again under the same key, and gets the same answer. Statuses have no key at the door: one that dies in just
that moment is told twice, which its receiver counts once.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import structlog
from sqlalchemy import Connection, Table, func, insert, select, update

from adapters.office import durable
from adapters.office.database.claims import Claim, Claims
from adapters.office.database.connection import Database
from adapters.office.database.options import DatabaseOptions
from adapters.office.database.record import recall_of, record_of
from adapters.office.database.tables import (
    OUT_ATTACHMENT,
    OUT_DOCUMENT,
    OUT_PIECE,
    OUT_RECEIVER,
    OUT_STATUS,
    clipped,
)
from gateway.errors import GatewayError, Refused, Retryable
from gateway.model import Problem, Staff
from gateway.ports import Asked, ChangeDoor, Chunks, Door, OfficeContext, StatusDoor, Submitted, Upload

AFTER_A_FAULT = 30.0
"""Seconds until a row that met a fault is tried again."""
LARGEST_PIECE = 8 << 20
CHUNK = 256 << 10

Row = dict[str, Any]

_log = structlog.get_logger(__name__)


class Outgoing:
    def __init__(self, database: Database, options: DatabaseOptions, context: OfficeContext) -> None:
        self._database = database
        self._office = context.name
        self._say = context.say
        now = context.now
        self._interval = options.interval_seconds
        self._folder = options.files and options.files / "out"
        self._documents = Claims(database, OUT_DOCUMENT, options, now)
        self._statuses = Claims(database, OUT_STATUS, options, now)
        self._told = ""

    async def run(self, door: Door) -> None:
        """Carry until cancelled. Nothing else ends it: what cannot be carried now is carried later."""
        while True:
            found = False
            try:
                await self._database.check()
                found = await self._carry_all(self._documents, door, self._submit)
                found |= await self._carry_all(self._statuses, door, self._report)
                self._told = ""
            except GatewayError as exc:
                self._tell(exc)
            if not found:
                await asyncio.sleep(self._interval)

    def _tell(self, error: GatewayError) -> None:
        """Once, not at every look."""
        if str(error) != self._told:
            self._told = str(error)
            _log.warning("office database", office=self._office, code=error.code, reason=error.message)

    async def _carry_all(self, claims: Claims, door: Door, hand_in: Callable[[Claim, Door], Awaitable[None]]) -> bool:
        taken = await claims.take()
        if not taken:
            return False
        async with claims.held(taken):
            await asyncio.gather(*(self._carry(claims, claim, door, hand_in) for claim in taken))
        return True

    async def _carry(
        self, claims: Claims, claim: Claim, door: Door, hand_in: Callable[[Claim, Door], Awaitable[None]]
    ) -> None:
        wait = self._interval
        try:
            try:
                await hand_in(claim, door)
            except Refused as exc:
                await claims.answer(claim, {"state": "rejected", **self._reasons(exc.code, exc.problems)})
            return
        except Retryable as exc:
            wait = exc.after or wait
        except Exception as exc:  # noqa: BLE001 - a fault with one row must not stop the others
            code = exc.code if isinstance(exc, GatewayError) else type(exc).__name__
            _log.error("office row put off after a fault", office=self._office, error=code)
            wait = AFTER_A_FAULT
        with contextlib.suppress(GatewayError):  # then the end of the lease frees it
            await claims.put_off(claim, wait)

    def _reasons(self, code: str, problems: Sequence[Problem]) -> dict[str, Any]:
        """One line for each problem: field, code, sentence."""
        code = code or (problems[0].code if problems else "")
        lines = [f"{problem.field}: [{problem.code}] {self._say(problem)}".removeprefix(": ") for problem in problems]
        return {
            "problem_code": clipped(OUT_DOCUMENT.c.problem_code, code),
            "problem_text": "\n".join(lines) or None,
        }

    # --- documents ------------------------------------------------------------------------------------------------

    async def _submit(self, claim: Claim, door: Door) -> None:
        receivers, attachments = await self._database.run(lambda connection: _belonging(connection, claim.key))
        row = await self._documents.row(claim)
        await self._check_files(claim.key, attachments)
        key, uploads = f"database-{claim.key}", self._uploads(claim.key, attachments)
        if not row["act"]:
            record = record_of(row, receivers, attachments)
            await self._taken(claim, await door.submit(self._office, key, record, uploads))
            return
        if not isinstance(door, ChangeDoor):
            raise Refused([Problem("", "changes-not-taken", "recall, update and replace by the office API")])
        with _own("this office handed in no such document"):
            match row["act"]:
                case "recall":
                    request = recall_of(row, receivers, attachments)
                    asked = await door.recall(self._office, key, row["message_id"] or "", request, uploads)
                    answer = {"state": "taken", **self._reasons("", ())}
                    await self._answer(claim, answer, lambda c: _tell_asked(c, claim.key, receivers, asked))
                case "update" | "replace" as act:
                    change = door.update if act == "update" else door.replace
                    record = record_of(row, receivers, attachments)
                    changed = await change(self._office, key, row["message_id"] or "", record, uploads)
                    await self._taken(claim, changed)
                case _:
                    allowed = "recall, update, replace"
                    raise Refused([Problem("act", "unknown-value", f"one of {allowed}", {"allowed": allowed})])

    async def _taken(self, claim: Claim, submitted: Submitted) -> None:
        answer = {"state": "taken", "submission_id": submitted.submission_id, **self._reasons("", submitted.warnings)}
        await self._answer(claim, answer, lambda c: _tell_receivers(c, claim.key, submitted))

    async def _answer(self, claim: Claim, answer: Row, more: Callable[[Connection], None]) -> None:
        if not await self._documents.answer(claim, answer, more):
            _log.warning("claim lost before its answer", office=self._office, table=OUT_DOCUMENT.name)

    async def _check_files(self, out_id: str, attachments: Sequence[Row]) -> None:
        """Refuse what can be seen to be incomplete before any of it is read."""
        counted = await self._database.run(lambda connection: _counted(connection, out_id))
        problems: list[Problem] = []
        for index, row in enumerate(attachments):
            where = f"attachments[{index}]"
            if row["file_name"]:
                problems += await asyncio.to_thread(self._file_problems, row["file_name"], where)
            elif row["n"] in counted:
                count, last, largest = counted[row["n"]]
                if last != count - 1:
                    problems.append(Problem(where, "piece-missing", "its pieces are not numbered 0, 1, 2, …"))
                if largest > LARGEST_PIECE:
                    text = f"a piece is longer than {LARGEST_PIECE} bytes"
                    problems.append(Problem(where, "piece-too-large", text, {"limit": str(LARGEST_PIECE)}))
        if problems:
            raise Refused(problems)

    def _file_problems(self, name: str, where: str) -> list[Problem]:
        if self._folder is None:
            return [Problem(where, "no-shared-folder", "the gateway shares no folder with this office")]
        if not durable.plain_name(name):
            return [Problem(where, "name-unfit", "a plain file name is needed, with no folder in it")]
        try:
            durable.open_regular(self._folder / name).close()
        except OSError:
            return [Problem(where, "file-missing", "no such file lies in the shared folder (links do not count)")]
        return []

    async def _uploads(self, out_id: str, attachments: Sequence[Row]) -> AsyncIterator[Upload]:
        for row in attachments:
            content_type = row["content_type"] or mimetypes.guess_type(row["name"])[0] or "application/octet-stream"
            if row["file_name"] and self._folder is not None:
                chunks = durable.chunks(self._folder / row["file_name"])
            else:
                chunks = self._pieces(out_id, row["n"])
            yield Upload(row["name"], content_type, chunks)

    async def _pieces(self, out_id: str, n: int) -> Chunks:
        number = 0
        while (data := await self._database.run(_one_piece(out_id, n, number))) is not None:
            for start in range(0, len(data), CHUNK):
                yield data[start : start + CHUNK]
            number += 1

    # --- statuses -------------------------------------------------------------------------------------------------

    async def _report(self, claim: Claim, door: Door) -> None:
        if not isinstance(door, StatusDoor):
            raise Refused([Problem("", "statuses-not-taken", "report statuses by the office API")])
        row = await self._statuses.row(claim)
        staff = Staff(
            department=row["staff_department"] or "",
            staff=row["staff_name"] or "",
            mobile=row["staff_mobile"] or "",
            email=row["staff_email"] or "",
        )
        with _own("this office received no such document"):
            status_id = await door.report_status(
                self._office,
                row["message_id"],
                row["code"],
                row["reason"] or "",
                row["organ"] or None,
                staff if staff != Staff() else None,
            )
        await self._statuses.answer(claim, {"state": "taken", "status_id": status_id, **self._reasons("", ())})


@contextlib.contextmanager
def _own(otherwise: str) -> Iterator[None]:
    try:
        yield
    except GatewayError as exc:
        if exc.code != "not-found":
            raise
        raise Refused([Problem("message_id", exc.code, otherwise)]) from None


def _belonging(connection: Connection, out_id: str) -> tuple[list[Row], list[Row]]:
    def rows(table: Table) -> list[Row]:
        found = connection.execute(select(table).where(table.c.out_id == out_id).order_by(table.c.n))
        return [row._asdict() for row in found]

    return rows(OUT_RECEIVER), rows(OUT_ATTACHMENT)


def _counted(connection: Connection, out_id: str) -> Mapping[int, tuple[int, int, int]]:
    """Of each attachment: how many pieces, the last one's number, the longest one's length."""
    piece = OUT_PIECE.c
    found = connection.execute(
        select(piece.n, func.count(), func.max(piece.piece), func.max(func.length(piece.data)))
        .where(piece.out_id == out_id)
        .group_by(piece.n)
    )
    return {n: (count, last, largest) for n, count, last, largest in found}


def _one_piece(out_id: str, n: int, number: int) -> Callable[[Connection], bytes | None]:
    piece = OUT_PIECE.c
    statement = select(piece.data).where(piece.out_id == out_id, piece.n == n, piece.piece == number)
    return lambda connection: connection.execute(statement).scalar_one_or_none()


def _tell_receivers(connection: Connection, out_id: str, submitted: Submitted) -> None:
    """Which message carries the document to each receiver."""
    for message in submitted.messages:
        to_these = (OUT_RECEIVER.c.out_id == out_id, OUT_RECEIVER.c.code.in_(list(message["organs"])))
        connection.execute(
            update(OUT_RECEIVER).where(*to_these).values(message_id=message["message_id"], axis=message["axis"])
        )


def _tell_asked(connection: Connection, out_id: str, receivers: Sequence[Row], asked: Asked) -> None:
    """Who is asked, and by which message; whoever the office did not name gets a row of its own."""
    places = {each["code"]: each["n"] for each in receivers}
    free = count(max(places.values(), default=-1) + 1)
    for outcome, messages in (("asked", asked.messages), ("withdrawn", asked.withdrawn)):
        for message in messages:
            said = {"message_id": message["message_id"], "axis": message["axis"], "recall": outcome}
            for code in message["organs"]:
                if code in places:
                    of = (OUT_RECEIVER.c.out_id == out_id, OUT_RECEIVER.c.n == places[code])
                    connection.execute(update(OUT_RECEIVER).where(*of).values(said))
                else:
                    connection.execute(insert(OUT_RECEIVER).values(out_id=out_id, n=next(free), code=code, **said))
