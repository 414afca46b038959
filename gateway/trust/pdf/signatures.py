"""Every signature of a PDF: whose, intact, trusted, revoked, and what was changed after it.

pyHanko does the cryptography, the chains and the comparison of revisions; here is the order of questions and what each
answer is called. Nothing is fetched: the trust list and the answers at hand are given, answers inside the file are used.

For each signature, in this order:

1. Is there a trusted timestamp, its own or a later one over the file? Then that is the time to judge at, else `now`;
   the signer's own word for the time counts for nothing.
2. Do the signed bytes and the signature over them hold?
3. Does a chain lead to the trust list, valid at that time, with a key meant for signing?
4. Is a certificate of that chain revoked, at that time?
5. Is what was added afterwards of the kind that signing adds?

What it reads is hostile: it runs in `worker` only, under limits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.diff_analysis.policy_api import DiffResult
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.validation.pdf_embedded import (
    EmbeddedPdfSignature,
    async_validate_pdf_signature,
    async_validate_pdf_timestamp,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel, TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import PathValidationError, RevokedError
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    REQUIRE_REVINFO,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.validate import async_validate_path

from gateway.trust.pdf.asking import MOST_ASKS, asks_of
from gateway.trust.pdf.options import PdfOptions
from gateway.trust.pdf.reading import Answers, Field, attached_to, open_pdf, store_of
from gateway.trust.pdf.report import PdfReport, PdfSignature, Verdict
from gateway.trust.pdf.signer import describe
from gateway.trust.pdf.trust_list import Known

_ISSUER_LENIENT = RevocationCheckingPolicy(
    RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.CHECK_IF_DECLARED_SOFT
)
_SIGNING = KeyUsageConstraints(key_usage={"non_repudiation", "digital_signature"})
"""Either will do: not every issuer sets nonRepudiation."""

_CHAIN = {
    "NO_CERTIFICATE_CHAIN_FOUND": "signer-unknown",
    "OUT_OF_BOUNDS_NO_POE": "certificate-expired",
    "CHAIN_CONSTRAINTS_FAILURE": "certificate-usage",
    "CRYPTO_CONSTRAINTS_FAILURE": "weak-algorithm",
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": "weak-algorithm",
}
_COVERAGE: dict[Any, Literal["entire-file", "entire-revision", "partial", "unclear"]] = {
    SignatureCoverageLevel.ENTIRE_FILE: "entire-file",
    SignatureCoverageLevel.ENTIRE_REVISION: "entire-revision",
    SignatureCoverageLevel.CONTIGUOUS_BLOCK_FROM_START: "partial",
}
_CHANGED: dict[Any, Literal["nothing", "maintenance", "forms-and-signatures", "annotations", "other"]] = {
    ModificationLevel.NONE: "nothing",
    ModificationLevel.LTA_UPDATES: "maintenance",
    ModificationLevel.FORM_FILLING: "forms-and-signatures",
    ModificationLevel.ANNOTATIONS: "annotations",
    ModificationLevel.OTHER: "other",
}


_SUBFILTERS = {str(each.value) for each in SigSeedSubFilter}
_WHOLE = {SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION}
_SKEW = dt.timedelta(minutes=5)
"""A timestamp may be so far ahead of our clock."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """What one file is judged with."""

    options: PdfOptions
    known: Known
    brought: Answers
    now: dt.datetime
    strict: bool
    doubted: list[Any] = field(default_factory=list)
    """Paths of which it is not known whether they are revoked."""

    def context(self, at: dt.datetime, rule: RevocationCheckingPolicy = NO_REVOCATION) -> ValidationContext:
        return ValidationContext(
            trust_roots=list(self.known.anchors),  # never None: pyHanko would take the machine's own roots
            other_certs=self.brought.certificates,
            crls=[*self.known.crls, *self.brought.crls],
            ocsps=[*self.known.ocsps, *self.brought.ocsps],
            moment=at,
            allow_fetching=False,
            # A later answer speaks about an earlier, stamped time too: it tells when the revocation was.
            revinfo_policy=CertRevTrustPolicy(rule, retroactive_revinfo=at < self.now),
        )


async def examine(file: BinaryIO, options: PdfOptions, known: Known, now: dt.datetime) -> PdfReport:
    """Judge at `now`, aware. Raises `Unexaminable`, `MemoryError` and `RecursionError`."""
    opened = open_pdf(file, signatures=options.limits.signatures)
    findings: tuple[str, ...] = () if opened.strict else ("form-not-strict",)
    if not opened.fields:
        return PdfReport("unsigned", findings=findings)
    bench = _Bench(options, known, store_of(opened.reader), now, opened.strict)
    signatures = await _judge(opened.reader, opened.fields, bench)
    asks = tuple(dict.fromkeys(ask for path in bench.doubted for ask in asks_of(path)))[:MOST_ASKS]
    last = next((each for each in reversed(signatures) if each.type == "signature"), None)
    if last and last.changed_after not in {"nothing", "maintenance", "unknown"}:
        findings += ("changed-after-last-signature",)
    return PdfReport(_overall(signatures), signatures, findings, asks=asks)


async def _judge(reader: PdfFileReader, fields: Sequence[Field], bench: _Bench) -> tuple[PdfSignature, ...]:
    """In the order of the revisions. Timestamps first: what comes before one existed by then."""
    judged: list[tuple[int, PdfSignature]] = []
    read: list[EmbeddedPdfSignature] = []
    for signed in fields:
        try:
            if str(signed.value.get_object().get("/SubFilter")) not in _SUBFILTERS:
                judged.append((-1, PdfSignature(signed.name, "signature", "indeterminate", ("kind-unsupported",))))
                continue
            read.append(EmbeddedPdfSignature(reader, signed.widget, signed.name))
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001  # what is in the signed is as hostile as the rest of the file
            judged.append((-1, _unreadable(signed.name, "signature")))
    proofs: list[tuple[int, dt.datetime]] = []
    for one in (each for each in read if each.sig_object_type == "/DocTimeStamp"):
        found = await _safely(one, "timestamp", _timestamp(one, bench))
        judged.append((one.signed_revision, found))
        if found.stamped_at:
            proofs.append((one.signed_revision, found.stamped_at))
    for one in (each for each in read if each.sig_object_type != "/DocTimeStamp"):
        later = min((at for revision, at in proofs if revision > one.signed_revision), default=None)
        judged.append((one.signed_revision, await _safely(one, "signature", _signature(one, bench, later))))
    return tuple(found for _, found in sorted(judged, key=lambda each: each[0]))


async def _safely(
    one: EmbeddedPdfSignature, kind: Literal["signature", "timestamp"], judging: Awaitable[PdfSignature]
) -> PdfSignature:
    try:
        return await judging
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001  # one unreadable signature must not hide what the others say
        return _unreadable(one.field_name, kind)


def _unreadable(name: str, kind: Literal["signature", "timestamp"]) -> PdfSignature:
    return PdfSignature(name, kind, "failed", ("signature-unreadable",))


async def _signature(one: EmbeddedPdfSignature, bench: _Bench, proven: dt.datetime | None) -> PdfSignature:
    bench = replace(bench, brought=bench.brought + attached_to(one))
    now = bench.context(bench.now)
    status = await async_validate_pdf_signature(one, now, key_usage_settings=_SIGNING)
    stamp = status.timestamp_validity
    notes: list[str] = []
    if stamp is not None:
        at = stamp.timestamp if await _believed(stamp, bench) else None
        notes += [] if at else ["timestamp-untrusted"]
        proven = min(filter(None, (proven, at)), default=None)
    if proven and proven < bench.now and not status.trusted:
        context = bench.context(proven)
        status = await async_validate_pdf_signature(one, context, now, key_usage_settings=_SIGNING, skip_diff=True)
    revocation = _Revocation()
    if status.trusted and bench.options.revocation != "off":
        revocation = await _revocation(status.validation_path, bench, proven or bench.now)
        bench.doubted.extend([status.validation_path] if revocation.verdict == "unknown" else [])
    failed = _failures(one, status, revocation)
    doubts = _doubts(status, revocation, bench, proven or bench.now)
    if revocation.verdict == "unknown" and "revocation-unknown" not in doubts:
        notes.append("revocation-unknown")
    return PdfSignature(
        field=one.field_name,
        type="signature",
        verdict="failed" if failed else "indeterminate" if doubts else "passed",
        reasons=(*failed, *doubts, *notes),
        signer=describe(one.signer_cert, bench.options.kind_rules),
        claimed_at=_aware(status.signer_reported_dt),
        stamped_at=proven,
        intact=status.intact and status.valid,
        trusted=status.trusted,
        revocation=revocation.verdict,
        revoked_at=revocation.at,
        revocation_urls=_urls(one.signer_cert) if revocation.verdict == "unknown" else (),
        coverage=_COVERAGE.get(one.coverage, "unclear"),
        changed_after=_changed(one),
    )


async def _timestamp(one: EmbeddedPdfSignature, bench: _Bench) -> PdfSignature:
    status = await async_validate_pdf_timestamp(one, bench.context(bench.now))
    believed = await _believed(status, bench)
    broken = not (status.intact and status.valid and one.coverage in _WHOLE)
    return PdfSignature(
        field=one.field_name,
        type="timestamp",
        verdict="failed" if broken else "passed" if believed else "indeterminate",
        reasons=("timestamp-bad",) if broken else () if believed else ("timestamp-untrusted",),
        signer=describe(one.signer_cert, bench.options.kind_rules),
        claimed_at=status.timestamp,
        stamped_at=None if broken or not believed else status.timestamp,
        intact=status.intact and status.valid,
        trusted=status.trusted,
        coverage=_COVERAGE.get(one.coverage, "unclear"),
        changed_after=_changed(one),
    )


async def _believed(stamp: TimestampSignatureStatus, bench: _Bench) -> bool:
    """A timestamp proves nothing unless its authority is trusted, and not known to be revoked."""
    if not (stamp.intact and stamp.valid and stamp.trusted and stamp.timestamp <= bench.now + _SKEW):
        return False
    if bench.options.revocation == "off":
        return True
    return (await _revocation(stamp.validation_path, bench, bench.now)).verdict != "revoked"


@dataclass(frozen=True, slots=True)
class _Revocation:
    verdict: Literal["good", "revoked", "unknown", "not-checked"] = "not-checked"
    at: dt.datetime | None = None


async def _revocation(path: Any, bench: _Bench, at: dt.datetime) -> _Revocation:
    """Of a path already found valid. That nothing is known of an issuer in between does not outweigh an answer about the signer."""
    verdict: Literal["good", "unknown"] = "unknown"
    issuers = Answers(tuple(path.iter_certs(include_root=False)))
    bench = replace(bench, brought=bench.brought + issuers)  # who signs a list is looked for among what is at hand
    for rule in (REQUIRE_REVINFO, _ISSUER_LENIENT):
        try:
            await async_validate_path(bench.context(at, rule), path)
        except RevokedError as revoked:
            if not revoked.is_side_validation:
                return _Revocation("revoked", revoked.revocation_dt)
        except PathValidationError:
            continue
        else:
            verdict = "good"
            break
    return _Revocation(verdict)


def _failures(one: EmbeddedPdfSignature, status: PdfSignatureStatus, revocation: _Revocation) -> list[str]:
    return [
        code
        for code, true in (
            ("altered", not status.intact),
            ("signature-bad", status.intact and not status.valid),
            ("certificate-revoked", revocation.verdict == "revoked"),
            ("not-covered", one.coverage not in _WHOLE),
            ("changed-after-signing", one.coverage in _WHOLE and not status.docmdp_ok),
        )
        if true
    ]


def _doubts(status: PdfSignatureStatus, revocation: _Revocation, bench: _Bench, at: dt.datetime) -> list[str]:
    doubts = []
    if status.intact and status.valid and not status.trusted:
        indication = getattr(status.trust_problem_indic, "name", "")
        early = status.signing_cert.not_valid_before > at
        doubts.append("certificate-not-yet-valid" if early else _CHAIN.get(indication, "chain-broken"))
    if revocation.verdict == "unknown" and bench.options.revocation == "hard":
        doubts.append("revocation-unknown")
    if not status.seed_value_ok:
        doubts.append("field-constraints")
    if not bench.strict:
        doubts.append("form-not-strict")
    return doubts


def _changed(
    one: EmbeddedPdfSignature,
) -> Literal["nothing", "maintenance", "forms-and-signatures", "annotations", "other"]:
    found: object = one.diff_result  # pyHanko does not say that it may be an exception
    return _CHANGED.get(found.modification_level, "other") if isinstance(found, DiffResult) else "other"


def _urls(certificate: Any) -> tuple[str, ...]:
    points = [point.url for point in certificate.crl_distribution_points]
    return tuple(str(url)[:512] for url in [*certificate.ocsp_urls, *points] if url)[:8]


def _aware(at: dt.datetime | None) -> dt.datetime | None:
    return at if at is None or at.tzinfo else at.replace(tzinfo=dt.UTC)


def _overall(signatures: Sequence[PdfSignature]) -> Verdict:
    """Document timestamps prove a time, they sign nothing for anyone."""
    verdicts = {each.verdict for each in signatures if each.type == "signature"}
    if "failed" in verdicts:
        return "invalid"
    if not verdicts:
        return "unsigned"
    return "valid" if verdicts == {"passed"} else "indeterminate"
