"""Heads of the chain of blocks, kept outside the database: what shows that its newest end was cut off.

A head names the newest block, its digest and how many entries lie in all blocks; it names the head before it, and is
signed. Once written its file is never written again:

    00000001.json    {"head": {…}, "certificate": fingerprint of the signer's, "signature": base64}
    00000001.tsr     RFC 3161 token over that file, where an authority gave one

The digest of a head is the SHA-256 of its file. Its number is its name: two nodes cannot write the same one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError
from gateway.journal.chain import canonical
from gateway.journal.created_once import put
from gateway.journal.rows import stamp, time

FORMAT = "lienthong-journal-head/1"
LARGEST = 64 << 10
"""No head is larger, in bytes."""

_NAME = re.compile(r"(\d{8})\.json")

SignHead = Callable[[bytes], tuple[bytes, str]]
"""What is to be signed → signature, and the fingerprint of the signer's certificate."""
CheckHead = Callable[[bytes, bytes], bool]
"""(what was signed, signature) → whether one of ours signed it."""
CheckStamp = Callable[[bytes, bytes], str]
"""(token, what it is over) → empty, or why it proves nothing: a code."""


class HeadsBroken(GatewayError):
    """The folder of heads cannot be used."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the chain of blocks ends."""

    block: int
    digest: str
    """Of that block."""
    entries: int
    """In it and in all blocks before it."""


@dataclass(frozen=True, slots=True)
class Head:
    number: int
    at: dt.datetime
    position: Position
    prev: str
    """SHA-256 of the file of the head before; empty for the first."""
    certificate: str
    signature: bytes
    data: bytes
    """The whole file."""

    @property
    def file(self) -> str:
        return f"{self.number:08}.json"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def signed(self) -> bytes:
        return _signed(self.number, self.at, self.position, self.prev)


@dataclass(frozen=True, slots=True)
class HeadFault:
    file: str
    what: str
    """`head-missing`, `head-unreadable`, `head-changed` (it does not follow the one before), `head-forged`, or the code
    of what is wrong with its timestamp."""


@dataclass(frozen=True, slots=True)
class HeadsReport:
    heads: tuple[Head, ...]
    """Those that can be believed, oldest first."""
    faults: tuple[HeadFault, ...]
    stamped: int
    """How many carry a timestamp that holds."""


def _signed(number: int, at: dt.datetime, position: Position, prev: str) -> bytes:
    return canonical({"format": FORMAT, "number": number, "at": stamp(at), **asdict(position), "prev": prev})


def read(data: bytes) -> Head:
    """Raises `ValueError` for anything but the very bytes that `HeadFolder.write` makes."""
    try:
        told = json.loads(data)
        said = told["head"]
        position = Position(int(said["block"]), str(said["digest"]), int(said["entries"]))
        head = Head(
            int(said["number"]),
            time(int(said["at"])),
            position,
            str(said["prev"]),
            str(told["certificate"]),
            b64decode(told["signature"], validate=True),
            data,
        )
        again = _file(head.signed, head.signature, head.certificate)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ValueError("not a head of the journal") from None
    if again != data:
        raise ValueError("not a head of the journal")
    return head


def _file(signed: bytes, signature: bytes, certificate: str) -> bytes:
    told: dict[str, Any] = {"certificate": certificate, "signature": b64encode(signature).decode()}
    return canonical({"head": json.loads(signed), **told}) + b"\n"


class HeadFolder:
    """The files. Everything here blocks: call it in a thread. Raises `HeadsBroken` where the folder fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self) -> Head | None:
        """The last one that can be read; a damaged one is for `examine` to tell of."""
        for number in reversed(self._numbers()):
            with suppress(ValueError):
                return read(self._bytes(number, ".json"))
        return None

    def write(self, position: Position, at: dt.datetime, sign: SignHead) -> Head | None:
        """The next head, durable on return. None: another node wrote it first."""
        numbers = self._numbers()
        number = numbers[-1] + 1 if numbers else 1
        prev = hashlib.sha256(self._bytes(numbers[-1], ".json")).hexdigest() if numbers else ""
        signed = _signed(number, at, position, prev)
        head = read(_file(signed, *sign(signed)))
        return head if self._put(head.file, head.data) else None

    def stamped(self, head: Head) -> bool:
        return (self._folder / head.file).with_suffix(".tsr").exists()

    def token(self, head: Head) -> bytes | None:
        return self._bytes(head.number, ".tsr", 1 << 20) if self.stamped(head) else None

    def keep_token(self, head: Head, token: bytes) -> None:
        self._put(f"{head.number:08}.tsr", token)

    def covering(self, block: int, last: int) -> Head | None:
        """The first head that speaks of a block from `block` to `last`; rather one that is stamped."""
        first = None
        for number in self._numbers():
            with suppress(ValueError):
                head = read(self._bytes(number, ".json"))
                if not block <= head.position.block <= last:
                    continue
                if self.stamped(head):
                    return head
                first = first or head
        return first

    def examine(self, check: CheckHead | None, check_stamp: CheckStamp | None) -> HeadsReport:
        """Go over all of them. Without a check signatures, or timestamps, are not looked at.

        A file that a crash cut short is no fault once the next head names it as it is.
        """
        heads: list[Head] = []
        faults: list[HeadFault] = []
        stamped, expected, prev = 0, 1, ""
        torn: HeadFault | None = None
        for number in self._numbers():
            faults += [HeadFault(f"{gone:08}.json", "head-missing") for gone in range(expected, number)]
            data = self._bytes(number, ".json")
            what = self._judged(number, data, prev if number == expected else None, check)
            if torn and (what or number != expected):
                faults.append(torn)
            torn, expected, prev = None, number + 1, hashlib.sha256(data).hexdigest()
            if what == "head-unreadable":
                torn = HeadFault(f"{number:08}.json", what)
            elif what:
                faults.append(HeadFault(f"{number:08}.json", what))
            else:
                heads.append(read(data))
                why = self._stamp_judged(heads[-1], check_stamp)
                stamped += why == ""
                faults += [HeadFault(f"{number:08}.tsr", why)] if why else []
        return HeadsReport(tuple(heads), (*faults, *([torn] if torn else ())), stamped)

    def _stamp_judged(self, head: Head, check: CheckStamp | None) -> str | None:
        """Why its timestamp proves nothing; None where there is none, or it is not to be looked at."""
        token = self.token(head) if check else None
        return check(token, head.data) if check and token is not None else None

    def _judged(self, number: int, data: bytes, prev: str | None, check: CheckHead | None) -> str:
        """What is wrong with a head's file; `prev`: digest of the file before, where that is there."""
        try:
            head = read(data)
        except ValueError:
            return "head-unreadable"
        if head.number != number or (prev is not None and head.prev != prev):
            return "head-changed"
        return "" if check is None or check(head.signed, head.signature) else "head-forged"

    def _numbers(self) -> Sequence[int]:
        try:
            return sorted(int(found[1]) for each in self._folder.iterdir() if (found := _NAME.fullmatch(each.name)))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _broken(self._folder, error) from None

    def _bytes(self, number: int, ending: str, limit: int = LARGEST) -> bytes:
        try:
            with (self._folder / f"{number:08}{ending}").open("rb") as file:
                return file.read(limit)
        except OSError as error:
            raise _broken(self._folder, error) from None

    def _put(self, name: str, data: bytes) -> bool:
        """Durable on return; False where the name is taken. Nothing is renamed, linked or removed: the folder may be one
        that takes a file once and for ever.
        """
        try:
            return put(self._folder, name, data)
        except OSError as error:
            raise _broken(self._folder, error) from None


def _broken(folder: Path, error: OSError) -> HeadsBroken:
    return HeadsBroken("heads-folder", f"{folder}: {error.strerror}")
