"""Our key pairs and the parties we trust, loaded once and reread when their files change.

Trust is by pinned leaf certificate: a certificate is a party's because its file lies in the party's folder, whoever
issued it, and it is good while it is valid at the reference time and no revocation list at hand names it (`revoked`). Reading a key costs tens of milliseconds, so nothing
here is loaded per call.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.errors import Misconfigured, NeedsOperator
from gateway.model import Problem
from gateway.trust import policy, revoked
from gateway.trust.errors import SignatureInvalid
from gateway.trust.revoked import RevocationList

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeyPair:
    private_key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate
    der: bytes = field(repr=False)
    fingerprint: str
    """SHA-256 of the DER, lower-case hex."""

    def sign(self, data: bytes) -> bytes:
        """RSA-SHA256 (PKCS#1 v1.5) over `data`."""
        return self.private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    @classmethod
    def of(cls, private_key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> KeyPair:
        der = certificate.public_bytes(serialization.Encoding.DER)
        return cls(private_key, certificate, der, fingerprint(der))


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Our key pairs; several may be valid at once, so that a new one can be made known before it is used."""

    pairs: tuple[KeyPair, ...]

    @classmethod
    def load(cls, folder: Path) -> KeyRing:
        """Reads each `NAME.key.pem` with its `NAME.crt.pem`. Raises `Misconfigured` with every problem found."""
        pairs: list[KeyPair] = []
        problems: list[Problem] = []
        for path in sorted(folder.glob("*.key.pem")):
            try:
                pairs.append(_pair(path, path.with_name(path.name.removesuffix(".key.pem") + ".crt.pem")))
            except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
                problems.append(Problem(str(path), "key", _why(exc)))
        if problems:
            raise Misconfigured(problems)
        return cls(tuple(pairs))

    def signing(self, now: dt.datetime, life: dt.timedelta = dt.timedelta(0)) -> KeyPair:
        """The newest pair valid from now until `life` has passed.

        Raises `NeedsOperator`: `key-missing`, or `key-ends-soon` where one is valid but not for that long.
        """
        valid = [
            pair
            for pair in self.pairs
            if pair.certificate.not_valid_before_utc <= now <= pair.certificate.not_valid_after_utc
        ]
        lasting = [pair for pair in valid if pair.certificate.not_valid_after_utc - now >= life]
        if lasting:
            return max(lasting, key=lambda pair: pair.certificate.not_valid_before_utc)
        if valid:
            raise NeedsOperator("key-ends-soon", f"no signing certificate is valid for another {life}")
        raise NeedsOperator("key-missing", "no signing certificate is valid now")


@dataclass(frozen=True, slots=True)
class Party:
    system_id: str
    certificates: tuple[x509.Certificate, ...]
    organs: tuple[str, ...] = ()
    """Codes and patterns it may speak for."""
    lists: tuple[RevocationList, ...] = ()
    """That may name its certificates."""


class TrustStore:
    """The parties we trust, by system id and by pinned certificate."""

    def __init__(self, parties: tuple[Party, ...]) -> None:
        """Raises `Misconfigured` if two parties share a certificate: nobody could tell who signed."""
        self.parties: Mapping[str, Party] = MappingProxyType({party.system_id: party for party in parties})
        self._pinned: dict[bytes, tuple[Party, x509.Certificate]] = {}
        self._revoked: dict[bytes, dt.datetime] = {}
        for party in parties:
            for certificate in party.certificates:
                der = certificate.public_bytes(serialization.Encoding.DER)
                if (revoked_since := revoked.since(certificate, party.lists)) is not None:
                    self._revoked[der] = revoked_since
                other = self._pinned.setdefault(der, (party, certificate))[0]
                if other is not party:
                    raise Misconfigured(
                        [Problem(party.system_id, "shared-certificate", f"{other.system_id} has the same certificate")]
                    )

    @classmethod
    def load(cls, folder: Path) -> TrustStore:
        """Reads `<system id>/*.pem`, `<system id>/organs.txt`, and revocation lists, `<system id>/*.crl.pem` and `*.crl.pem`.

        Raises `Misconfigured` with every problem found.
        """
        parties: list[Party] = []
        problems: list[Problem] = []
        of_all = _lists(folder, problems)
        for home in sorted(path for path in folder.glob("*") if path.is_dir()):
            found: list[x509.Certificate] = []
            for path in sorted(home.glob("*.pem")):
                if path.name.endswith(revoked.ENDING):
                    continue
                try:
                    found.append(_certificate(path))
                except (OSError, ValueError, UnsupportedAlgorithm) as exc:
                    problems.append(Problem(str(path), "certificate", _why(exc)))
            try:
                lists = (*of_all, *_lists(home, problems))
                parties.append(Party(home.name, tuple(found), _organs(home / "organs.txt"), lists))
            except (OSError, ValueError) as exc:
                problems.append(Problem(str(home / "organs.txt"), "organs", _why(exc)))
        if problems:
            raise Misconfigured(problems)
        return cls(tuple(parties))

    def owner(self, der: bytes) -> Party | None:
        """Whose certificate this is, valid or not."""
        return found[0] if (found := self._pinned.get(der)) else None

    def pinned(self, der: bytes, system_id: str, at: dt.datetime) -> x509.Certificate:
        """The party's own certificate of these bytes, valid at that time.

        Raises `SignatureInvalid`: `signer-unknown` for a stranger or another party, `certificate-expired`,
        `certificate-not-yet-valid`, `certificate-revoked`.
        """
        found = self._pinned.get(der)
        if found is None:
            raise SignatureInvalid("signer-unknown", "the certificate is not one we trust")
        party, certificate = found
        if party.system_id != system_id:
            raise SignatureInvalid("signer-unknown", f"signed by {party.system_id}, not by {system_id}")
        policy.demand_validity(certificate, at)
        if (since := self._revoked.get(der)) is not None and since <= at:
            raise SignatureInvalid("certificate-revoked", f"revoked {since.isoformat()}, used {at.isoformat()}")
        return certificate

    def certificates(self, system_id: str, at: dt.datetime) -> tuple[x509.Certificate, ...]:
        """The party's certificates valid and not revoked at that time; none for a stranger."""
        party = self.parties.get(system_id)
        return tuple(
            certificate
            for certificate in (party.certificates if party else ())
            if certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
            and not self._is_revoked(certificate, at)
        )

    def _is_revoked(self, certificate: x509.Certificate, at: dt.datetime) -> bool:
        since = self._revoked.get(certificate.public_bytes(serialization.Encoding.DER))
        return since is not None and since <= at

    def may_speak(self, system_id: str, organ: str) -> bool:
        party = self.parties.get(system_id)
        return party is not None and policy.covers(party.organs, organ)


class Keys:
    """Key ring and trust store of two folders, reread when a file in them came, went or changed.

    A set that cannot be read leaves the last good one in use and is logged, so that a half-copied file never stops the
    gateway; at start-up it raises `Misconfigured`.
    """

    look_every = 1.0
    """Seconds between two looks at the folders."""

    def __init__(self, folder_keys: Path, folder_trust: Path) -> None:
        self._folders = (folder_keys, folder_trust)
        self._lock = threading.Lock()
        self.reload()

    @property
    def ring(self) -> KeyRing:
        self._look()
        return self._ring

    @property
    def trust(self) -> TrustStore:
        self._look()
        return self._trust

    def reload(self) -> None:
        """Reread now. Raises `Misconfigured` and changes nothing if a file cannot be read."""
        self._stamp = self._looked_like()
        self._looked_at = time.monotonic()
        ring = KeyRing.load(self._folders[0])
        self._trust = self._load_trust(ring)
        self._ring = ring

    def _load_trust(self, ring: KeyRing) -> TrustStore:
        del ring
        return TrustStore.load(self._folders[1])

    def look_again(self) -> None:
        """Reread at once what changed, where a signer is unknown: its certificate may have come a moment ago."""
        self._looked_at = -self.look_every
        self._look()

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < self.look_every:
            return
        with self._lock:
            if time.monotonic() - self._looked_at < self.look_every:
                return
            self._looked_at = time.monotonic()
            if self._looked_like() == self._stamp:
                return
            try:
                self.reload()
            except Misconfigured as exc:
                _log.error("keys-unreadable", problems=[(p.field, p.code) for p in exc.problems])
            else:
                _log.info("keys-reloaded", pairs=len(self._ring.pairs), parties=len(self._trust.parties))

    def _looked_like(self) -> tuple[tuple[str, int, int, int], ...]:
        seen = []
        for folder in self._folders:
            for path in sorted([*folder.glob("*.pem"), *folder.glob("*/*")]):
                try:
                    stat = path.stat()
                except OSError:  # gone between the listing and the look: the next look sees it
                    continue
                seen.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(seen)


class OwnKeys(Keys):
    """Our key pairs as the only party there is: whom we trust on the road inside."""

    def __init__(self, folder_keys: Path, system_id: str) -> None:
        self._system_id = system_id
        super().__init__(folder_keys, folder_keys)

    def _load_trust(self, ring: KeyRing) -> TrustStore:
        certificates = tuple(pair.certificate for pair in ring.pairs)
        return TrustStore((Party(self._system_id, certificates, ("*",)),))


def _pair(key_path: Path, certificate_path: Path) -> KeyPair:
    key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004  the file's content is wrong, not a caller's type
    certificate = _certificate(certificate_path)
    if certificate.public_key() != key.public_key():
        raise ValueError(f"{certificate_path.name} belongs to another key")
    return KeyPair.of(key, certificate)


def _certificate(path: Path) -> x509.Certificate:
    found = x509.load_pem_x509_certificates(path.read_bytes())
    if len(found) != 1:
        raise ValueError("one certificate per file, no chains")
    key = found[0].public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < policy.LEAST_KEY_BITS:
        raise ValueError(f"not an RSA key of at least {policy.LEAST_KEY_BITS} bits")
    return found[0]


def _lists(folder: Path, problems: list[Problem]) -> tuple[RevocationList, ...]:
    found = []
    for path in sorted(folder.glob(f"*{revoked.ENDING}")):
        try:
            found.append(revoked.load(path))
        except (OSError, ValueError) as exc:
            problems.append(Problem(str(path), "revocation-list", _why(exc)))
    return tuple(found)


def _organs(path: Path) -> tuple[str, ...]:
    if not path.exists():
        return ()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)


def _why(exc: Exception) -> str:
    return (exc.strerror or "cannot be read") if isinstance(exc, OSError) else (str(exc) or type(exc).__name__)
