"""The signature of an edXML file: it survives what the axis does to a file, and says which part did not.

`ds:Signature` under edXMLHeader envelops a `ds:Manifest`, and SignedInfo references the Manifest alone, so any verifier
can check the core. The Manifest's lines are ours to check:

    edxml:MessageHeader   the element MessageHeader, exclusive C14N
    edxml:edXMLManifest   the element edXMLManifest, exclusive C14N; a status has none
    edxml:Bussiness       the element Bussiness, exclusive C14N, of a recall, update or replacement
    cid:<content id>      the raw bytes of an attachment, before base64

Never TraceHeaderList, which every hop rewrites, but for Bussiness in it, which says what a document does to earlier
ones: unsigned, anybody on the way could make a recall of it. Where it says "new document", or nothing, no line is needed. Core validation dereferences none of these URIs (XMLDSig 5.1). What a
verdict means for a message is policy per axis, in the pipeline; whether the signer may speak for the sender is
`TrustStore.may_speak`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lxml import etree

from gateway.trust import markup, policy, signature
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyPair, TrustStore, fingerprint
from gateway.trust.markup import DS, EXC_C14N, Element
from gateway.trust.signature import Reference
from schemas import EDXML_NAMESPACE

Verdict = Literal["valid", "invalid", "absent", "indeterminate"]
State = Literal["intact", "changed", "missing", "extra"]

HEADER, MANIFEST, BUSINESS = "edxml:MessageHeader", "edxml:edXMLManifest", "edxml:Bussiness"
MANIFEST_TYPE = f"{DS}Manifest"
_ID = "edxml-manifest"

_DS = f"{{{DS}}}"
_NS = f"{{{EDXML_NAMESPACE}}}"
_ONCE = {
    f"{_NS}edXML": {
        f"{_NS}{name}" for name in ("edXMLEnvelope", "AttachmentEncoded", "Boundary", "ContentId", "ContentType")
    }
    | {"AttachmentEncoded"},
    f"{_NS}edXMLEnvelope": {f"{_NS}edXMLHeader", f"{_NS}edXMLBody"},
    f"{_NS}edXMLHeader": {signature.TAG}
    | {f"{_NS}{name}" for name in ("TraceHeaderList", "ErrorList", "DigitalSignature")},
    f"{_NS}edXMLBody": set[str](),
}
"""Where the signature vouches for a file, nothing stands beside what it covers that a reader might take instead."""

_SPELLINGS = {"Bussiness", "Business"}
_COVERED = {f"{_NS}MessageHeader", f"{_NS}edXMLManifest"}
"""Counted as lines where they belong, and looked for nowhere else."""

_CANNOT_TELL = frozenset(
    {
        "algorithm",
        "signer-unknown",
        "certificate-expired",
        "certificate-not-yet-valid",
        "certificate-revoked",
        "not-xml",
    }
)
"""Also what lxml does not take for XML although the liberal reader did: prefixes that nobody declared."""


class SignedParts(Protocol):
    """What is signed, as `gateway.edxml` hands it over: elements in exclusive C14N, standing alone."""

    @property
    def message_header(self) -> bytes: ...
    @property
    def manifest(self) -> bytes | None: ...
    @property
    def attachments(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def business(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    severity: Literal["info", "warning", "error"]
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class SignatureReport:
    verdict: Verdict
    """`valid`: a party we trust signed every line as it stands. `invalid`: the core or a line does not hold; `lines`
    tells which, e.g. the header changed and the attachments intact. `indeterminate`: a signature we cannot judge: of
    another form or algorithm, by a signer unknown to us, or with a certificate out of its dates. `absent`: none."""
    signer: str | None = None
    """System id, where the core was made by a party we trust."""
    certificate: str | None = None
    """Fingerprint of the certificate claimed, known to us or not."""
    lines: tuple[tuple[str, State], ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def sign(parts: SignedParts, key: KeyPair, now: dt.datetime) -> bytes:
    """The element to put under edXMLHeader. Raises `SignatureInvalid("certificate-…")` rather than sign in vain."""
    policy.demand_validity(key.certificate, now)
    lines = [Reference(HEADER, markup.sha256(parts.message_header), (EXC_C14N,))]
    if parts.manifest is not None:
        lines.append(Reference(MANIFEST, markup.sha256(parts.manifest), (EXC_C14N,)))
    if parts.business is not None:
        lines.append(Reference(BUSINESS, markup.sha256(parts.business), (EXC_C14N,)))
    lines += [Reference(f"cid:{cid}", bytes.fromhex(sha256)) for cid, sha256 in parts.attachments]
    written = f' Id="{_ID}">' + "".join(signature.write_reference(line) for line in lines) + "</ds:Manifest>"
    manifest = f'<ds:Manifest xmlns:ds="{DS}"{written}'.encode()
    core = Reference(f"#{_ID}", markup.sha256(manifest), (EXC_C14N,), MANIFEST_TYPE)
    return signature.write([core], key, objects=f"<ds:Object><ds:Manifest{written}</ds:Object>")


def check(
    envelope: bytes,
    attachments: Sequence[tuple[str, str]],
    *,
    trust: TrustStore,
    now: dt.datetime,
    twice: bool = False,
) -> SignatureReport:
    """`envelope`: the file, with or without attachments' content; `attachments`: (content id, SHA-256 in hex) as found.

    `twice`: have signxml verify the core too.
    Never raises for what a file holds: trouble is a verdict with a finding.
    """
    certificate = None
    try:
        root = markup.parse(envelope)
        found = list(root.iter(signature.TAG))
        if not any(element.find(f"{_DS}Object/{_DS}Manifest") is not None for element in found):
            return _foreign(root)
        if len(found) > 1:
            raise SignatureInvalid("form", f"{len(found)} signatures")
        certificate = _claimed(found[0])
        signer, lines = _core(found[0], certificate, trust, now, twice=twice)
        if found[0].getparent() not in root.findall(f"{_NS}edXMLEnvelope/{_NS}edXMLHeader"):
            raise SignatureInvalid("not-covered", "the signature does not stand under edXMLHeader")
    except SignatureInvalid as exc:
        verdict: Verdict = "indeterminate" if exc.code in _CANNOT_TELL else "invalid"
        finding = Finding(exc.code, "error" if verdict == "invalid" else "warning", "Signature", exc.message)
        return SignatureReport(verdict, None, fingerprint(certificate) if certificate else None, (), (finding,))
    states = (*_elements(root, lines), *_attachments(attachments, lines))
    whole = all(state == "intact" for _, state in states)
    findings = tuple(
        Finding(f"signed-part-{state}", "error", what, f"{state} since it was signed")
        for what, state in states
        if state != "intact"
    )
    return SignatureReport("valid" if whole else "invalid", signer, fingerprint(certificate), states, findings)


def _foreign(root: Element) -> SignatureReport:
    """No signature of ours. The world's are unsigned stubs, or cover a form the axis does not keep."""
    found = [*root.iter("{*}Signature"), *root.iter("{*}DigitalSignature")]
    if not found:
        return SignatureReport("absent")
    if any((value.text or "").strip() for element in found for value in element.iter("{*}SignatureValue")):
        message = "a signature of another form, which we cannot check"
        return SignatureReport(
            "indeterminate", findings=(Finding("foreign-signature", "warning", "Signature", message),)
        )
    return SignatureReport("absent", findings=(Finding("empty-signature", "info", "Signature", "holds no value"),))


def _claimed(element: Element) -> bytes:
    found = signature.certificates(markup.only(element, f"{_DS}KeyInfo"))
    if len(found) != 1:
        raise SignatureInvalid("form", "KeyInfo must hold the signer's certificate alone")
    return found[0]


def _core(
    element: Element, claimed: bytes, trust: TrustStore, now: dt.datetime, *, twice: bool
) -> tuple[str, dict[str, Reference]]:
    """Who signed, and the Manifest's lines by URI, read again from the digested bytes."""
    signed = signature.read(element)
    owner = trust.owner(claimed)
    if owner is None:
        raise SignatureInvalid("signer-unknown", "the certificate is not one we trust")
    certificate = trust.pinned(claimed, owner.system_id, now)
    manifest = markup.only(markup.only(element, f"{_DS}Object"), f"{_DS}Manifest")
    wanted = (f"#{manifest.get('Id', '')}", (EXC_C14N,), MANIFEST_TYPE)
    if [(line.uri, line.transforms, line.type) for line in signed.references] != [wanted]:
        raise SignatureInvalid("not-covered", "SignedInfo does not reference the Manifest alone")
    if markup.repeated_ids(element):
        raise SignatureInvalid("form", "two elements of the signature carry the same Id")
    signature.verify_value(signed, certificate)
    lines = _lines(signature.covered(signed.references[0], manifest))
    if twice:
        # Alone, so that no Id elsewhere in the file can be meant.
        signature.second_opinion(etree.tostring(element, with_tail=False), certificate, now)
    return owner.system_id, lines


def _lines(manifest: Element) -> dict[str, Reference]:
    lines: dict[str, Reference] = {}
    for child in markup.elements(manifest):
        line = signature.read_reference(child)
        known = line.uri in {HEADER, MANIFEST, BUSINESS}
        if line.uri in lines or not (known or line.uri.startswith("cid:")):
            raise SignatureInvalid("form", "a line of the Manifest is doubled, or of a kind we do not know")
        if line.transforms != ((EXC_C14N,) if known else ()):
            raise SignatureInvalid("algorithm", "a line of the Manifest has other transforms than its kind")
        lines[line.uri] = line
    if HEADER not in lines:
        raise SignatureInvalid("not-covered", "the Manifest does not list MessageHeader")
    return lines


def _elements(root: Element, lines: dict[str, Reference]) -> list[tuple[str, State]]:
    states: list[tuple[str, State]] = []
    for uri, parent in ((HEADER, "edXMLHeader"), (MANIFEST, "edXMLBody")):
        where = f"{_NS}edXMLEnvelope/{_NS}{parent}/{_NS}{uri.removeprefix('edxml:')}"
        found, line = root.findall(where), lines.get(uri)
        name = uri.removeprefix("edxml:")
        if line is not None:
            states.append((name, _state(found[:1], line)))
        states += [(name, "extra")] * (len(found) - (line is not None))
    states += _business(root, lines.get(BUSINESS))
    states += [(name, "extra") for name in _strangers(root)]
    return states


def _business(root: Element, line: Reference | None) -> list[tuple[str, State]]:
    """Whatever a liberal reader might take for it, in either spelling; one that says "new" needs no line."""
    traces = root.findall(f"{_NS}edXMLEnvelope/{_NS}edXMLHeader/{{*}}TraceHeaderList")
    found = [each for parent in traces for each in markup.elements(parent) if markup.name(each.tag) in _SPELLINGS]
    states: list[tuple[str, State]] = []
    if line is None:
        return [("Bussiness", "extra") for each in found if _acts(each)]
    ours = [each for each in found if each.tag == f"{_NS}Bussiness"][:1]
    states.append(("Bussiness", _state(ours, line)))
    states += [("Bussiness", "extra")] * (len(found) - len(ours))
    return states


def _acts(business: Element) -> bool:
    """Whether it makes anything of the document but a new one. No comment in between hides a digit."""
    kinds = [each for each in markup.elements(business) if markup.name(each.tag).endswith("sinessDocType")]
    return any(str(each.xpath("string()")).strip().strip("0") for each in kinds)


def _state(found: list[Element], line: Reference) -> State:
    if not found:
        return "missing"
    return "intact" if markup.sha256(markup.canonical(found[0], line.prefixes)) == line.digest else "changed"


def _strangers(root: Element) -> list[str]:
    """What stands beside the covered elements without the form knowing it there, or a second time."""
    if root.tag not in _ONCE:
        return [markup.name(root.tag)]
    strangers: list[str] = []
    level = [root]
    while level:
        parent = level.pop()
        seen: set[str] = set()
        for child in markup.elements(parent):
            if child.tag in _COVERED:
                continue
            if child.tag in seen or child.tag not in _ONCE[parent.tag]:
                strangers.append(markup.name(child.tag))
            elif child.tag in _ONCE:
                level.append(child)
            seen.add(child.tag)
    return strangers


def _attachments(given: Sequence[tuple[str, str]], lines: dict[str, Reference]) -> list[tuple[str, State]]:
    found: dict[str, list[str]] = {}
    for content_id, sha256 in given:
        found.setdefault(f"cid:{content_id.removeprefix('cid:')}", []).append(sha256)
    states: list[tuple[str, State]] = []
    for uri, line in lines.items():
        if uri.startswith("cid:"):
            digests = found.pop(uri, [])
            here: State = "intact" if digests[:1] == [line.digest.hex()] else "changed" if digests else "missing"
            states.append((uri, here))
            states += [(uri, "extra")] * (len(digests) - 1)
    states += [(uri, "extra") for uri, digests in found.items() for _ in digests]
    return states
