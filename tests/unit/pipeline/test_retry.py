import pytest

from gateway.config import Times
from gateway.errors import Busy, Unknown, Unreachable
from gateway.pipeline.retry import AT_ENDPOINT_SECONDS, wait

TIMES = Times(retry_first_seconds=1, retry_longest_seconds=900, longest_call_seconds=60)


def seconds(error, attempts, *, must_ask_first=False):
    return wait(error, attempts, TIMES, must_ask_first=must_ask_first).total_seconds()


def test_the_wait_grows_with_each_try_and_has_an_end():
    assert seconds(Unknown("cut"), 1) < seconds(Unknown("cut"), 6) <= 900 * 1.4
    assert seconds(Unknown("cut"), 10_000) <= 900 * 1.4


def test_what_could_not_be_asked_at_all_waits_for_its_endpoint_only():
    assert seconds(Unreachable("refused"), 50) <= AT_ENDPOINT_SECONDS * 1.4


def test_the_patience_they_asked_for_is_given():
    assert seconds(Busy("busy", after=120), 0) == pytest.approx(120)


def test_nobody_can_ask_for_endless_patience():
    assert seconds(Busy("busy", after=1e9), 0) == 900


def test_before_asking_an_axis_that_does_not_deduplicate_the_longest_call_is_waited_out():
    assert seconds(Unknown("cut"), 0, must_ask_first=True) >= 60
    assert seconds(Unknown("cut"), 0) < 10
