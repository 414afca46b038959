"""What became known of one PDF: plain data that crosses from the child process to us and on into the journal.

Left to others: finding it out (`signatures`, `text`), and what follows from it (`gateway.rules.signatures`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

Kind = Literal["person", "organisation", "unknown"]
SignatureVerdict = Literal["passed", "indeterminate", "failed"]
Verdict = Literal["valid", "indeterminate", "invalid", "unsigned", "could-not-be-examined"]

OUT_OF_MEMORY = frozenset({"memory", "text-memory"})
"""Findings after which a worker's memory cannot be relied on."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, as the certificate says."""

    kind: Kind
    kind_by: str
    """The attribute that told the kind (see `signer.KindRule`); empty where none did."""
    name: str
    organisation: str = ""
    unit: str = ""
    subject_serial: str = ""
    issuer: str = ""
    certificate_serial: str = ""
    """Hexadecimal."""
    fingerprint: str = ""
    """SHA-256 of the certificate, lower-case hex."""
    valid_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """One signature or document timestamp, in the order of the file's revisions."""

    field: str
    type: Literal["signature", "timestamp"]
    verdict: SignatureVerdict
    reasons: tuple[str, ...] = ()
    """Codes: what kept it from passing first, then what is only worth knowing."""
    signer: Signer | None = None
    """None where not even the certificate could be read."""
    claimed_at: dt.datetime | None = None
    """The signer's own word."""
    stamped_at: dt.datetime | None = None
    """A trusted timestamp's word: it existed by then."""
    intact: bool = False
    """The signed bytes are unchanged and the signature over them holds."""
    trusted: bool = False
    """A certificate of the trust list vouches for the signer."""
    revocation: Literal["good", "revoked", "unknown", "not-checked"] = "not-checked"
    revoked_at: dt.datetime | None = None
    revocation_urls: tuple[str, ...] = ()
    """Where an answer could be had: CRL and OCSP addresses of a trusted certificate whose revocation is unknown."""
    coverage: Literal["entire-file", "entire-revision", "partial", "unclear"] = "unclear"
    changed_after: Literal["nothing", "maintenance", "forms-and-signatures", "annotations", "other", "unknown"] = (
        "unknown"
    )
    """What later revisions changed."""


@dataclass(frozen=True, slots=True)
class PdfText:
    """The text layer, as far as it was read."""

    verdict: Literal["read", "partly", "none", "could-not-be-examined"]
    """`none`: a scan, or drawings only; nothing can be said of what it shows. `partly`: a limit, or pages without text."""
    pages: int = 0
    pages_without_text: int = 0
    content: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RevocationAsk:
    """Where it could be learnt whether a certificate was revoked; only of certificates that the trust list vouches for."""

    kind: Literal["ocsp", "crl"]
    url: str
    request: str = ""
    """Of `ocsp`: the request in base64. It carries no nonce, so that one answer serves until it ends."""
    second: bool = False
    """Only where the others did not help: the list, often large, of an issuer who also answers by OCSP."""


@dataclass(frozen=True, slots=True)
class PdfReport:
    verdict: Verdict
    signatures: tuple[PdfSignature, ...] = ()
    findings: tuple[str, ...] = ()
    """Codes about the whole file, e.g. `encrypted`, `time`, `changed-after-last-signature`."""
    text: PdfText | None = None
    """None where it was not asked for."""
    asks: tuple[RevocationAsk, ...] = ()
    """What could be fetched where revocation is unknown."""
    answers: tuple[str, ...] = ()
    """Names of the fetched revocation answers it was judged with: `SHA256.crl`, `SHA256.ocsp`."""


_REPORT = TypeAdapter(PdfReport)


def to_json(report: PdfReport) -> bytes:
    """One line."""
    return _REPORT.dump_json(report, exclude_defaults=True)


def as_detail(report: PdfReport) -> dict[str, Any]:
    """For the journal's erasable detail and the API: all but the text itself."""
    return _REPORT.dump_python(report, mode="json", exclude_defaults=True, exclude={"text": {"content"}, "asks": True})  # type: ignore[no-any-return]  # a dataclass gives a dict


def from_json(line: bytes) -> PdfReport:
    """Raises `ValueError` for what is none."""
    return _REPORT.validate_json(line)


def unexamined(code: str) -> PdfReport:
    return PdfReport("could-not-be-examined", findings=(code,))
