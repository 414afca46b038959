"""Where it could be learnt whether the certificates of a path were revoked: OCSP requests, and addresses of lists.

Only told, never done: it runs in `worker`, which has no network. Whom the gateway really asks is the parent's to decide.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from asn1crypto import ocsp

from gateway.trust.pdf.report import RevocationAsk

MOST_ASKS = 16
"""Of one file."""
_LONGEST_URL = 512
_SCHEMES = ("http://", "https://")


def asks_of(path: Any) -> Iterator[RevocationAsk]:
    """For each certificate below the root."""
    issuer = None
    for certificate in path.iter_certs(include_root=True):
        if issuer is not None:
            responders = [url for url in certificate.ocsp_urls if _fetchable(url)]
            for url in responders:
                yield RevocationAsk("ocsp", url, b64encode(_request(certificate, issuer)).decode())
            for point in certificate.crl_distribution_points:
                if _fetchable(point.url):
                    yield RevocationAsk("crl", str(point.url), second=bool(responders))
        issuer = certificate


def _fetchable(url: object) -> bool:
    return isinstance(url, str) and url.startswith(_SCHEMES) and len(url) <= _LONGEST_URL


def _request(certificate: Any, issuer: Any) -> bytes:
    """RFC 6960, 4.1.1. SHA-1 only names the issuer; every responder knows it."""
    named = {
        "hash_algorithm": {"algorithm": "sha1"},
        "issuer_name_hash": certificate.issuer.sha1,
        "issuer_key_hash": issuer.public_key.sha1,
        "serial_number": certificate.serial_number,
    }
    made = ocsp.OCSPRequest({"tbs_request": {"request_list": [{"req_cert": named}]}})
    return bytes(made.dump())
