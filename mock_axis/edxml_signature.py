"""The signature inside an edXML file, as an agency makes it and as an agency checks it.

SignedInfo covers a `ds:Manifest` alone; the Manifest's lines name MessageHeader, edXMLManifest and, of a recall, update
or replacement, Bussiness (exclusive C14N), and each attachment by its raw bytes. The rest of TraceHeaderList is never
signed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from lxml import etree

from mock_axis import xmlsig
from mock_axis.edxml_reading import Read, child, find_header, local, value
from mock_axis.keys import Key, Trust, valid_at
from mock_axis.xmlsig import DS, EXC_C14N, BadSignature, Reference, Target

HEADER = "edxml:MessageHeader"
BODY = "edxml:edXMLManifest"
BUSINESS = "edxml:Bussiness"
_ID = "signed-parts"


def sign(
    header: bytes,
    manifest: bytes | None,
    attachments: Sequence[tuple[str, str]],
    key: Key,
    business: bytes | None = None,
) -> str:
    """The elements in exclusive C14N, `business` where it is no new document; attachments: (content id, SHA-256 in hex)."""
    lines = [Target(HEADER, hashlib.sha256(header).digest())]
    if manifest is not None:
        lines.append(Target(BODY, hashlib.sha256(manifest).digest()))
    if business is not None:
        lines.append(Target(BUSINESS, hashlib.sha256(business).digest()))
    lines += [Target(f"cid:{name}", bytes.fromhex(digest), ()) for name, digest in attachments]
    inside = f' Id="{_ID}">{"".join(map(xmlsig.reference_xml, lines))}</ds:Manifest>'
    digest = hashlib.sha256(f'<ds:Manifest xmlns:ds="{DS}"{inside}'.encode()).digest()
    core = Target(f"#{_ID}", digest, type=xmlsig.MANIFEST)
    written, _ = xmlsig.signature(key, [core], xmlsig.x509_data(key), f"<ds:Object><ds:Manifest{inside}</ds:Object>")
    return written


def verdict(read: Read, trust: Trust, at: dt.datetime) -> str:
    """`valid`, `absent`, or why the file's signature is not accepted."""
    root = read.root
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if not signatures:
        return "absent"
    try:
        if len(signatures) != 1:
            raise BadSignature("more than one signature")
        _check(root, signatures[0], read, trust, at)
    except BadSignature as exc:
        return f"invalid: {exc}"
    return "valid"


def _check(root: etree._Element, signature: etree._Element, read: Read, trust: Trust, at: dt.datetime) -> None:
    # 1. The signer is known, valid, and may speak for the sender.
    header = find_header(root)
    if header is None or signature.getparent() is not header:
        raise BadSignature("not under edXMLHeader")
    data = xmlsig.only(xmlsig.only(signature, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
    der = xmlsig.decode(xmlsig.only(data, f"{{{DS}}}X509Certificate"))
    party = trust.owner(der)
    if party is None or not valid_at(party.certificates[der], at):
        raise BadSignature("the signer is not known or no longer valid")
    if not party.speaks_for(read.sender):
        raise BadSignature("the signer may not speak for the sender")
    # 2. The core covers the Manifest, the one in this signature.
    manifest = xmlsig.only(xmlsig.only(signature, f"{{{DS}}}Object"), f"{{{DS}}}Manifest")
    references, _ = xmlsig.check_value(signature, party.certificates[der])
    core = references[0] if len(references) == 1 else None
    if core is None or core.uri != f"#{manifest.get('Id')}" or core.transforms != (EXC_C14N,):
        raise BadSignature("the signature does not cover its Manifest")
    if not core.fits(manifest):
        raise BadSignature("the Manifest was changed")
    _check_lines(root, header, manifest, read)


def _check_lines(root: etree._Element, header: etree._Element, manifest: etree._Element, read: Read) -> None:
    # 3. The Manifest's lines are exactly what the file holds.
    lines = xmlsig.references(manifest)
    by_uri = {line.uri: line for line in lines}
    parts = {HEADER: child(header, "MessageHeader")}
    body = next((e for e in root.iter() if e.tag == f"{{{etree.QName(root).namespace}}}edXMLManifest"), None)
    if body is not None:
        parts[BODY] = body
    if (acts := _business(header)) is not None:
        parts[BUSINESS] = acts
    attachments = {f"cid:{name}": digest for name, digest in read.attachments}
    if len(lines) != len(by_uri) or len(attachments) != len(read.attachments):
        raise BadSignature("a part is named twice")
    if set(by_uri) != set(parts) | set(attachments):
        raise BadSignature("the Manifest does not list the parts of the file")
    for uri, part in parts.items():
        _fits(by_uri[uri], part)
    for uri, digest in attachments.items():
        if by_uri[uri].transforms or by_uri[uri].digest.hex() != digest:
            raise BadSignature("an attachment was changed")


def _business(header: etree._Element) -> etree._Element | None:
    """The element that makes of the file a recall, update or replacement; None for a new document."""
    said = [e for e in header.iter() if local(e) in {"Bussiness", "Business"} and value(e, "BussinessDocType") != "0"]
    if len(said) > 1:
        raise BadSignature("Bussiness stands twice")
    return said[0] if said and value(said[0], "BussinessDocType") else None


def _fits(line: Reference, part: etree._Element | None) -> None:
    if part is None or line.transforms != (EXC_C14N,) or not line.fits(part):
        raise BadSignature(f"{line.uri.partition(':')[2]} was changed")
