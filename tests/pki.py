"""A throw-away CA and its parties, for tests: valid, expired, not yet valid, and a stranger nobody pinned.

RSA keys are slow to make, so each named key is made once per test session.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
"""The moment tests take place; every certificate's dates are told from here."""
YEAR = dt.timedelta(days=365)

GATEWAY, AXIS, OTHER = "lienthong-h99", "axis-99", "axis-77"


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(name: str, begins: dt.datetime = NOW - YEAR, ends: dt.datetime = NOW + YEAR) -> x509.Certificate:
    """Issued by the throw-away CA, for the key of that name."""
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("Throw-away CA"))
        .public_key(private_key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=name == "Throw-away CA", path_length=None), critical=True)
        .sign(private_key("Throw-away CA"), hashes.SHA256())
    )


@dataclass(frozen=True)
class Member:
    """A key with its certificate. `name` is the system id where it has one."""

    name: str
    certificate: x509.Certificate

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return private_key(self.name)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def pair(self):
        from gateway.trust.keys import KeyPair

        return KeyPair.of(self.key, self.certificate)


def valid(name: str) -> Member:
    return Member(name, certificate(name))


def expired(name: str) -> Member:
    return Member(name, certificate(name, NOW - 2 * YEAR, NOW - dt.timedelta(days=1)))


def not_yet_valid(name: str) -> Member:
    return Member(name, certificate(name, NOW + dt.timedelta(days=1), NOW + YEAR))


def stranger() -> Member:
    """Holds a certificate of the same CA, but lies in nobody's folder."""
    return valid("stranger")


def write_keys(folder: Path, *members: Member) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, member in enumerate(members):
        (folder / f"{member.name}-{number}.key.pem").write_bytes(member.key_pem)
        (folder / f"{member.name}-{number}.crt.pem").write_bytes(member.certificate_pem)
    return folder


def write_trust(folder: Path, *members: Member, organs: tuple[str, ...] = ("*",)) -> Path:
    """One folder per system id; several members of one name give one party several certificates."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, member in enumerate(members):
        home = folder / member.name
        home.mkdir(exist_ok=True)
        (home / f"{number}.pem").write_bytes(member.certificate_pem)
        (home / "organs.txt").write_text("\n".join(organs) + "\n", encoding="utf-8")
    return folder


def revocation_list(*members: Member, since: dt.datetime = NOW, lost: dt.datetime | None = None) -> bytes:
    """Of the throw-away CA, in PEM. `lost`: since when the keys may have been somebody else's."""
    made = x509.CertificateRevocationListBuilder().issuer_name(_named("Throw-away CA"))
    made = made.last_update(NOW - YEAR).next_update(NOW + YEAR)
    for member in members:
        one = x509.RevokedCertificateBuilder().serial_number(member.certificate.serial_number).revocation_date(since)
        if lost is not None:
            one = one.add_extension(x509.InvalidityDate(lost.replace(tzinfo=None)), critical=False)
        made = made.add_revoked_certificate(one.build())
    return made.sign(private_key("Throw-away CA"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def trust(*members: Member, organs: tuple[str, ...] = ("*",)):
    from gateway.trust.keys import Party, TrustStore

    by_name: dict[str, list[x509.Certificate]] = {}
    for member in members:
        by_name.setdefault(member.name, []).append(member.certificate)
    return TrustStore(tuple(Party(name, tuple(found), organs) for name, found in by_name.items()))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
