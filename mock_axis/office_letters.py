"""Letters that the sample office writes: invented people and organs, Vietnamese texts, drawn from a seed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from mock_axis.office_client import File

SUBJECTS = (
    "V/v báo cáo kết quả cải cách hành chính",
    "V/v góp ý dự thảo quy chế phối hợp",
    "V/v cử cán bộ tham dự lớp tập huấn chuyển đổi số",
    "V/v rà soát thủ tục hành chính",
    "V/v chuẩn bị nội dung hội nghị giao ban quý",
    "V/v tổng hợp số liệu đầu tư công",
    "V/v trả lời kiến nghị của cử tri",
    "V/v triển khai công tác phòng, chống thiên tai",
)
TYPES = (("Công văn", "CV"), ("Báo cáo", "BC"), ("Kế hoạch", "KH"), ("Thông báo", "TB"), ("Tờ trình", "TTr"))
SIGNERS = ("Nguyễn Văn Mẫu", "Trần Thị Thử", "Lê Đình Ví Dụ", "Phạm Thị Minh Hoạ")
VIETNAM = dt.timezone(dt.timedelta(hours=7))


def letter(
    number: int,
    sender: str,
    to: Sequence[str],
    pdfs: Sequence[bytes],
    *,
    day: dt.date | None = None,
    seed: int = 0,
    priority: int | None = None,
) -> tuple[dict[str, Any], list[File]]:
    """The record and the files of letter `number` of `sender`; the same arguments make the same letter.

    Its DocumentId tells sender and number, so that both ends can be compared. Mind that it names the year only by
    `day`, today if not given.
    """
    drawn = random.Random(f"{seed}/{sender}/{number}")
    type_name, notation = drawn.choice(TYPES)
    day = day or dt.datetime.now(VIETNAM).date()
    names = [f"{number}-{notation}.pdf", *(f"Phụ lục {place}.pdf" for place in range(1, len(pdfs)))]
    record = {
        "from": sender,
        "to": list(to),
        "number": str(number),
        "notation": f"{notation}-MAU",
        "document_id": document_id(number, sender, day),
        "promulgation": {"date": day.isoformat(), "place": "Hà Nội"},
        "type": {"code": 2, "name": type_name},
        "subject": f"{drawn.choice(SUBJECTS)} (mẫu số {number})",
        "signer": {"competence": "KT. GIÁM ĐỐC", "position": "Phó Giám đốc", "full_name": drawn.choice(SIGNERS)},
        "priority": drawn.choices((0, 1, 2, 3), (85, 10, 4, 1))[0] if priority is None else priority,
        "page_amount": 1,
        "attachments": [{"name": name, "content_type": "application/pdf"} for name in names[: len(pdfs)]],
    }
    return record, [File(name, pdf) for name, pdf in zip(names, pdfs, strict=False)]


def document_id(number: int, sender: str, day: dt.date) -> str:
    return f"{sender},{day:%Y/%m/%d},{number}"
