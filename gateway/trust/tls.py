"""How long the TLS certificates last that we show: on a listener, or as a client of an axis."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509


def chain_ends(pem: Path) -> dt.datetime | None:
    """When the first certificate of the chain ends, for without one of them nobody believes the rest. None: unreadable."""
    try:
        chain = x509.load_pem_x509_certificates(pem.read_bytes())
    except (OSError, ValueError):
        return None
    return min(each.not_valid_after_utc for each in chain)
