"""Markings of state secrets in what a document says: the text of its PDFs, its subject.

Luật Bảo vệ bí mật nhà nước 2018, QĐ 28/2018/QĐ-TTg Đ1.2: what carries a degree of secrecy must not travel. A pattern found
in text is a suspicion, for two persons to judge; what an e-office says openly is refused at the door by `secrecy`. A hit
names the pattern and the degree, never the words that matched.

A marking (dấu chỉ độ mật) stands on a line of its own, in capitals; text layers space its letters out, break its
diacritics, or carry it in the fonts of before Unicode (TCVN3, VNI). "Bí mật", "bảo mật", "mật độ" in running text are no
markings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.model import Problem

Degree = Literal["mat", "toi-mat", "tuyet-mat"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What to look for."""

    code: str
    degree: Degree
    expression: str
    """Regular expression. Bounded repetition only: the text is a stranger's."""
    where: Literal["line", "text"] = "line"
    """`line`: all of a line, its spaces and frame taken away; `text`: anywhere, spaces folded to one, lines kept."""
    plain: bool = False
    """Compare without diacritics and capitals."""
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises `re.error` for what is no expression."""
        flags = re.MULTILINE | (re.IGNORECASE if self.plain else 0)
        object.__setattr__(self, "compiled", re.compile(self.expression, flags))


@dataclass(frozen=True, slots=True)
class Hit:
    code: str
    degree: Degree


_NUMBERED = r"(?:^|[^\w/])[0-9.…]{0,12} ?/ ?(?:[A-ZĐ]{1,12}[-.]){0,4}"
DEFAULT: tuple[Pattern, ...] = (
    Pattern("marking", "tuyet-mat", r"TUYỆTMẬT|TUYETMAT|[Tt]uyệt[Mm]ật|TUYÖTMËT|TuyÖtMËt|TUYEÄTMAÄT"),
    Pattern("marking", "toi-mat", r"TỐIMẬT|TOIMAT|[Tt]ối[Mm]ật|TÈIMËT|TèIMËT|TèiMËt|TOÁIMAÄT"),
    Pattern("marking", "mat", r"MẬT|MAT|[Mm]ật|MËT|MAÄT"),
    Pattern("marking", "tuyet-mat", r"\bTUYỆT MẬT\b", "text"),
    Pattern("marking", "toi-mat", r"\bTỐI MẬT\b", "text"),
    Pattern("marking", "mat", r"(?<!\bBÍ )(?<!\bBẢO )(?<!\bTỐI )(?<!\bTUYỆT )(?<!\bCƠ )(?<!\bKÍN )\bMẬT ?$", "text"),
    Pattern("degree-named", "tuyet-mat", r"\b(?:do|muc do|cap do) mat ?: ?\W?tuyet mat\b", "text", plain=True),
    Pattern("degree-named", "toi-mat", r"\b(?:do|muc do|cap do) mat ?: ?\W?toi mat\b", "text", plain=True),
    Pattern("degree-named", "mat", r"\b(?:do|muc do|cap do) mat ?: ?\W?mat\b", "text", plain=True),
    Pattern("notation", "mat", _NUMBERED + r"M(?=[-.][A-ZĐ]| ?$)", "text"),
    Pattern("notation", "toi-mat", _NUMBERED + r"TM(?=[-.][A-ZĐ])", "text"),
)
"""`…/M-UBND`, `…/UBND-M`; capitals only, since `3/m-` is a measure."""

_FRAME = re.compile(r"[\s\W_]+")
_SPACES = re.compile(r"[^\S\n]+")
_LONGEST_LINE = 40


def search(text: str, patterns: Sequence[Pattern] = DEFAULT) -> tuple[Hit, ...]:
    """Each pattern's code and degree once, in the order of the patterns."""
    composed = _composed(text)
    as_written = _SPACES.sub(" ", composed)
    plain = _without_diacritics(as_written)
    lines = {_FRAME.sub("", line) for line in composed.splitlines() if len(line) <= _LONGEST_LINE} - {""}
    plain_lines = {_without_diacritics(line) for line in lines}
    hits: dict[Hit, None] = {}
    for pattern in patterns:
        if pattern.where == "text":
            found = pattern.compiled.search(plain if pattern.plain else as_written) is not None
        else:
            found = any(map(pattern.compiled.fullmatch, plain_lines if pattern.plain else lines))
        if found:
            hits[Hit(pattern.code, pattern.degree)] = None
    return tuple(hits)


def problems(field: str, hits: Iterable[Hit]) -> list[Problem]:
    return [
        Problem(field, "secret-suspected", "the text carries the marking of a state secret", {"degree": hit.degree})
        for hit in hits
    ]


def _composed(text: str) -> str:
    """One spelling for what people see as one letter, without what they do not see."""
    whole = unicodedata.normalize("NFKC", text.replace("\r", "\n"))
    if whole.isprintable():
        return whole
    return "".join(c for c in whole if unicodedata.category(c) not in {"Cf", "Cc"} or c in "\n\t")


def _without_diacritics(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return "".join(c for c in apart if not unicodedata.combining(c)).replace("đ", "d").replace("Đ", "D")
