"""The ledger of purges, kept outside the database and outside what is backed up with it.

A backup that is restored brings back what was purged after it was made; the ledger says what must go again. One file
for each purge, created once:

    00000001.json    {"format", "number", "at", "message_id", "reason", "sha256", "prev": SHA-256 of the file before}

It holds ids, codes, digests and times. It is chained, so that a line taken out shows, and not signed: whoever can write
here can make the gateway erase, as they could erase its data.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.journal.chain import canonical
from gateway.journal.created_once import put
from gateway.journal.purges import Purged
from gateway.journal.rows import stamp, time

FORMAT = "lienthong-purge/1"
LARGEST = 64 << 10
_NAME = re.compile(r"(\d{8})\.json")


class LedgerBroken(GatewayError):
    """The folder of the purge ledger cannot be used."""


@dataclass(frozen=True, slots=True)
class LedgerFault:
    file: str
    what: str
    """`missing`, `unreadable`, or `changed`: it does not follow the one before."""


@dataclass(frozen=True, slots=True)
class Ledger:
    lines: tuple[Purged, ...]
    """Every line that can be read, oldest first."""
    faults: tuple[LedgerFault, ...]


class PurgeLedger:
    """The files. Everything here blocks: call it in a thread. Raises `LedgerBroken` where the folder fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, purged: Purged) -> None:
        """Durable on return. Written twice it is as good as once."""
        with self._whole():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _alone(self.folder):
                numbers = self._numbers()
                number = numbers[-1] + 1 if numbers else 1
                prev = hashlib.sha256(self._bytes(numbers[-1])).hexdigest() if numbers else ""
                put(self.folder, f"{number:08}.json", _line(number, purged, prev))

    def read(self) -> Ledger:
        """All of it. A file that a crash cut short is no fault: its purge was not told of as done."""
        with self._whole():
            lines: list[Purged] = []
            faults: list[LedgerFault] = []
            expected, prev = 1, ""
            torn: LedgerFault | None = None
            for number in self._numbers():
                faults += [LedgerFault(f"{gone:08}.json", "missing") for gone in range(expected, number)]
                data = self._bytes(number)
                line, told_prev = _read(number, data)
                if torn and told_prev != prev:
                    faults.append(torn)  # the one after it does not know it like this: it was whole once
                elif line and number == expected and told_prev != prev:
                    faults.append(LedgerFault(f"{number:08}.json", "changed"))
                torn = None if line else LedgerFault(f"{number:08}.json", "unreadable")
                lines += [line] if line else []
                expected, prev = number + 1, hashlib.sha256(data).hexdigest()
            return Ledger(tuple(lines), tuple(faults))

    def _numbers(self) -> Sequence[int]:
        if not self.folder.exists():
            return []
        return sorted(int(found[1]) for path in self.folder.iterdir() if (found := _NAME.fullmatch(path.name)))

    def _bytes(self, number: int) -> bytes:
        with (self.folder / f"{number:08}.json").open("rb") as file:
            return file.read(LARGEST)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerBroken("purge-ledger", f"{self.folder}: {error.strerror}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A command may purge while the gateway does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _line(number: int, purged: Purged, prev: str) -> bytes:
    said = {
        "format": FORMAT,
        "number": number,
        "at": stamp(purged.at),
        "message_id": purged.message_id,
        "reason": purged.reason,
        "sha256": purged.sha256,
        "prev": prev,
    }
    return canonical(said) + b"\n"


def _read(number: int, data: bytes) -> tuple[Purged | None, str]:
    """The line, and what it says of the one before; None for anything but the very bytes that `write` makes."""
    try:
        said = json.loads(data)
        sha256 = said["sha256"]
        line = Purged(
            str(said["message_id"]), time(int(said["at"])), str(said["reason"]), None if sha256 is None else str(sha256)
        )
        prev = str(said["prev"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None, ""
    return (line, prev) if _line(number, line, prev) == data else (None, "")
