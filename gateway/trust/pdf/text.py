"""The text layer of a PDF, for the secrecy rule: read within limits, or said to be missing.

Pages, annotations and document information; not what only pictures show, nor the drawings of annotations. It runs in
`worker` only, under limits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from pypdf import PdfReader

from gateway.trust.pdf.options import Limits
from gateway.trust.pdf.report import PdfText

_FEWEST = 8
"""A page with fewer letters and digits is a picture with a page number."""
_INFORMATION = ("/Title", "/Subject", "/Keywords")


def extract(file: BinaryIO, limits: Limits) -> PdfText:
    """Raises `MemoryError` and `RecursionError`; all else a file can do is in the result."""
    parts: list[str] = []
    pages = empty = done = 0
    verdict = "partly"
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return PdfText("could-not-be-examined")
        pages = len(reader.pages)
        parts += _information(reader)
        ends = time.process_time() + limits.text_seconds
        room = limits.text_characters
        for page in reader.pages:
            if done == limits.text_pages or room <= 0 or time.process_time() > ends:
                break
            text = page.extract_text()
            empty += sum(map(str.isalnum, text)) < _FEWEST
            parts += (text[:room], *_annotations(page, room))
            room -= len(text)
            done += 1
        else:
            verdict = "partly" if empty else "read"
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001  # parsers fail on hostile files in every way there is; the file is to blame
        if not done:
            return PdfText("could-not-be-examined", pages)
    if done and empty == done == pages:
        verdict = "none"
    return PdfText(verdict, pages, empty, "\n".join(parts)[: 2 * limits.text_characters])  # type: ignore[arg-type]  # a literal each


def _information(reader: PdfReader) -> Iterator[str]:
    found: Any = reader.metadata or {}
    for name in _INFORMATION:
        if isinstance(value := found.get(name), str):
            yield value[:1000]


def _annotations(page: Any, room: int) -> Iterator[str]:
    for each in list(page.get("/Annots") or ())[:200]:
        note = each.get_object()
        if isinstance(value := note.get("/Contents"), str):
            yield value[: min(room, 1000)]
