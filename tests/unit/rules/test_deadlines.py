"""Times that the law sets, around midnight, new year, Tết and swapped Saturdays. All times are said in Vietnam's."""

import datetime as dt

import pytest

from gateway.config import WorkingTimeSection
from gateway.model import Document, Organ
from gateway.rules.clock import VIETNAM
from gateway.rules.deadlines import ANSWER, ARRIVAL, MET_BY_SENDING, MET_BY_TELLING, RULES, SENDING, URGENT, Deadlines
from gateway.rules.working_time import WorkingTime

PLAIN = WorkingTimeSection()
SWAPPED = WorkingTimeSection(days_off=(dt.date(2026, 3, 9),), working_days=(dt.date(2026, 3, 14),))
"""Monday 9 March is off, and worked in on Saturday 14 March."""


def at(text):
    """A time in Vietnam, given as UTC: as the journal holds it."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=VIETNAM).astimezone(dt.UTC)


def day(text):
    return dt.date.fromisoformat(text)


def document(**fields):
    return Document(Organ("H1"), (Organ("G1"),), "d", "1", "A", "V/v", **fields)


def sending(signed, accepted, section=PLAIN):
    [due] = Deadlines(section).of_sent(document(promulgation_date=signed and day(signed)), at(accepted))
    assert due.rule == SENDING.name
    return due.due_at


def received(arrived, section=PLAIN, **fields):
    return {due.rule: due.due_at for due in Deadlines(section).of_received(document(**fields), at(arrived))}


# --- the calendar -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "works"),
    [
        ("2026-03-06", True),  # Friday
        ("2026-03-07", False),
        ("2026-03-08", False),
        ("2026-01-01", False),
        ("2025-12-31", True),
        ("2026-02-17", False),  # the first day of Tết
        ("2026-02-20", False),
        ("2026-02-23", True),
        ("2026-04-27", False),  # Giỗ Tổ falls on a Sunday: the Monday is off
        ("2026-09-02", False),
        ("2026-08-22", True),  # the Saturday officially swapped for 31 August
    ],
)
def test_which_days_are_worked(date, works):
    assert WorkingTime(PLAIN).works(day(date)) is works


def test_the_configurations_own_swaps_win():
    calendar = WorkingTime(SWAPPED)
    assert not calendar.works(day("2026-03-09"))
    assert calendar.works(day("2026-03-14"))
    assert WorkingTime(WorkingTimeSection(working_days=(day("2026-02-17"),))).works(day("2026-02-17"))


def test_years_that_nobody_has_decided_yet_have_a_calendar_too():
    assert not WorkingTime(PLAIN).works(day("2040-01-01"))
    assert WorkingTime(PLAIN).after(day("2040-02-10")) > day("2040-02-10")


# --- sending: the same day, at the latest the next working morning ----------------------------------------------


@pytest.mark.parametrize(
    ("signed", "due"),
    [
        ("2026-03-02", "2026-03-03 11:30"),
        ("2026-03-06", "2026-03-09 11:30"),  # a Friday: Monday morning
        ("2026-03-07", "2026-03-09 11:30"),
        ("2025-12-31", "2026-01-02 11:30"),  # new year's eve
        ("2026-02-13", "2026-02-23 11:30"),  # the last Friday before Tết
    ],
)
def test_a_document_is_due_on_the_next_working_morning_after_its_signing(signed, due):
    assert sending(signed, "2026-03-02 09:00") == at(due)


def test_a_swapped_saturday_is_a_working_morning_and_its_monday_is_none():
    assert sending("2026-03-06", "2026-03-06 15:00", SWAPPED) == at("2026-03-10 11:30")
    assert sending("2026-03-13", "2026-03-13 15:00", SWAPPED) == at("2026-03-14 11:30")


def test_the_morning_lasts_as_long_as_the_office_says():
    section = WorkingTimeSection(morning_ends=dt.time(12))
    assert sending("2026-03-02", "2026-03-02 09:00", section) == at("2026-03-03 12:00")


@pytest.mark.parametrize(
    ("accepted", "due"),
    [
        ("2026-03-02 23:30", "2026-03-03 11:30"),  # 16:30 UTC, the same date there
        ("2026-03-03 00:30", "2026-03-04 11:30"),  # 17:30 UTC of 2 March: in Vietnam it is the 3rd
        ("2025-12-31 23:30", "2026-01-02 11:30"),
        ("2026-01-01 00:30", "2026-01-02 11:30"),
    ],
)
def test_without_a_date_of_signing_the_day_in_vietnam_counts_not_the_one_in_greenwich(accepted, due):
    assert sending(None, accepted) == at(due)


@pytest.mark.parametrize("priority", [1, 2, 3, 4])
@pytest.mark.parametrize("accepted", ["2026-03-02 09:00", "2026-02-17 23:58"])
def test_an_urgent_document_is_due_in_five_minutes_on_any_day(priority, accepted):
    [due] = Deadlines(PLAIN).of_sent(document(priority=priority), at(accepted))
    assert (due.rule, due.due_at) == (URGENT.name, at(accepted) + dt.timedelta(minutes=5))


# --- notice of arrival: within the day ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrived", "due"),
    [
        ("2026-03-02 09:00", "2026-03-03 00:00"),
        ("2026-03-02 23:30", "2026-03-03 00:00"),  # half an hour is left
        ("2026-03-03 00:30", "2026-03-04 00:00"),  # in Greenwich it is still the 2nd
        ("2025-12-31 23:30", "2026-01-01 00:00"),
        ("2026-01-01 00:30", "2026-01-03 00:00"),  # new year's day is off: counts as of Friday the 2nd
        ("2026-03-07 10:00", "2026-03-10 00:00"),  # a Saturday counts as of Monday
        ("2026-02-17 10:00", "2026-02-24 00:00"),  # Tết
    ],
)
def test_notice_of_arrival_is_due_within_the_working_day(arrived, due):
    assert received(arrived) == {ARRIVAL.name: at(due)}


def test_on_a_swapped_saturday_notice_is_due_the_same_day():
    assert received("2026-03-14 10:00", SWAPPED) == {ARRIVAL.name: at("2026-03-15 00:00")}


# --- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "due"),
    [
        ("2026-03-20", "2026-03-21 00:00"),
        ("2026-03-21", "2026-03-24 00:00"),  # a term never ends on a day off
        ("2025-12-31", "2026-01-01 00:00"),
        ("2026-02-17", "2026-02-24 00:00"),
    ],
)
def test_an_answer_is_due_by_the_end_of_the_documents_own_term(term, due):
    assert received("2025-12-01 09:00", due_date=day(term))[ANSWER.name] == at(due)


def test_every_rule_names_its_clause_and_who_meets_it():
    assert all(rule.clause for rule in RULES.values())
    assert MET_BY_SENDING | MET_BY_TELLING | {ANSWER.name} == RULES.keys()
