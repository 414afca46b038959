"""What must be done by when: one table, each rule with its clause.

| rule | clause | due | met when |
|---|---|---|---|
| `sending` | QĐ 28/2018/QĐ-TTg Đ6.2 (NĐ 30/2020/NĐ-CP Đ18.1 allows the whole day) | the day it was signed, at the latest the next working morning | the axis holds it |
| `urgent` | QĐ 28/2018/QĐ-TTg Đ6.2, NĐ 30/2020/NĐ-CP Đ4.2c, Đ18.1 | at once after it was handed in: within `urgent_minutes` | the axis holds it |
| `arrival` | NĐ 30/2020/NĐ-CP Đ21.2c | within the day of arrival | a status about it is at the axis |
| `answer` | the document's own term (hạn trả lời, DueDate) | the end of that day | our answer is at the axis, or status 06 or 02 is reported |

A day off never ends a term: it runs to the end of the next working day (Bộ luật Dân sự 2015 Đ148.5), and what arrives on
a day off counts as of the next working day. The promulgation date stands for the day of signing. Where documents are
urgent, `urgent` takes the place of `sending`. A term that was over before the gateway had the document is late from the
start, and nobody is told: its office knows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config import WorkingTimeSection
from gateway.model import Document
from gateway.rules.clock import LATEST_YEAR, today
from gateway.rules.statuses import COMPLETED, RETURNED
from gateway.rules.working_time import WorkingTime
from gateway.states import Due


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    clause: str
    event: str = "deadline.missed"
    """What its office is told when the time is over."""


SENDING = Rule("sending", "QĐ 28/2018/QĐ-TTg Đ6.2")
URGENT = Rule("urgent", "QĐ 28/2018/QĐ-TTg Đ6.2; NĐ 30/2020/NĐ-CP Đ18.1", "urgent.unconfirmed")
ARRIVAL = Rule("arrival", "NĐ 30/2020/NĐ-CP Đ21.2c")
ANSWER = Rule("answer", "hạn trả lời của văn bản (DueDate)")
RULES: Mapping[str, Rule] = {rule.name: rule for rule in (SENDING, URGENT, ARRIVAL, ANSWER)}

MET_BY_SENDING = frozenset({SENDING.name, URGENT.name})
MET_BY_TELLING = frozenset({ARRIVAL.name})
ENDS_ANSWER = frozenset({COMPLETED, RETURNED})
"""Statuses of ours after which the document waits for no answer."""


class Deadlines:
    def __init__(self, section: WorkingTimeSection) -> None:
        self._calendar = WorkingTime(section)
        self._urgent = dt.timedelta(minutes=section.urgent_minutes)

    def of_sent(self, document: Document, accepted_at: dt.datetime) -> tuple[Due, ...]:
        """What we owe for a document that an office handed in."""
        if document.priority:
            return (Due(URGENT.name, accepted_at + self._urgent),)
        signed = document.promulgation_date or today(accepted_at)
        return (Due(SENDING.name, self._calendar.end_of_morning(self._calendar.after(signed))),)

    def of_received(self, document: Document, arrived_at: dt.datetime) -> tuple[Due, ...]:
        """What our office owes for a document that came in."""
        calendar = self._calendar
        arrival = Due(ARRIVAL.name, calendar.end_of(calendar.day_of(arrived_at)))
        if document.due_date is None or document.due_date.year > LATEST_YEAR:
            return (arrival,)
        return arrival, Due(ANSWER.name, calendar.end_of(calendar.at_or_after(document.due_date)))
