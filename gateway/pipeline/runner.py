"""The runner: claims due work, runs the stage for it, writes what became of it.

Recovery is the ordinary path: a lease that lapses makes the message due again, on any node. What an error means is
written in its class (`gateway.errors`); anything else is a bug, and holds the message. Five bugs in a row in one stage
open that stage's breaker: nothing more of it is claimed until an operator closes it or the process restarts.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from gateway.config import Settings
from gateway.errors import Busy, NeedsOperator, Rejection, Retryable, StorageBroken, Unknown, Unreachable
from gateway.journal import Journal
from gateway.metrics import Metrics
from gateway.model import Kind
from gateway.pipeline import milestones
from gateway.pipeline.retry import wait
from gateway.states import Entry, Outcome, Stage, State, Work, stage_for

StageFunction = Callable[[Work], Awaitable[Outcome]]
BUGS_IN_A_ROW = 5

log = structlog.get_logger(__name__)


SPEAKS_WITH_NOBODY = frozenset({(Stage.EXAMINE, Kind.STATUS)})
"""Stages that only think about what is on the disk already. A document is shown to scanners and examiners, which may take
their time: its confirmation is not to wait for them.
"""
NOW = dt.timedelta(0)
WRITES_AGAIN_SECONDS = (1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class _Tried:
    """One stage, and what came of it."""

    stage: Stage
    work: Work
    outcome: Outcome
    name: str
    """Of the outcome, for the metrics."""
    seconds: float


def _joined(tried: Sequence[_Tried]) -> Outcome:
    *before, last = (each.outcome for each in tried)
    for outcome in reversed(before):
        last = replace(outcome, then=last)
    return last


class Rejects(Protocol):
    """Says how a message is rejected: who must hear it, and by what further message."""

    async def __call__(self, work: Work, error: Rejection) -> Outcome: ...


class Runner:
    def __init__(
        self,
        journal: Journal,
        stages: Mapping[Stage, StageFunction],
        rejected: Rejects,
        settings: Settings,
        metrics: Metrics,
        *,
        must_ask_first: Callable[[str], bool],
    ) -> None:
        self._journal = journal
        self._stages = stages
        self._rejected = rejected
        self._settings = settings
        self._metrics = metrics
        self._must_ask_first = must_ask_first
        self._running: dict[asyncio.Task[None], tuple[Work, float]] = {}
        self._nudged = asyncio.Event()
        self._fatal: BaseException | None = None
        """What kept an outcome from being written: the loop cannot go on as if nothing had happened."""
        self._bugs: Counter[Stage] = Counter()
        self._failing: set[str] = set()
        self.paused: set[Stage] = set()
        """Stages that are not claimed for now: fetching while the disk is nearly full."""

    @property
    def broken(self) -> frozenset[Stage]:
        """Stages whose breaker is open."""
        return frozenset(stage for stage, bugs in self._bugs.items() if bugs >= BUGS_IN_A_ROW)

    def fetching(self) -> bool:
        """Whether files are fetched at present."""
        return Stage.FETCH not in self.paused and Stage.FETCH not in self.broken

    def nudge(self) -> None:
        """There may be work: look now instead of at the next idle tick."""
        self._nudged.set()

    async def run(self) -> None:
        """Work until cancelled. What runs then is cancelled too, and its attempts stay open: in doubt, as they are."""
        lease = dt.timedelta(seconds=self._settings.times.lease_seconds)
        self._failing = {row.name for row in await self._journal.partners.endpoints()}
        renewing = asyncio.create_task(self._renew(lease), name="renew leases")
        renewing.add_done_callback(self._done)  # without it leases would lapse unseen
        try:
            while True:
                if self._fatal is not None:
                    fatal, self._fatal = self._fatal, None
                    raise fatal
                self._nudged.clear()
                claimed = await self._claim(lease)
                if not claimed or len(self._running) >= self._settings.runner.in_flight:
                    await self._rest()
        finally:
            renewing.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(renewing, *self._running, return_exceptions=True)

    async def _claim(self, lease: dt.timedelta) -> bool:
        room = min(self._settings.runner.in_flight - len(self._running), self._settings.runner.claim)
        if room <= 0:
            return False
        works = await self._journal.claim(
            self._settings.node, room, lease, skip_stages=frozenset(self.paused) | self.broken
        )
        for work in works:
            task = asyncio.create_task(self._work(work), name=f"message {work.message.message_id}")
            self._running[task] = (work, time.monotonic())
            task.add_done_callback(self._done)
        return bool(works)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._nudged.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal = self._fatal or error

    async def _rest(self) -> None:
        alarm = asyncio.get_running_loop().call_later(self._settings.runner.idle_seconds, self._nudged.set)
        try:
            await self._nudged.wait()
        finally:
            alarm.cancel()

    async def _renew(self, lease: dt.timedelta) -> None:
        """Keep the lease of long transfers: a call that hangs is ended by its own time-outs, not by us."""
        third = lease.total_seconds() / 3
        while True:
            await asyncio.sleep(third)
            long_ago = time.monotonic() - third / 2
            for task, (work, started) in list(self._running.items()):
                if started < long_ago and not await self._journal.renew(work, lease):
                    task.cancel()  # another holder has it: our writes would be refused anyway

    async def _work(self, work: Work) -> None:
        """Take a message on, stage after stage, for as long as the next one is due at once."""
        task = asyncio.current_task()
        assert task is not None
        following: Work | None = work
        while following is not None:
            self._running[task] = (following, time.monotonic())
            following = await self._step(following)

    async def _step(self, work: Work) -> Work | None:
        """One stage and what became of it; the work that follows, where it does at once.

        A stage that speaks with nobody is done at once too, and what came of both is written together.
        """
        first = await self._tried(work)
        tried = [first]
        if (work_then := self._following(first)) is not None:
            tried.append(await self._tried(work_then))
        with structlog.contextvars.bound_contextvars(message_id=work.message.message_id, stage=first.stage.value):
            try:
                kept, following = await self._advance(work, _joined(tried))
            except StorageBroken:
                raise
            except Exception as error:  # noqa: BLE001 - what the journal will not write is a bug of the stage
                tried[-1] = replace(tried[-1], outcome=self._bug(tried[-1].stage, error), name="bug")
                kept, following = await self._advance(work, _joined(tried))
            if not kept:
                log.warning("lease lost", attempt=work.attempt)
        for each in tried:
            self._tell(each if kept else replace(each, name="lease-lost"))
        return following

    async def _tried(self, work: Work) -> _Tried:
        stage = stage_for(work.message.state, work.message.kind)
        assert stage is not None, work.message.state
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(message_id=work.message.message_id, stage=stage.value):
            outcome, name = await self._outcome(stage, work)
        return _Tried(stage, work, outcome, name, time.perf_counter() - started)

    def _following(self, tried: _Tried) -> Work | None:
        """The work of the next stage, if nobody outside need be asked for it and nothing must be on the disk before."""
        outcome, message = tried.outcome, tried.work.message
        if tried.name != "ok" or outcome.effects or outcome.due_in != NOW or outcome.state is None:
            return None
        stage = stage_for(outcome.state, message.kind)
        if (
            (stage, message.kind) not in SPEAKS_WITH_NOBODY
            or stage is None
            or stage in self.paused
            or stage in self.broken
        ):
            return None
        changed: dict[str, Any] = {**(outcome.changes or {}), "state": outcome.state, "attempts": 1}
        return replace(tried.work, message=replace(message, **changed), doubt=False)

    def _tell(self, tried: _Tried) -> None:
        """Metrics and log, and what the breaker counts."""
        outcome = tried.outcome
        if tried.name in {"ok", "rejected"}:
            self._bugs[tried.stage] = 0
        if tried.name != "lease-lost":
            milestones.tell(tried.work.message, outcome)
        self._metrics.stage_done(tried.stage, tried.name, tried.seconds)
        if outcome.state is State.REJECTED:
            self._metrics.rejected(str((outcome.entry.facts or {}).get("reason", outcome.entry.code)))
        if outcome.entry.code == "receipt-mismatch":
            self._metrics.receipt_mismatch(tried.work.message.axis)

    async def _advance(self, work: Work, outcome: Outcome) -> tuple[bool, Work | None]:
        """Where the journal has no room or another process holds it, the outcome waits; in the end its lease lapses, in doubt."""
        lease = dt.timedelta(seconds=self._settings.times.lease_seconds)
        for pause in WRITES_AGAIN_SECONDS:
            try:
                return await self._journal.advance(
                    work, outcome, lease, skip_stages=frozenset(self.paused) | self.broken
                )
            except Busy as error:
                log.warning("outcome not written yet", reason=error.code)
                await asyncio.sleep(pause)
        return False, None

    async def _outcome(self, stage: Stage, work: Work) -> tuple[Outcome, str]:
        endpoint = work.message.endpoint
        try:
            outcome = await self._stages[stage](work)
        except Retryable as error:
            return await self._put_off(work, error), type(error).__name__.lower()
        except Rejection as error:
            await self._alive(endpoint)
            return await self._rejected(work, error), "rejected"
        except NeedsOperator as error:
            log.warning("held", reason=error.code)
            return Outcome(
                Entry("held", {"reason": error.code}, error.message), held=error.code, doubt=work.doubt
            ), "held"
        except StorageBroken:
            raise
        except Exception as error:  # noqa: BLE001 - anything else is a bug: hold, never lose
            return self._bug(stage, error), "bug"
        await self._alive(endpoint)
        return outcome, "held" if outcome.held else "ok"

    async def _put_off(self, work: Work, error: Retryable) -> Outcome:
        message = work.message
        if isinstance(error, Unreachable | Busy):
            await self._journal.partners.endpoint_failed(
                message.endpoint,
                error.after,
                first=self._settings.times.retry_first_seconds,
                longest=self._settings.times.retry_longest_seconds,
            )
            self._failing.add(message.endpoint)
        log.info("put off", reason=error.code, attempt=work.attempt)
        must_ask = self._must_ask_first(message.axis)
        due_in = wait(error, message.attempts, self._settings.times, must_ask_first=must_ask)
        return Outcome(
            Entry("put-off", {"reason": error.code}, error.message),
            due_in=None if message.state is State.EXPIRED else due_in,
            doubt=work.doubt or isinstance(error, Unknown),
        )

    async def _alive(self, endpoint: str) -> None:
        if endpoint in self._failing:
            self._failing.discard(endpoint)
            await self._journal.partners.endpoint_ok(endpoint)

    def _bug(self, stage: Stage, error: Exception) -> Outcome:
        self._bugs[stage] += 1
        # Places only: the text of a foreign exception may hold what must not be logged.
        places = [
            f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        log.error("bug", error=type(error).__name__, places=places[-6:], in_a_row=self._bugs[stage])
        code = f"bug-{type(error).__name__}"
        # It may have come after the call that matters: in doubt.
        return Outcome(Entry("held", {"reason": code}, " ← ".join(reversed(places))), held=code, doubt=True)
