"""Signed things that the tests of signatures start from, and the ways to spoil them."""

import hashlib

from lxml import etree

from gateway.edxml.build import Encoded, pack_document, pack_status
from gateway.model import Attachment, Content, Document, Organ, ResponseFor, Status
from gateway.trust import edxml_signature, receipts, wssecurity
from tests import pki

FILES = {"to-trinh.pdf": b"%PDF-1.7 to trinh", "phu-luc.xlsx": b"PK\x03\x04 phu luc"}


def envelope(text="Kính gửi"):
    return etree.fromstring(
        f'<s:Envelope xmlns:s="{wssecurity.SOAP}"><s:Body><ax:Ask xmlns:ax="urn:test">'
        f"<ax:RequestId>{text}</ax:RequestId></ax:Ask></s:Body></s:Envelope>"
    )


def secured(member=None, now=pki.NOW, **options):
    root = envelope()
    wssecurity.secure(root, (member or pki.valid(pki.AXIS)).pair(), now, **options)
    return etree.tostring(root)


def receipt(**changes):
    values = {
        "receipt_id": "r-1",
        "kind": "axis-accepted",
        "issued_by": pki.AXIS,
        "addressed_to": pki.GATEWAY,
        "message_id": "0123456789abcdef0123456789abcdef",
        "axis_id": "A-77",
        "document_id": "000.00.00.H99,2026/03/02,15/UBND-VX",
        "sender": "000.00.00.H99",
        "to": ("000.00.00.G77", "000.01.00.G77"),
        "size": 4096,
        "sha256": "ab" * 32,
        "attachments": (("209", "cd" * 32), ("210", "ef" * 32)),
        "time": pki.NOW,
    }
    return receipts.Receipt(**{**values, **changes})


def issued(member=None, **changes):
    return receipts.issue(receipt(**changes), (member or pki.valid(pki.AXIS)).pair())


def digests():
    return [(f"{number}", hashlib.sha256(data).hexdigest()) for number, data in enumerate(FILES.values(), 1)]


def document_file(member=None, now=pki.NOW, **fields):
    """A whole edXML file as the gateway packs it, small enough to hold, with its attachments' content."""
    attachments = tuple(
        Attachment(cid, name, content=Content(sha256, len(FILES[name]), f"memory:{name}"))
        for name, (cid, sha256) in zip(FILES, digests(), strict=True)
    )
    document = Document(
        Organ("000.00.00.H99", "UBND tỉnh Thử Nghiệm"),
        (Organ("000.00.00.G77", "Bộ Thử Nghiệm"),),
        "000.00.00.H99,2026/03/02,15/UBND-VX",
        "15",
        "UBND-VX",
        'V/v "thử" & <ký>',
        attachments=attachments,
        **fields,
    )
    return _bytes(pack_document(document, sign=_signer(member, now), now=now))


def status_file(member=None, now=pki.NOW):
    about = ResponseFor("000.00.00.G77", "7816/BTN-VP", "000.00.00.G77,2026/03/01,7816/BTN-VP")
    status = Status(Organ("000.00.00.H99", "UBND tỉnh Thử Nghiệm"), about, "01", timestamp=now)
    return _bytes(pack_status(status, sign=_signer(member, now)))


def _signer(member, now):
    pair = (member or pki.valid(pki.GATEWAY)).pair()
    return lambda parts: edxml_signature.sign(parts, pair, now)


def _bytes(pieces):
    import base64

    held = {f"memory:{name}": data for name, data in FILES.items()}
    return b"".join(
        base64.b64encode(held[piece.content.place]) if isinstance(piece, Encoded) else piece.data for piece in pieces
    )
