"""`lienthong inspect`: shows what is in an edXML file, for people or as JSON, and takes its attachments out.

Needs no configuration and no server. Whatever the bytes are, it ends with a report or with one line saying why not.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer

from gateway.commands import inspect_layout
from gateway.edxml import look, names, sniff
from gateway.edxml.check import validate_xsd
from gateway.edxml.codes import Language
from gateway.edxml.findings import EdxmlError, Finding
from gateway.edxml.parse import AttachmentEnd, Parsed, Splitter
from gateway.edxml.words import explain
from gateway.model import Attachment

_SLICE = 1 << 20
_LIMIT = 4 << 30


def inspect(
    file: Annotated[Path, typer.Argument(help="The edXML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a page.")] = False,
    extract: Annotated[
        Path | None, typer.Option("--extract", metavar="DIR", help="Write the attachments into this folder.")
    ] = None,
    language: Annotated[str, typer.Option("--language", metavar="vi|en", help="Of the page and of errors.")] = "vi",
) -> None:
    """Show what is in an edXML file: every field, every attachment, and what is odd about it."""
    if language not in {"vi", "en"}:
        raise typer.BadParameter("must be vi or en", param_hint="--language")
    spoken: Language = "vi" if language == "vi" else "en"
    try:
        with tempfile.TemporaryFile() as spool:
            seen = read_whole(file, spool)
            if extract is not None:
                _extract(seen, spool, extract)
    except EdxmlError as error:
        where = f" ({error.where})" if error.where else ""
        _fail(f"{file}: {explain(error.code, error.message.removesuffix(where), spoken)}{where} [{error.code}]")
    except OSError as error:
        _fail(f"{error.filename or file}: {error.strerror or type(error).__name__}")
    if as_json:
        is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        typer.echo(json.dumps(_as_json(seen), ensure_ascii=not is_unicode, indent=2, default=_plain))
    else:
        inspect_layout.show(seen, spoken)


@dataclass(slots=True)
class SeenAttachment:
    """What the bytes of one attachment are; they lie in the spool from `start` on."""

    start: int
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    passing: look.Look = field(default_factory=look.Look)
    declared: Attachment | None = None
    sniffed: str = ""
    unwrapped: dict[str, Any] | None = None
    """Type, size and SHA-256 of what the one-entry zip around it holds."""
    extracted: Path | None = None

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)
        self.passing.take(data)

    def end(self) -> None:
        self.passing.end()
        self.sniffed = self.passing.kind


@dataclass(slots=True)
class Seen:
    path: Path
    size: int
    sha256: str
    parsed: Parsed
    attachments: list[SeenAttachment]
    findings: list[Finding]


def read_whole(path: Path, spool: BinaryIO) -> Seen:
    """Read all of it, the attachments into `spool`. Raises `EdxmlError`, `OSError`."""
    splitter, digest, size = Splitter(limit=_LIMIT), hashlib.sha256(), 0
    attachments: list[SeenAttachment] = []
    current: SeenAttachment | None = None
    with path.open("rb") as file:
        while data := file.read(_SLICE):
            digest.update(data)
            size += len(data)
            for event in splitter.feed(data):
                current = current or SeenAttachment(start=spool.tell())
                if isinstance(event, AttachmentEnd):
                    current.end()
                    attachments.append(current)
                    current = None
                else:
                    spool.write(event.data)
                    current.take(event.data)
    parsed = splitter.close()
    findings = list(parsed.findings)
    for seen, declared in zip(attachments, parsed.attachments, strict=True):
        seen.declared = declared
        findings += _examine(seen, declared, spool)
    if parsed.form == "qcvn102":
        findings += validate_xsd(parsed.envelope)
    return Seen(path, size, digest.hexdigest(), parsed, attachments, findings)


def _examine(seen: SeenAttachment, declared: Attachment, spool: BinaryIO) -> Iterator[Finding]:
    yield from _odd(seen.passing, declared.name, declared.content_type)
    try:
        digest, inside = hashlib.sha256(), look.Look()
        wrapped = sniff.unwrap(_region(spool, seen), declared.name)
        for chunk in wrapped.chunks() if wrapped else ():
            digest.update(chunk)
            inside.take(chunk)
    except EdxmlError as error:
        yield Finding(error.code, "warning", declared.name, error.message)
    else:
        if wrapped:
            inside.end()
            seen.unwrapped = {"type": inside.kind, "size": inside.size, "sha256": digest.hexdigest()}
            yield from _odd(inside, declared.name, inside.kind)


def _odd(passed: look.Look, name: str, declared: str) -> Iterator[Finding]:
    for code in passed.codes(name, declared):
        if code != look.WRAPPED:  # what is in it is shown beside it
            lost = code in {look.DAMAGED, look.CUT}
            yield Finding(code, "error" if lost else "warning", name, look.SAYS[code])


# --- taking attachments out


def _extract(seen: Seen, spool: BinaryIO, folder: Path) -> None:
    """One file per attachment, unwrapped where a zip was only a wrapping. Never outside `folder`, never over a file."""
    folder.mkdir(parents=True, exist_ok=True)
    used: Counter[str] = Counter()
    for attachment in seen.attachments:
        assert attachment.declared is not None
        region = _region(spool, attachment)
        wrapped = sniff.unwrap(region, attachment.declared.name) if attachment.unwrapped else None
        region.seek(0)
        file = _create(folder, names.safe_name(attachment.declared.name), used)
        attachment.extracted = Path(file.name)
        with file:
            if wrapped:
                file.writelines(wrapped.chunks())
            else:
                shutil.copyfileobj(region, file, _SLICE)


def _create(folder: Path, name: str, used: Counter[str]) -> BinaryIO:
    """Exclusively, so that neither a file nor a link that stands there is written through."""
    while True:
        used[name] += 1
        number = used[name]
        try:
            return (folder / (names.numbered(name, number) if number > 1 else name)).open("xb")
        except FileExistsError:
            continue


def _region(spool: BinaryIO, seen: SeenAttachment) -> io.BufferedReader:
    return io.BufferedReader(_Region(spool, seen.start, seen.size), _SLICE)


class _Region(io.RawIOBase):
    """One attachment within the spool, as a file of its own."""

    def __init__(self, spool: BinaryIO, start: int, size: int) -> None:
        self._spool, self._start, self._size, self._at = spool, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._spool.seek(self._start + self._at)
        data = self._spool.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


# --- JSON


def _as_json(seen: Seen) -> dict[str, Any]:
    parsed = seen.parsed
    return {
        "file": str(seen.path),
        "size": seen.size,
        "sha256": seen.sha256,
        "root": parsed.root,
        "form": parsed.form,
        "kind": "status" if parsed.status else "document",
        "document": _fields(parsed.document),
        "status": _fields(parsed.status),
        "attachments": [_attachment_json(attachment) for attachment in seen.attachments],
        "findings": [dataclasses.asdict(finding) for finding in seen.findings],
    }


def _fields(thing: Any) -> dict[str, Any] | None:
    if thing is None:
        return None
    found = dataclasses.asdict(thing)
    found.pop("attachments", None)
    return found


def _attachment_json(seen: SeenAttachment) -> dict[str, Any]:
    assert seen.declared is not None
    return {
        "content_id": seen.declared.content_id,
        "name": seen.declared.name,
        "description": seen.declared.description,
        "declared_type": seen.declared.content_type,
        "sniffed_type": seen.sniffed,
        "size": seen.size,
        "sha256": seen.digest.hexdigest(),
        "unwrapped": seen.unwrapped,
        "extracted": seen.extracted,
    }


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _fail(line: str) -> NoReturn:
    typer.echo(f"lienthong inspect: {' '.join(line.split())}", err=True)
    raise typer.Exit(1)
