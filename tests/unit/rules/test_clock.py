import datetime as dt

import pytest

from gateway.rules import clock


def test_the_day_in_vietnam_begins_seven_hours_before_the_day_in_utc():
    assert clock.today(dt.datetime(2026, 1, 31, 16, 59, tzinfo=dt.UTC)) == dt.date(2026, 1, 31)
    assert clock.today(dt.datetime(2026, 1, 31, 17, 0, tzinfo=dt.UTC)) == dt.date(2026, 2, 1)


def test_a_time_without_a_zone_has_no_day():
    with pytest.raises(ValueError, match="zone"):
        clock.today(dt.datetime(2026, 1, 31))  # noqa: DTZ001 - that is what is tested


def test_wire_dates_have_slashes_and_four_digits_of_the_year():
    assert clock.wire_date(dt.date(987, 1, 2)) == "0987/01/02"
