"""What an attachment really is: by its first bytes, never by what the file says of it.

Real files carry zips labelled PDF, PDFs broken by a text conversion, and one-entry zips that an SDK wrapped around
anything it did not know. Such a zip is opened only when it has exactly one entry and the declared name does not say
`.zip`; the declared name stays, the entry's own name is never used.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from gateway.edxml.findings import EdxmlError

HEAD = 64 << 10
"""So many first bytes are enough for `sniff` and `is_damaged`."""

PDF, ZIP, UNKNOWN = "application/pdf", "application/zip", "application/octet-stream"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", PDF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x1f\x8b", "application/gzip"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-elf"),
)
_OPENXML = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_XML = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|[A-Za-z_])")
_REPLACED = b"\xef\xbf\xbd" * 2
_DAMAGE_SHOWS = 16 << 10
"""Within so many bytes at the latest: of binary ones every second or third is replaced."""
"""U+FFFD in a row: bytes that a text conversion has lost for good."""


def sniff(head: bytes) -> str:
    """The media type that the first bytes show; `application/octet-stream` where they show none."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _sniff_zip(head)
    if b"%PDF-" in head[:1024]:
        return PDF
    if _XML.match(head):
        return "application/xml"
    return "text/plain" if head and _is_text(head) else UNKNOWN


def _sniff_zip(head: bytes) -> str:
    if head[30:38] == b"mimetype":
        found = re.match(rb"application/[a-z0-9.+-]+(?=PK)", head[38:200])
        return found[0].decode() if found else ZIP
    if head[30:].startswith((b"[Content_Types].xml", b"_rels/", b"docProps/", *(start for start, _ in _OPENXML))):
        return next((kind for part, kind in _OPENXML if part in head), ZIP)
    return ZIP


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # cut within a character
    return True


def is_damaged(head: bytes) -> bool:
    """Binary bytes went through a text conversion somewhere: the file is broken (tệp hỏng), and cannot be mended."""
    return _REPLACED in head[:_DAMAGE_SHOWS]


def agrees(declared: str, sniffed: str) -> bool:
    """Whether a declared type can be true of what was found. Vague declarations agree with anything."""
    declared = declared.partition(";")[0].strip().lower()
    for one, other in ((declared, sniffed), (sniffed, declared)):
        if one == PDF or one.startswith("image/"):
            return other in {one, UNKNOWN}
    return True


# --- one-entry zips

_END_OF_ZIP = struct.Struct("<4s4H2LH")
_LOCATOR_OF_ZIP64 = 20
_LONGEST_COMMENT = 0xFFFF
_LONGEST_DIRECTORY = 64 << 10
_RATIO = 200
_RATIO_FROM = 4 << 20
"""Below this size no ratio can hurt."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The one entry of a zip that an SDK wrapped around an attachment."""

    archive: zipfile.ZipFile
    entry: zipfile.ZipInfo
    limit: int

    def suits(self, name: str) -> bool:
        """Whether it is called the same kind of file as the attachment. All else of its own name counts for nothing."""
        return _suffix(self.entry.filename) == _suffix(name)

    def chunks(self) -> Iterator[bytes]:
        """Raises `EdxmlError`: `zip-bomb` past the limits, `zip-damaged`."""
        size = 0
        try:
            with self.archive.open(self.entry) as stream:
                while chunk := stream.read(256 << 10):
                    size += len(chunk)
                    _refuse_bomb(size, self.entry.compress_size, self.limit)
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, RuntimeError):
            raise EdxmlError("zip-damaged", "the zip around an attachment cannot be opened") from None


def unwrap(file: BinaryIO, name: str, *, limit: int = 512 << 20) -> Wrapped | None:
    """The entry, where the rule says that the zip is only a wrapping; None where the attachment is itself meant.

    `file` is seekable and outlives the result. Raises `EdxmlError` as `Wrapped.chunks` does.
    """
    if name.lower().endswith(".zip") or not _has_one_entry(file):
        return None
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise EdxmlError("zip-damaged", "the zip around an attachment cannot be opened") from None
    entry = entries[0] if len(entries) == 1 else None
    is_plain = entry is not None and not entry.flag_bits & 1 and not entry.filename.endswith("/")
    if entry is None or not is_plain or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return None
    _refuse_bomb(entry.file_size, entry.compress_size, limit)
    return Wrapped(archive, entry, limit)


def _suffix(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()


def _has_one_entry(file: BinaryIO) -> bool:
    """Told from the last record alone: a directory of millions is not even read."""
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        return False
    size = file.seek(0, 2)
    file.seek(max(0, size - _LOCATOR_OF_ZIP64 - _END_OF_ZIP.size - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_OF_ZIP.size:
        raise EdxmlError("zip-damaged", "the zip around an attachment has no end")
    if tail[max(0, at - _LOCATOR_OF_ZIP64) : at].startswith(b"PK\x06\x07"):
        return False  # another end counts, of whatever size it says; nobody wraps one file so
    _, _, _, here, entries, directory, *_ = _END_OF_ZIP.unpack_from(tail, at)
    return bool(entries == here == 1 and directory <= _LONGEST_DIRECTORY)


def _refuse_bomb(size: int, compressed: int, limit: int) -> None:
    if size > limit or (size > _RATIO_FROM and size > compressed * _RATIO):
        raise EdxmlError("zip-bomb", "the zip around an attachment holds far more than its size says")
