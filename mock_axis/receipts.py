"""Receipts: writing the axis's own, reading the gateways' (`schemas/receipt/receipt.xsd`)."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from lxml import etree

import schemas
from mock_axis import xmlsig
from mock_axis.keys import Key, Party, valid_at
from mock_axis.xmlsig import DS, ENVELOPED, EXC_C14N, BadSignature, Target

R = schemas.RECEIPT_NAMESPACE
_SCHEMA = etree.XMLSchema(etree.parse(str(schemas.path("receipt/receipt.xsd"))))


@dataclass(frozen=True, slots=True)
class Receipt:
    receipt_id: str
    kind: str
    issued_by: str
    addressed_to: str
    message_id: str
    axis_id: str
    document_id: str
    sender: str
    to: tuple[str, ...]
    size: int
    sha256: str
    attachments: tuple[tuple[str, str], ...]
    """(content id, SHA-256 of the raw bytes), in the file's order."""
    time: dt.datetime


def issue(receipt: Receipt, key: Key) -> bytes:
    fields = (
        ("ReceiptId", receipt.receipt_id),
        ("Kind", receipt.kind),
        ("IssuedBy", receipt.issued_by),
        ("AddressedTo", receipt.addressed_to),
        ("MessageId", receipt.message_id),
        ("AxisId", receipt.axis_id),
        ("DocumentId", receipt.document_id),
        ("FromOrganId", receipt.sender),
        *(("ToOrganId", organ) for organ in receipt.to),
    )
    attachments = "".join(
        f'<r:Attachment ContentId="{xmlsig.attribute(name)}" Sha256="{sha256}"></r:Attachment>'
        for name, sha256 in receipt.attachments
    )
    time = receipt.time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    start = (
        f'<r:Receipt xmlns:r="{R}">'
        + "".join(f"<r:{name}>{xmlsig.text(value)}</r:{name}>" for name, value in fields)
        + f'<r:File Sha256="{receipt.sha256}" Size="{receipt.size}"></r:File>{attachments}<r:Time>{time}</r:Time>'
    )
    end = "</r:Receipt>"
    target = Target("", hashlib.sha256((start + end).encode()).digest(), (ENVELOPED, EXC_C14N))
    signature, _ = xmlsig.signature(key, [target], xmlsig.x509_data(key))
    return f"{start}{signature}{end}".encode()


def read(body: bytes, party: Party, at: dt.datetime) -> Receipt:
    """The receipt, if `party` signed the whole of it with a certificate valid at `at`.

    Raises `BadSignature` or `xmlsig.NotXml`.
    """
    root = xmlsig.parse(body)
    if not _SCHEMA.validate(root):
        raise BadSignature("the receipt is not of the form")
    signature = xmlsig.only(root, f"{{{DS}}}Signature")
    der = xmlsig.decode(xmlsig.only(_only_path(signature, "KeyInfo", "X509Data"), f"{{{DS}}}X509Certificate"))
    certificate = party.certificates.get(der)
    if certificate is None or not valid_at(certificate, at):
        raise BadSignature("the receipt's signer is not known or no longer valid")
    references, _ = xmlsig.check_value(signature, certificate)
    if len(references) != 1 or references[0].uri != "" or references[0].transforms != (ENVELOPED, EXC_C14N):
        raise BadSignature("the receipt must be signed as a whole")
    _remove(signature)
    if not references[0].fits(root):
        raise BadSignature("the receipt was changed")
    return _read_fields(root)


def _remove(signature: etree._Element) -> None:
    """Take the Signature out as the enveloped transform does: the text after it stays."""
    parent, before = signature.getparent(), signature.getprevious()
    assert parent is not None
    if signature.tail:
        if before is None:
            parent.text = (parent.text or "") + signature.tail
        else:
            before.tail = (before.tail or "") + signature.tail
    parent.remove(signature)


def _read_fields(root: etree._Element) -> Receipt:
    def one(name: str) -> str:
        return root.findtext(f"{{{R}}}{name}") or ""

    file = xmlsig.only(root, f"{{{R}}}File")
    return Receipt(
        receipt_id=one("ReceiptId"),
        kind=one("Kind"),
        issued_by=one("IssuedBy"),
        addressed_to=one("AddressedTo"),
        message_id=one("MessageId"),
        axis_id=one("AxisId"),
        document_id=one("DocumentId"),
        sender=one("FromOrganId"),
        to=tuple(element.text or "" for element in root.findall(f"{{{R}}}ToOrganId")),
        size=int(file.get("Size", "")),
        sha256=file.get("Sha256", ""),
        attachments=tuple(
            (element.get("ContentId", ""), element.get("Sha256", "")) for element in root.findall(f"{{{R}}}Attachment")
        ),
        time=dt.datetime.fromisoformat(one("Time")),
    )


def _only_path(element: etree._Element, *names: str) -> etree._Element:
    for name in names:
        element = xmlsig.only(element, f"{{{DS}}}{name}")
    return element
