"""The office that can only read and write files: a shared folder, or a mounted one.

    outbox/    the office puts `NAME.json` (the record of the office API) after the files it names, a ready
               `NAME.edxml`, or `NAME.status.json`; files of the record may also lie in `outbox/NAME/`
    taken/     `NAME/`: what was accepted, with `NAME.result.json` beside it
    rejected/  `NAME/`: what was not, with the reasons
    inbox/     `MESSAGE-ID/` for a document, `MESSAGE-ID.TYPE.json` for a status or a notice; the office takes them away

Everything appears by one rename, so whoever sees a name sees all of it. Hidden names are ours: `.working` holds what
was taken from the outbox and not settled yet, `.staging` what is being written for the inbox, `.handed` one empty
file per message handed over, so that a second hand-over changes nothing though the office has emptied its inbox.

This module writes the inbox; `adapters.office.outbox` reads the outbox.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from adapters.office import durable, telling
from adapters.office.options import AbsolutePath, Options, read
from adapters.office.outbox import Outbox
from gateway.errors import Misconfigured, NeedsOperator, Unreachable
from gateway.model import Problem
from gateway.ports import Door, Handover, Office, OfficeContext

NEEDS_A_PERSON = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}


class FolderOptions(Options):
    path: AbsolutePath | None = None
    """An existing folder that office and gateway both write to; `offices/NAME` of the data directory if not given."""
    interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    settle_seconds: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """How long a file must have kept its size and time before it counts as written."""
    patience_seconds: Annotated[float, Field(ge=0, le=86400)] = 30.0
    """How long a record may be unreadable, or miss a file it names, before it is rejected for that."""


def connect(options: Mapping[str, Any], context: OfficeContext) -> Office:
    """Raises `Misconfigured`."""
    settings = read(FolderOptions, options)
    if settings.path is None:
        root = context.data_dir / "offices" / context.name
        root.mkdir(parents=True, exist_ok=True)
    else:
        root = settings.path
    try:
        return FolderOffice(root, settings, context)
    except OSError as exc:
        raise Misconfigured([Problem("path", "unwritable", f"{root}: {exc.strerror}")]) from None


def check(options: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with the options."""
    try:
        settings = read(FolderOptions, options)
    except Misconfigured as exc:
        return list(exc.problems)
    if settings.path is not None and not settings.path.is_dir():
        return [Problem("path", "missing", f"{settings.path} is not a folder; make it, or mount it")]
    if settings.path is not None and not os.access(settings.path, os.R_OK | os.W_OK | os.X_OK):
        return [Problem("path", "unwritable", f"{settings.path} must be readable and writable for the gateway")]
    return []


class FolderOffice:
    pulls = False

    def __init__(self, root: Path, options: FolderOptions, context: OfficeContext) -> None:
        self.name = context.name
        self._inbox, self._staging, self._handed = root / "inbox", root / ".staging", root / ".handed"
        # Never made again later: in an unmounted folder an empty `.handed` would forget what was handed over.
        for folder in (self._inbox, self._staging, self._handed):
            folder.mkdir(exist_ok=True)
        self._outbox = Outbox(
            root,
            context.name,
            interval=options.interval_seconds,
            settle=options.settle_seconds,
            patience=options.patience_seconds,
            now=context.now,
            say=context.say,
        )
        self._under_way: set[str] = set()

    async def hand_over(self, handover: Handover) -> None:
        """Put it into the inbox, once and for ever."""
        name = _name(handover)
        if name in self._under_way:
            raise Unreachable("folder-under-way", "this message is being written right now", after=1.0)
        self._under_way.add(name)
        try:
            if not await asyncio.to_thread(self._promised, name):
                await self._stage(name, handover)
                await asyncio.to_thread(self._promise, name)
            await asyncio.to_thread(self._show, name)
        except OSError as exc:
            reason = f"{errno.errorcode.get(exc.errno or 0, 'error')} while writing to the office's folder"
            if exc.errno in NEEDS_A_PERSON:
                raise NeedsOperator("folder-unusable", reason) from None
            raise Unreachable("folder-unwritable", reason) from None
        finally:
            self._under_way.discard(name)

    async def run(self, door: Door) -> None:
        """Carry the outbox to the door until cancelled."""
        await self._outbox.run(door)

    async def close(self) -> None:
        """Nothing stays open."""

    async def _stage(self, name: str, handover: Handover) -> None:
        """Write all of it, durably, where the office does not look."""
        place = self._staging / name
        told = telling.told(handover)
        if handover.document is None:
            await asyncio.to_thread(durable.write_json, place, told)
            return
        await asyncio.to_thread(_empty_folder, place)
        if handover.edxml is not None:
            await durable.write_chunks(place / "document.edxml", handover.edxml())
        if handover.attachments:
            folder = place / "attachments"
            await asyncio.to_thread(folder.mkdir)
            files = telling.file_names(handover.attachments)
            for source, file in zip(handover.attachments, files, strict=True):
                await durable.write_chunks(folder / file, source.chunks())
            await asyncio.to_thread(durable.sync_folder, folder)
            for line, file in zip(told["document"]["attachments"], files, strict=False):
                line["file"] = f"attachments/{file}"
        await asyncio.to_thread(durable.write_json, place / "document.json", told)

    def _promised(self, name: str) -> bool:
        return (self._handed / name).exists() or (self._inbox / name).exists()

    def _promise(self, name: str) -> None:
        """From here on the message counts as handed over: all that is left is the rename, which `_show` makes up for."""
        durable.sync_folder(self._staging)
        handle = os.open(self._handed / name, os.O_WRONLY | os.O_CREAT, 0o640)
        os.fsync(handle)
        os.close(handle)
        durable.sync_folder(self._handed)

    def _show(self, name: str) -> None:
        staged = self._staging / name
        if staged.exists():
            durable.move(staged, self._inbox / name)


def _name(handover: Handover) -> str:
    event = handover.event
    name = event.message_id if handover.document is not None else f"{event.message_id}.{event.type}.json"
    if not durable.plain_name(name):
        raise NeedsOperator("message-id-unfit", "the message id cannot be a file name")
    return name


def _empty_folder(place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)
    place.mkdir()
