"""When Vietnam's offices work: days off, swapped working days, office hours.

The calendar is the `holidays` library's (Bộ luật Lao động 2019 Đ112, Tết by the lunar calendar, and the official
swaps of past years). Each year's swaps and extra days off are decided anew and late: the configuration's own lists win.
"""

from __future__ import annotations

import datetime as dt

from holidays import country_holidays

from gateway.config import WorkingTimeSection
from gateway.rules.clock import VIETNAM, today

DAY = dt.timedelta(days=1)


class WorkingTime:
    """Answers are aware times in Vietnam; times asked about must be aware."""

    def __init__(self, section: WorkingTimeSection) -> None:
        self._calendar = country_holidays("VN")
        self._days_off = frozenset(section.days_off)
        self._working_days = frozenset(section.working_days)
        self._morning_ends = section.morning_ends

    def works(self, day: dt.date) -> bool:
        if day in self._working_days:
            return True
        return day not in self._days_off and self._calendar.is_working_day(day)

    def at_or_after(self, day: dt.date) -> dt.date:
        """The first working day, this one included."""
        while not self.works(day):
            day += DAY
        return day

    def after(self, day: dt.date) -> dt.date:
        """The first working day after this one."""
        return self.at_or_after(day + DAY)

    def end_of_morning(self, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, self._morning_ends, VIETNAM)

    @staticmethod
    def end_of(day: dt.date) -> dt.datetime:
        """The midnight that ends it: a day lasts as long as the calendar's, whatever the office hours."""
        return dt.datetime.combine(day + DAY, dt.time(), VIETNAM)

    def day_of(self, moment: dt.datetime) -> dt.date:
        """The working day that a moment counts for: a day off counts for the next one that is none."""
        return self.at_or_after(today(moment))
