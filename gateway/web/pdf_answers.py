"""What an office reads of the signatures found in a document's PDFs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from gateway.web.shown import Shown


class PdfSignatureAnswer(Shown):
    type: str
    """`signature`, or `timestamp` over the file."""
    verdict: str
    """`passed`, `indeterminate` or `failed`."""
    reasons: list[str]
    """Codes: what kept it from passing, then what is only worth knowing."""
    kind: str
    """`person`, `organisation` or `unknown`."""
    name: str
    """Of the signer, from the certificate."""
    organisation: str
    """The signer's, from the certificate."""
    revocation: str
    """`good`, `revoked`, `unknown` (no answer was at hand) or `not-checked`."""
    revocation_urls: list[str]
    """Where an answer could be had, where it is unknown."""
    stamped_at: dt.datetime | None
    """When it existed, by the word of a trusted timestamp."""


class PdfAnswer(Shown):
    field: str
    """Which attachment, e.g. `attachments[0]`."""
    verdict: str
    """`valid`, `indeterminate`, `invalid`, `unsigned` or `could-not-be-examined`."""
    findings: list[str]
    """Codes about the whole file."""
    signatures: list[PdfSignatureAnswer]
    """In the order of the file."""


def pdfs(detail: Mapping[str, Any] | None) -> list[PdfAnswer]:
    """From a message's detail; none where no PDF was examined, or it was purged."""
    return [
        PdfAnswer(
            field=one["field"],
            verdict=one["verdict"],
            findings=list(one.get("findings", ())),
            signatures=[_signature(each) for each in one.get("signatures", ())],
        )
        for one in (detail or {}).get("pdfs", ())
    ]


def _signature(one: Mapping[str, Any]) -> PdfSignatureAnswer:
    signer = one.get("signer") or {}
    return PdfSignatureAnswer(
        type=one["type"],
        verdict=one["verdict"],
        reasons=list(one.get("reasons", ())),
        kind=signer.get("kind", "unknown"),
        name=signer.get("name", ""),
        organisation=signer.get("organisation", ""),
        revocation=one.get("revocation", "not-checked"),
        revocation_urls=list(one.get("revocation_urls", ())),
        stamped_at=one.get("stamped_at"),
    )
