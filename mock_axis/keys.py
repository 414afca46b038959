"""Keys of one's own and certificates of others, from folders; reread when the files change. Not for threads.

`NAME.key.pem` beside `NAME.crt.pem` is a key pair; `SYSTEM/*.pem` are the certificates of a party and
`SYSTEM/organs.txt` the organs it may speak for. Trust is by the very certificate, valid at the time asked.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

REREAD_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Key:
    private: rsa.RSAPrivateKey
    certificate: x509.Certificate
    der: bytes

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Party:
    system: str
    certificates: dict[bytes, x509.Certificate]
    """By their DER."""
    organs: tuple[str, ...]

    def speaks_for(self, organ: str) -> bool:
        return any(_matches(pattern, organ) for pattern in self.organs)


def valid_at(certificate: x509.Certificate, at: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


class Folder:
    """Watches a folder: `changed()` is cheap, and true at the first call and after any change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked = float("-inf")
        self._seen: tuple[tuple[str, int, int], ...] | None = None

    def changed(self) -> bool:
        now = time.monotonic()
        if now - self._looked < REREAD_SECONDS:
            return False
        self._looked = now
        seen = tuple(sorted(self._files()))
        changed, self._seen = seen != self._seen, seen
        return changed

    def _files(self) -> Iterator[tuple[str, int, int]]:
        for file in self.path.rglob("*"):
            if file.is_file():
                stat = file.stat()
                yield str(file), stat.st_mtime_ns, stat.st_size


class KeyRing:
    """Own key pairs; the newest valid one signs."""

    def __init__(self, path: Path) -> None:
        self._folder = Folder(path)
        self._keys: list[Key] = []

    def signing(self, at: dt.datetime) -> Key:
        """Raises `LookupError` when no key is valid."""
        if self._folder.changed():
            self._keys = [load_key(file) for file in sorted(self._folder.path.glob("*.key.pem"))]
        valid = [key for key in self._keys if valid_at(key.certificate, at)]
        if not valid:
            raise LookupError(f"no valid key in {self._folder.path}")
        return max(valid, key=lambda key: key.certificate.not_valid_before_utc)


class Trust:
    """The parties known, by certificate."""

    def __init__(self, path: Path) -> None:
        self._folder = Folder(path)
        self._parties: dict[str, Party] = {}
        self._owners: dict[bytes, Party] = {}

    def _refresh(self) -> None:
        if not self._folder.changed():
            return
        parties = [_party(path) for path in sorted(self._folder.path.iterdir()) if path.is_dir()]
        self._parties = {party.system: party for party in parties}
        self._owners = {der: party for party in parties for der in party.certificates}

    @property
    def parties(self) -> dict[str, Party]:
        self._refresh()
        return self._parties

    def owner(self, der: bytes) -> Party | None:
        self._refresh()
        return self._owners.get(der)


def load_key(file: Path) -> Key:
    private = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError(f"{file.name} is not an RSA key")
    certificate = x509.load_pem_x509_certificate(file.with_name(file.name.replace(".key.", ".crt.")).read_bytes())
    return Key(private, certificate, certificate.public_bytes(serialization.Encoding.DER))


def _party(path: Path) -> Party:
    certificates = [x509.load_pem_x509_certificate(file.read_bytes()) for file in sorted(path.glob("*.pem"))]
    organs = path / "organs.txt"
    lines = organs.read_text(encoding="utf-8").split() if organs.is_file() else []
    return Party(path.name, {c.public_bytes(serialization.Encoding.DER): c for c in certificates}, tuple(lines))


def _matches(pattern: str, organ: str) -> bool:
    if pattern.startswith("*"):
        return organ.endswith(pattern[1:])
    if pattern.endswith("*"):
        return organ.startswith(pattern[:-1])
    return organ == pattern
