"""What an office asks of the signatures inside its PDFs, and what a document that lacks them hears.

NĐ 30/2020/NĐ-CP Đ5: signed by the competent person and by the organisation, an electronic document is an original; PL I:
attachments in files of their own are signed by the organisation alone, and it signs last. QĐ 28/2018/QĐ-TTg Đ4: unsigned,
a document is for information only. Whether to take it is the records clerk's to decide (NĐ 30 Đ21.2), so by default the
findings are told and nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.model import Problem


class Signer(Protocol):
    @property
    def kind(self) -> str:
        """`person`, `organisation` or `unknown`."""


class Signature(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def signer(self) -> Signer | None: ...


class Report(Protocol):
    """What became known of one PDF (`gateway.trust.pdf.PdfReport`)."""

    @property
    def verdict(self) -> str: ...
    @property
    def signatures(self) -> Sequence[Signature]: ...
    @property
    def findings(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Policy:
    mode: Literal["require", "warn", "off"] = "warn"
    unexamined: Literal["refuse", "warn"] = "refuse"
    """Under `require`: what becomes of a document with a PDF that could not be examined."""


@dataclass(frozen=True, slots=True)
class Judgement:
    refused: tuple[Problem, ...] = ()
    warned: tuple[Problem, ...] = ()


def judge(policy: Policy, pdfs: Sequence[tuple[str, Report]]) -> Judgement:
    """Of one document: each PDF with the field it stands in, e.g. `attachments[0]`. Other files are not asked about."""
    if policy.mode == "off":
        return Judgement()
    found = [*_of_document(pdfs), *(problem for field, report in pdfs for problem in _of_file(field, report))]
    if policy.mode == "warn":
        return Judgement(warned=tuple(found))
    warned = {"pdf-changed-after"} | ({"pdf-not-examined"} if policy.unexamined == "warn" else set())
    return Judgement(
        refused=tuple(each for each in found if each.code not in warned),
        warned=tuple(each for each in found if each.code in warned),
    )


def _of_document(pdfs: Sequence[tuple[str, Report]]) -> Iterator[Problem]:
    if not pdfs:
        yield Problem("attachments", "pdf-missing", "no attachment is a PDF")
        return
    kinds = [set(_passed(report)) for _, report in pdfs]
    if any({"person", "organisation"} <= each for each in kinds):
        return
    # What could not be examined or judged may be what is looked for: its own problem says so.
    if all(report.verdict in {"valid", "unsigned"} for _, report in pdfs):
        if not any("person" in each for each in kinds):
            yield Problem("attachments", "pdf-no-person", "no PDF carries the signature of a person")
        if not any("organisation" in each for each in kinds):
            yield Problem("attachments", "pdf-no-organisation", "no PDF carries the signature of an organisation")
        if {"person", "organisation"} <= set().union(*kinds):
            yield Problem("attachments", "pdf-not-both", "no PDF is signed by both a person and an organisation")


_OF_VERDICT = {
    "unsigned": ("pdf-unsigned", "the PDF is not signed"),
    "invalid": ("pdf-signature-invalid", "a signature of the PDF does not hold"),
    "indeterminate": ("pdf-signature-indeterminate", "a signature of the PDF could not be confirmed"),
    "could-not-be-examined": ("pdf-not-examined", "the signatures of the PDF could not be examined"),
}


def _of_file(field: str, report: Report) -> Iterator[Problem]:
    if report.verdict in _OF_VERDICT:
        code, message = _OF_VERDICT[report.verdict]
        yield Problem(field, code, message, {"reasons": " ".join(_reasons(report))})
    kinds = _passed(report)
    if report.verdict == "valid" and kinds[-1] == "person":
        yield Problem(field, "pdf-organisation-not-last", "the last signature of the PDF is not the organisation's")
    if "changed-after-last-signature" in report.findings:
        yield Problem(field, "pdf-changed-after", "the PDF was changed after its last signature")


def _passed(report: Report) -> list[str]:
    """Kinds of those whose signature passed, in the order of signing."""
    found = [each for each in report.signatures if each.type == "signature" and each.verdict == "passed"]
    return [each.signer.kind if each.signer else "unknown" for each in found]


def _reasons(report: Report) -> list[str]:
    doubted = [each for each in report.signatures if each.type == "signature" and each.verdict != "passed"]
    return sorted({code for each in doubted for code in each.reasons} | set(report.findings))
