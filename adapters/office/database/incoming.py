"""Into the office's database: a message appears by one transaction, after its bytes.

    begin   our attempt's name into the message's line of `lt_handed`, and away with what an earlier attempt left
    write   the bytes, in pieces of their own rows and transactions, or as files: nothing shows them yet
    show    the message, what belongs to it, and the time into `lt_handed`: from here on it is handed over for ever

Each of these writes that line first and only where it still names our attempt, so two nodes that both think a message
theirs take turns at it, and the one that came first is told.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import glob
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy import delete as delete_from

from adapters.office import durable, telling
from adapters.office.database.connection import Conflict, Database
from adapters.office.database.options import DatabaseOptions
from adapters.office.database.tables import (
    HANDED,
    IN_ATTACHMENT,
    IN_MESSAGE,
    IN_PIECE,
    IN_RECEIVER,
    clipped,
)
from gateway.errors import NeedsOperator, Unreachable
from gateway.model import Document
from gateway.ports import Chunks, Handover

NEEDS_A_PERSON = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}
Row = dict[str, Any]


class Incoming:
    def __init__(self, database: Database, options: DatabaseOptions, now: Callable[[], dt.datetime]) -> None:
        self._database = database
        self._folder = options.files and options.files / "in"
        self._piece_bytes = options.piece_bytes
        self._now = now
        self._under_way: set[str] = set()

    async def hand_over(self, handover: Handover) -> None:
        """Raises `Unreachable` and `NeedsOperator`."""
        message_id = handover.event.message_id
        if len(message_id) > 64:
            raise NeedsOperator("message-id-unfit", "the message id is longer than its column")
        if message_id in self._under_way:
            raise Unreachable("database-under-way", "this message is being written right now", after=1.0)
        self._under_way.add(message_id)
        try:
            await self._database.check()
            attempt = uuid.uuid4().hex
            if await self._begin(message_id, attempt):
                await self._write(handover, message_id, attempt)
        except OSError as exc:
            reason = f"{errno.errorcode.get(exc.errno or 0, 'error')} while writing to the shared folder"
            if exc.errno in NEEDS_A_PERSON:
                raise NeedsOperator("folder-unusable", reason) from None
            raise Unreachable("folder-unwritable", reason) from None
        finally:
            self._under_way.discard(message_id)

    async def _begin(self, message_id: str, attempt: str) -> bool:
        """Whether there is anything to do."""
        try:
            return await self._database.run(lambda connection: _begin(connection, message_id, attempt))
        except Conflict:
            raise Unreachable("database-under-way", "another node is just beginning this message", after=1.0) from None

    async def _write(self, handover: Handover, message_id: str, attempt: str) -> None:
        attachments = [_attachment_row(message_id, n, source) for n, source in enumerate(handover.attachments)]
        pending: list[Row] = []
        if self._folder is not None and attachments:
            await self._write_files(handover, self._folder, attachments, attempt)
        elif attachments:
            pending = await self._write_pieces(handover, attachments, attempt)
        message = _message_row(handover, self._now())
        receivers = [{"message_id": message_id, "n": n, "code": code} for n, code in enumerate(handover.organs)]

        def show(connection: Connection) -> None:
            _still_ours(connection, message_id, attempt, handed_at=message["received_at"])
            _insert(connection, IN_PIECE, pending)
            _insert(connection, IN_MESSAGE, [message])
            _insert(connection, IN_RECEIVER, receivers)
            _insert(connection, IN_ATTACHMENT, attachments)

        await self._database.run(show)
        if self._folder is not None:
            await asyncio.to_thread(_sweep, self._folder, message_id, attempt)

    async def _write_pieces(self, handover: Handover, attachments: list[Row], attempt: str) -> list[Row]:
        """Write all pieces but the last few, which are returned: the last transaction takes them along."""
        message_id = handover.event.message_id
        pending: list[Row] = []
        held = 0

        def write(connection: Connection) -> None:
            _still_ours(connection, message_id, attempt)
            _insert(connection, IN_PIECE, pending)

        for row, source in zip(attachments, handover.attachments, strict=True):
            number = 0
            async for data in _pieces(source.chunks(), self._piece_bytes):
                if held + len(data) > self._piece_bytes:
                    await self._database.run(write)
                    pending, held = [], 0
                pending.append({"message_id": message_id, "n": row["n"], "piece": number, "data": data})
                held += len(data)
                number += 1
        return pending

    async def _write_files(self, handover: Handover, folder: Path, attachments: list[Row], attempt: str) -> None:
        message_id = handover.event.message_id
        if not durable.plain_name(message_id):
            raise NeedsOperator("message-id-unfit", "the message id cannot be the name of a folder")
        place = folder / f"{message_id}.{attempt[:8]}"  # no attempt touches what another one may be about to show
        await asyncio.to_thread(place.mkdir, parents=True)
        names = telling.file_names(handover.attachments)
        for row, source, name in zip(attachments, handover.attachments, names, strict=True):
            await durable.write_chunks(place / name, source.chunks())
            row["file_name"] = f"{place.name}/{name}"
        await asyncio.to_thread(durable.sync_folder, place)
        await asyncio.to_thread(durable.sync_folder, folder)


def _begin(connection: Connection, message_id: str, attempt: str) -> bool:
    """False where it was handed over; else it is this attempt's, and nothing is left of an earlier one."""
    line = HANDED.c.message_id == message_id
    if connection.execute(update(HANDED).where(line, HANDED.c.handed_at.is_(None)).values(attempt=attempt)).rowcount:
        connection.execute(delete_from(IN_PIECE).where(IN_PIECE.c.message_id == message_id))
        return True
    if connection.execute(select(HANDED.c.message_id).where(line)).first() is not None:
        return False
    _insert(connection, HANDED, [{"message_id": message_id, "attempt": attempt, "handed_at": None}])
    return True


def _still_ours(connection: Connection, message_id: str, attempt: str, *, handed_at: dt.datetime | None = None) -> None:
    """Holds the message's line to the end of the transaction. Raises `Unreachable` where another attempt has it."""
    ours = update(HANDED).where(
        HANDED.c.message_id == message_id, HANDED.c.attempt == attempt, HANDED.c.handed_at.is_(None)
    )
    if connection.execute(ours.values(handed_at=handed_at)).rowcount != 1:
        raise Unreachable("database-taken-over", "another node writes this message")


def _insert(connection: Connection, table: Table, rows: list[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _message_row(handover: Handover, now: dt.datetime) -> Row:
    event, document, status = handover.event, handover.document, handover.status
    row: Row = {
        "message_id": event.message_id,
        "event_type": event.type,
        "received_at": now.astimezone(dt.UTC).replace(tzinfo=None),
        "document_id": event.data.get("document_id"),
        "sender_code": event.data.get("from"),
        "about": event.data.get("about"),
        "problem_code": event.data.get("code"),
        "body": json.dumps(telling.told(handover), ensure_ascii=False, separators=(",", ":")),
    }
    if document is not None:
        row |= _described(document)
    if status is not None:
        row |= {
            "sender_code": status.sender.code,
            "sender_name": status.sender.name,
            "document_id": status.response_for.document_id,
            "status_code": status.code,
            "status_text": status.description,
        }
    return {name: clipped(IN_MESSAGE.c[name], v) if isinstance(v, str) else v for name, v in row.items()}


def _described(document: Document) -> Row:
    signer = document.signer
    return {
        "sender_code": document.sender.code,
        "sender_name": document.sender.name,
        "document_id": document.document_id,
        "document_number": document.number,
        "document_notation": document.notation,
        "promulgation_date": document.promulgation_date,
        "promulgation_place": document.place,
        "type_code": document.type,
        "type_name": document.type_name,
        "subject": document.subject,
        "summary": document.summary,
        "signer_competence": signer and signer.competence,
        "signer_position": signer and signer.position,
        "signer_name": signer and signer.full_name,
        "due_date": document.due_date,
        "priority": document.priority,
        "business_type": document.business.type,
    }


def _attachment_row(message_id: str, n: int, source: Any) -> Row:
    attachment = source.attachment
    assert attachment.content is not None, "what is handed over is held"
    return {
        "message_id": message_id,
        "n": n,
        "name": clipped(IN_ATTACHMENT.c.name, attachment.name) or f"attachment-{n}",
        "content_type": clipped(IN_ATTACHMENT.c.content_type, attachment.content_type),
        "description": clipped(IN_ATTACHMENT.c.description, attachment.description),
        "size_bytes": attachment.content.size,
        "sha256": attachment.content.sha256,
        "file_name": None,
    }


async def _pieces(chunks: Chunks, size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of exactly `size`, but for the last."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _sweep(folder: Path, message_id: str, attempt: str) -> None:
    """Remove what earlier attempts left; none of them can show it any more."""
    for place in folder.glob(f"{glob.escape(message_id)}.*"):
        if place.name != f"{message_id}.{attempt[:8]}":
            shutil.rmtree(place, ignore_errors=True)
