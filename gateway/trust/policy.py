"""What is taken: algorithms, transforms, signers, and who may speak for which organ. Everything else is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from cryptography import x509

from gateway.trust.errors import SignatureInvalid
from gateway.trust.markup import EXC_C14N

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

CANONICALIZATION = frozenset({EXC_C14N})
SIGNATURE_METHODS = frozenset({RSA_SHA256})
DIGEST_METHODS = frozenset({SHA256})
TRANSFORMS = frozenset({EXC_C14N, ENVELOPED})

LEAST_KEY_BITS = 2048


def demand(algorithm: str | None, allowed: frozenset[str], what: str) -> None:
    """Raises `SignatureInvalid("algorithm")`. The foreign name is not repeated: it can be a text of any length."""
    if algorithm not in allowed:
        raise SignatureInvalid("algorithm", f"{what} is not one of those taken")


def demand_validity(certificate: x509.Certificate, at: dt.datetime) -> None:
    """Raises `SignatureInvalid`: `certificate-not-yet-valid`, `certificate-expired`."""
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not since <= at <= until:
        raise SignatureInvalid(
            "certificate-not-yet-valid" if at < since else "certificate-expired",
            f"valid {since.isoformat()} to {until.isoformat()}, used {at.isoformat()}",
        )


def covers(patterns: Iterable[str], organ: str) -> bool:
    """Whether one of the patterns (`000.00.00.H08`, `*.G22`, `H08.*`, `*`) names this organ."""
    return any(_match(pattern, organ) for pattern in patterns)


def _match(pattern: str, organ: str) -> bool:
    if pattern == "*":
        return bool(organ)
    if pattern.startswith("*"):
        return organ.endswith(pattern[1:]) and len(organ) >= len(pattern)
    if pattern.endswith("*"):
        return organ.startswith(pattern[:-1]) and len(organ) >= len(pattern)
    return organ == pattern
