"""A throw-away public key infrastructure, as folders, for the demo, the tests and the bench. Never for real use.

gateway/<system>/keys, gateway/<system>/trust     as a gateway's `keys` and `trust` settings want them
axis/keys, axis/trust                             the mock axis's
agencies/<organ>/keys                             the central agencies' that live in the mock
strangers/                                        a key nobody trusts, and an expired one of the axis, for faults
tls/                                              CA, server and client, for the optional mutual TLS
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AXIS = "truc-quoc-gia"
GATEWAY = "cong-h08"
GATEWAY_ORGANS = ("*.H08", "H08.*", "H08")
AGENCIES: Mapping[str, str] = {
    "000.00.00.G22": "Văn phòng Chính phủ",
    "000.00.00.G09": "Bộ Nội vụ",
    "000.00.00.G12": "Bộ Tài chính",
}
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pki:
    """Where everything lies."""

    root: Path

    @property
    def axis_keys(self) -> Path:
        return self.root / "axis" / "keys"

    @property
    def axis_trust(self) -> Path:
        return self.root / "axis" / "trust"

    def gateway_keys(self, system: str = GATEWAY) -> Path:
        return self.root / "gateway" / system / "keys"

    def gateway_trust(self, system: str = GATEWAY) -> Path:
        return self.root / "gateway" / system / "trust"

    def agency_keys(self, organ: str) -> Path:
        return self.root / "agencies" / organ / "keys"

    @property
    def strangers(self) -> Path:
        return self.root / "strangers"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def gateways(self) -> list[str]:
        return sorted(path.name for path in (self.root / "gateway").iterdir())


def make(root: Path, *, gateways: Mapping[str, Sequence[str]] | None = None, now: dt.datetime | None = None) -> Pki:
    """Make the whole tree under `root`. `gateways`: system id → organs (codes or patterns) it may speak for."""
    gateways = gateways or {GATEWAY: GATEWAY_ORGANS}
    now = now or dt.datetime.now(dt.UTC)
    pki = Pki(root)
    organs: dict[str, Sequence[str]] = {AXIS: (), **{code: (code,) for code in AGENCIES}, **gateways}
    certificates = {AXIS: issue(pki.axis_keys, "axis", AXIS, now=now)}
    certificates |= {code: issue(pki.agency_keys(code), "agency", code, now=now) for code in AGENCIES}
    certificates |= {system: issue(pki.gateway_keys(system), "gateway", system, now=now) for system in gateways}
    for trust in (pki.axis_trust, *(pki.gateway_trust(system) for system in gateways)):
        for system, certificate in certificates.items():
            vouch(trust, system, certificate, organs[system])
    issue(pki.strangers, "stranger", "stranger", now=now)
    expired = issue(pki.strangers, "expired", AXIS, now=now, start=-30 * DAY, end=-1 * DAY)
    for system in gateways:
        vouch(pki.gateway_trust(system), AXIS, expired, ())
    _make_tls(pki.tls, now)
    return pki


def issue(
    folder: Path,
    name: str,
    subject: str,
    *,
    now: dt.datetime | None = None,
    start: dt.timedelta = -DAY,
    end: dt.timedelta = 365 * DAY,
) -> x509.Certificate:
    """A new key pair in `folder`, valid from `now + start` to `now + end`: expired, future or soon ending at will."""
    now = now or dt.datetime.now(dt.UTC)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    builder = _certificate(subject, subject, now + start, now + end).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    _write(folder, name, key, certificate)
    return certificate


def vouch(trust: Path, system: str, certificate: x509.Certificate, organs: Sequence[str] | None = None) -> None:
    """Add a certificate of `system` to a trust folder; `organs` None leaves the list of organs alone."""
    folder = trust / system
    folder.mkdir(parents=True, exist_ok=True)
    name = certificate.fingerprint(hashes.SHA256()).hex()[:16]
    _put(folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
    if organs:
        _put(folder / "organs.txt", "".join(f"{organ}\n" for organ in organs).encode())


def roll_gateway_key(pki: Pki, system: str = GATEWAY, name: str = "next") -> x509.Certificate:
    """A further key for a gateway, known to every party that knows the old one."""
    certificate = issue(pki.gateway_keys(system), name, system)
    for trust in (pki.axis_trust, *(pki.gateway_trust(other) for other in pki.gateways)):
        vouch(trust, system, certificate)
    return certificate


def roll_axis_key(pki: Pki, name: str = "next") -> x509.Certificate:
    """A further key for the axis, vouched for at every gateway before it signs anything."""
    folder = pki.root / "rolled"
    certificate = issue(folder, name, AXIS, start=dt.timedelta(minutes=-1))
    for system in pki.gateways:
        vouch(pki.gateway_trust(system), AXIS, certificate)
    # The key last: the axis starts to sign with it as soon as it sees the file.
    for part in ("crt", "key"):
        _put(pki.axis_keys / f"{name}.{part}.pem", (folder / f"{name}.{part}.pem").read_bytes())
    return certificate


def _certificate(subject: str, issuer: str, start: dt.datetime, end: dt.datetime) -> x509.CertificateBuilder:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _make_tls(folder: Path, now: dt.datetime) -> None:
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ca = (
        _certificate("mock CA", "mock CA", now - DAY, now + 365 * DAY)
        .public_key(ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    _write(folder, "ca", ca_key, ca)
    here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    for name, purpose in (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = (
            _certificate(name, "mock CA", now - DAY, now + 365 * DAY)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(here), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        _write(folder, name, key, certificate)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(folder: Path, name: str, key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plain = serialization.NoEncryption()
    encoding = serialization.Encoding.PEM
    # The key last, and each in one move: who watches the folder never sees half a pair.
    _put(folder / f"{name}.crt.pem", certificate.public_bytes(encoding))
    _put(folder / f"{name}.key.pem", key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain), mode=0o600)


def _put(path: Path, data: bytes, mode: int = 0o644) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.touch(mode=mode)
    draft.write_bytes(data)
    draft.replace(path)
