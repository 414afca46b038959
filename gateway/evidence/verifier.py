"""What a bundle proves, claim by claim: proven, not proven, or false.

Every claim is judged from the bytes it rests on; the manifest is only believed where it agrees with them. A claim is
*false* where its evidence contradicts it, *not proven* where evidence is missing, is of somebody unknown, or was never
signed. Without trust roots nobody is known: signatures are right or wrong, but no claim that rests on one is proven.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gateway.evidence import chain, enclosed, pdfs, stamped, summary
from gateway.evidence.bundle import (
    BLOCKS,
    DOCUMENT,
    ENTRIES,
    MANIFEST,
    SUMMARY,
    TIMESTAMP,
    VERDICTS,
    WHOLE_BLOCKS,
    Bundle,
)
from gateway.evidence.claim import Claim
from gateway.evidence.edxml_file import EdxmlFile, readable, said, taken_apart
from gateway.evidence.facts import About, ReceiptLine, StatusLine, Verdict
from gateway.evidence.signers import LOCAL, Signers, named_by
from gateway.model import Direction
from gateway.trust import edxml_signature, markup, receipts
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import TrustStore, fingerprint
from gateway.trust.pdf.trust_list import Known

CANNOT_TELL = {"signer-unknown", "certificate-expired", "certificate-not-yet-valid", "certificate-revoked"}
UNSIGNED = {"axis-acknowledged", "gateway-kept"}
"""Receipts of the road over an axis that signs nothing."""
MISSING, PURGED, NOT_ANCHORED = "missing", "purged", "not-anchored"


@dataclass(frozen=True, slots=True)
class Report:
    claims: tuple[Claim, ...]
    delivery: Verdict
    """`proven`, or `not-proven`: whether the other side (received: we, signed) vouches for exactly these bytes."""
    grade: Literal["signed-receipt", "acknowledged", "none"]

    @property
    def false(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.verdict == "false")

    @property
    def holds(self) -> bool:
        return not self.false and self.delivery == "proven"


@dataclass(slots=True)
class _Case:
    bundle: Bundle
    signers: Signers
    file: EdxmlFile | None
    chained: tuple[chain.Chained, ...] | None = None
    read: dict[str, receipts.Receipt] = field(default_factory=dict)
    """Receipts that are signed and match, by file."""

    @property
    def about(self) -> About:
        return self.bundle.manifest.about


def verify(
    bundle: Bundle,
    trust: TrustStore | None,
    authorities: Known = Known(),  # noqa: B008  # frozen
    pdf_trust: Path | None = None,
    *,
    complete: bool = True,
) -> Report:
    """`authorities`: CA certificates that time-stamping authorities may lead to. `pdf_trust`: a folder of those that
    the signers of PDFs may lead to; without it PDFs are not examined again. `complete=False`: of a bundle in the making,
    without manifest and summary. Call it in a thread of its own. Raises `Unreadable`.
    """
    now = dt.datetime.now(dt.UTC)
    held, certificates = enclosed.read(bundle)
    signers = Signers(held.certificates, trust, held.lists)
    case = _Case(bundle, signers, taken_apart(bundle.chunks(DOCUMENT)) if _has(bundle, DOCUMENT) else None)
    claims = [_bytes(case), _description(case), _signature(case)]
    receipted = [_receipt(case, line) for line in bundle.manifest.receipts]
    claims += [*receipted, _hops(case, receipted)]
    claims += [_status(case, line) for line in bundle.manifest.statuses]
    claims += [_journal(case), _blocks(case), _verdicts(case), certificates]
    claims += pdfs.claims(bundle, case.chained, purged=case.about.purged)
    claims += stamped.head_and_stamp(bundle, case.signers, authorities, now)
    report = _concluded(case, tuple(claims), receipted)
    if not complete:
        return report
    more = [*(pdfs.again(bundle, pdf_trust) if pdf_trust else ()), stamped.timestamp(bundle, authorities, now)]
    return replace(report, claims=(_files(bundle), _summary(bundle, report), *report.claims, *more))


def _has(bundle: Bundle, name: str) -> bool:
    return name in bundle.names


def _concluded(case: _Case, claims: tuple[Claim, ...], receipted: list[Claim]) -> Report:
    by_name = {claim.name: claim for claim in claims}
    wanted = "axis-accepted" if case.about.direction is Direction.OUT else "gateway-received"
    lines = case.bundle.manifest.receipts
    # Each line with its own claim: nothing keeps a manifest from naming one file twice.
    proven = any(
        line.kind == wanted and claim.verdict == "proven" for line, claim in zip(lines, receipted, strict=True)
    )
    # Where the content was purged, the chained entry says which bytes it was.
    held = by_name["bytes"].verdict == "proven" or (
        by_name["bytes"].reason == PURGED and by_name["journal"].verdict == "proven"
    )
    if proven and held:
        return Report(claims, "proven", "signed-receipt")
    return Report(claims, "not-proven", "acknowledged" if any(line.kind in UNSIGNED for line in lines) else "none")


# --- the files themselves ---------------------------------------------------------------------------------------


def _files(bundle: Bundle) -> Claim:
    listed = bundle.manifest.files
    strangers = sorted(bundle.names - listed.keys() - {MANIFEST, TIMESTAMP})
    changed = [name for name in sorted(bundle.names & listed.keys()) if bundle.sha256(name) != listed[name]]
    if changed or strangers:
        return Claim("files", "false", "changed", detail=" ".join([*changed, *strangers]))
    missing = sorted(listed.keys() - bundle.names)
    return Claim("files", "not-proven", MISSING, detail=" ".join(missing)) if missing else Claim("files", "proven")


def _summary(bundle: Bundle, report: Report) -> Claim:
    """Whether it says what the manifest says, and that no more than is true today."""
    if not _has(bundle, SUMMARY):
        return Claim("summary", "not-proven", MISSING)
    told = bundle.manifest
    if bundle.read(SUMMARY) != summary.text(told).encode():
        return Claim("summary", "false", "changed")
    found = {claim.name: claim.verdict for claim in report.claims}
    if (told.outcome, told.delivery, told.grade) != (found, report.delivery, report.grade):
        return Claim("summary", "not-proven", "told-otherwise")
    return Claim("summary", "proven")


# --- the edXML file ---------------------------------------------------------------------------------------------


def _absent(case: _Case, name: str) -> Claim:
    return Claim(name, "not-proven", PURGED if case.about.purged else MISSING)


def _bytes(case: _Case) -> Claim:
    file, about = case.file, case.about
    if file is None:
        return _absent(case, "bytes")
    if about.sha256 is None:
        return Claim("bytes", "not-proven", MISSING)
    if (file.size, file.sha256) != (about.size, about.sha256):
        return Claim("bytes", "false", "digest", detail=file.sha256)
    return Claim("bytes", "proven", detail=file.sha256)


def _description(case: _Case) -> Claim:
    """Whether the manifest tells of the file what the file says."""
    file, about = case.file, case.about
    if file is None:
        return _absent(case, "description")
    parsed = file.parsed
    if parsed is None or (parsed.document is None and parsed.status is None):
        return Claim("description", "not-proven", "unreadable")
    wrong = [name for name, value in said(parsed).items() if getattr(about, name) != value]
    wrong += ["attachments"] if file.attachments != about.attachments else []
    wrong += ["readable"] if readable(parsed) != case.bundle.manifest.readable else []
    return Claim("description", "false", "differs", detail=" ".join(wrong)) if wrong else Claim("description", "proven")


def _signature(case: _Case) -> Claim:
    if case.file is None:
        return _absent(case, "signature")
    sender = str(said(case.file.parsed).get("sender", "")) if case.file.parsed else ""
    return _edxml_signature(case, "signature", case.file, sender, case.about.frozen_at)


def _edxml_signature(case: _Case, name: str, file: EdxmlFile, organ: str, at: dt.datetime) -> Claim:
    """By whom the file is signed, line by line, and whether that system may speak for the organ."""
    if file.parsed is None:
        return Claim(name, "not-proven", "unreadable")
    report = edxml_signature.check(file.parsed.envelope, file.attachments, trust=case.signers.store, now=at)
    if report.verdict != "valid":
        return _unsigned(case, name, report)
    owner = case.signers.owner(report.certificate)
    if owner is None:
        return Claim(name, "not-proven", NOT_ANCHORED)
    if not case.signers.may_speak(owner, organ):
        return Claim(name, "not-proven", "may-not-speak", owner, organ)
    return Claim(name, "proven", signer=owner)


def _unsigned(case: _Case, name: str, report: edxml_signature.SignatureReport) -> Claim:
    codes = " ".join(finding.code for finding in report.findings)
    if report.verdict != "invalid":
        return Claim(name, "not-proven", f"signature-{report.verdict}", detail=codes)
    spoilt = [(what, state) for what, state in report.lines if state != "intact"]
    detail = " ".join(f"{what}:{state}" for what, state in spoilt) or codes
    if _rewrites(case) and not any(what.startswith("cid:") for what, _ in spoilt):
        return Claim(name, "not-proven", "rewritten", detail=detail)
    return Claim(name, "false", "signature-invalid", detail=detail)


def _rewrites(case: _Case) -> bool:
    """Whether the axis is one that signs nothing, and writes every file anew, so that a signature cannot survive."""
    return any(line.kind in UNSIGNED for line in case.bundle.manifest.receipts)


# --- receipts ---------------------------------------------------------------------------------------------------


def _receipt(case: _Case, line: ReceiptLine) -> Claim:
    name = f"receipt:{line.file}"
    if not _has(case.bundle, line.file):
        return Claim(name, "not-proven", MISSING)
    if line.kind == "axis-acknowledged":
        return Claim(name, "not-proven", "unsigned-reply")
    body = case.bundle.read(line.file, markup.MIB)
    try:
        root = markup.parse(body, limit=markup.MIB)
        issuer = receipts.claimed(root)
        receipt = receipts.read(body, trust=case.signers.store_for(issuer), issuer=issuer, at=line.at)
    except SignatureInvalid as error:
        return Claim(name, "not-proven" if error.code in CANNOT_TELL else "false", error.code)
    wrong = receipts.mismatches(receipt, _expected(case, line, receipt))
    if wrong:
        # One that the gateway itself kept as a mismatch claims nothing.
        kept = bool(line.mismatch)
        return Claim(name, "not-proven" if kept else "false", "mismatch", detail=" ".join(wrong))
    case.read[line.file] = receipt
    owner = case.signers.owner(fingerprint(named_by(root)[0]), issuer)
    if owner is None:
        return Claim(name, "not-proven", NOT_ANCHORED, detail=receipt.kind)
    return Claim(name, "proven", signer=owner, detail=receipt.kind)


def _expected(case: _Case, line: ReceiptLine, receipt: receipts.Receipt) -> receipts.Receipt:
    """What a receipt of this hop must say: from the bytes where they are here, else from the manifest."""
    about, file = case.about, case.file
    told = said(file.parsed) if file and file.parsed else {}
    ours = line.given or line.kind != "axis-accepted"
    parties = (about.system_id, about.axis_system_id)
    # The receiving end of a road inside the gateway knows the message by an id of its own, and by our axis id.
    inside = not line.given and line.kind == "gateway-received" and about.system_id == LOCAL
    return receipts.Receipt(
        receipt_id="",
        kind="axis-accepted" if line.kind == "axis-accepted" else "gateway-received",
        issued_by=parties[not ours],
        addressed_to=parties[ours],
        message_id=receipt.message_id if inside else about.message_id,
        axis_id=about.axis_id,
        document_id=str(told.get("document_id", about.document_id)),
        sender=str(told.get("sender", about.sender)),
        to=_codes(told.get("to", about.to)),
        size=file.size if file else about.size or 0,
        sha256=file.sha256 if file else about.sha256 or "",
        attachments=file.attachments if file and file.parsed else about.attachments,
        time=receipt.time,
    )


def _codes(found: object) -> tuple[str, ...]:
    return found if isinstance(found, tuple) else ()


def _hops(case: _Case, receipted: list[Claim]) -> Claim:
    """End to end: receipts of both hops, which agree with the same bytes and so with one another."""
    signers = {claim.name.partition(":")[2]: claim.signer for claim in receipted if claim.signer}
    if len({case.read[file].kind for file in signers}) > 1:
        return Claim("hops", "proven", signer=" ".join(sorted({signer for signer in signers.values() if signer})))
    kinds = {receipt.kind for receipt in case.read.values()}
    return Claim("hops", "not-proven", NOT_ANCHORED if len(kinds) > 1 else "one-hop" if kinds else MISSING)


# --- statuses ---------------------------------------------------------------------------------------------------


def _status(case: _Case, line: StatusLine) -> Claim:
    name = f"status:{line.file}"
    if not _has(case.bundle, line.file):
        return Claim(name, "not-proven", MISSING)
    file = taken_apart(case.bundle.chunks(line.file))
    status = file.parsed.status if file.parsed else None
    if status is None:
        return Claim(name, "false", "unreadable")
    if status.response_for.document_id != case.about.document_id:
        return Claim(name, "false", "about-another")
    if (status.sender.code, status.code) != (line.organ, line.code):
        return Claim(name, "false", "differs")
    signed = _edxml_signature(case, name, file, status.sender.code, line.at)
    if signed.verdict == "proven" and status.sender.code not in case.about.to:
        return Claim(name, "not-proven", "not-a-receiver", signed.signer, f"{line.organ} {line.code}")
    return Claim(name, signed.verdict, signed.reason, signed.signer, signed.detail or f"{line.organ} {line.code}")


# --- the journal ------------------------------------------------------------------------------------------------


def _journal(case: _Case) -> Claim:
    if not _has(case.bundle, ENTRIES):
        return Claim("journal", "not-proven", MISSING)
    try:
        chained = chain.read_entries(case.bundle.read(ENTRIES), case.about)
        case.chained = chained
        chain.agree(chained, case.about)
    except chain.Broken as error:
        return Claim("journal", "false", str(error))
    if case.about.purged and not any(each.code == "purged" for each in chained):
        return Claim("journal", "false", "no-entry-of-purge")
    return Claim("journal", "proven", detail=str(len(chained)))


def _blocks(case: _Case) -> Claim:
    if not _has(case.bundle, BLOCKS) or case.chained is None:
        return Claim("blocks", "not-proven", MISSING)

    def check(signed: bytes, value: bytes, digest: str) -> str:
        return case.signers.check_block(case.about.system_id, signed, value, digest)

    try:
        reason = chain.check_blocks(case.bundle.read(BLOCKS, WHOLE_BLOCKS), case.chained, check)
    except chain.Broken as error:
        return Claim("blocks", "false", str(error))
    return Claim("blocks", "proven") if reason == "proven" else Claim("blocks", "not-proven", reason)


def verdicts_of(chained: tuple[chain.Chained, ...]) -> list[dict[str, object]]:
    """What the gateway's own checks said, from the entries: of the edXML signature, the PDFs, and the virus scanner."""
    return [
        {"seq": each.seq, **{key: value for key, value in each.facts.items() if key in _CHECKS}}
        for each in chained
        if each.facts.keys() & _CHECKS
    ]


_CHECKS = {"signature", "pdfs", "antivirus", "virus"}


def _verdicts(case: _Case) -> Claim:
    if not _has(case.bundle, VERDICTS) or case.chained is None:
        return Claim("verdicts", "not-proven", MISSING)
    try:
        same: bool = json.loads(case.bundle.read(VERDICTS)) == verdicts_of(case.chained)
    except (ValueError, RecursionError):
        same = False
    return Claim("verdicts", "proven") if same else Claim("verdicts", "false", "differs")
