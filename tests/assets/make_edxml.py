"""edXML files, one per way of being wrong or odd, made from one sound file. Uses nothing of the gateway.

    python tests/assets/make_edxml.py DIR      writes them all

`REFUSED` maps a name to (the code it must be refused with, its bytes); `ODD` to (the finding it must earn, its bytes);
`AT_THE_DOOR` to (the code an office is refused with, the HTTP status, its bytes).
"""

import base64
import io
import sys
import zipfile
from pathlib import Path

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
END_OF_PDF = b"\nstartxref\n9\n%%EOF\n"
PDF = b"%PDF-1.7\n1 0 obj\n" + b"invented content " * 40 + END_OF_PDF


def zipped(*entries, name="ignored.bin", method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for i, data in enumerate(entries):
            archive.writestr(zipfile.ZipInfo(name if i == 0 else f"{i}-{name}"), data, method)
    return buffer.getvalue()


def attachment(data=PDF, *, cid="1", name="tờ trình.pdf", kind="application/pdf", text=None):
    text = base64.b64encode(data).decode() if text is None else text
    return (
        f"<Attachment><ContentId>cid:{cid}</ContentId><AttachmentName>{name}</AttachmentName>"
        f"<ContentType>{kind}</ContentType><edXML:ContentTransferEncoded xmlns:edXML='{NS}'>{text}"
        "</edXML:ContentTransferEncoded></Attachment>"
    )


def reference(*, cid="1", name="tờ trình.pdf", kind="application/pdf"):
    return (
        f"<edXML:Reference><edXML:ContentId>cid:{cid}</edXML:ContentId><edXML:ContentType>{kind}</edXML:ContentType>"
        f"<edXML:AttachmentName>{name}</edXML:AttachmentName></edXML:Reference>"
    )


HEADER = (
    "<edXML:From><edXML:OrganId>000.00.00.H08</edXML:OrganId><edXML:OrganName>Sở Mẫu</edXML:OrganName></edXML:From>"
    "<edXML:To><edXML:OrganId>000.00.00.G22</edXML:OrganId><edXML:OrganName>Văn phòng Mẫu</edXML:OrganName></edXML:To>"
    "<edXML:DocumentId>000.00.00.H08,2024/05/06,15/UBND-VX</edXML:DocumentId>"
    "<edXML:Code><edXML:CodeNumber>15</edXML:CodeNumber><edXML:CodeNotation>UBND-VX</edXML:CodeNotation></edXML:Code>"
    "<edXML:PromulgationInfo><edXML:Place>Quy Nhơn</edXML:Place>"
    "<edXML:PromulgationDate>2024/05/06</edXML:PromulgationDate></edXML:PromulgationInfo>"
    "<edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>"
    "<edXML:Subject>V/v thử nghiệm</edXML:Subject>"
    "<edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>"
)
TRACES = (
    "<edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>000.00.00.H08</edXML:OrganId>"
    "<edXML:Timestamp>2024/05/06 08:00:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>"
)
STATUS = (
    "<edXML:From><edXML:OrganId>000.00.00.G22</edXML:OrganId></edXML:From>"
    "<edXML:ResponseFor><edXML:OrganId>000.00.00.H08</edXML:OrganId><edXML:Code>15/UBND-VX</edXML:Code>"
    "<edXML:DocumentId>000.00.00.H08,2024/05/06,15/UBND-VX</edXML:DocumentId></edXML:ResponseFor>"
    "<edXML:StatusCode>01</edXML:StatusCode><edXML:Timestamp>2024/05/06 09:00:00</edXML:Timestamp>"
)


def text(*, header=HEADER, traces=TRACES, references=None, attachments=None, encoding="UTF-8", doctype="", rest=""):
    references = reference() if references is None else references
    attachments = attachment() if attachments is None else attachments
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<edXML xmlns="{NS}"><edXML:edXMLEnvelope xmlns:edXML="{NS}">'
        f"<edXML:edXMLHeader><edXML:MessageHeader>{header}</edXML:MessageHeader>{traces}{rest}</edXML:edXMLHeader>"
        f'<edXML:edXMLBody><edXML:edXMLManifest version="1.0">{references}</edXML:edXMLManifest></edXML:edXMLBody>'
        f"</edXML:edXMLEnvelope><AttachmentEncoded>{attachments}</AttachmentEncoded></edXML>"
    )


def sound(**changes):
    return text(**changes).encode()


def with_header(old, new):
    assert old in HEADER
    return sound(header=HEADER.replace(old, new))


LAUGHS = "<!DOCTYPE edXML [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
GOOD64 = base64.b64encode(PDF).decode()

REFUSED = {
    "dtd": ("dtd", sound(doctype="<!DOCTYPE edXML>")),
    "external_dtd": ("dtd", sound(doctype='<!DOCTYPE edXML SYSTEM "http://127.0.0.1:9/x.dtd">')),
    "external_entity": ("dtd", sound(doctype='<!DOCTYPE edXML [<!ENTITY x SYSTEM "file:///etc/passwd">]>')),
    "billion_laughs": ("dtd", sound(doctype=f"{LAUGHS}]>", header=HEADER.replace("V/v", "&j;"))),
    "entity_undeclared": ("entity", with_header("V/v", "&nbsp;")),
    "depth": ("depth", sound(rest="<x>" * 5000 + "</x>" * 5000)),
    "elements": ("too-many-elements", sound(rest="<x/>" * 100_001)),
    "long_text": ("too-large", with_header("V/v", "V" * ((1 << 20) + 1))),
    "long_attribute": ("too-large", sound(rest=f"<x y='{'z' * 20_000}'/>")),
    "many_attributes": ("too-large", sound(rest="<x {}/>".format(" ".join(f"a{i}='1'" for i in range(50))))),
    "base64_truncated": ("base64-truncated", sound(attachments=attachment(text=GOOD64[:-2]))),
    "base64_one_over": ("base64-truncated", sound(attachments=attachment(text=GOOD64[:5]))),
    "base64_alphabet": ("base64-bad", sound(attachments=attachment(text=f"{GOOD64[:40]}*{GOOD64[41:]}"))),
    "base64_not_ascii": ("base64-bad", sound(attachments=attachment(text=f"{GOOD64[:40]}é{GOOD64[41:]}"))),
    "base64_url_safe": ("base64-bad", sound(attachments=attachment(text="-_-_"))),
    "base64_after_padding": ("base64-bad", sound(attachments=attachment(text="QQ==QUJD"))),
    "base64_padding_alone": ("base64-bad", sound(attachments=attachment(text="===="))),
    "base64_with_element": ("base64-bad", sound(attachments=attachment(text=f"{GOOD64}<x/>"))),
    "two_contents": (
        "repeated",
        sound(
            attachments=attachment().replace(
                "</Attachment>", f"<ContentTransferEncoded>{GOOD64}</ContentTransferEncoded></Attachment>"
            )
        ),
    ),
    "two_message_headers": ("repeated", sound(rest=f"<edXML:MessageHeader>{HEADER}</edXML:MessageHeader>")),
    "two_foreign_message_headers": (
        "repeated",
        sound(rest=f"<x:MessageHeader xmlns:x='urn:x'>{HEADER}</x:MessageHeader>"),
    ),
    "two_envelopes": (
        "repeated",
        text().replace("<AttachmentEncoded>", f"<edXMLEnvelope xmlns:edXML='{NS}'/><AttachmentEncoded>").encode(),
    ),
    "encoding_windows_1258": ("encoding", text(encoding="windows-1258").encode("cp1258", "xmlcharrefreplace")),
    "encoding_latin_1": ("encoding", text(encoding="ISO-8859-1").encode("latin-1", "xmlcharrefreplace")),
    "encoding_unknown": ("encoding", sound(encoding="x-nothing")),
    "bytes_not_utf8": ("not-xml", sound().replace("thử".encode(), b"th\xff\xfe")),
    "control_character": ("not-xml", with_header("V/v", "V\x0bv")),
    "control_character_reference": ("not-xml", with_header("V/v", "V&#11;v")),
    "unknown_root": ("root", b"<html><body/></html>"),
    "other_case_root": ("root", b"<EDXML/>"),
    "no_message_header": ("header-missing", text().replace("MessageHeader>", "Nothing>").encode()),
    "empty_root": ("header-missing", f'<edXML xmlns="{NS}"/>'.encode()),
    "empty_file": ("not-xml", b""),
    "one_byte": ("not-xml", b"<"),
    "white_space": ("not-xml", b" \n\n "),
    "cut_in_header": ("not-xml", sound()[:700]),
    "cut_in_base64": ("not-xml", sound()[: sound().index(GOOD64[:40].encode()) + 41]),
    "two_roots": ("not-xml", sound() + b"<edXML/>"),
    "json": ("not-xml", b'{"kind": "document"}'),
    "pdf": ("not-xml", PDF),
    "zip": ("not-xml", zipped(sound())),
}

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
DOCX = zipped(bytes(range(256)) * 8, b"<x/>", name="word/document.xml")
_MANGLED = (PDF + bytes(range(128, 256)) * 8).decode(errors="replace").encode()

ODD = {
    "date_30_february": ("date-impossible", with_header("Date>2024/05/06", "Date>2014/02/30")),
    "date_zero": ("date-impossible", with_header("Date>2024/05/06", "Date>0000/00/00")),
    "date_in_words": ("date-unreadable", with_header("Date>2024/05/06", "Date>hôm qua")),
    "priority_nine": ("priority-unknown", with_header("Priority>0", "Priority>9")),
    "type_in_words": ("number-unreadable", with_header("Type>2<", "Type>hai<")),
    "number_of_a_million_digits": ("number-unreadable", with_header("Type>2<", f"Type>{'9' * 1_000_000}<")),
    "no_receiver": ("missing", sound(header=HEADER.replace("edXML:To>", "edXML:Tou>"))),
    "status_unpadded": ("status-code-form", sound(header=STATUS.replace("Code>01", "Code>1"))),
    "status_14": ("status-code-form", sound(header=STATUS.replace("Code>01", "Code>14"))),
    "trace_null": ("trace-without-organ", sound(traces=TRACES.replace("000.00.00.H08", "null"))),
    "error_list": (
        "error-list",
        sound(
            rest="<edXML:ErrorList><edXML:Error><edXML:Code>40</edXML:Code><edXML:Description>lỗi</edXML:Description></edXML:Error></edXML:ErrorList>"
        ),
    ),
    "attachment_missing": (
        "attachment-missing",
        sound(references=reference() + reference(cid="2", name="phụ lục.pdf")),
    ),
    "attachment_unlisted": (
        "attachment-unlisted",
        sound(attachments=attachment() + attachment(cid="2", name="phụ lục.pdf")),
    ),
    "attachment_without_content": (
        "attachment-empty",
        sound(attachments="<Attachment><ContentId>1</ContentId></Attachment>"),
    ),
    "content_id_twice": (
        "content-id-repeated",
        sound(attachments=attachment() + attachment(name="hai.pdf"), references=reference() * 2),
    ),
    "name_twice": (
        "name-repeated",
        sound(attachments=attachment() + attachment(cid="2"), references=reference() + reference(cid="2")),
    ),
    "types_disagree_the_other_way": (
        "content-type-disagrees",
        sound(attachments=attachment(zipped(PDF), kind="application/zip")),
    ),
    "types_disagree": ("content-type-disagrees", sound(references=reference(kind="application/zip"))),
    "utf16_label_on_utf8": ("encoding-mislabelled", sound(encoding="utf-16")),
    # These take a look at the attachment itself: `lienthong inspect` does.
    "zip_labelled_pdf": ("type-mislabelled", sound(attachments=attachment(zipped(PDF, PDF)))),
    "program_labelled_pdf": ("type-mislabelled", sound(attachments=attachment(b"MZ" + bytes(500)))),
    "pdf_mangled_by_text": ("attachment-damaged", sound(attachments=attachment(_MANGLED))),
    "pdf_cut": ("attachment-cut", sound(attachments=attachment(PDF[:-20]))),
    "pdf_without_a_middle": (
        "attachment-cut",
        sound(attachments=attachment(PDF[:300] + b"\nstartxref\n9999\n%%EOF\n")),
    ),
    "pdf_of_two_updates_cut_in_the_second": ("attachment-cut", sound(attachments=attachment(PDF + PDF[:200] * 20))),
    "docx_cut": ("attachment-cut", sound(attachments=attachment(DOCX[:-30], name="a.docx", kind=WORD))),
    "docx_without_its_beginning": (
        "attachment-cut",
        sound(attachments=attachment(DOCX[:4] + DOCX[400:], name="a.docx", kind=WORD)),
    ),
    "pdf_cut_within_a_zip": ("attachment-cut", sound(attachments=attachment(zipped(PDF[:-20]), name="a.pdf"))),
    "pdf_mangled_within_a_zip": ("attachment-damaged", sound(attachments=attachment(zipped(_MANGLED), name="a.pdf"))),
    "zip_bomb": ("zip-bomb", sound(attachments=attachment(zipped(bytes(16 << 20)), name="nhỏ.doc"))),
    "zip_without_end": ("zip-damaged", sound(attachments=attachment(zipped(PDF)[:60], name="a.doc"))),
    "zip_with_wrong_checksum": (
        "zip-damaged",
        sound(attachments=attachment(zipped(PDF, method=zipfile.ZIP_STORED).replace(b"obj", b"OBJ"), name="a.doc")),
    ),
}

ELSEWHERE = HEADER.replace("From><edXML:OrganId>000.00.00.H08", "From><edXML:OrganId>000.00.00.G09")
UNLISTED = reference() + reference(cid="2", name="phụ lục.pdf")

AT_THE_DOOR = {
    "date_that_does_not_exist": ("date-impossible", 422, ODD["date_30_february"][1]),
    "date_of_zeros": ("date-impossible", 422, ODD["date_zero"][1]),
    "date_in_words": ("date-unreadable", 422, ODD["date_in_words"][1]),
    "date_in_the_future": ("date-in-future", 422, with_header("Date>2024/05/06", "Date>2124/05/06")),
    "priority_nine": ("priority-unknown", 422, ODD["priority_nine"][1]),
    "type_in_words": ("number-unreadable", 422, ODD["type_in_words"][1]),
    "number_of_a_million_digits": ("number-unreadable", 422, ODD["number_of_a_million_digits"][1]),
    "no_receiver": ("missing", 422, ODD["no_receiver"][1]),
    "no_subject": ("missing", 422, with_header("Subject>V/v thử nghiệm<", "Subject><")),
    "sender_of_another_office": ("organ-not-yours", 403, sound(header=ELSEWHERE)),
    "code_of_no_organ": ("organ-code", 422, with_header("To><edXML:OrganId>000.00.00.G22", "To><edXML:OrganId>../G22")),
    "secret_notation": (
        "state-secret",
        422,
        with_header("UBND-VX</edXML:CodeNotation", "MẬT-UBND</edXML:CodeNotation"),
    ),
    "attachment_missing": ("attachment-missing", 422, sound(references=UNLISTED)),
    "attachment_without_bytes": ("attachment-empty", 422, sound(attachments=attachment(text=""))),
    "content_id_twice": ("content-id-repeated", 422, ODD["content_id_twice"][1]),
    "too_many_attachments": (
        "too-many",
        422,
        sound(
            attachments="".join(attachment(b"x", cid=str(i), name=f"{i}.pdf") for i in range(201)),
            references="".join(reference(cid=str(i), name=f"{i}.pdf") for i in range(201)),
        ),
    ),
    "neither_document_nor_status": ("missing", 422, sound(header="")),
}
"""Well-formed, yet no office may hand them in: (code, HTTP status, bytes)."""

NAMES = {
    "climbing": "../../../etc/cron.d/evil.pdf",
    "absolute": "/etc/passwd",
    "windows": "C:\\\\Windows\\\\evil.pdf",
    "dots": "..",
    "hidden": ".bashrc",
    "device": "CON.pdf",
    "escape_sequence": "a&#x9b;31mđỏ.pdf",
    "turned_around": "ảnh\u202efdp.exe",
    "very_long": "ơ" * 400 + ".pdf",
    "spaces": "   ",
    "diacritics": "Tờ trình số 15 – Ủy ban.pdf",
}
"""Declared names that must not lead anywhere else."""


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for group in (REFUSED, ODD):
        for name, (_, data) in group.items():
            (folder / f"{name}.edxml").write_bytes(data)
    for name, (_, _, data) in AT_THE_DOOR.items():
        (folder / f"door_{name}.edxml").write_bytes(data)
    for name, declared in NAMES.items():
        (folder / f"name_{name}.edxml").write_bytes(sound(attachments=attachment(name=declared)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
