"""Receipts: signed proof that the other side of one hop holds exactly these bytes (schemas/receipt/receipt.xsd).

A receipt proves one hop. It is written as canonical bytes and signed from a template; of one that is read only what
was read again from the digested bytes is used. What a mismatched receipt means is the pipeline's to say: it settles nothing.
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, fields

from cryptography.x509 import Certificate
from lxml import etree

import schemas
from gateway.trust import markup, policy, signature
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyPair, TrustStore
from gateway.trust.markup import EXC_C14N, Element
from gateway.trust.signature import Reference

_NS = schemas.RECEIPT_NAMESPACE
_ROOT = f"{{{_NS}}}Receipt"
_WHOLE = (policy.ENVELOPED, EXC_C14N)

_schema = etree.XMLSchema(etree.parse(schemas.path("receipt/receipt.xsd")))
_schema_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Receipt:
    receipt_id: str
    kind: str
    """`axis-accepted` | `gateway-received`."""
    issued_by: str
    addressed_to: str
    message_id: str
    axis_id: str
    document_id: str
    sender: str
    """Organ code."""
    to: tuple[str, ...]
    """Organs it speaks for, in the file's order."""
    size: int
    """Of the edXML file, in bytes."""
    sha256: str
    """Of the edXML file, hex."""
    attachments: tuple[tuple[str, str], ...]
    """(content id, SHA-256 of the raw bytes in hex), in the file's order."""
    time: dt.datetime


_TEXTS = {
    "receipt_id": "ReceiptId",
    "kind": "Kind",
    "issued_by": "IssuedBy",
    "addressed_to": "AddressedTo",
    "message_id": "MessageId",
    "axis_id": "AxisId",
    "document_id": "DocumentId",
    "sender": "FromOrganId",
}


def issue(receipt: Receipt, key: KeyPair) -> bytes:
    """The signed receipt. Raises `ValueError` for text that XML cannot carry."""
    body = (
        "".join(f"<{tag}>{markup.text(getattr(receipt, field))}</{tag}>" for field, tag in _TEXTS.items())
        + "".join(f"<ToOrganId>{markup.text(organ)}</ToOrganId>" for organ in receipt.to)
        + f'<File Sha256="{markup.attribute(receipt.sha256)}" Size="{receipt.size}"></File>'
        + "".join(
            f'<Attachment ContentId="{markup.attribute(cid)}" Sha256="{markup.attribute(sha256)}"></Attachment>'
            for cid, sha256 in receipt.attachments
        )
        + f"<Time>{receipt.time.astimezone(dt.UTC).isoformat().replace('+00:00', 'Z')}</Time>"
    )
    head, tail = f'<Receipt xmlns="{_NS}">{body}'.encode(), b"</Receipt>"
    whole = Reference("", markup.sha256(head + tail), _WHOLE)
    return head + signature.write([whole], key) + tail


def claimed(root: Element) -> str:
    """Who issued it by its own words: nothing is checked yet."""
    return root.findtext(f"{{{_NS}}}IssuedBy", "")


def read(body: bytes, *, trust: TrustStore, issuer: str, at: dt.datetime, twice: bool = False) -> Receipt:
    """What `issuer` signed; its certificate must be valid at `at`, the time the receipt first came.

    `twice`: have signxml verify it too. Raises `SignatureInvalid`.
    """
    root = markup.parse(body, limit=markup.MIB)
    signed, certificate = _look_over(root, trust, issuer, at)
    signature.verify_value(signed, certificate)
    markup.take_out(root[-1])
    receipt = _fields(signature.covered(signed.references[0], root))
    if twice:
        signature.second_opinion(body, certificate, at)
    if receipt.issued_by != issuer:
        raise SignatureInvalid("signer-unknown", f"{issuer} signed a receipt in another's name")
    return receipt


def _look_over(
    root: Element, trust: TrustStore, issuer: str, at: dt.datetime
) -> tuple[signature.Signature, Certificate]:
    """Place and number of signatures, transforms, algorithms, what is covered, and whose certificate it is."""
    if root.tag != _ROOT:
        raise SignatureInvalid("form", "not a receipt")
    found = list(root.iter(signature.TAG))
    if not found:
        raise SignatureInvalid("signature-missing", "the receipt is not signed")
    with _schema_lock:
        fits = _schema.validate(root)
    if not fits or len(found) != 1 or found[0] is not root[-1]:
        raise SignatureInvalid("form", "not of the receipt's schema, or with more than one signature")
    signed = signature.read(found[0])
    if [(reference.uri, reference.transforms) for reference in signed.references] != [("", _WHOLE)]:
        raise SignatureInvalid("not-covered", "the signature is not over the whole receipt")
    claimed = signature.certificates(signed.key_info)
    if len(claimed) != 1:
        raise SignatureInvalid("form", "KeyInfo must hold the signer's certificate alone")
    return signed, trust.pinned(claimed[0], issuer, at)


def _fields(signed: Element) -> Receipt:
    file = markup.only(signed, f"{{{_NS}}}File")
    try:
        return Receipt(
            **{field: markup.only(signed, f"{{{_NS}}}{tag}").text or "" for field, tag in _TEXTS.items()},
            to=tuple(found.text or "" for found in signed.findall(f"{{{_NS}}}ToOrganId")),
            size=int(file.get("Size", "")),
            sha256=file.get("Sha256", ""),
            attachments=tuple(
                (found.get("ContentId", ""), found.get("Sha256", ""))
                for found in signed.findall(f"{{{_NS}}}Attachment")
            ),
            time=_time(markup.only(signed, f"{{{_NS}}}Time").text or ""),
        )
    except (ValueError, OverflowError):
        # The schema admits years and numbers beyond what we can hold.
        raise SignatureInvalid("form", "a number or time is out of range") from None


def _time(text: str) -> dt.datetime:
    time = dt.datetime.fromisoformat(text.strip())
    return time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)


def mismatches(receipt: Receipt, expected: Receipt) -> list[str]:
    """Names of the fields that differ. The receipt's own id and time are not ours to expect."""
    return [
        field.name
        for field in fields(Receipt)
        if field.name not in {"receipt_id", "time"} and getattr(receipt, field.name) != getattr(expected, field.name)
    ]
