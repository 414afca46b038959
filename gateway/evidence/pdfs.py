"""The signatures inside the document's PDFs: what the gateway found when it came, and what is found again offline.

The report lies outside the chain, because it names people and may have to be erased; the chained entry holds a salted
digest of it (`commitment`). It names the fetched revocation answers it rests on, which are enclosed as they came. With
CA certificates at hand the PDFs are examined again, in child processes, with those answers and at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from gateway.edxml import sniff
from gateway.edxml.parse import AttachmentData, EdxmlError, Splitter
from gateway.evidence import bundle as zipped
from gateway.evidence.bundle import DOCUMENT, MOST_BYTES, PDFS, REVOCATION, Bundle
from gateway.evidence.chain import Chained
from gateway.evidence.claim import Claim
from gateway.journal.chain import canonical, commit_to
from gateway.trust.pdf import PdfExaminer, PdfOptions, PdfReport

LARGEST_ANSWER = 64 << 20
_ANSWER = re.compile(r"[0-9a-f]{64}\.(?:crl|ocsp)")


class Reports(BaseModel):
    """`pdf-reports.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: AwareDatetime
    """When they were judged, and for when."""
    salt: str
    pdfs: tuple[dict[str, object], ...]
    """As `gateway.trust.pdf.report.as_detail`, each with the `field` it stood in."""

    @property
    def commitment(self) -> str:
        return commitment(self.pdfs, self.at, self.salt)

    @property
    def answers(self) -> tuple[str, ...]:
        """Names of the revocation answers they rest on."""
        named = [each.get("answers") or () for each in self.pdfs]
        names = dict.fromkeys(str(name) for one in named if isinstance(one, list | tuple) for name in one)
        return tuple(name for name in names if _ANSWER.fullmatch(name))


def commitment(pdfs: Sequence[object], at: dt.datetime, salt: str) -> str:
    """What the chained entry holds of the reports."""
    return commit_to(canonical({"at": at.isoformat(), "pdfs": list(pdfs)}).decode(), salt)


def claims(bundle: Bundle, chained: tuple[Chained, ...] | None, *, purged: bool) -> Iterator[Claim]:
    """None where the gateway examined no PDF."""
    promised = {each.facts["pdf_reports"] for each in chained or () if "pdf_reports" in each.facts}
    if PDFS not in bundle.names:
        if promised:
            yield Claim("pdf-reports", "not-proven", "purged" if purged else "missing")
        return
    reports = _read(bundle)
    if reports is None:
        yield Claim("pdf-reports", "false", "form")
        return
    verdicts = " ".join(str(each.get("verdict")) for each in reports.pdfs)
    if chained is None:
        yield Claim("pdf-reports", "not-proven", "missing", detail=verdicts)
    elif reports.commitment in promised:
        yield Claim("pdf-reports", "proven", detail=verdicts)
    else:
        yield Claim("pdf-reports", "false", "differs")
    if reports.answers:
        yield _answers(bundle, reports)


def _read(bundle: Bundle) -> Reports | None:
    try:
        return Reports.model_validate_json(bundle.read(PDFS))
    except (ValidationError, RecursionError):
        return None


def _answers(bundle: Bundle, reports: Reports) -> Claim:
    """Whether the enclosed revocation answers are those the reports rest on."""
    names = [REVOCATION + name for name in reports.answers]
    there = [name for name in names if name in bundle.names]
    changed = [name for name in there if bundle.sha256(name) != Path(name).stem]
    if changed:
        return Claim("revocation", "false", "changed", detail=" ".join(changed))
    missing = [name for name in names if name not in bundle.names]
    return (
        Claim("revocation", "not-proven", "missing", detail=" ".join(missing))
        if missing
        else Claim("revocation", "proven")
    )


# --- examined again ---------------------------------------------------------------------------------------------


def again(bundle: Bundle, trust: Path) -> list[Claim]:
    """Each reported PDF, examined with CA certificates from `trust`. Starts child processes; needs a thread of its own.

    *False* where a signature that was reported valid does not hold, or one reported not to hold does.
    """
    reports = _read(bundle) if PDFS in bundle.names else None
    if reports is None or DOCUMENT not in bundle.names:
        return []
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        answers = [_taken_out(bundle, REVOCATION + name, Path(folder)) for name in reports.answers]
        files = _attachments(bundle, Path(folder))
        found = asyncio.run(_examined(files, [each for each in answers if each], trust, reports))
    return [_compared(each, report) for each, report in zip(reports.pdfs, found, strict=True)]


def _taken_out(bundle: Bundle, name: str, folder: Path) -> Path | None:
    if name not in bundle.names:
        return None
    path = folder / Path(name).name
    path.write_bytes(bundle.read(name, LARGEST_ANSWER))
    return path


def _attachments(bundle: Bundle, folder: Path) -> dict[str, Path]:
    """Each attachment of the document as a file, by the field it stood in."""
    splitter, files = Splitter(limit=MOST_BYTES), dict[str, Path]()
    try:
        for data in bundle.chunks(DOCUMENT):
            for event in splitter.feed(data):
                if isinstance(event, AttachmentData):
                    path = files.setdefault(f"attachments[{event.index}]", folder / f"{event.index}.pdf")
                    with path.open("ab") as file:
                        file.write(event.data)
        parsed = splitter.close()
        for index, each in enumerate(parsed.attachments):
            if (field := f"attachments[{index}]") in files:
                _unwrap(files[field], each.name)
    except (EdxmlError, zipped.Unreadable):
        return {}
    return files


def _unwrap(path: Path, name: str) -> None:
    """What was examined of a zip that only wrapped a file was that file (`gateway.pipeline.unwrapping`)."""
    with path.open("rb") as file, contextlib.suppress(EdxmlError):
        wrapped = sniff.unwrap(file, name, limit=MOST_BYTES)
        if wrapped is None or not wrapped.suits(name):
            return
        inside = path.with_suffix(".unwrapped")
        with inside.open("wb") as copy:
            for chunk in wrapped.chunks():
                copy.write(chunk)
        inside.replace(path)


async def _examined(
    files: dict[str, Path], answers: Sequence[Path], trust: Path, reports: Reports
) -> list[PdfReport | None]:
    options = PdfOptions(trust, revocation="hard", workers=1)  # what is not enclosed is not proven
    async with PdfExaminer(options) as examiner:
        return [
            await examiner.examine(path, now=reports.at, answers=answers) if (path := files.get(str(each.get("field")))) else None
            for each in reports.pdfs
        ]  # fmt: skip


def _compared(told: dict[str, object], found: PdfReport | None) -> Claim:
    name = f"pdf:{told.get('field')}"
    if found is None:
        return Claim(name, "not-proven", "missing")
    reasons = sorted({code for each in found.signatures for code in each.reasons} | set(found.findings))
    detail = " ".join([found.verdict, *reasons])
    if {str(told.get("verdict")), found.verdict} == {"valid", "invalid"}:
        return Claim(name, "false", "pdf-otherwise", detail=detail)
    if found.verdict == "valid":
        return Claim(name, "proven", detail=detail)
    return Claim(name, "not-proven", f"pdf-{found.verdict}", detail=detail)
