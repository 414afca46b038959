"""From what was taken out of an outbox to the door, and the result that the office finds beside it.

The key is made of the file's name and the digests of all that belongs to it: the same name with another content is
another submission.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.office import durable
from adapters.office.signals import Signal, attachment_names, read_json, record_in
from gateway.errors import GatewayError, Refused
from gateway.model import Problem, Staff
from gateway.ports import Asked, ChangeDoor, Door, StatusDoor, Submitted, Upload


class StatusReport(BaseModel):
    """`NAME.status.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    message_id: str
    code: str
    reason: str = ""
    organ: str | None = None
    staff: Staff | None = None


class HandingIn:
    def __init__(
        self, working: Path, office: str, now: Callable[[], dt.datetime], say: Callable[[Problem], str]
    ) -> None:
        self._working, self._office, self._now, self._say = working, office, now, say

    async def hand_in(self, signal: Signal, door: Door) -> dict[str, Any]:
        """The result, whichever it is. Raises `Busy`."""
        try:
            told = await self._told(signal, door)
        except Refused as exc:
            told = {
                "outcome": "rejected",
                "code": exc.code,
                "problems": self._problems(exc.problems),
            }
        return {**told, "at": self._now().isoformat()}

    async def _told(self, signal: Signal, door: Door) -> dict[str, Any]:
        match signal.kind:
            case "edxml":
                chunks = durable.chunks(await asyncio.to_thread(self._checked, signal, signal.file, ""))
                return self._accepted(await door.submit_edxml(self._office, chunks))
            case "status":
                return await self._report(signal, door)
            case "record":
                record, paths = await asyncio.to_thread(self._read_record, signal)
                key = await self._key(signal, paths)
                return self._accepted(await door.submit(self._office, key, record, _uploads(record, paths)))
        return await self._change(signal, door)

    async def _change(self, signal: Signal, door: Door) -> dict[str, Any]:
        """Recall, update or replace what was handed in before."""
        if not isinstance(door, ChangeDoor):
            raise Refused([Problem("", "changes-not-taken", "recall, update and replace by the office API")])
        said, paths = await asyncio.to_thread(self._read_record, signal)
        message_id = said.pop("message_id", None)
        if not isinstance(message_id, str) or not message_id:
            raise Refused([Problem("message_id", "missing", "which message is this about?")])
        record, key = said.get("record") or {}, await self._key(signal, paths)
        uploads = _uploads(record, paths)
        try:
            if signal.kind == "recall":
                asked = await door.recall(self._office, key, message_id, said, uploads)
                return _asked(message_id, asked)
            if unknown := sorted(set(said) - {"record"}):
                raise Refused([Problem(name[:60], "unknown-field", "no such field") for name in unknown])
            change = door.update if signal.kind == "update" else door.replace
            submitted = await change(self._office, key, message_id, record, uploads)
        except GatewayError as exc:
            if exc.code != "not-found":
                raise
            raise Refused([Problem("message_id", exc.code, "this office handed in no such document")]) from None
        return self._accepted(submitted)

    async def _key(self, signal: Signal, paths: list[Path]) -> str:
        return await asyncio.to_thread(key_of, self._working / signal.file / signal.file, paths)

    async def _report(self, signal: Signal, door: Door) -> dict[str, Any]:
        if not isinstance(door, StatusDoor):
            raise Refused([Problem("", "statuses-not-taken", "report statuses by the office API")])
        path = await asyncio.to_thread(self._checked, signal, signal.file, "")
        try:
            report = StatusReport.model_validate(await asyncio.to_thread(read_json, path))
        except ValidationError as exc:
            raise Refused(
                [
                    Problem(".".join(str(part) for part in error["loc"]), error["type"].replace("_", "-"), error["msg"])
                    for error in exc.errors(include_input=False, include_url=False, include_context=False)
                ]
            ) from None
        try:
            status_id = await door.report_status(
                self._office, report.message_id, report.code, report.reason, report.organ, report.staff
            )
        except GatewayError as exc:
            if exc.code != "not-found":
                raise
            raise Refused([Problem("message_id", exc.code, "this office received no such document")]) from None
        return {"outcome": "taken", "message_id": report.message_id, "code": report.code, "status_id": status_id}

    def _read_record(self, signal: Signal) -> tuple[dict[str, Any], list[Path]]:
        """What was written, with the list of attachments that its record has, and where those lie. Raises `Refused`."""
        read = read_json(self._checked(signal, signal.file, ""))
        record = record_in(signal, read)
        names = attachment_names(record)
        if not isinstance(read, dict) or names is None:
            raise Refused(
                [
                    Problem(
                        "", "not-json", "one JSON object in UTF-8 is needed, no name twice, with a list of attachments"
                    )
                ]
            )
        paths: list[Path] = []
        problems: list[Problem] = []
        for index, name in enumerate(names):
            try:
                paths.append(self._checked(signal, name, f"attachments[{index}].name"))
            except Refused as exc:
                problems += exc.problems
        if problems:
            raise Refused(problems)
        if record is read:
            return {**read, "attachments": read.get("attachments") or []}, paths
        return dict(read), paths

    def _checked(self, signal: Signal, name: str, field: str) -> Path:
        """Where a file of this submission lies, if it is one. Raises `Refused`."""
        path = self._working / signal.file / name
        if field and not signal.fits(name):
            raise Refused([Problem(field, "name-unfit", "a plain file name is needed, with no folder in it")])
        try:
            durable.open_regular(path).close()
        except FileNotFoundError:
            raise Refused(
                [Problem(field, "file-missing", "no such file lies beside the record (links do not count)")]
            ) from None
        except OSError:
            raise Refused([Problem(field, "not-a-file", "a regular file is needed, no link")]) from None
        return path

    def _accepted(self, submitted: Submitted) -> dict[str, Any]:
        return {
            "outcome": "taken",
            "submission_id": submitted.submission_id,
            "messages": [dict(message) for message in submitted.messages],
            "repeated": submitted.repeated,
            "warnings": self._problems(submitted.warnings),
        }

    def _problems(self, problems: Iterable[Problem]) -> list[dict[str, Any]]:
        return [
            {"field": each.field, "code": each.code, "message": self._say(each), "facts": dict(each.facts)}
            for each in problems
        ]


def _asked(message_id: str, asked: Asked) -> dict[str, Any]:
    return {
        "outcome": "taken",
        "document": message_id,
        "messages": [dict(message) for message in asked.messages],
        "withdrawn": [dict(message) for message in asked.withdrawn],
        "repeated": asked.repeated,
    }


async def _uploads(record: Mapping[str, Any], paths: list[Path]) -> AsyncIterator[Upload]:
    types = [item.get("content_type") for item in record.get("attachments") or []]
    for path, content_type in zip(paths, types, strict=True):
        guessed = content_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        yield Upload(path.name, str(guessed), durable.chunks(path))


def key_of(record: Path, attachments: list[Path]) -> str:
    total = hashlib.sha256(record.name.encode())
    for path in (record, *attachments):
        with durable.open_regular(path) as file:
            total.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return f"folder-{total.hexdigest()}"
