"""TLS as a client of an axis, and how long the certificates last that we show: there, or on a listener."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509

from gateway.errors import Misconfigured
from gateway.model import Problem


def chain_ends(pem: Path) -> dt.datetime | None:
    """When the first certificate of the chain ends, for without one of them nobody believes the rest. None: unreadable."""
    try:
        chain = x509.load_pem_x509_certificates(pem.read_bytes())
    except (OSError, ValueError):
        return None
    return min(each.not_valid_after_utc for each in chain)


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Believes the authorities in `ca`, or the system's. Raises `Misconfigured`, by the names of these parameters."""
    missing = [
        Problem(name, "missing", f"{path} is not a file; an axis's options name PEM files that the gateway can read")
        for name, path in (("ca", ca), ("certificate", certificate), ("key", key))
        if path and not path.is_file()
    ]
    if missing:
        raise Misconfigured(missing)
    named, what = "ca", f"{ca}"
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if certificate:
            named, what = "certificate", f"{certificate} and {key}"
            context.load_cert_chain(certificate, key)
    except OSError as exc:  # also what is in the files: ssl.SSLError is one
        why = (
            "is no PEM of what it should hold, or belongs to another pair"
            if isinstance(exc, ssl.SSLError)
            else exc.strerror or type(exc).__name__
        )
        raise Misconfigured([Problem(named, "tls-files", f"{what}: {why}")]) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
