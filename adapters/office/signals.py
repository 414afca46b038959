"""The files by which an office says that all of a submission lies in its outbox, and what they name. Judges nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from adapters.office import durable

LARGEST_RECORD = 1 << 20
ACTS = frozenset({"recall", "update", "replace"})
"""What an office does to a document that it handed in before; named as in the office API."""


@dataclass(frozen=True, slots=True)
class Signal:
    """The file whose appearance says that all of a submission is there."""

    file: str
    stem: str
    """NAME, NAME.status, NAME.recall, …: what the result and the settled folder are called."""

    @classmethod
    def of(cls, file: str) -> Signal | None:
        for suffix in (".json", ".edxml"):
            if file.endswith(suffix) and durable.plain_name(file):
                return cls(file, file.removesuffix(suffix))
        return None

    @property
    def kind(self) -> str:
        """What it hands in: an `edxml` file, a `status`, one of `ACTS`, or a `record`."""
        if self.file.endswith(".edxml"):
            return "edxml"
        kind = self.stem.rpartition(".")[2] if "." in self.stem else ""
        return kind if kind in {"status", *ACTS} else "record"

    @property
    def result(self) -> str:
        return f"{self.stem}.result.json"

    def fits(self, name: str) -> bool:
        """Whether a file of the submission may be called so."""
        return durable.plain_name(name) and name not in {self.file, self.result}


def read_json(path: Path) -> Any:
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


def record_in(signal: Signal, read: Any) -> Any:
    """The record in what was read: all of it, or, of what is done to an earlier document, a part that may be left out."""
    if signal.kind not in ACTS:
        return read
    return read.get("record") or {} if isinstance(read, Mapping) else None


def attachment_names(record: Any) -> list[str] | None:
    """The files that a record names; None where it cannot be understood."""
    if not isinstance(record, Mapping):
        return None
    listed = record.get("attachments") or []
    if not isinstance(listed, list):
        return None
    names = [item.get("name") if isinstance(item, Mapping) else None for item in listed]
    return [name for name in names if isinstance(name, str)] if all(isinstance(name, str) for name in names) else None


def look_of(path: Path) -> tuple[int, int, int] | None:
    """What changes while a file is written; None where no regular file is."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
