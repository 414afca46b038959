"""The code lists of edXML and the names people know them by.

Only for reading and showing: which status may follow which, and who must send it, is `gateway.rules`' business.
`SteeringType` has no list here on purpose: implementations disagree about its values, so it is carried, never named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Language = Literal["vi", "en"]


class Name(NamedTuple):
    vi: str
    en: str

    def say(self, language: Language) -> str:
        return self.vi if language == "vi" else self.en


PRIORITIES: Mapping[int, Name] = {
    0: Name("Thường", "Normal"),
    1: Name("Khẩn", "Urgent"),
    2: Name("Thượng khẩn", "Very urgent"),
    3: Name("Hỏa tốc", "Express"),
    4: Name("Hỏa tốc hẹn giờ", "Express by a set hour"),
}

BUSINESS_TYPES: Mapping[int, Name] = {
    0: Name("Văn bản mới", "New document"),
    1: Name("Thu hồi", "Recall"),
    2: Name("Cập nhật", "Update"),
    3: Name("Thay thế", "Replacement"),
}

DOCUMENT_TYPES: Mapping[int, Name] = {
    1: Name("Văn bản quy phạm pháp luật", "Legal normative document"),
    2: Name("Văn bản hành chính", "Administrative document"),
}

STATUSES: Mapping[str, Name] = {
    "01": Name("Đã đến", "Arrived"),
    "02": Name("Từ chối tiếp nhận", "Returned"),
    "03": Name("Đã tiếp nhận", "Registered"),
    "04": Name("Phân công xử lý", "Assigned"),
    "05": Name("Đang xử lý", "In process"),
    "06": Name("Hoàn thành", "Completed"),
    "13": Name("Lấy lại", "Asked back"),
    "15": Name("Đồng ý cập nhật, lấy lại", "Agreed to update or give back"),
    "16": Name("Từ chối cập nhật, lấy lại", "Refused to update or give back"),
}
"""Codes 07-12 are not found anywhere; 14 is a variant of 15 that is read and never written."""


def pad_status(code: str) -> str:
    """The two-digit code: `1` is `01`; unknown codes come back as they are."""
    code = code.strip()
    return f"0{code}" if len(code) == 1 and code.isascii() and code.isdigit() else code


def read_status(code: str) -> str:
    """As `pad_status`, and 14 is read as 15."""
    padded = pad_status(code)
    return "15" if padded == "14" else padded
