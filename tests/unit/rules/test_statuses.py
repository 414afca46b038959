import itertools

import pytest

from gateway.edxml.codes import STATUSES
from gateway.rules import statuses
from gateway.rules.statuses import By, step


def findings(*codes, by=By.RECEIVER):
    """What is odd about each of `codes`, heard one after the other; 13 is always the sender's."""
    return [step(codes[:index], code, By.SENDER if code == "13" else by).finding for index, code in enumerate(codes)]


def test_a_delivery_is_answered_by_arrival_refusal_or_any_step_of_its_handling():
    assert all(statuses.answers(code) for code in ("01", "02", "03", "04", "05", "06"))


def test_recall_talk_and_unknown_codes_answer_no_delivery():
    assert not any(statuses.answers(code) for code in ("13", "15", "16", "07", "999", ""))


def test_an_office_does_not_report_arrival_itself():
    assert "01" not in statuses.FROM_OFFICE
    assert statuses.REASON_REQUIRED <= statuses.FROM_OFFICE


def test_the_table_knows_the_codes_that_people_are_told():
    assert statuses.SAID_BY.keys() == STATUSES.keys()
    assert set(itertools.chain(*statuses.NEXT.values())) <= statuses.SAID_BY.keys()


@pytest.mark.parametrize(
    "codes",
    [
        ("01", "03", "04", "05", "05", "05", "06"),
        ("01", "03", "06"),
        ("01", "02"),
        ("01", "13", "15"),
        ("01", "03", "13", "16", "04", "06"),
        ("01", "13", "16", "13", "15"),
    ],
)
def test_the_usual_ways_are_expected_from_end_to_end(codes):
    assert findings(*codes) == [None] * len(codes)


def test_the_answer_to_a_recall_may_come_after_more_handling_and_counts():
    assert findings("01", "13", "03", "16") == [None, None, None, "status-out-of-order"]
    assert step(("01", "13", "03"), "16", By.RECEIVER).settles


@pytest.mark.parametrize(
    ("before", "code"), [((), "06"), (("01",), "06"), (("06",), "03"), (("04",), "01"), (("02",), "03"), ((), "15")]
)
def test_what_skips_or_comes_out_of_order_settles_all_the_same_and_is_marked(before, code):
    taken = step(before, code, By.RECEIVER)
    assert taken.settles
    assert not taken.expected
    assert taken.finding == "status-out-of-order"
    assert taken.answers == statuses.answers(code)


@pytest.mark.parametrize("code", sorted(statuses.SAID_BY.keys() - {"05", "13"}))
def test_a_repeated_status_counts_once_even_when_others_came_between(code):
    assert not step(("01", code), code, By.RECEIVER).settles
    assert step((code, "04" if code != "04" else "03"), code, By.RECEIVER).finding == "status-repeated"


def test_05_counts_each_time_because_work_goes_on():
    taken = step(("01", "03", "05"), "05", By.RECEIVER)
    assert (taken.settles, taken.expected) == (True, True)


@pytest.mark.parametrize("code", ["07", "12", "999", "ABC", ""])
def test_unknown_codes_are_carried_verbatim_and_answer_nothing(code):
    taken = step(("01",), code, By.RECEIVER)
    assert (taken.settles, taken.answers, taken.finding) == (True, False, "status-unknown")


def test_unknown_codes_do_not_disturb_what_is_expected_next():
    assert step(("01", "999"), "03", By.RECEIVER).expected


def test_14_is_read_as_15():
    assert step(("01", "13"), "14", By.RECEIVER).expected
    assert step(("01", "13", "14"), "15", By.RECEIVER).finding == "status-repeated"


def test_only_the_sender_asks_back_and_only_the_receiver_answers():
    assert step(("01",), "13", By.RECEIVER).finding == "status-not-theirs"
    assert not step(("01",), "13", By.RECEIVER).settles
    for code in statuses.SAID_BY.keys() - {"13"}:
        assert step(("01",), code, By.SENDER).finding == "status-not-theirs"


def test_nobody_asks_back_what_was_returned_or_given_back_or_is_being_asked_for():
    for before in (("01", "02"), ("01", "13", "15")):
        assert not step(before, "13", By.SENDER).expected
    assert not step(("01", "13"), "13", By.SENDER).settles


def test_every_pair_of_known_codes_has_a_verdict_and_never_a_surprise():
    for last, code in itertools.product(statuses.SAID_BY, repeat=2):
        taken = step((last,), code, statuses.SAID_BY[code])
        assert taken.settles == (code != last or code == "05")
        assert taken.expected == (taken.finding is None)
