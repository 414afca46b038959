"""Reading and writing the zip. What is read may come from anybody: names, sizes and kinds are judged before a byte is.

The edXML files are stored as they are, not compressed, so that honest bundles never look like bombs.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError

from gateway.errors import GatewayError
from gateway.evidence.facts import Manifest

MANIFEST, SUMMARY, DOCUMENT = "manifest.json", "tom-tat.txt", "document.edxml"
ENTRIES, BLOCKS, VERDICTS, TIMESTAMP = "journal/entries.json", "journal/blocks.json", "verdicts.json", "timestamp.tsr"
HEAD, HEAD_STAMP = "journal/head.json", "journal/head.tsr"
PDFS, REVOCATION = "pdf-reports.json", "revocation/"

_NAMES: Final = re.compile(
    rf"{MANIFEST}|{SUMMARY}|{DOCUMENT}|{ENTRIES}|{BLOCKS}|{VERDICTS}|{TIMESTAMP}|{HEAD}|{HEAD_STAMP}|{PDFS}"
    r"|receipts/[a-z0-9-]{1,64}\.(?:xml|bin)"
    rf"|{REVOCATION}[0-9a-f]{{64}}\.(?:crl|ocsp)"
    r"|statuses/[A-Za-z0-9-]{1,64}\.edxml"
    r"|certificates/[A-Za-z0-9%_][A-Za-z0-9%._-]{0,127}/[0-9a-f]{64}\.(?:pem|crl)"
)
MOST_FILES = 5_000
MOST_BYTES = 4 << 30
RATIO, FREE_OF_RATIO = 200, 16 << 20
"""So many times its own size a zip may grow, beyond what is always free."""
WHOLE = 16 << 20
"""What is read at once is no larger; blocks are many."""
WHOLE_BLOCKS = 128 << 20
_SLICE = 256 << 10
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


Write = Callable[[bytes], None]


class Unreadable(GatewayError):
    """The file is not an evidence bundle that can be read."""


class Bundle:
    """An open bundle: the names in it, and their bytes."""

    def __init__(self, opened: zipfile.ZipFile, size: int, manifest: Manifest | None = None) -> None:
        """`size`: of the zip, in bytes; `manifest`: for a bundle in the making, which holds none yet. Raises `Unreadable`."""
        self._zip = opened
        self.names = _judged(opened, size)
        self.manifest = manifest or self._manifest()

    def chunks(self, name: str) -> Iterator[bytes]:
        """Raises `Unreadable` where the zip is damaged."""
        try:
            with self._zip.open(name) as stream:
                while data := stream.read(_SLICE):
                    yield data
        except _DAMAGE:
            raise Unreadable("damaged", f"{name}: the zip is damaged here") from None

    def read(self, name: str, limit: int = WHOLE) -> bytes:
        if self._zip.getinfo(name).file_size > limit:
            raise Unreadable("too-large", f"{name}: larger than {limit} bytes")
        return b"".join(self.chunks(name))

    def sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        for data in self.chunks(name):
            digest.update(data)
        return digest.hexdigest()

    def _manifest(self) -> Manifest:
        if MANIFEST not in self.names:
            raise Unreadable("no-manifest", f"no {MANIFEST}: not an evidence bundle")
        try:
            return Manifest.model_validate_json(self.read(MANIFEST))
        except ValidationError as error:
            # Without the input: a stranger's text must not reach the terminal.
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = re.sub(r"[^\w./-]", "?", ".".join(map(str, first["loc"])))[:80]
            raise Unreadable("manifest", f"{MANIFEST}: not of the form ({where}: {first['type']})") from None


@contextmanager
def opened(path: Path, manifest: Manifest | None = None) -> Iterator[Bundle]:
    """Raises `Unreadable`, `OSError`."""
    try:
        zip_file = zipfile.ZipFile(path)
    except _DAMAGE:
        raise Unreadable("not-zip", "not a zip file") from None
    with zip_file:
        yield Bundle(zip_file, path.stat().st_size, manifest)


def _judged(opened: zipfile.ZipFile, size: int) -> frozenset[str]:
    infos = opened.infolist()
    if len(infos) > MOST_FILES:
        raise Unreadable("too-many", f"more than {MOST_FILES} files")
    names: set[str] = set()
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not _NAMES.fullmatch(info.orig_filename):
            raise Unreadable("name", "holds a file whose name has no place in a bundle")
        if info.orig_filename in names:
            raise Unreadable("twice", f"holds {info.orig_filename} twice")
        if kind not in {0, stat.S_IFREG} or info.flag_bits & 1 or info.compress_type not in _METHODS:
            raise Unreadable("kind", f"{info.orig_filename}: a link, encrypted, or compressed in a way we do not read")
        names.add(info.orig_filename)
    unpacked = sum(info.file_size for info in infos)
    if unpacked > min(MOST_BYTES, RATIO * size + FREE_OF_RATIO):
        raise Unreadable("bomb", f"unpacks to {unpacked} bytes: too much, or too much for its size")
    return frozenset(names)


# --- writing ----------------------------------------------------------------------------------------------------


class Writer:
    """Puts files into a zip, a new one or one in the making, and remembers their digests."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "a")
        self.files: dict[str, str] = {}

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        with self.entry(name) as write:
            for data in chunks:
                write(data)

    @contextmanager
    def entry(self, name: str) -> Iterator[Write]:
        """A function that takes the file's bytes, piece by piece."""
        info = zipfile.ZipInfo(name)  # of no time and no owner
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        info.compress_type = zipfile.ZIP_STORED if name.endswith(".edxml") else zipfile.ZIP_DEFLATED
        digest = hashlib.sha256()
        with self._zip.open(info, "w", force_zip64=name == DOCUMENT) as stream:

            def write(data: bytes) -> None:
                digest.update(data)
                stream.write(data)

            yield write
        self.files[name] = digest.hexdigest()

    def close(self) -> None:
        self._zip.close()


def as_json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def safe(word: str) -> str:
    """A system id as the name of a folder."""
    return quote(word, safe="").replace("~", "%7E")[:128] or "_"
