"""What an office puts into its outbox, on its way to the door (`adapters.office.handing_in`).

    outbox/NAME.json ─written─▶ .working/NAME.json/ ─answered─▶ taken/NAME/ | rejected/NAME/

Each arrow is one rename, so a process that dies anywhere finds on its next start what it was doing. What died between
the door's answer and the writing of the result is handed in again under the same key, and gets the same answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from adapters.office import durable
from adapters.office.handing_in import HandingIn
from adapters.office.signals import Signal, attachment_names, look_of, read_json, record_in
from gateway.errors import Retryable
from gateway.model import Problem
from gateway.ports import Door

AT_ONCE = 8
"""Submissions under way at once: enough for the journal to commit them together."""
AFTER_A_FAULT = 30.0
"""Seconds until a submission that met a fault of ours is tried again."""

_log = structlog.get_logger(__name__)


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
        self._office, self._interval, self._settle, self._patience = office, interval, settle, patience
        self._outbox, self._working = root / "outbox", root / ".working"
        self._taken, self._rejected = root / "taken", root / "rejected"
        for folder in (self._outbox, self._working, self._taken, self._rejected):
            folder.mkdir(exist_ok=True)
        self._handing_in = HandingIn(self._working, office, now, say)
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
        names = self._named(signal)
        looks = [look_of(self._outbox / signal.file)]
        looks += [look_of(self._folder_of(signal, name) / name) for name in names or [] if signal.fits(name)]
        now = time.monotonic()
        looks_before, since = self._seen.get(signal.file, (None, now))
        if looks != looks_before:
            since = now
        self._seen[signal.file] = (looks, since)
        in_doubt = names is None or None in looks
        return now - since >= (self._patience if in_doubt else self._settle) and looks == looks_before

    def _named(self, signal: Signal) -> list[str] | None:
        """The files that belong to it; None where that cannot be read (yet)."""
        if signal.kind in {"edxml", "status"}:
            return []
        return attachment_names(record_in(signal, read_json(self._outbox / signal.file)))

    def _folder_of(self, signal: Signal, name: str) -> Path:
        own = self._outbox / signal.stem
        return own if not own.is_symlink() and os.path.lexists(own / name) else self._outbox

    def _claim(self, signal: Signal) -> None:
        """Move the files, then the signal: while the signal is in the outbox, the claim can be begun again."""
        place = self._working / signal.file
        if os.path.lexists(place / signal.file):
            return  # the submission of the same name before this one is not settled yet
        place.mkdir(exist_ok=True)
        names = self._named(signal) or []
        for name in names:
            folder = self._folder_of(signal, name)
            if signal.fits(name) and look_of(folder / name) is not None:
                _rename_from(folder, name, place)
        (self._outbox / signal.file).rename(place / signal.file)
        with contextlib.suppress(OSError):  # not there, or something is left in it that no record has named
            (self._outbox / signal.stem).rmdir()

    # --- .working to the door ---

    async def _carry(self, signal: Signal, door: Door, places: asyncio.Semaphore) -> None:
        place = self._working / signal.file
        async with places:
            try:
                settled = await asyncio.to_thread(self._result, signal)
                if settled is None:
                    settled = await self._handing_in.hand_in(signal, door)
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
        settled = read_json(self._working / signal.file / signal.result)
        return settled if isinstance(settled, dict) and "outcome" in settled else None


def _rename_from(folder: Path, name: str, place: Path) -> None:
    # By handle: a folder that the office swaps for a link in this very moment would lead anywhere.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.rename(name, place / name, src_dir_fd=handle)
    finally:
        os.close(handle)


def _free(folder: Path, stem: str) -> Path:
    """A name that nothing has yet: an office may use one name again and again."""
    path, count = folder / stem, 1
    while os.path.lexists(path):
        count += 1
        path = folder / f"{stem}~{count}"
    return path
