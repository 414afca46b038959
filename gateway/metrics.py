"""Every metric of the gateway, in one list.

Each `Metrics` has a registry of its own, so that two gateways in one process (tests) never count for each other. Who
measures what is told by the methods; when to ask the journal is `gateway.web.health`'s business.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

STAGE_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.messages = Gauge(
            "lienthong_messages", "Messages in the journal.", ["direction", "state"], registry=registry
        )
        self.oldest_due = Gauge(
            "lienthong_oldest_due_seconds",
            "For how long the message that has waited longest has been due; 0 when none is.",
            ["direction"],
            registry=registry,
        )
        self.held = Gauge(
            "lienthong_held_messages", "Messages that wait for a person, by reason.", ["reason"], registry=registry
        )
        self.in_doubt = Gauge(
            "lienthong_in_doubt_messages",
            "Messages of which an earlier attempt may have happened.",
            registry=registry,
        )
        self.receipts_owed = Gauge(
            "lienthong_receipts_owed", "Received messages whose receipt the axis does not have yet.", registry=registry
        )
        self.endpoint_failing = Gauge(
            "lienthong_endpoint_failing_seconds",
            "For how long an axis or an office has failed without a sign of life.",
            ["endpoint"],
            registry=registry,
        )
        self.block_age = Gauge(
            "lienthong_block_age_seconds",
            "For how long the oldest entry of the journal has waited for a block; 0 when none waits.",
            registry=registry,
        )
        self.head_age = Gauge(
            "lienthong_head_age_seconds",
            "Since the journal's newest head was written outside the database; 0 on a node that writes none.",
            registry=registry,
        )
        self.head_unstamped = Gauge(
            "lienthong_head_unstamped_seconds",
            "For how long heads have waited for an RFC 3161 timestamp; 0 when none waits.",
            registry=registry,
        )
        self.breaker_open = Gauge(
            "lienthong_stage_breaker_open",
            "1 while a stage takes no work after a row of bugs.",
            ["stage"],
            registry=registry,
        )
        self.certificate_days_left = Gauge(
            "lienthong_certificate_days_left",
            "Until a certificate we use or trust ends; negative once it has.",
            ["certificate"],
            registry=registry,
        )
        self.free_bytes = Gauge("lienthong_free_bytes", "Free space where contents are kept.", registry=registry)
        self.reserve_bytes = Gauge(
            "lienthong_disk_reserve_bytes",
            "Below this much free space the door answers 503 and fetching pauses.",
            registry=registry,
        )
        self.deadlines = Gauge(
            "lienthong_deadlines",
            "Times the law sets that are not met yet, by rule: `due`, or `late` when they are over.",
            ["rule", "state"],
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "lienthong_stage_seconds",
            "How long a stage took, by what came of it.",
            ["stage", "outcome"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self.rejections = Counter(
            "lienthong_rejections",
            "Messages and submissions refused for good, by reason.",
            ["reason"],
            registry=registry,
        )
        self.scans = Counter(
            "lienthong_antivirus_scans",
            "Attachments shown to the virus scanner: `clean`, `infected`, `not-examined`, or `unreachable`, once per try.",
            ["verdict"],
            registry=registry,
        )
        self.receipt_mismatches = Counter(
            "lienthong_receipt_mismatches",
            "Receipts that do not match what was sent: kept, and settling nothing.",
            ["axis"],
            registry=registry,
        )

    def stage_done(self, stage: str, outcome: str, seconds: float) -> None:
        """`outcome`: `ok`, `held`, `rejected`, `unreachable`, `busy`, `unknown`, `bug` or `lease-lost`."""
        self.stage_seconds.labels(stage, outcome).observe(seconds)

    def rejected(self, reason: str) -> None:
        """`reason`: a code out of a fixed list, never text that somebody sent."""
        self.rejections.labels(reason).inc()

    def receipt_mismatch(self, axis: str) -> None:
        self.receipt_mismatches.labels(axis).inc()

    def scanned(self, verdict: str) -> None:
        self.scans.labels(verdict).inc()

    def breakers(self, stages: Iterable[str], broken: Collection[str]) -> None:
        """Of all `stages`, those `broken` take no work."""
        for stage in stages:
            self.breaker_open.labels(stage).set(stage in broken)

    def certificates(self, ends: Mapping[str, dt.datetime], now: dt.datetime) -> None:
        replace(self.certificate_days_left, {(name,): (end - now) / dt.timedelta(days=1) for name, end in ends.items()})

    def heads(self, age: float, unstamped: float) -> None:
        self.head_age.set(age)
        self.head_unstamped.set(unstamped)

    def disk(self, free: int, reserve: int) -> None:
        self.free_bytes.set(free)
        self.reserve_bytes.set(reserve)

    def render(self) -> bytes:
        """What `/metrics` answers, in Prometheus' text format."""
        return generate_latest(self.registry)


def replace(gauge: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
    """Set a labelled gauge to exactly these series: what is not named any more goes away."""
    gauge.clear()
    for labels, value in values.items():
        gauge.labels(*labels).set(value)


def names() -> tuple[str, ...]:
    """Every series name that `/metrics` can show, as dashboards and alert rules must write them."""
    found: list[str] = []
    for metric in Metrics().registry.collect():
        match metric.type:
            case "counter":
                found.append(f"{metric.name}_total")
            case "histogram":
                found += [f"{metric.name}_{part}" for part in ("bucket", "count", "sum")]
            case _:
                found.append(metric.name)
    return tuple(found)


NAMES: Final = names()
