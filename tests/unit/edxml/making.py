"""Invented documents and statuses with every field filled, and packing without a gateway."""

import datetime as dt
import hashlib

import pybase64

from gateway.edxml import build
from gateway.model import (
    Attachment,
    Business,
    Content,
    Document,
    Organ,
    ReceiverChange,
    Replacement,
    ResponseFor,
    Signer,
    Staff,
    Status,
    TraceHeader,
)
from tests.assets import make_edxml as assets

SIGNATURE = (
    b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo></ds:SignedInfo></ds:Signature>'
)


def organ(code, name):
    return Organ(
        code=code,
        name=name,
        in_charge="UBND tỉnh Mẫu",
        address='Số 1, đường "Thử & Sai" <tầng 2>',
        email="vanthu@mau.example",
        telephone="0256 000 000",
        fax="0256 000 001",
        website="www.mau.example",
    )


STAFF = Staff("Văn thư", "Trần Thị Mẫu", "0900000000", "mau@mau.example", "PB01", "NV01")

FILES = {
    "209": b"%PDF-1.7 first " * 1000 + assets.END_OF_PDF,
    "210": b"%PDF-1.7 second" * 77 + assets.END_OF_PDF,
    "211": b"",
}


def full_document(files=FILES):
    return Document(
        sender=organ("000.00.00.H08", "Sở Mẫu"),
        to=(organ("000.00.00.G22", "Văn phòng Mẫu"), organ("H37.DN.001", "Sở Khác")),
        document_id="000.00.00.H08,2024/05/06,15/UBND-VX",
        number="15",
        notation="UBND-VX",
        subject="V/v thử nghiệm]]> & «so sánh» <a>\nhai dòng",
        promulgation_date=dt.date(2024, 5, 6),
        place="Quy Nhơn",
        type=2,
        type_detail=18,
        type_name="Công văn",
        summary="Tóm tắt",
        signer=Signer("TL. GIÁM ĐỐC", "Phó giám đốc", "Nguyễn Văn Mẫu"),
        due_date=dt.date(2024, 6, 1),
        to_places=("Như trên", "Lưu: VT"),
        priority=3,
        sphere="Hành chính",
        typer_notation="TVC",
        promulgation_amount=2,
        page_amount=0,
        direction=False,
        appendixes=("Phụ lục I", "Phụ lục II"),
        response_for=(ResponseFor("000.00.00.G22", "7816/VPCP-M", "x,2015/09/30,7816/VPCP-M", dt.date(2015, 9, 30)),),
        steering_type=1,
        business=Business(
            type=3,
            reason="Thay thế",
            paper=1,
            document_id="000.00.00.H08,2024/05/05,14/UBND-VX",
            document_changed=True,
            receivers_changed=False,
            receiver_changes=(ReceiverChange("H41", added=True), ReceiverChange("H14", added=False)),
            replacements=(Replacement("old-1", ("H41", "H14")), Replacement("old-2")),
            staff=STAFF,
        ),
        traces=(TraceHeader("000.00.00.H08", "2024/05/06 08:00:00"), TraceHeader("001.00.20.TT2", "")),
        attachments=tuple(
            Attachment(cid, f"Tệp số {cid} & phụ lục.pdf", "application/pdf", f"mô tả {cid}", held(data))
            for cid, data in files.items()
        ),
    )


def full_status():
    return Status(
        sender=organ("000.00.00.H08", "Sở Mẫu"),
        response_for=ResponseFor("000.00.00.G22", "7816/VPCP-M", "x,2015/09/30,7816/VPCP-M", dt.date(2015, 9, 30)),
        code="02",
        description="Sai thẩm quyền\rnhé",
        timestamp=dt.datetime(2024, 5, 6, 18, 30, 1, tzinfo=dt.UTC),
        staff=STAFF,
    )


def held(data):
    return Content(hashlib.sha256(data).hexdigest(), len(data), "memory")


def written(pieces, files=FILES):
    by_digest = {held(data).sha256: data for data in files.values()}
    return b"".join(
        piece.data if isinstance(piece, build.Literal) else pybase64.b64encode(by_digest[piece.content.sha256])
        for piece in pieces
    )
