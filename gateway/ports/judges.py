"""Who is asked about bytes: a time-stamping authority, the issuers of certificates, a virus scanner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from gateway.model import Content
from gateway.ports.contents import Chunks


class Timestamper(Protocol):
    """A time-stamping authority."""

    async def stamp(self, data: bytes) -> bytes:
        """A checked RFC 3161 token over `data`, in DER. Raises `Unreachable`, or another `GatewayError` for a bad answer."""


class RevocationAsked(Protocol):
    """Where a revocation answer may be had (`gateway.trust.pdf.RevocationAsk`)."""

    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def request(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RevocationFound:
    """What became of asking."""

    files: tuple[Path, ...] = ()
    """Answers at hand, kept for good under their digests: `SHA256.crl`, `SHA256.ocsp`. None of them is verified yet."""
    failed: bool = False
    """Somebody who may be asked could not be: later there may be more."""


class RevocationAnswers(Protocol):
    """Fetches revocation answers, and keeps them."""

    async def answers(self, asks: Sequence[RevocationAsked]) -> RevocationFound:
        """Raises nothing for what others do."""

    def useless(self, asks: Sequence[RevocationAsked]) -> None:
        """The answers to these told nothing: do not serve them again."""


class ScanVerdict(StrEnum):
    CLEAN = "clean"
    INFECTED = "infected"
    NOT_EXAMINED = "not-examined"
    """Too large for the scanner, or sealed by a password: it could not be examined."""
    UNREACHABLE = "unreachable"
    """Nobody could look, and the policy lets it pass all the same. No driver says so."""


@dataclass(frozen=True, slots=True)
class Scanned:
    verdict: ScanVerdict
    code: str = ""
    """The virus's name in the scanner's signatures, or why it could not be examined: letters, digits and `.:_/-` only."""


class Antivirus(Protocol):
    """A virus scanner."""

    async def scan(self, content: Content, chunks: Chunks) -> Scanned:
        """Raises `Unreachable` where no verdict can be had now. Safe to call concurrently."""
