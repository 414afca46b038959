"""The certificates and revocation lists in a bundle, each under the SHA-256 of its DER in the folder of its system."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.evidence.bundle import WHOLE, Bundle, safe
from gateway.evidence.claim import Claim
from gateway.trust import markup
from gateway.trust.keys import fingerprint
from gateway.trust.revoked import RevocationList

FOLDER = "certificates/"


@dataclass(slots=True)
class Enclosed:
    certificates: list[tuple[str, x509.Certificate]] = field(default_factory=list)
    """With the system id, by the bundle's own word."""
    lists: list[tuple[str, RevocationList]] = field(default_factory=list)


def read(bundle: Bundle) -> tuple[Enclosed, Claim]:
    """What can be read of them, and whether they are what their names say."""
    about = bundle.manifest.about
    known = {safe(name): name for name in (about.system_id, about.axis_system_id)}
    found, broken = Enclosed(), []
    for name in sorted(each for each in bundle.names if each.startswith(FOLDER)):
        _, folder, file = name.split("/")
        try:
            digest = _take(bundle, name, known.get(folder, folder), found)
        except ValueError:
            digest = ""
        if digest != file.partition(".")[0]:
            broken.append(name)
    if broken:
        return found, Claim("certificates", "false", "changed", detail=" ".join(broken))
    gone = any(name.startswith(FOLDER) for name in bundle.manifest.files.keys() - bundle.names)
    if gone or not found.certificates:
        return found, Claim("certificates", "not-proven", "missing")
    return found, Claim("certificates", "proven")


def _take(bundle: Bundle, name: str, system_id: str, found: Enclosed) -> str:
    """The digest it should be named by. Raises `ValueError`."""
    if name.endswith(".crl"):
        data = bundle.read(name, WHOLE)
        found.lists.append((system_id, x509.load_der_x509_crl(data)))
        return fingerprint(data)
    [certificate] = x509.load_pem_x509_certificates(bundle.read(name, markup.MIB))
    found.certificates.append((system_id, certificate))
    return fingerprint(certificate.public_bytes(Encoding.DER))
