"""A declared attachment name as a file name that any system can take: one component, nothing hidden, letters kept."""

from __future__ import annotations

import re
import unicodedata

_BAD = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 200
"""Bytes: file systems allow 255, and a number may have to be added."""


def safe_name(declared: str, fallback: str = "attachment") -> str:
    """Diacritics stay. What is gone: folders, control and direction characters, device names, dots at the ends."""
    text = unicodedata.normalize("NFC", declared).replace("\\", "/").rpartition("/")[2]
    text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
    text = _BAD.sub("_", text).strip(" .")
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    return shorten(text) or fallback


def numbered(name: str, number: int) -> str:
    """`report (2).pdf`."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem} ({number}).{extension}" if dot and stem else f"{name} ({number})"


def shorten(name: str, longest: int = _LONGEST) -> str:
    """To so many bytes of UTF-8, keeping the extension where it is one."""
    if len(name.encode()) <= longest:
        return name
    stem, dot, extension = name.rpartition(".")
    end = f".{extension}" if dot and stem and len(extension) <= 10 else ""
    stem = stem if end else name
    return stem.encode()[: longest - len(end.encode())].decode(errors="ignore").rstrip(" .") + end
