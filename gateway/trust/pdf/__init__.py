"""Signatures and text of PDFs, examined in child processes under limits.

    examiner    the pool of workers; the only part the gateway's own process runs
    worker      the child process
    reading     opening a PDF for its signatures, and what it brings along to prove them
    signatures  whose they are, intact, trusted, revoked; what was changed afterwards
    signer      a person or an organisation?
    asking      where it could be learnt whether a certificate was revoked; fetching is the parent's business
    text        the text layer
    trust_list  CA certificates and revocation answers at hand
    report      what became known
    options     how to examine, within which limits

What follows from a report is policy: `gateway.rules.signatures`, `gateway.rules.secrets_in_text`.
"""

from gateway.trust.pdf.examiner import PdfExaminer
from gateway.trust.pdf.options import Limits, PdfOptions
from gateway.trust.pdf.report import PdfReport, PdfSignature, PdfText, RevocationAsk, Signer
from gateway.trust.pdf.signer import KindRule

__all__ = [
    "KindRule",
    "Limits",
    "PdfExaminer",
    "PdfOptions",
    "PdfReport",
    "PdfSignature",
    "PdfText",
    "RevocationAsk",
    "Signer",
]
