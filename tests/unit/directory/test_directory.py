"""What a directory knows, and what a new list makes of it. Organs are invented."""

import datetime as dt

import pytest

from gateway.journal import OrganLine
from gateway.pipeline.directory import Directory, Standing, changes, fold
from gateway.ports import AxisOrgan

BEFORE, TODAY, LATER = dt.date(2025, 6, 30), dt.date(2025, 7, 1), dt.date(2026, 3, 2)
YEAR_AGO = dt.date(2024, 7, 1)


def line(code, name="", since=YEAR_AGO, **more):
    return OrganLine(code, name, since, **more)


NORTH = line("H98.01", "Sở Nội vụ tỉnh Bắc Thử", until=BEFORE, old_code="000.00.01.H98")
SOUTH = line("H97.01", "Sở Nội vụ tỉnh Nam Thử", until=BEFORE, old_code="000.00.01.H97")
MERGED = line("H99.01", "Sở Nội vụ tỉnh Thử Nghiệm", TODAY, predecessors=("H97.01", "H98.01"))
OTHERS = (
    line("H99.02", "Sở Tài chính tỉnh Thử Nghiệm", old_code="000.00.02.H99"),
    line("H99.03", "Ủy ban nhân dân xã Đông Đô"),
    line("G98", "Bộ Thử nghiệm"),
)


@pytest.fixture
def directory():
    return Directory([NORTH, SOUTH, MERGED, *OTHERS])


def codes(lines):
    return [each.code for each in lines]


def test_names_are_folded_to_what_a_hurried_person_types():
    assert fold("  Ủy ban  nhân dân xã Đông Đô ") == "uy ban nhan dan xa dong do"


@pytest.mark.parametrize("typed", ["Đông Đô", "dong do", "DONG  DO", "do dong", "uy ban dong", "H99.03", "h99.03"])
def test_an_organ_is_found_by_code_or_name_however_typed(directory, typed):
    assert "H99.03" in codes(directory.find(typed, LATER))


def test_an_organ_is_found_by_its_old_code(directory):
    assert codes(directory.find("000.00.02.H99", LATER)) == ["H99.02"]


def test_search_tells_only_of_organs_open_on_the_day(directory):
    assert codes(directory.find("so noi vu", LATER)) == ["H99.01"]
    assert sorted(codes(directory.find("so noi vu", BEFORE))) == ["H97.01", "H98.01"]
    assert directory.find("   ", LATER) == []


def test_the_beginning_of_a_code_finds_all_that_begin_so(directory):
    assert set(codes(directory.find("H99", LATER))) == {"H99.01", "H99.02", "H99.03"}


def test_how_an_organ_stands_depends_on_the_day(directory):
    assert directory.look("H98.01", BEFORE).standing is Standing.OPEN
    assert directory.look("H98.01", TODAY).standing is Standing.CLOSED
    assert directory.look("H99.01", BEFORE).standing is Standing.CLOSED
    assert directory.look("H99.01", TODAY).standing is Standing.OPEN
    assert directory.look("H96", TODAY).standing is Standing.UNKNOWN


def test_an_old_code_leads_to_the_listed_one(directory):
    found = directory.look("000.00.02.H99", LATER)
    assert (found.standing, found.line.code) == (Standing.RENAMED, "H99.02")
    assert directory.look("000.00.01.H98", LATER).standing is Standing.CLOSED


def test_the_nearest_of_a_merged_organ_is_what_it_became(directory):
    assert codes(directory.nearest("H98.01", "", LATER))[0] == "H99.01"


def test_the_nearest_of_a_mistyped_code_or_of_a_name_without_marks(directory):
    assert codes(directory.nearest("H99.04", "", LATER))
    assert codes(directory.nearest("X1", "so tai chinh", LATER)) == ["H99.02"]
    assert codes(directory.nearest("X1", "Bộ Thử ngiệm", LATER)) == ["G98"]
    assert directory.nearest("Z77", "", LATER) == []


def test_a_merged_organ_answers_for_the_codes_of_those_it_came_out_of(directory):
    assert directory.aliases("H99.01") == {"H99.01", "H98.01", "H97.01", "000.00.01.H98", "000.00.01.H97"}
    assert directory.aliases("H99.02") == {"H99.02", "000.00.02.H99"}
    assert directory.aliases("000.00.02.H99") == {"H99.02", "000.00.02.H99"}


# --- a new list -------------------------------------------------------------------------------------------------


def applied(known, written):
    """The lines after the changes are written, as the journal keeps them."""
    kept = {(each.code, each.since): each for each in known}
    kept |= {(each.code, each.since): each for each in written}
    return list(kept.values())


def test_the_first_list_opens_its_organs_today_or_when_the_axis_says():
    lines = changes([], [AxisOrgan("H1", "Một"), AxisOrgan("H2", "Hai", valid_from=YEAR_AGO)], TODAY)
    assert lines == [line("H1", "Một", TODAY), line("H2", "Hai", YEAR_AGO)]


def test_the_same_list_again_changes_nothing():
    listed = [AxisOrgan("H1", "Một", "000.00.00.H1", predecessors=("b", "a")), AxisOrgan("H2", "Hai")]
    known = changes([], listed, TODAY)
    assert changes(known, listed, LATER) == []


def test_an_organ_no_longer_listed_is_closed_and_opens_again_when_listed_again():
    known = [line("H1", "Một"), line("H2", "Hai")]
    known = applied(known, changes(known, [AxisOrgan("H1", "Một")], TODAY))
    assert Directory(known).look("H2", TODAY).standing is Standing.CLOSED
    assert Directory(known).look("H2", BEFORE).standing is Standing.OPEN
    known = applied(known, changes(known, [AxisOrgan("H1", "Một"), AxisOrgan("H2", "Hai")], LATER))
    assert Directory(known).look("H2", LATER).standing is Standing.OPEN
    assert Directory(known).look("H2", LATER - dt.timedelta(days=1)).standing is Standing.CLOSED


def test_an_organ_that_closes_and_opens_on_one_day_is_open():
    known = [line("H1", "Một", TODAY)]
    known = applied(known, changes(known, [], TODAY))
    assert Directory(known).look("H1", TODAY).standing is Standing.CLOSED
    known = applied(known, changes(known, [AxisOrgan("H1", "Một")], TODAY))
    assert Directory(known).look("H1", TODAY).standing is Standing.OPEN


def test_a_new_name_begins_a_line_and_the_old_one_stays_for_its_days():
    known = [line("H1", "Sở Cũ")]
    known = applied(known, changes(known, [AxisOrgan("H1", "Sở Mới")], TODAY))
    directory = Directory(known)
    assert directory.look("H1", BEFORE).line.name == "Sở Cũ"
    assert directory.look("H1", TODAY).line.name == "Sở Mới"
    assert len(directory.history("H1")) == 2


def test_an_end_told_in_advance_closes_on_its_day():
    known = [line("H1", "Một")]
    known = applied(known, changes(known, [AxisOrgan("H1", "Một", valid_until=TODAY)], BEFORE))
    assert Directory(known).look("H1", TODAY).standing is Standing.OPEN
    assert Directory(known).look("H1", LATER).standing is Standing.CLOSED


def test_a_code_listed_twice_counts_once_and_one_without_a_code_not_at_all():
    lines = changes([], [AxisOrgan("H1", "Một"), AxisOrgan("H1", "Khác"), AxisOrgan("", "Không")], TODAY)
    assert lines == [line("H1", "Một", TODAY)]
