"""The one place that knows which day and hour it is in Vietnam.

Times are stored in UTC; every rule of the law and every date on the wire is meant in Asia/Ho_Chi_Minh.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
LATEST_YEAR = 2999
"""A date beyond it is none that anybody keeps, and near the end of the calendar nothing can be reckoned from one."""


def today(now: dt.datetime) -> dt.date:
    """The date in Vietnam at `now`, which must be aware."""
    if now.tzinfo is None:
        raise ValueError("a time without a zone has no date in Vietnam")
    return now.astimezone(VIETNAM).date()


def wire_date(day: dt.date) -> str:
    """As QCVN 102:2016 writes it: `2026/01/31`."""
    return f"{day.year:04}/{day.month:02}/{day.day:02}"
