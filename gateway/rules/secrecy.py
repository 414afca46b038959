"""State secrets never travel: what the door refuses at once, with no release.

Luật Bảo vệ bí mật nhà nước 2018 Đ5, QĐ 28/2018/QĐ-TTg Đ1.2. Here only what an e-office says openly: a degree in its
record, or a notation marked mật. No answer repeats the text that caused it.
"""

from __future__ import annotations

import re
import unicodedata

from gateway.model import Document, Problem

_OPEN = frozenset({"", "thường", "none"})
_MARKS = frozenset({"m", "mật", "mat", "tốimật", "toimat", "tuyệtmật", "tuyetmat"})
"""Groups of a notation, between its separators, that say mật: `12/M-UBND`, `12/UBND-VX-M`, `12/TỐI MẬT-UBND`."""
_SEPARATORS = re.compile(r"[^\w]+|_+")
_SPELLED_OUT = re.compile(r"(?<!\w)(?:(?:tối|tuyệt)\s*)?mật(?!\w)")


def refuse(degree: str | None, document: Document) -> list[Problem]:
    """Why this document may not travel at all; empty where nothing says that it is secret.

    `degree` is the e-office's own field: any word but "thường" and "none" is a degree.
    """
    problems = []
    if _plain(degree or "") not in _OPEN:
        problems.append(Problem("secrecy", "secret-degree", "the record carries a degree of secrecy"))
    codes = {"number": document.number, "notation": document.notation, "document_id": document.document_id}
    return problems + [
        Problem(field, "secret-notation", "the notation marks the document as secret")
        for field, code in codes.items()
        if _marked(code)
    ]


def _plain(text: str) -> str:
    """One spelling for what people see as one word: composed, lower case, without invisible characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c) != "Cf").strip()


def _marked(code: str) -> bool:
    plain = _plain(code)
    return bool(_SPELLED_OUT.search(plain)) or not _MARKS.isdisjoint(_SEPARATORS.split(plain))
