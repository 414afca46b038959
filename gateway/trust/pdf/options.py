"""How PDFs are examined: trust list, revocation policy, limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.trust.pdf.signer import DEFAULT_RULES, KindRule

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Past any of these a file `could-not-be-examined`; for text, it is read `partly`."""

    bytes: int = 256 * MIB
    memory_bytes: int = 768 * MIB
    """Address space of a worker, of which some 150 MiB are Python and its libraries."""
    cpu_seconds: int = 20
    """For one file."""
    wall_seconds: float = 60.0
    """For one file, from the hand-over to a worker."""
    signatures: int = 32
    text_pages: int = 300
    text_characters: int = 1_000_000
    text_seconds: float = 8.0
    """Processor time; the signatures' verdict is kept when it is used up."""


@dataclass(frozen=True, slots=True)
class PdfOptions:
    trust: Path
    """Folder of CA certificates, `*.pem`: each is an anchor, and nothing else is. Empty or missing: no signer is trusted."""
    revocation_answers: Path | None = None
    """Folder of revocation answers at hand, `*.crl` and `*.ocsp` (DER). Those inside the PDF are used in any case."""
    revocation: Literal["soft", "hard", "off"] = "soft"
    """Where no answer is at hand: `soft` says so and lets pass, `hard` is indeterminate. `revoked` always fails."""
    kind_rules: tuple[KindRule, ...] = DEFAULT_RULES
    limits: Limits = Limits()
    workers: int = 2
    files_per_worker: int = 200
    """Then it is replaced: what a file may have left behind in it ends there."""
    folder: Path | None = None
    """Where bytes wait for a worker, on a disk fit for documents; the system's temporary folder if None."""
