"""Base64 as it streams by: white space allowed, everything else exact."""

from __future__ import annotations

import binascii
from collections.abc import Callable

import pybase64

from gateway.edxml.findings import EdxmlError


class Base64Decoder:
    """Decodes text in pieces of any size, holding at most three characters. Errors say `where()`."""

    def __init__(self, where: Callable[[], str]) -> None:
        self._where = where
        self._left = ""
        self._padded = False

    def decode(self, text: str) -> bytes:
        """Raises `EdxmlError("base64-bad")`."""
        pieces = text.split()
        if not pieces:
            return b""
        joined = self._left + (pieces[0] if len(pieces) == 1 else "".join(pieces))
        whole = len(joined) - len(joined) % 4
        self._left = joined[whole:]
        if self._padded:
            raise self._bad("goes on after its end")
        if not whole:
            return b""
        try:
            data: bytes = pybase64.b64decode(joined[:whole], validate=True)
        except (binascii.Error, ValueError):
            raise self._bad("holds characters that are not base64") from None
        self._padded = joined[whole - 1] == "="
        if self._padded and self._left:
            raise self._bad("goes on after its end")
        return data

    def end(self) -> None:
        """Raises `EdxmlError("base64-truncated")` where the last group of four is not whole."""
        if self._left:
            raise EdxmlError("base64-truncated", "the base64 of an attachment stops midway", self._where())

    def _bad(self, how: str) -> EdxmlError:
        return EdxmlError("base64-bad", f"the base64 of an attachment {how}", self._where())
