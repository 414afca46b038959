"""Gathering what there is about one message into an evidence bundle."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Settings
from gateway.errors import GatewayError
from gateway.evidence import bundle, chain, pdfs, summary, verifier
from gateway.evidence.edxml_file import EdxmlFile, TakingApart, readable, said
from gateway.evidence.facts import About, Manifest, ReceiptLine, StatusLine
from gateway.evidence.signers import made_by, named_in
from gateway.journal import HeadFolder, Journal
from gateway.journal.lookups import EntryRow, ReceiptRow
from gateway.journal.proofs import Proof
from gateway.model import LOCAL_AXIS, Direction, Kind
from gateway.pipeline.local_axis import SYSTEM_ID
from gateway.pipeline.outgoing import Packed, chunks_of
from gateway.ports import Chunks, Contents, Timestamper
from gateway.states import Message, State, withheld
from gateway.trust import receipts
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyRing, Party, TrustStore, fingerprint
from gateway.trust.pdf.trust_list import TrustList

FROZEN, PURGED = {"packed", "received"}, "purged"
SETTLED = {State.SENT, State.TRUSTED, State.CLOSED}


@dataclass(slots=True)
class _Export:
    journal: Journal
    contents: Contents
    writer: bundle.Writer
    systems: tuple[str, str]
    """Ours and theirs, on the message's axis."""
    trust: TrustStore
    """Theirs and ours."""
    own: dict[str, bytes]
    """DER of our certificates, by fingerprint."""
    heads: HeadFolder
    answers: Path
    """Where fetched revocation answers are kept."""
    named: list[bytes] = field(default_factory=list)
    """DER of the certificates met in signatures."""


@dataclass(frozen=True, slots=True)
class Exported:
    report: verifier.Report
    timestamp: str
    """`stamped`, `not-configured`, or the code of why the authority gave none."""


async def export(
    message_id: str,
    out: Path,
    settings: Settings,
    journal: Journal,
    contents: Contents,
    authority: Timestamper | None,
    now: dt.datetime,
) -> Exported:
    """Write the bundle to `out`, which must not exist; what it proves by our own keys and trust roots."""
    message = await journal.message(message_id)
    if message is None:
        raise GatewayError("not-found", f"no message has the id {message_id}")
    if message.kind is Kind.NOTICE:
        raise GatewayError("notice", "a notice travels nowhere: there is nothing to prove")
    if withheld(message.held):
        raise GatewayError("withheld", f"{message_id} is held as a suspected state secret: no copy of it is made")
    with _made_whole(out) as part:
        systems = _systems(message, settings)
        ring, trust = KeyRing.load(settings.keys), TrustStore.load(settings.trust)
        trust = _with_us(trust, systems[0], [pair.certificate for pair in ring.pairs])
        # Those in our own folder of the trust store are ours too: retired ones, that signed older blocks.
        ours = [pair.der for pair in ring.pairs] + [_der(each) for each in trust.parties[systems[0]].certificates]
        own = {fingerprint(der): der for der in ours}
        heads = HeadFolder(settings.journal.heads or settings.data_dir / "heads")
        answers = settings.data_dir / "revocation" / "answers"
        work = _Export(journal, contents, bundle.Writer(part), systems, trust, own, heads, answers)
        manifest = await _gather(work, message, now)
        authorities = TrustList(settings.timestamps.trust, settings.timestamps.trust).known()
        with bundle.opened(part, manifest) as made:
            report = await asyncio.to_thread(verifier.verify, made, work.trust, authorities, complete=False)
        whole = _finish(part, manifest, work.writer.files, report)
        return Exported(report, await _stamped(part, whole, authority))


async def _stamped(part: Path, manifest: bytes, authority: Timestamper | None) -> str:
    """Put a timestamp over the manifest. Without one the bundle is as good, but for its time."""
    if authority is None:
        return "not-configured"
    try:
        token = await authority.stamp(manifest)
    except GatewayError as error:
        return error.code
    writer = bundle.Writer(part)
    writer.put(bundle.TIMESTAMP, [token])
    writer.close()
    return "stamped"


@contextmanager
def _made_whole(out: Path) -> Iterator[Path]:
    """A file beside `out` that takes its name when all went well: nobody finds half a bundle."""
    if out.exists():
        raise GatewayError("exists", f"{out} exists already")
    part = out.with_name(f"{out.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        yield part
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)


def _systems(message: Message, settings: Settings) -> tuple[str, str]:
    if message.axis == LOCAL_AXIS:
        return SYSTEM_ID, SYSTEM_ID
    for section in settings.axis:
        if section.name == message.axis:
            return section.system_id, section.axis_system_id
    raise GatewayError("axis-unknown", f"the configuration has no axis called {message.axis!r}")


def _with_us(trust: TrustStore, system_id: str, ring: Sequence[x509.Certificate]) -> TrustStore:
    known = trust.parties.get(system_id)
    ours = tuple(each for each in ring if trust.owner(_der(each)) is None)
    known = known or Party(system_id, ())
    party = replace(known, certificates=(*known.certificates, *ours), organs=known.organs or ("*",))
    return TrustStore((*(each for name, each in trust.parties.items() if name != system_id), party))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _finish(part: Path, manifest: Manifest, files: dict[str, str], report: verifier.Report) -> bytes:
    """Summary and manifest, which tell of all the rest; the manifest's bytes."""
    outcome = {claim.name: claim.verdict for claim in report.claims}
    told = manifest.model_copy(update={"outcome": outcome, "delivery": report.delivery, "grade": report.grade})
    writer = bundle.Writer(part)
    writer.put(bundle.SUMMARY, [summary.text(told).encode()])
    whole = told.model_copy(update={"files": files | writer.files})
    data = whole.model_dump_json(indent=1).encode()
    writer.put(bundle.MANIFEST, [data])
    writer.close()
    return data


async def _gather(work: _Export, message: Message, now: dt.datetime) -> Manifest:
    timeline = await work.journal.timeline(message.message_id)
    purged = any(entry.code == PURGED for entry in timeline)
    file = None if purged else await _edxml(work, message, bundle.DOCUMENT)
    rows = await work.journal.receipts(message.message_id)
    lines = [_receipt(work, number, row) for number, row in enumerate(rows, 1)]
    about = _about(work, message, file, rows, timeline, purged=purged)
    statuses = await _statuses(work, message, about.document_id)
    await _chain(work, about)
    if not purged:
        await _pdf_reports(work, message)
    _certificates(work)
    work.writer.close()
    return Manifest(
        made_at=now,
        made_by=f"lienthong {version('lienthong-gateway')}",
        about=about,
        readable=readable(file.parsed) if file and file.parsed else None,
        receipts=tuple(lines),
        statuses=tuple(statuses),
        files=work.writer.files,
    )


async def _edxml(work: _Export, message: Message, name: str) -> EdxmlFile | None:
    """The message's file, byte for byte; None where there is none (yet)."""
    chunks: Chunks
    if message.direction is Direction.OUT:
        recipe = (await work.journal.extra(message.message_id)).get("recipe")
        if recipe is None:
            return None
        chunks = chunks_of(Packed.of(recipe).pieces, work.contents)
    else:
        refs = await work.journal.contents(message.message_id)
        content = next((ref.content for ref in refs if ref.role == "edxml"), None)
        if content is None:
            return None
        chunks = work.contents.open(content)
    taking = TakingApart()
    with work.writer.entry(name) as write:
        async for data in chunks:
            write(data)
            taking.feed(data)
    file = taking.close()
    if file.parsed:
        work.named += _named(file.parsed.envelope)
    return file


def _named(data: bytes) -> list[bytes]:
    try:
        return named_in(data)
    except SignatureInvalid:
        return []


def _receipt(work: _Export, number: int, row: ReceiptRow) -> ReceiptLine:
    signed = row.kind != "axis-acknowledged"
    name = f"receipts/{number:02}-{row.kind}.{'xml' if signed else 'bin'}"
    work.writer.put(name, [row.body])
    if signed:
        work.named += _named(row.body)
    return ReceiptLine(file=name, kind=row.kind, given=row.given, mismatch=row.mismatch, at=row.at)


def _about(
    work: _Export,
    message: Message,
    file: EdxmlFile | None,
    rows: Sequence[ReceiptRow],
    timeline: Iterable[EntryRow],
    *,
    purged: bool,
) -> About:
    told = said(file.parsed) if file and file.parsed else _from_receipt(work, rows)
    accepted = message.accepted_at
    assert accepted is not None
    return About.model_validate(
        {
            "message_id": message.message_id,
            "direction": message.direction,
            "kind": message.kind,
            "axis": message.axis,
            "axis_id": message.axis_id or "",
            "system_id": work.systems[0],
            "axis_system_id": work.systems[1],
            "document_id": message.document_id,
            "sender": message.sender,
            "to": (),
            "size": message.size,
            "sha256": message.sha256,
            "attachments": file.attachments if file else (),
            "accepted_at": accepted,
            "frozen_at": next((entry.at for entry in timeline if entry.code in FROZEN), accepted),
            "purged": purged,
            **told,
        }
    )


def _from_receipt(work: _Export, rows: Sequence[ReceiptRow]) -> dict[str, object]:
    """Receivers and attachments of a file that is gone, as a receipt that matched it has them."""
    for row in rows:
        if row.mismatch or row.kind == "axis-acknowledged":
            continue
        issuer = work.systems[not row.given and row.kind == "axis-accepted"]
        try:
            read = receipts.read(row.body, trust=work.trust, issuer=issuer, at=row.at)
        except SignatureInvalid:
            continue
        return {"to": read.to, "attachments": read.attachments}
    return {}


async def _statuses(work: _Export, message: Message, document_id: str) -> list[StatusLine]:
    """Those heard about a document we sent, or given by us about one we received."""
    if message.kind is not Kind.DOCUMENT:
        return []
    found = []
    for each in await work.journal.submission(message.submission_id):
        about_it = (each.kind, each.axis, each.document_id) == (Kind.STATUS, message.axis, document_id)
        if not about_it or each.direction is message.direction or each.state not in SETTLED:
            continue
        name = f"statuses/{each.message_id}.edxml"
        file = await _edxml(work, each, name)
        status = file.parsed.status if file and file.parsed else None
        if status is not None and each.accepted_at is not None:
            found.append(
                StatusLine(
                    file=name,
                    message_id=each.message_id,
                    organ=status.sender.code,
                    code=status.code,
                    at=each.accepted_at,
                )
            )
    return found


async def _chain(work: _Export, about: About) -> None:
    proof = await work.journal.proof(about.message_id)

    def signer_of(signed: bytes, value: bytes) -> str:
        for digest, der in work.own.items():
            if made_by(x509.load_der_x509_certificate(der), signed, value):
                work.named.append(der)
                return digest
        return ""

    entries = chain.entries_file(proof)
    work.writer.put(bundle.ENTRIES, [entries])
    work.writer.put(bundle.BLOCKS, [chain.blocks_file(proof, signer_of)])
    await _head(work, proof)
    verdicts = verifier.verdicts_of(chain.read_entries(entries, about))
    work.writer.put(bundle.VERDICTS, [bundle.as_json(verdicts)])


async def _head(work: _Export, proof: Proof) -> None:
    """The head that was written outside the database over the blocks of these entries, where there is one already."""
    last = max((block for block, _ in proof.paths.values()), default=0)
    newest = proof.blocks[-1][0].number if proof.blocks else 0
    head = await asyncio.to_thread(work.heads.covering, last, newest) if last else None
    if head is None:
        return
    work.writer.put(bundle.HEAD, [head.data])
    if (token := await asyncio.to_thread(work.heads.token, head)) is not None:
        work.writer.put(bundle.HEAD_STAMP, [token])
    if head.certificate in work.own:
        work.named.append(work.own[head.certificate])


async def _pdf_reports(work: _Export, message: Message) -> None:
    """What was found of the signatures in PDFs, and the revocation answers it rests on."""
    detail = message.detail or {}
    if "pdfs_salt" not in detail:
        return
    told = {"at": detail["pdfs_at"], "salt": detail["pdfs_salt"], "pdfs": detail["pdfs"]}
    work.writer.put(bundle.PDFS, [bundle.as_json(told)])
    for name in pdfs.Reports.model_validate(told).answers:
        path = work.answers / name
        if await asyncio.to_thread(path.exists):
            work.writer.put(bundle.REVOCATION + name, [await asyncio.to_thread(path.read_bytes)])


def _certificates(work: _Export) -> None:
    """Of ours and of those we trust, with the lists of what their issuers revoked; a stranger's stays where he put it, in
    his signature.
    """
    files: dict[str, bytes] = {}
    for der in dict.fromkeys(work.named):
        owner = work.trust.owner(der)
        if owner is None:
            continue
        certificate, digest = x509.load_der_x509_certificate(der), fingerprint(der)
        folder = f"certificates/{bundle.safe(work.systems[0] if digest in work.own else owner.system_id)}"
        files[f"{folder}/{digest}.pem"] = certificate.public_bytes(Encoding.PEM)
        for each in owner.lists:
            data = each.public_bytes(Encoding.DER) if each.issuer == certificate.issuer else b""
            if 0 < len(data) <= bundle.WHOLE:
                files[f"{folder}/{fingerprint(data)}.crl"] = data
    for name, data in files.items():
        work.writer.put(name, [data])
