"""Dates and times at the end of the calendar: whoever writes them stops nothing but their own message."""

import datetime as dt

import pytest

from gateway.errors import Refused
from gateway.journal.rows import stamp, time
from gateway.rules.duplicates import numbered_by_id
from tests.pipeline.road import FAR, OURS, document_file, status_file


@pytest.mark.parametrize("field", ["expires", "deliver_by"])
@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59+00:00", "3000-01-01T00:00:00+00:00"]
)
async def test_a_time_from_which_nothing_can_be_reckoned_is_refused(road, field, moment):
    with pytest.raises(Refused) as caught:
        await road.submit(FAR, **{field: moment})
    assert [(each.field, each.code) for each in caught.value.problems] == [(field, "time-too-late")]


def test_a_time_beyond_the_calendar_that_is_in_the_journal_can_be_read():
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    assert time(stamp(latest) + 10**15) == latest


def test_a_document_id_with_a_year_of_twenty_digits_tells_no_number():
    assert numbered_by_id("X,99999999999999999999-01-01,1/B") is None


async def test_a_recall_of_such_a_document_id_is_no_bug(road):
    await road.receive(status_file("X,99999999999999999999-01-01,1/B", "13"))
    await road.run()
    assert not road.runner.broken
    assert not road.runner._bugs.total()


async def test_a_document_due_on_the_last_day_of_the_calendar_reaches_its_office_without_a_deadline(road):
    message_id = await road.receive(document_file(OURS, due_date=dt.date(9999, 12, 31)))
    await road.run()
    assert (await road.message(message_id)).held is None
    assert "answer" not in {row.rule for row in await road.journal.deadlines(message_id)}
