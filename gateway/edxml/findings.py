"""What reading has to say beside the document: findings where it went on, `EdxmlError` where it could not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.errors import Rejection
from gateway.model import Document

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in a file that could be read all the same. Never quotes free text of the file."""

    code: str
    severity: Severity
    where: str
    """An element path (`MessageHeader/DueDate`) or an attachment's name."""
    message: str


class EdxmlError(Rejection):
    """The file cannot be read as edXML."""

    def __init__(self, code: str, message: str = "", where: str = "") -> None:
        super().__init__(code, f"{message} ({where})" if message and where else message)
        self.where = where
        self.document: Document | None = None
        """What the header said, where the file could be read so far."""
