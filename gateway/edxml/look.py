"""What an attachment is and whether it came whole, told from its first and last bytes as it passes. Holds no more of it.

A file that was cut on its way, or went through a text conversion, cannot be mended; who sent it must hear. It is told,
never refused: only a person can say whether what is left is of use.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from dataclasses import dataclass, field

from gateway.edxml import sniff

TAIL = (64 << 10) + 22
"""The end record of a zip with the longest comment."""
DAMAGED, CUT, MISLABELLED, WRAPPED = "attachment-damaged", "attachment-cut", "type-mislabelled", "attachment-wrapped"
SAYS = {
    DAMAGED: "bytes were lost in a text conversion",
    CUT: "the file is cut short: its end is missing",
    MISLABELLED: "its bytes are not of the declared type",
    WRAPPED: "a zip with one file in it, under that file's name",
}
_END_OF_PDF = 2048
"""Readers look for the end within so many last bytes (ISO 32000-1, Annex H: the last 1024, and what precedes %%EOF)."""
_START_XREF = re.compile(rb"startxref\s+(\d{1,15})\s+%%EOF")
_END_OF_ZIP = struct.Struct("<4s4H2LH")
_ZIP64 = 0xFFFFFFFF


@dataclass(slots=True)
class Look:
    size: int = 0
    kind: str = sniff.UNKNOWN
    """Its media type, once all of it has passed."""
    _damaged: bool = False
    _cut: bool = False
    _single: bool = False
    """A zip with one entry."""
    _head: bytearray = field(default_factory=bytearray)
    _last: deque[bytes] = field(default_factory=deque)
    _held: int = 0
    """Bytes in `_last`: whole pieces, referred to and not copied."""

    def take(self, data: bytes) -> None:
        self.size += len(data)
        if len(self._head) < sniff.HEAD:
            self._head += data[: sniff.HEAD - len(self._head)]
        self._last.append(data)
        self._held += len(data)
        while self._held - len(self._last[0]) >= TAIL:
            self._held -= len(self._last.popleft())

    def end(self) -> None:
        """All of it has passed; its bytes are let go."""
        head = bytes(self._head)
        self.kind, self._damaged = sniff.sniff(head), sniff.is_damaged(head)
        if self.kind == sniff.PDF:
            self._cut = not _ends_as_pdf(self._tail(_END_OF_PDF), self.size)
        elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            entries = _entries_of_zip(self._tail(TAIL), self.size)
            self._cut, self._single = entries is None, entries == 1 and self.kind == sniff.ZIP
        self._head.clear()
        self._last.clear()

    def codes(self, name: str, declared: str) -> list[str]:
        """What is odd about it, after its end."""
        if not self.size:
            return []
        if self._damaged:
            return [DAMAGED]
        # As `sniff.unwrap` has it: such a zip stands for what is in it, and its type says nothing.
        wrapped = self._single and not name.lower().endswith(".zip")
        mislabelled = not wrapped and not sniff.agrees(declared, self.kind)
        return [code for code, holds in ((CUT, self._cut), (WRAPPED, wrapped), (MISLABELLED, mislabelled)) if holds]

    def _tail(self, length: int) -> bytes:
        last = self._last[-1]
        return last[-length:] if len(last) >= length else b"".join(self._last)[-length:]


def _ends_as_pdf(tail: bytes, size: int) -> bool:
    """Its last update ends with `startxref`, a place within the file, and `%%EOF`."""
    places = _START_XREF.findall(tail)
    return bool(places) and int(places[-1]) < size


def _entries_of_zip(tail: bytes, size: int) -> int | None:
    """How many its last record counts; None where that is missing, or tells of more than there is."""
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_OF_ZIP.size:
        return None
    *_, entries, directory, begins, _comment = _END_OF_ZIP.unpack_from(tail, at)
    fits = _ZIP64 in {directory, begins} or directory + begins <= size - len(tail) + at
    return int(entries) if fits else None
