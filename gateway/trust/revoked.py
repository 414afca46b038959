"""Offline revocation lists beside the certificates of the trust folder: `*.crl.pem`.

A list is believed for the same reason as a certificate: somebody laid it in the folder. In a party's folder it speaks of
that party's certificates, above the folders of all. One that has ended still tells what it knows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

ENDING = ".crl.pem"
LARGEST = 64 << 20

RevocationList = x509.CertificateRevocationList


def load(path: Path) -> RevocationList:
    """Raises `OSError`, `ValueError`."""
    if path.stat().st_size > LARGEST:
        raise ValueError("larger than any revocation list")
    return x509.load_pem_x509_crl(path.read_bytes())


def since(certificate: x509.Certificate, lists: Iterable[RevocationList]) -> dt.datetime | None:
    """From when on its signatures are worth nothing; None where no list names it.

    That is the day its key may have been lost, where the list knows of one (RFC 5280, 5.3.2).
    """
    found = [
        each.get_revoked_certificate_by_serial_number(certificate.serial_number)
        for each in lists
        if each.issuer == certificate.issuer
    ]
    return min((_from(one) for one in found if one is not None), default=None)


def _from(one: x509.RevokedCertificate) -> dt.datetime:
    try:
        lost = one.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except x509.ExtensionNotFound:
        return one.revocation_date_utc
    return min(lost, one.revocation_date_utc)
