"""What a status code means for a delivery: one stated rule.

A delivery is *answered* by the first status from its organ that says the document is in its system or has been refused:
01-06 (domain of QCVN 102:2016; QĐ 28/2018/QĐ-TTg Đ6.3, Đ9.2). 13 is the sender's own request; 15 and 16 answer a
recall, not the delivery. Unknown codes are carried and answer nothing. A message closes when all its deliveries are
answered or the chase ends; later statuses still settle their delivery.
"""

from __future__ import annotations

ARRIVED = "01"
RETURNED = "02"
FROM_OFFICE = frozenset({"02", "03", "04", "05", "06"})
"""What an office may report itself; 01 is the gateway's to send when the office has the document."""
REASON_REQUIRED = frozenset({RETURNED})

_ANSWERS = frozenset({"01", "02", "03", "04", "05", "06"})


def answers(code: str) -> bool:
    """Whether this status answers the delivery."""
    return code in _ANSWERS
