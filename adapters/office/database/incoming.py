"""Into the office's database: a message appears by one transaction, after its bytes.

The bytes go first, in pieces of their own rows and transactions, or as files: nothing shows them yet. The last
transaction writes the message, what belongs to it and its line in `lt_handed`, whose key no second hand-over gets past.
What a hand-over that died has left is swept by the next one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select
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
            if not await self._database.run(lambda connection: _handed_or_swept(connection, message_id)):
                await self._write(handover, message_id)
        except OSError as exc:
            reason = f"{errno.errorcode.get(exc.errno or 0, 'error')} while writing to the shared folder"
            if exc.errno in NEEDS_A_PERSON:
                raise NeedsOperator("folder-unusable", reason) from None
            raise Unreachable("folder-unwritable", reason) from None
        finally:
            self._under_way.discard(message_id)

    async def _write(self, handover: Handover, message_id: str) -> None:
        attachments = [_attachment_row(message_id, n, source) for n, source in enumerate(handover.attachments)]
        pending: list[Row] = []
        if self._folder is not None and attachments:
            await self._write_files(handover, self._folder, attachments)
        elif attachments:
            pending = await self._write_pieces(handover, attachments)
        message = _message_row(handover, self._now())
        receivers = [{"message_id": message_id, "n": n, "code": code} for n, code in enumerate(handover.organs)]

        def show(connection: Connection) -> None:
            _insert(connection, IN_PIECE, pending)
            if self._folder is None:
                _all_there(connection, message_id, attachments, self._piece_bytes)
            _insert(connection, IN_MESSAGE, [message])
            _insert(connection, IN_RECEIVER, receivers)
            _insert(connection, IN_ATTACHMENT, attachments)
            _insert(connection, HANDED, [{"message_id": message_id, "handed_at": message["received_at"]}])

        try:
            await self._database.run(show)
        except Conflict:
            if not await self._database.run(lambda connection: _handed(connection, message_id)):
                raise

    async def _write_pieces(self, handover: Handover, attachments: list[Row]) -> list[Row]:
        """Write all pieces but the last few, which are returned: the last transaction takes them along."""
        pending: list[Row] = []
        held = 0
        for row, source in zip(attachments, handover.attachments, strict=True):
            number = 0
            async for data in _pieces(source.chunks(), self._piece_bytes):
                if held + len(data) > self._piece_bytes:
                    written, pending, held = pending, [], 0
                    await self._database.run(lambda connection, rows=written: _insert(connection, IN_PIECE, rows))  # type: ignore[misc]
                pending.append({"message_id": row["message_id"], "n": row["n"], "piece": number, "data": data})
                held += len(data)
                number += 1
        return pending

    async def _write_files(self, handover: Handover, folder: Path, attachments: list[Row]) -> None:
        message_id = handover.event.message_id
        if not durable.plain_name(message_id):
            raise NeedsOperator("message-id-unfit", "the message id cannot be the name of a folder")
        place = folder / message_id
        await asyncio.to_thread(_empty_folder, place)
        names = telling.file_names(handover.attachments)
        for row, source, name in zip(attachments, handover.attachments, names, strict=True):
            await durable.write_chunks(place / name, source.chunks())
            row["file_name"] = f"{message_id}/{name}"[:240]
        await asyncio.to_thread(durable.sync_folder, place)


def _handed(connection: Connection, message_id: str) -> bool:
    return connection.execute(select(HANDED.c.message_id).where(HANDED.c.message_id == message_id)).first() is not None


def _handed_or_swept(connection: Connection, message_id: str) -> bool:
    """Whether it was handed over; if not, nothing is left of an earlier try after this."""
    if _handed(connection, message_id):
        return True
    connection.execute(delete_from(IN_PIECE).where(IN_PIECE.c.message_id == message_id))
    return False


def _insert(connection: Connection, table: Table, rows: list[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _all_there(connection: Connection, message_id: str, attachments: list[Row], piece_bytes: int) -> None:
    """No other node, thinking this message its own, has swept what was written."""
    counted = select(IN_PIECE.c.n, func.count()).where(IN_PIECE.c.message_id == message_id).group_by(IN_PIECE.c.n)
    found = {n: count for n, count in connection.execute(counted)}  # noqa: C416 - rows are no pairs to a type checker
    if any(found.get(row["n"], 0) != -(-row["size_bytes"] // piece_bytes) for row in attachments):
        raise Unreachable("database-pieces-lost", "pieces of an attachment are not as they were written")


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


def _empty_folder(place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    durable.sync_folder(place.parent)
