"""What findings and unreadable files mean, in the reader's language. English is the finding's own message."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.edxml.codes import Language

_VI: Mapping[str, str] = {
    # unreadable
    "base64-bad": "phần base64 của tệp đính kèm có ký tự lạ hoặc bị nối thêm",
    "base64-truncated": "phần base64 của tệp đính kèm bị cắt ngang",
    "depth": "các phần tử lồng nhau quá sâu",
    "dtd": "tệp có khai báo DTD, không được phép đọc",
    "encoding": "bảng mã không phải UTF-8 hoặc UTF-16",
    "entity": "tệp dùng thực thể XML, không được phép đọc",
    "header-missing": "không có phần MessageHeader",
    "not-xml": "tệp không phải XML hợp lệ",
    "repeated": "một phần tử chỉ được có một lại xuất hiện hai lần",
    "root": "phần tử gốc không phải của edXML",
    "too-large": "tệp, hoặc một phần của tệp, vượt giới hạn kích thước",
    "too-many-elements": "tệp có quá nhiều phần tử",
    # findings
    "attachment-cut": "tệp bị cắt ngang: thiếu phần cuối",
    "attachment-damaged": "tệp hỏng: nội dung đã bị chuyển mã như văn bản",
    "attachment-empty": "tệp đính kèm không có nội dung",
    "attachment-missing": "có trong danh mục nhưng không có trong tệp",
    "attachment-unlisted": "có trong tệp nhưng không có trong danh mục",
    "attachment-wrapped": "tệp zip chỉ chứa một tệp, mang tên của tệp đó",
    "content-id-repeated": "mã ContentId bị trùng",
    "content-type-disagrees": "danh mục và tệp đính kèm khai khác loại nhau",
    "date-impossible": "không có ngày này",
    "date-unreadable": "không đọc được thành ngày",
    "encoding-mislabelled": "khai báo bảng mã khác với thực tế",
    "error-list": "tệp mang theo mã lỗi của hệ thống khác",
    "flag-unreadable": "không đọc được thành có hoặc không",
    "missing": "không có giá trị",
    "name-repeated": "tên tệp đính kèm bị trùng",
    "number-unreadable": "không đọc được thành số",
    "priority-unknown": "độ khẩn ngoài 0-4, đọc là 0",
    "schema": "không đúng lược đồ QCVN 102:2016",
    "status-code-form": "mã trạng thái không viết đúng dạng",
    "trace-without-organ": "dấu vết không ghi mã cơ quan",
    "type-mislabelled": "nội dung không đúng loại đã khai",
    "zip-bomb": "tệp nén bung ra lớn bất thường, không mở",
    "zip-entry-differs": "tệp zip chứa một tệp khác loại với tên tệp đính kèm",
    "zip-damaged": "tệp nén bị hỏng, không mở được",
}


def explain(code: str, message: str, language: Language) -> str:
    """The sentence for a code of `EdxmlError` or `Finding`; `message` is what it says itself."""
    return _VI.get(code, message) if language == "vi" else message
