"""The page that `lienthong inspect` prints for people, in Vietnamese or English."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.edxml.codes import BUSINESS_TYPES, DOCUMENT_TYPES, PRIORITIES, STATUSES, Language, Name
from gateway.edxml.values import VIETNAM, write_date
from gateway.edxml.words import explain
from gateway.model import Business, Document, Organ, ResponseFor, Staff, Status

if TYPE_CHECKING:
    from gateway.commands.inspect import Seen, SeenAttachment

Row = tuple[str, object]

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What could steer a terminal or turn the reading direction around."""

_LABELS: dict[str, Name] = {
    "kind": Name("Loại", "Kind"),
    "document": Name("Văn bản", "Document"),
    "status": Name("Trạng thái", "Status"),
    "file": Name("Tệp", "File"),
    "size": Name("Kích thước", "Size"),
    "form": Name("Dạng", "Form"),
    "from": Name("Nơi gửi", "From"),
    "to": Name("Nơi nhận", "To"),
    "document_id": Name("Mã định danh văn bản", "Document id"),
    "code": Name("Số, ký hiệu", "Number and notation"),
    "date": Name("Ngày ban hành", "Promulgated on"),
    "place": Name("Nơi ban hành", "Promulgated at"),
    "type": Name("Loại văn bản", "Document type"),
    "subject": Name("Trích yếu", "Subject"),
    "summary": Name("Tóm tắt", "Summary"),
    "signer": Name("Người ký", "Signer"),
    "due_date": Name("Hạn trả lời", "Answer due"),
    "to_places": Name("Nơi nhận, lưu", "Copies to"),
    "priority": Name("Độ khẩn", "Priority"),
    "sphere": Name("Lĩnh vực", "Sphere"),
    "typer": Name("Ký hiệu người đánh máy", "Typist"),
    "copies": Name("Số bản", "Copies"),
    "pages": Name("Số trang", "Pages"),
    "direction": Name("Chỉ đạo", "Direction"),
    "appendixes": Name("Phụ lục", "Appendixes"),
    "response_for": Name("Về văn bản", "About document"),
    "steering": Name("Loại chỉ đạo", "Steering type"),
    "business": Name("Nghiệp vụ", "Business"),
    "reason": Name("Lý do", "Reason"),
    "paper": Name("Kèm bản giấy", "Paper follows"),
    "target": Name("Văn bản được cập nhật", "Document updated"),
    "document_changed": Name("Đổi nội dung", "Data changed"),
    "receivers_changed": Name("Đổi nơi nhận", "Receivers changed"),
    "receiver": Name("Nơi nhận thay đổi", "Receiver changed"),
    "replaces": Name("Thay thế văn bản", "Replaces"),
    "staff": Name("Cán bộ", "Staff"),
    "trace": Name("Dấu vết", "Trace"),
    "status_code": Name("Mã trạng thái", "Status code"),
    "description": Name("Nội dung", "Description"),
    "note": Name("Mô tả", "Description"),
    "time": Name("Thời điểm", "Time"),
    "attachments": Name("Tệp đính kèm", "Attachments"),
    "name": Name("Tên", "Name"),
    "declared": Name("Loại khai báo", "Declared type"),
    "sniffed": Name("Loại thực tế", "Actual type"),
    "inside": Name("bên trong", "inside"),
    "extracted": Name("Đã ghi ra", "Written to"),
    "findings": Name("Phát hiện", "Findings"),
    "severity": Name("Mức", "Severity"),
    "where": Name("Ở đâu", "Where"),
    "what": Name("Điều gì", "What"),
    "info": Name("thông tin", "info"),
    "warning": Name("cảnh báo", "warning"),
    "error": Name("lỗi", "error"),
    "yes": Name("có", "yes"),
    "no": Name("không", "no"),
    "added": Name("thêm", "added"),
    "removed": Name("bỏ", "removed"),
}

_WIDTH_OF_A_FILE = 200
"""Digests stay whole where no terminal says how wide a line may be."""


def show(seen: Seen, language: Language) -> None:
    """Print the page. What a terminal could mistake for a command is shown as `�`."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    page = _Page(language)
    parsed = seen.parsed
    head: list[Row] = [
        ("file", seen.path),
        ("kind", page.label("status" if parsed.status else "document")),
        ("size", page.size(seen.size)),
        ("SHA-256", seen.sha256),
        ("form", f"{parsed.form} <{parsed.root}>"),
    ]
    body = page.document(parsed.document) if parsed.document else page.status(parsed.status) if parsed.status else ()
    console.print(page.table([*head, *body]))
    if seen.attachments:
        console.print(Text(f"\n{page.label('attachments')} ({len(seen.attachments)})", style="bold"))
        for number, attachment in enumerate(seen.attachments, start=1):
            console.print(Text(f"[{number}]", style="bold"))
            console.print(page.table(list(page.attachment(attachment))))
    if seen.findings:
        console.print(Text(f"\n{page.label('findings')} ({len(seen.findings)})", style="bold"))
        console.print(page.findings(seen))


class _Page:
    def __init__(self, language: Language) -> None:
        self._language: Language = language

    def label(self, key: str) -> str:
        return _LABELS[key].say(self._language) if key in _LABELS else key

    def named(self, code: object, names: Mapping[Any, Name]) -> str:
        known = names.get(code)
        return f"{code} {known.say(self._language)}" if known else str(code)

    def size(self, count: int) -> str:
        """Thousands are parted by a point in Vietnamese."""
        grouped = f"{count:,}"
        return f"{grouped.replace(',', '.')} byte" if self._language == "vi" else f"{grouped} bytes"

    def yes(self, value: bool | None) -> str:
        return "" if value is None else self.label("yes" if value else "no")

    def table(self, rows: list[Row]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in rows:
            if value is not None and value != "":
                table.add_row(self.label(key), _clean(value))
        return table

    def document(self, document: Document) -> Iterator[Row]:
        yield "from", _organ(document.sender)
        yield from (("to", _organ(organ)) for organ in document.to)
        yield "document_id", document.document_id
        yield "code", document.code
        yield "date", _date(document.promulgation_date)
        yield "place", document.place
        kind = "" if document.type is None else self.named(document.type, dict(DOCUMENT_TYPES))
        detail = "" if document.type_detail is None else f"({document.type_detail})"
        yield "type", _joined(document.type_name, kind, detail)
        yield "subject", document.subject
        yield "summary", document.summary
        if signer := document.signer:
            yield "signer", _joined(signer.competence, signer.position, signer.full_name)
        yield "due_date", _date(document.due_date)
        yield "to_places", "; ".join(document.to_places)
        yield "priority", self.named(document.priority, dict(PRIORITIES))
        yield "sphere", document.sphere
        yield "typer", document.typer_notation
        yield "copies", document.promulgation_amount
        yield "pages", document.page_amount
        yield "direction", self.yes(document.direction)
        yield "appendixes", "; ".join(document.appendixes)
        yield from (("response_for", _about(named)) for named in document.response_for)
        yield "steering", document.steering_type
        yield from self.business(document.business)
        yield from (("trace", _joined(trace.organ, trace.timestamp)) for trace in document.traces)

    def business(self, business: Business) -> Iterator[Row]:
        yield "business", self.named(business.type, dict(BUSINESS_TYPES))
        yield "reason", business.reason
        yield "paper", self.yes(None if business.paper is None else bool(business.paper))
        yield "target", business.document_id
        yield "document_changed", self.yes(business.document_changed)
        yield "receivers_changed", self.yes(business.receivers_changed)
        for change in business.receiver_changes:
            yield "receiver", _joined(change.organ, self.label("added" if change.added else "removed"))
        for old in business.replacements:
            yield "replaces", _joined(old.document_id, ", ".join(old.organs))
        yield "staff", _staff(business.staff)

    def status(self, status: Status) -> Iterator[Row]:
        yield "from", _organ(status.sender)
        yield "status_code", self.named(status.code, dict(STATUSES))
        yield "description", status.description
        yield "time", f"{status.timestamp.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S %z}" if status.timestamp else ""
        yield "response_for", _about(status.response_for)
        yield "staff", _staff(status.staff)

    def attachment(self, seen: SeenAttachment) -> Iterator[Row]:
        assert seen.declared is not None
        yield "name", seen.declared.name
        yield "note", seen.declared.description
        yield "ContentId", seen.declared.content_id
        yield "declared", seen.declared.content_type
        yield "sniffed", seen.sniffed
        yield "size", self.size(seen.size)
        yield "SHA-256", seen.digest.hexdigest()
        if inside := seen.unwrapped:
            yield "inside", f"{inside['type']}, {self.size(inside['size'])}, SHA-256 {inside['sha256']}"
        yield "extracted", seen.extracted

    def findings(self, seen: Seen) -> Table:
        table = Table(show_edge=False, pad_edge=False, box=None, padding=(0, 2, 0, 0))
        for key in ("severity", "where", "what"):
            table.add_column(self.label(key), overflow="fold")
        style = {"info": "dim", "warning": "yellow", "error": "bold red"}
        for finding in seen.findings:
            sentence = explain(finding.code, finding.message, self._language)
            severity = Text(self.label(finding.severity), style=style[finding.severity])
            table.add_row(severity, _clean(finding.where), _clean(f"{sentence} [{finding.code}]"))
        return table


def _clean(value: object) -> Text:
    return Text(_UNPRINTABLE.sub("\ufffd", str(value)))


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _date(day: dt.date | None) -> str:
    return "" if day is None else write_date(day)


def _organ(organ: Organ) -> str:
    in_charge = organ.in_charge if organ.in_charge != organ.name else ""
    return _joined(
        organ.code, organ.name, in_charge, organ.address, organ.email, organ.telephone, organ.fax, organ.website
    )


def _about(named: ResponseFor) -> str:
    return _joined(named.organ, named.code, _date(named.promulgation_date), named.document_id)


def _staff(staff: Staff | None) -> str:
    if staff is None:
        return ""
    return _joined(staff.department, staff.department_id, staff.staff, staff.staff_id, staff.mobile, staff.email)
