"""What the operators' listener watches: the journal's figures as gauges, and what must hold to be ready.

Asked at each scrape, from the journal itself, so that a figure is never older than the question.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from gateway.config import Settings
from gateway.journal import Journal
from gateway.metrics import Metrics, replace
from gateway.pipeline.heads import HeadsWatched
from gateway.pipeline.partners import Partners
from gateway.pipeline.runner import Runner
from gateway.ports import Contents
from gateway.states import Stage
from gateway.trust.keys import Keys
from gateway.trust.tls import chain_ends
from gateway.web.health import Check, Watch


class Watched(TypedDict):
    watch: Sequence[Watch]
    ready: Mapping[str, Check]


def watched(
    metrics: Metrics,
    journal: Journal,
    contents: Contents,
    partners: Partners,
    runner: Runner,
    keys: Keys,
    heads: HeadsWatched,
    settings: Settings,
    now: Callable[[], dt.datetime],
) -> Watched:
    async def figures() -> None:
        stats = await journal.stats()
        replace(metrics.messages, {(way, state): count for (way, state), count in stats.messages.items()})
        replace(metrics.oldest_due, {(way,): age for way, age in stats.oldest_due_seconds.items()})
        replace(metrics.held, {(reason,): count for reason, count in stats.held.items()})
        replace(metrics.endpoint_failing, {(name,): age for name, age in stats.endpoints_failing_seconds.items()})
        metrics.in_doubt.set(stats.in_doubt)
        unmet = await journal.open_deadlines()
        replace(metrics.deadlines, {(rule, "late" if late else "due"): count for (rule, late), count in unmet.items()})
        metrics.receipts_owed.set(stats.receipts_owed)
        metrics.block_age.set(stats.block_age_seconds)
        metrics.heads(*heads.ages(now()))

    shown = listener_certificates(settings)  # as they are now: a listener reads its files when it opens, never again

    async def machine() -> None:
        metrics.disk(contents.free_bytes(), settings.limits.disk_reserve_bytes)
        metrics.breakers(list(Stage), runner.broken)
        own = [pair.certificate.not_valid_after_utc for pair in keys.ring.pairs]
        ends = {**shown, "own": max(own)} if own else dict(shown)
        for axis in partners.axes.values():
            ends |= axis.driver.certificates()
        metrics.certificates(ends, now())

    async def no_breaker() -> str | None:
        return f"stages stopped after a row of bugs: {', '.join(sorted(runner.broken))}" if runner.broken else None

    async def journal_writable() -> str | None:
        await journal.partners.take_role(f"probe:{settings.node}", settings.node, dt.timedelta(seconds=1))
        return None

    async def disk() -> str | None:
        free = contents.free_bytes()
        return f"{free} bytes free, below the reserve" if free < settings.limits.disk_reserve_bytes else None

    async def signing_key() -> str | None:
        keys.ring.signing(now())
        return None

    return {
        "watch": (figures, machine),
        "ready": {"journal": journal_writable, "breaker": no_breaker, "disk": disk, "signing key": signing_key},
    }


def listener_certificates(settings: Settings) -> dict[str, dt.datetime]:
    """Until when the listeners' own TLS certificates last."""
    listeners = {"office_api": settings.office_api, "operators": settings.operators}
    return {
        f"tls:{name}": ends
        for name, listener in listeners.items()
        if listener.certificate and (ends := chain_ends(listener.certificate))
    }
