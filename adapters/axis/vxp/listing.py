"""Reading the axis's lists: which window to ask for, and which line is about which message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.axis.vxp.options import Options
from adapters.axis.vxp.signing import VIETNAM
from gateway.model import Kind
from gateway.ports import Parcel, SentLine

Lines = list[Mapping[str, Any]]

_FORMS = ("%d/%m/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y", "%Y/%m/%d")
_MILLISECONDS = 10**11
"""A bare number of so many is not seconds."""


class Window:
    """From when to list. Windows overlap, and now and then one reaches all the way back: items come late.

    Kept in memory only: a restart begins with a full look.
    """

    def __init__(self, options: Options) -> None:
        self._lookback = dt.timedelta(days=options.lookback_days)
        self._overlap = dt.timedelta(hours=options.overlap_hours)
        self._every = dt.timedelta(seconds=options.full_look_seconds)
        self._full_at: dt.datetime | None = None
        self._newest: dt.datetime | None = None

    def start(self, now: dt.datetime) -> dt.datetime:
        all_of_it = now - self._lookback
        if self._newest is None or self._full_at is None or now - self._full_at >= self._every:
            return all_of_it
        return max(self._newest - self._overlap, all_of_it)

    def saw(self, lines: Sequence[Mapping[str, Any]], now: dt.datetime) -> None:
        """All of what `start(now)` listed was passed on."""
        if self.start(now) == now - self._lookback:
            self._full_at = now
        times = [at for line in lines if (at := instant(line, "created_time"))]
        if times:
            # Not beyond our own clock: one item dated far ahead would hide all others.
            newest = min(max(times), now)
            self._newest = newest if self._newest is None else max(self._newest, newest)


def is_line_of(parcel: Parcel, line: Mapping[str, Any], since: dt.datetime) -> bool:
    """Whether a line of the sent list can be about this parcel.

    The list as it is known tells number and notation, not the DocumentId; where a server tells that too, it decides.
    """
    if not text(line, "senderDocId") or text(line, "fromCode") != parcel.sender:
        return False
    if text(line, "toCode") and text(line, "toCode") not in parcel.to:
        return False
    if text(line, "messageType") and (text(line, "messageType").lower() == "status") is not (
        parcel.kind is Kind.STATUS
    ):
        return False
    sent = instant(line, "sentTime")
    if sent is not None and sent < since:
        return False
    if told := text(line, "documentId"):
        return told == parcel.document_id
    return _plain(text(line, "notation")) == _plain(parcel.code)


def sent_line(kind: Kind, line: Mapping[str, Any]) -> SentLine:
    return SentLine(
        axis_id=text(line, "senderDocId"),
        kind=kind,
        sender=text(line, "fromCode"),
        to=text(line, "toCode"),
        code=text(line, "notation"),
        at=instant(line, "sentTime"),
    )


def instant(line: Mapping[str, Any], name: str) -> dt.datetime | None:
    """A time in any of the forms met, Vietnam's where it says no zone; None where it is in none of them."""
    value = text(line, name)
    if value.isascii() and value.isdecimal():
        try:
            number = int(value)  # of thousands of digits it makes none
            return dt.datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, dt.UTC)
        except (ValueError, OverflowError, OSError):
            return None
    for form in _FORMS:
        try:
            return dt.datetime.strptime(value, form).replace(tzinfo=VIETNAM)
        except ValueError:
            continue
    try:
        at = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=VIETNAM)


def text(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name)
    return "" if value is None else str(value).strip()


def _plain(code: str) -> str:
    return "".join(code.split()).casefold()
