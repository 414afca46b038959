"""The summary people read, in Vietnamese. It is made from the manifest alone, so that it can be made again and compared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from gateway.edxml.codes import STATUSES
from gateway.evidence.facts import Manifest
from gateway.evidence.words import CLAIMS, GRADES, VERDICTS, pick
from gateway.model import Direction, Kind
from gateway.rules.clock import VIETNAM


def text(manifest: Manifest) -> str:
    return "\n".join(_printable(line) for line in _lines(manifest)) + "\n"


def _lines(manifest: Manifest) -> Iterator[str]:
    about, read = manifest.about, manifest.readable
    out, document = about.direction is Direction.OUT, about.kind is Kind.DOCUMENT
    yield "CHỨNG CỨ GỬI, NHẬN VĂN BẢN ĐIỆN TỬ"
    yield f"Lập lúc {_time(manifest.made_at)} bởi {manifest.made_by}. Giờ Việt Nam."
    yield ""
    yield f"{'Văn bản' if document else 'Trạng thái'} {'gửi đi' if out else 'nhận về'}, qua trục {about.axis}"
    if read:
        yield f"Số, ký hiệu: {read.code}" if document else f"Trạng thái: {_status(read.code)}"
        yield f"{'Trích yếu' if document else 'Diễn giải'}: {read.subject}"
        yield f"Nơi gửi: {read.sender}"
        yield from (f"Nơi nhận: {organ}" for organ in read.to)
    else:
        yield f"Nơi gửi: {about.sender}"
        yield from (f"Nơi nhận: {organ}" for organ in about.to)
    if about.purged:
        yield "Nội dung đã được xóa theo quy định (purged); chỉ còn mã băm."
    yield f"DocumentId: {about.document_id}"
    yield f"Mã gói tin: {about.message_id}; mã của trục: {about.axis_id or 'chưa có'}"
    yield f"{'Ký và đóng gói' if out else 'Nhận đủ'} lúc {_time(about.frozen_at)}"
    yield f"Tệp edXML: {about.size or 0} byte, SHA-256 {about.sha256 or 'không có'}"
    yield from (f"Tệp đính kèm {content_id}: SHA-256 {digest}" for content_id, digest in about.attachments)
    yield f"Việc giao nhận: {pick(VERDICTS, manifest.delivery, 'vi')}; mức chứng cứ: {pick(GRADES, manifest.grade, 'vi')}"
    yield ""
    yield "Biên nhận"
    for line in manifest.receipts:
        way = "hệ thống này phát" if line.given else "bên kia phát"
        wrong = f"; KHÔNG KHỚP ({line.mismatch})" if line.mismatch else ""
        yield f"- {line.kind}, {way}, {_time(line.at)}{wrong}: {line.file}"
    yield from () if manifest.receipts else ("- không có",)
    yield ""
    yield "Trạng thái"
    for status in manifest.statuses:
        yield f"- {status.organ}: {_status(status.code)}, {_time(status.at)}: {status.file}"
    yield from () if manifest.statuses else ("- không có",)
    yield ""
    yield "Chứng minh được gì, lúc lập gói này"
    for name, verdict in manifest.outcome.items():
        kind, _, file = name.partition(":")
        yield f"- {pick(CLAIMS, kind, 'vi')}{f' ({file})' if file else ''}: {pick(VERDICTS, verdict, 'vi')}"
    yield ""
    yield "Kiểm tra lại, không cần máy chủ và mạng: lienthong evidence verify TỆP --trust THƯ_MỤC"


def _status(code: str) -> str:
    return f"{code} ({STATUSES[code].vi})" if code in STATUSES else code


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(VIETNAM).strftime("%H:%M:%S ngày %d/%m/%Y")


def _printable(line: str) -> str:
    """What a sender wrote must not pass for a line of ours."""
    return "".join(char if char.isprintable() else " " for char in line)
