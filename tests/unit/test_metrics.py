import datetime as dt

import pytest

from gateway.metrics import NAMES, Metrics, replace


def test_every_metric_is_ours_or_the_process_s_own():
    assert all(name.startswith(("lienthong_", "process_")) for name in NAMES)


def test_what_operators_must_see_is_there():
    for name in (
        "lienthong_oldest_due_seconds",
        "lienthong_messages",
        "lienthong_held_messages",
        "lienthong_stage_seconds_bucket",
        "lienthong_in_doubt_messages",
        "lienthong_rejections_total",
        "lienthong_endpoint_failing_seconds",
        "lienthong_receipts_owed",
        "lienthong_certificate_days_left",
        "lienthong_free_bytes",
    ):
        assert name in NAMES


def test_two_gateways_in_one_process_do_not_count_for_each_other():
    one, other = Metrics(), Metrics()
    one.rejected("organ-unknown")
    assert one.registry.get_sample_value("lienthong_rejections_total", {"reason": "organ-unknown"}) == 1
    assert other.registry.get_sample_value("lienthong_rejections_total", {"reason": "organ-unknown"}) is None


def test_a_stage_s_time_is_told_by_its_outcome():
    metrics = Metrics()
    metrics.stage_done("send", "sent", 0.02)
    metrics.stage_done("send", "put-off", 3)
    labels = {"stage": "send", "outcome": "sent"}
    assert metrics.registry.get_sample_value("lienthong_stage_seconds_count", labels) == 1
    assert metrics.registry.get_sample_value("lienthong_stage_seconds_sum", labels) == pytest.approx(0.02)


def test_a_reason_that_holds_nothing_any_more_goes_away():
    metrics = Metrics()
    replace(metrics.held, {("secret-suspected",): 2, ("bug",): 1})
    replace(metrics.held, {("bug",): 1})
    assert b"secret-suspected" not in metrics.render()
    assert b'lienthong_held_messages{reason="bug"} 1.0' in metrics.render()


def test_a_stage_that_takes_no_work_is_told_from_those_that_do():
    metrics = Metrics()
    metrics.breakers(["pack", "send"], {"pack"})
    value = metrics.registry.get_sample_value
    assert value("lienthong_stage_breaker_open", {"stage": "pack"}) == 1
    assert value("lienthong_stage_breaker_open", {"stage": "send"}) == 0
    metrics.breakers(["pack", "send"], set())
    assert value("lienthong_stage_breaker_open", {"stage": "pack"}) == 0


def test_a_certificate_that_has_ended_shows_negative_days():
    metrics = Metrics()
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    metrics.certificates({"own": now + dt.timedelta(days=20), "national": now - dt.timedelta(hours=12)}, now)
    value = metrics.registry.get_sample_value
    assert value("lienthong_certificate_days_left", {"certificate": "own"}) == 20
    assert value("lienthong_certificate_days_left", {"certificate": "national"}) == -0.5


def test_free_space_is_shown_beside_the_reserve_it_is_measured_by():
    metrics = Metrics()
    metrics.disk(10, 20)
    value = metrics.registry.get_sample_value
    assert (value("lienthong_free_bytes"), value("lienthong_disk_reserve_bytes")) == (10, 20)
