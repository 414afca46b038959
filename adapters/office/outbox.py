"""What an office puts into its outbox, on its way to the door.

    outbox/NAME.json ─written─▶ .working/NAME.json/ ─answered─▶ taken/NAME/ | rejected/NAME/

Each arrow is one rename, so a process that dies anywhere finds on its next start what it was doing. What died between
the door's answer and the writing of the result is handed in again under the same key, and gets the same answer.
The key is made of the file's name and the digests of all that belongs to it: the same name with another content is
another submission.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
import mimetypes
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.office import durable
from gateway.errors import GatewayError, Refused, Retryable
from gateway.model import Problem, Staff
from gateway.ports import Chunks, Door, StatusDoor, Submitted, Upload

LARGEST_RECORD = 1 << 20
CHUNK = 256 << 10
AT_ONCE = 8
"""Submissions under way at once: enough for the journal to commit them together."""
AFTER_A_FAULT = 30.0
"""Seconds until a submission that met a fault of ours is tried again."""

_log = structlog.get_logger(__name__)


class StatusReport(BaseModel):
    """`NAME.status.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    message_id: str
    code: str
    reason: str = ""
    organ: str | None = None
    staff: Staff | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """The file whose appearance says that all of a submission is there."""

    file: str
    stem: str
    """NAME, or NAME.status: what the result and the settled folder are called."""

    @classmethod
    def of(cls, file: str) -> Signal | None:
        for suffix in (".json", ".edxml"):
            if file.endswith(suffix) and durable.plain_name(file):
                return cls(file, file.removesuffix(suffix))
        return None

    @property
    def is_record(self) -> bool:
        return self.file.endswith(".json") and not self.is_status

    @property
    def is_status(self) -> bool:
        return self.file.endswith(".status.json")

    @property
    def result(self) -> str:
        return f"{self.stem}.result.json"


class Outbox:
    def __init__(
        self,
        root: Path,
        office: str,
        *,
        interval: float,
        settle: float,
        patience: float,
        now: Callable[[], dt.datetime],
        say: Callable[[Problem], str],
    ) -> None:
        self._say = say
        self._office, self._interval, self._settle, self._patience, self._now = office, interval, settle, patience, now
        self._outbox, self._working = root / "outbox", root / ".working"
        self._taken, self._rejected = root / "taken", root / "rejected"
        for folder in (self._outbox, self._working, self._taken, self._rejected):
            folder.mkdir(exist_ok=True)
        self._seen: dict[str, tuple[Any, float]] = {}
        self._not_before: dict[str, float] = {}

    async def run(self, door: Door) -> None:
        """Carry until cancelled. Nothing else ends it: what cannot be carried now is carried later."""
        while True:
            try:
                ready = await asyncio.to_thread(self._look)
                places = asyncio.Semaphore(AT_ONCE)
                await asyncio.gather(*(self._carry(signal, door, places) for signal in ready))
            except OSError as exc:
                _log.warning("outbox unreadable", office=self._office, error=type(exc).__name__, errno=exc.errno)
            await asyncio.sleep(self._interval)

    # --- outbox to .working ---

    def _look(self) -> list[Signal]:
        """Take everything that is written to its end, and say what waits in `.working`, oldest first."""
        listed = {signal for entry in self._outbox.iterdir() if (signal := Signal.of(entry.name)) is not None}
        for signal in listed:
            if self._written(signal):
                self._claim(signal)
        self._seen = {file: seen for file, seen in self._seen.items() if Signal.of(file) in listed}
        now = time.monotonic()
        waiting = [
            (entry.stat().st_mtime_ns, signal)
            for entry in self._working.iterdir()
            if (signal := Signal.of(entry.name)) is not None
            and self._not_before.get(signal.file, 0.0) <= now
            and os.path.lexists(entry / signal.file)
        ]
        return [signal for _, signal in sorted(waiting, key=lambda pair: pair[0])]

    def _written(self, signal: Signal) -> bool:
        """Whether neither the signal nor the files it names have changed for long enough."""
        names = _attachment_names(_json(self._outbox / signal.file)) if signal.is_record else []
        looks = [_look_of(self._outbox / signal.file)]
        looks += [_look_of(self._folder_of(signal, name) / name) for name in names or [] if self._fit(signal, name)]
        now = time.monotonic()
        looks_before, since = self._seen.get(signal.file, (None, now))
        if looks != looks_before:
            since = now
        self._seen[signal.file] = (looks, since)
        in_doubt = names is None or None in looks
        return now - since >= (self._patience if in_doubt else self._settle) and looks == looks_before

    def _folder_of(self, signal: Signal, name: str) -> Path:
        own = self._outbox / signal.stem
        return own if not own.is_symlink() and os.path.lexists(own / name) else self._outbox

    def _claim(self, signal: Signal) -> None:
        """Move the files, then the signal: while the signal is in the outbox, the claim can be begun again."""
        place = self._working / signal.file
        if os.path.lexists(place / signal.file):
            return  # the submission of the same name before this one is not settled yet
        place.mkdir(exist_ok=True)
        names = (_attachment_names(_json(self._outbox / signal.file)) or []) if signal.is_record else []
        for name in names:
            folder = self._folder_of(signal, name)
            if self._fit(signal, name) and _look_of(folder / name) is not None:
                _rename_from(folder, name, place)
        (self._outbox / signal.file).rename(place / signal.file)
        with contextlib.suppress(OSError):  # not there, or something is left in it that no record has named
            (self._outbox / signal.stem).rmdir()

    @staticmethod
    def _fit(signal: Signal, name: str) -> bool:
        return durable.plain_name(name) and name not in {signal.file, signal.result}

    # --- .working to the door ---

    async def _carry(self, signal: Signal, door: Door, places: asyncio.Semaphore) -> None:
        place = self._working / signal.file
        async with places:
            try:
                settled = await asyncio.to_thread(self._result, signal)
                if settled is None:
                    settled = await self._hand_in(signal, door)
                    await asyncio.to_thread(durable.write_json, place / signal.result, settled)
                target = self._taken if settled["outcome"] == "taken" else self._rejected
                await asyncio.to_thread(lambda: durable.move(place, _free(target, signal.stem)))
                self._not_before.pop(signal.file, None)
            except Retryable as exc:
                self._not_before[signal.file] = time.monotonic() + (exc.after or self._interval)
            except Exception as exc:  # noqa: BLE001 - a fault with one submission must not stop the others
                # Names of files may tell what a document is about, so the log has none.
                _log.error("submission put off after a fault", office=self._office, error=type(exc).__name__)
                self._not_before[signal.file] = time.monotonic() + AFTER_A_FAULT

    def _result(self, signal: Signal) -> dict[str, Any] | None:
        settled = _json(self._working / signal.file / signal.result)
        return settled if isinstance(settled, dict) and "outcome" in settled else None

    async def _hand_in(self, signal: Signal, door: Door) -> dict[str, Any]:
        """The result, whichever it is. Raises `Busy`."""
        try:
            if signal.is_status:
                told = await self._report(signal, door)
            elif signal.is_record:
                told = self._accepted(await self._submit(signal, door))
            else:
                chunks = _chunks(await asyncio.to_thread(self._checked, signal, signal.file, ""))
                told = self._accepted(await door.submit_edxml(self._office, chunks))
        except Refused as exc:
            told = {
                "outcome": "rejected",
                "code": exc.code,
                "problems": self._problems(exc.problems),
            }
        return {**told, "at": self._now().isoformat()}

    async def _submit(self, signal: Signal, door: Door) -> Submitted:
        record, paths = await asyncio.to_thread(self._read_record, signal)
        key = await asyncio.to_thread(_key, self._working / signal.file / signal.file, paths)
        types = [item.get("content_type") if isinstance(item, dict) else None for item in record["attachments"]]

        async def uploads() -> AsyncIterator[Upload]:
            for path, content_type in zip(paths, types, strict=True):
                guessed = content_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                yield Upload(path.name, str(guessed), _chunks(path))

        return await door.submit(self._office, key, record, uploads())

    async def _report(self, signal: Signal, door: Door) -> dict[str, Any]:
        if not isinstance(door, StatusDoor):
            raise Refused([Problem("", "statuses-not-taken", "report statuses by the office API")])
        path = await asyncio.to_thread(self._checked, signal, signal.file, "")
        try:
            report = StatusReport.model_validate(await asyncio.to_thread(_json, path))
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
        record = _json(self._checked(signal, signal.file, ""))
        names = _attachment_names(record)
        if not isinstance(record, dict) or names is None:
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
        return {**record, "attachments": record.get("attachments") or []}, paths

    def _checked(self, signal: Signal, name: str, field: str) -> Path:
        """Where a file of this submission lies, if it is one. Raises `Refused`."""
        path = self._working / signal.file / name
        if field and not self._fit(signal, name):
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


def _json(path: Path) -> Any:
    """What a JSON file holds; None for one that is not whole, too large, or no file."""
    try:
        with durable.open_regular(path) as file:
            data = file.read(LARGEST_RECORD + 1)
        if len(data) > LARGEST_RECORD:
            return None
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        # Which of two values counts is for nobody to guess, least of all where a degree of secrecy stands.
        raise ValueError("a name stands twice")
    return read


def _no_constant(_: str) -> NoReturn:
    raise ValueError("not a number")


def _attachment_names(record: Any) -> list[str] | None:
    """The files that a record names; None where it cannot be understood."""
    if not isinstance(record, Mapping):
        return None
    listed = record.get("attachments") or []
    if not isinstance(listed, list):
        return None
    names = [item.get("name") if isinstance(item, Mapping) else None for item in listed]
    return [name for name in names if isinstance(name, str)] if all(isinstance(name, str) for name in names) else None


def _look_of(path: Path) -> tuple[int, int, int] | None:
    """What changes while a file is written; None where no regular file is."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _rename_from(folder: Path, name: str, place: Path) -> None:
    # By handle: a folder that the office swaps for a link in this very moment would lead anywhere.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.rename(name, place / name, src_dir_fd=handle)
    finally:
        os.close(handle)


def _key(record: Path, attachments: list[Path]) -> str:
    total = hashlib.sha256(record.name.encode())
    for path in (record, *attachments):
        with durable.open_regular(path) as file:
            total.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return f"folder-{total.hexdigest()}"


async def _chunks(path: Path) -> Chunks:
    file = await asyncio.to_thread(durable.open_regular, path)
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
    finally:
        file.close()


def _free(folder: Path, stem: str) -> Path:
    """A name that nothing has yet: an office may use one name again and again."""
    path, count = folder / stem, 1
    while os.path.lexists(path):
        count += 1
        path = folder / f"{stem}~{count}"
    return path
