"""Times in the axis's lists, however they are written."""

import datetime as dt

import pytest

from adapters.axis.vxp.listing import instant


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_a_number_too_long_for_a_time_is_none_and_stops_no_listing(digits):
    assert instant({"created_time": "9" * digits}, "created_time") is None


def test_a_bare_number_is_seconds_or_milliseconds():
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert instant({"t": str(int(at.timestamp()))}, "t") == instant({"t": int(at.timestamp()) * 1000}, "t") == at
