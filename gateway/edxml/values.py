"""Dates, times, numbers and yes/no as the wire has them.

QCVN 102:2016 writes `yyyy/MM/dd` and `yyyy/MM/dd HH:mm:ss`; e-doc.vn and INet write `dd/MM/yyyy`; some products use
dashes or ISO 8601. A form is told by its shape, so all are read everywhere. The wire's clock is Vietnam's.
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

_DAY = r"(?:(?P<y>\d{4})[/-](?P<m>\d{1,2})[/-](?P<d>\d{1,2})|(?P<d2>\d{1,2})[/-](?P<m2>\d{1,2})[/-](?P<y2>\d{4}))"
_TIME = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.\d{1,9})?)?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_MOMENT = re.compile(rf"\s*{_DAY}(?:[T\s]+{_TIME})?\s*", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


class Impossible(ValueError):
    """Shaped like a date, but no such day or hour exists."""


def _day(found: re.Match[str]) -> dt.date:
    year, month, day = found["y"] or found["y2"], found["m"] or found["m2"], found["d"] or found["d2"]
    return dt.date(int(year), int(month), int(day))


def read_date(text: str) -> dt.date:
    """Any known form, a time of day ignored. Raises `Impossible`, or `ValueError` where it is no date at all."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError("not a date")
    try:
        return _day(found)
    except ValueError as error:
        raise Impossible from error


def read_moment(text: str) -> dt.datetime:
    """As UTC; a time without a zone is Vietnam's, a date alone is its midnight. Raises as `read_date` does."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError("not a time")
    try:
        clock = dt.time(int(found["H"] or 0), int(found["M"] or 0), int(found["S"] or 0))
        local = dt.datetime.combine(_day(found), clock, _zone(found["zone"]))
        return local.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise Impossible from error


def _zone(text: str | None) -> dt.tzinfo:
    if text is None:
        return VIETNAM
    if text == "Z":
        return dt.UTC
    ahead = dt.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return dt.timezone(-ahead if text[0] == "-" else ahead)


def write_date(day: dt.date) -> str:
    return f"{day.year:04}/{day.month:02}/{day.day:02}"


def write_moment(moment: dt.datetime) -> str:
    """`moment` is aware; the wire gets Vietnam's clock."""
    local = moment.astimezone(VIETNAM)
    return f"{write_date(local)} {local:%H:%M:%S}"


def read_number(text: str) -> int:
    """Raises `ValueError`; more digits than any real count has are refused before they cost anything."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("not a number")
    return int(text)


def read_yes(text: str) -> bool:
    lowered = text.lower()
    if lowered not in {"0", "1", "true", "false"}:
        raise ValueError("neither yes nor no")
    return lowered in {"1", "true"}
