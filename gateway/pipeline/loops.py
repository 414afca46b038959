"""What runs beside the runner, each under a supervisor of its own: pollers, the notary, the disk guard, offices.

A loop that only one node may run takes a role first and keeps it while it runs. A loop that fails is logged and begun
again after a pause; it never takes another down.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

import structlog

from gateway.config import Settings, Times
from gateway.errors import Busy, GatewayError, NeedsOperator, Rejection, Retryable, StorageBroken, Unreachable
from gateway.journal import DiskContents, Journal
from gateway.pipeline.arrivals import Arrivals
from gateway.pipeline.directory import sync
from gateway.pipeline.partners import AxisPartner
from gateway.pipeline.runner import Runner
from gateway.ports import Contents, Door, Office, TakesRefusals
from gateway.rules.clock import today
from gateway.states import Stage

log = structlog.get_logger(__name__)

ROLE_SECONDS = 30.0
BUSY_SECONDS = 0.2
"""After a look that found something: what came with it is being fetched meanwhile."""
FEW = 16
"""Listed once more they cost little; many, each with its file, cost more than a moment's wait for their confirmations."""
OURS_TO_MEND = frozenset({"axis-bad-signature", "axis-clock"})
"""It answers, and says that our certificate, `system_id` or clock is not what it knows."""
PAGE = 200
"""How many waiting items an axis is asked for at once."""
DISK_SECONDS = 5.0
DIRECTORY_AGE = dt.timedelta(days=1)
DIRECTORY_AGAIN_SECONDS = 600.0
SWEEP_SECONDS = 3600.0
SWEPT_AT_ONCE = 1000
ABANDONED_SECONDS = 86_400.0
"""No upload or fetch lasts longer before its row is written."""
AGAIN_SECONDS = (1.0, 30.0)
"""First and longest pause before a failed loop begins again."""


async def supervise(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run `loop` for ever; when it fails, say so and begin again."""
    pause, longest = AGAIN_SECONDS
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await loop()
        except StorageBroken:
            raise  # the process must end
        except GatewayError as error:
            log.warning("loop failed", loop=name, reason=error.code)
        except Exception as error:
            # A bug in one loop must not end the service.
            log.exception("loop failed", loop=name, error=type(error).__name__)
        else:
            return
        if asyncio.get_running_loop().time() - began > longest:
            pause = AGAIN_SECONDS[0]
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)


async def in_role(journal: Journal, role: str, node: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run `loop` only while this node holds `role`; stop it when the role is lost, give the role up with the loop."""
    lease = dt.timedelta(seconds=ROLE_SECONDS)
    while True:
        if not await journal.partners.take_role(role, node, lease):
            await asyncio.sleep(ROLE_SECONDS / 3)
            continue
        task = asyncio.ensure_future(loop())
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=ROLE_SECONDS / 3)
                if not task.done() and not await journal.partners.take_role(role, node, lease):
                    break
            if task.done():
                return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await journal.partners.release_role(role, node)


class Poller:
    """Lists what an axis has for us, for `Arrivals` to enter; asks for no file itself."""

    def __init__(
        self,
        name: str,
        axis: AxisPartner,
        seconds: float,
        journal: Journal,
        arrivals: Arrivals,
        nudge: Callable[[], None],
        times: Times | None = None,
    ) -> None:
        self._name = name
        self._axis = axis
        self._arrivals = arrivals
        self._seconds = seconds
        self._journal = journal
        self._nudge = nudge
        self._times = times or Times()
        self._alive = False
        self._looked_at = journal.now()
        """When what is listed was last compared with what is confirmed: while much comes, it is seldom worth it."""
        self._after: str | None = None
        """Where the next page begins: what is listed up to there is known, and must not hide what comes after it."""

    async def run(self) -> None:
        """Look soon again after something came, and ever less often while nothing does: what comes seldom comes alone."""
        pause = self._seconds
        while True:
            try:
                found = await self.once()
            except (Unreachable, Busy) as error:
                await self._silent(error)
                pause = self._seconds
            else:
                await self._sign_of_life()
                pause = min(BUSY_SECONDS if found else pause * 2, self._seconds)
                if found > FEW:
                    await self._mostly_confirmed(found)
            await asyncio.sleep(pause)

    async def _mostly_confirmed(self, listed: int) -> None:
        """Wait, as long as between two looks at most, until few of those listed would come again."""
        few = max(FEW, listed // 4)
        for _ in range(int(self._seconds / BUSY_SECONDS) - 1):
            if await self._journal.unconfirmed(self._name, few + 1) <= few:
                return
            await asyncio.sleep(BUSY_SECONDS)

    async def _silent(self, error: Retryable) -> None:
        """The axis is away, and messages need not find it out one by one. We go on asking: whoever waits for it hears."""
        self._alive = False
        if error.code in OURS_TO_MEND:
            log.warning("axis does not accept our requests", axis=self._name, reason=error.code)
        else:
            log.info("axis does not answer", axis=self._name, reason=error.code)
        await self._journal.partners.endpoint_failed(
            f"axis:{self._name}",
            error.after,
            first=self._times.retry_first_seconds,
            longest=self._times.retry_longest_seconds,
        )

    async def _sign_of_life(self) -> None:
        if not self._alive:
            self._alive = True
            await self._journal.partners.endpoint_ok(f"axis:{self._name}")
            self._nudge()

    async def once(self) -> int:
        """One page. How many items were on it: where there was something, look again soon."""
        asked_at = self._journal.now()
        items = await self._axis.driver.pending(PAGE, self._after)
        new = await self._arrivals.enter(items)
        listed = [item.axis_id for item in items]
        if not new or asked_at > self._looked_at + dt.timedelta(seconds=self._seconds):
            self._looked_at = asked_at
            await self._confirm_again(listed, asked_at)
        if items and isinstance(driver := self._axis.driver, TakesRefusals):
            await self._refuse(driver, listed)
        if new:
            self._nudge()
        # An axis may list fewer than asked for: only an empty page is the end. What is new may be urgent: from the front.
        self._after = items[-1].axis_id if items and not new else None
        return len(items)

    async def _confirm_again(self, listed: list[str], asked_at: dt.datetime) -> None:
        """Items listed although confirmed: our confirmation was lost there. The same receipts again, byte for byte.

        One that is not taken must not keep the poller from looking further.
        """

        async def confirm(axis_id: str, receipt: bytes) -> None:
            try:
                await self._axis.driver.confirm(axis_id, receipt)
            except (Retryable, Rejection, NeedsOperator) as error:
                log.warning("receipt not taken again", axis=self._name, axis_id=axis_id, reason=error.code)

        lost = await self._journal.confirmed_but_listed(self._name, listed, asked_at)
        await asyncio.gather(*(confirm(*each) for each in lost))

    async def _refuse(self, driver: TakesRefusals, listed: list[str]) -> None:
        """Tell the axis of items that an operator rejected before they were taken: nobody else ends their waiting."""
        for axis_id in await self._journal.rejected_but_listed(self._name, listed):
            try:
                await driver.refuse(axis_id)
            except (Retryable, Rejection, NeedsOperator) as error:
                log.warning("refusal not taken", axis=self._name, axis_id=axis_id, reason=error.code)


async def notary(journal: Journal, sign: Callable[[bytes], bytes], seconds: float) -> None:
    """Close a block of the entries since the last one, at each interval."""
    while True:
        await asyncio.sleep(seconds)
        await journal.blocks.close(sign)


async def directory(name: str, axis: AxisPartner, journal: Journal, now: Callable[[], dt.datetime]) -> None:
    """Copy the axis's organ directory once a day. What fails is tried again in a while: the old copy serves on."""
    while True:
        synced_at = (await journal.directory.compared()).get(name)
        if synced_at is not None and (age := now() - synced_at) < DIRECTORY_AGE:
            await asyncio.sleep((DIRECTORY_AGE - age).total_seconds())
            continue
        try:
            done = await sync(axis.driver, journal, today(now()), name=name)
        except GatewayError as error:
            log.warning("organ directory not copied", axis=name, reason=error.code)
            await asyncio.sleep(DIRECTORY_AGAIN_SECONDS)
        else:
            log.info("organ directory copied", axis=name, organs=done.listed, changed=done.written, closed=done.closed)


async def disk_guard(contents: Contents, runner: Runner, settings: Settings) -> None:
    """Below the reserve fetching pauses; sending, receipts and settling go on."""
    while True:
        if contents.free_bytes() < settings.limits.disk_reserve_bytes:
            if Stage.FETCH not in runner.paused:
                log.error("disk nearly full: fetching pauses", free=contents.free_bytes())
            runner.paused.add(Stage.FETCH)
        elif Stage.FETCH in runner.paused:
            log.info("room on disk again: fetching goes on")
            runner.paused.discard(Stage.FETCH)
            runner.nudge()
        await asyncio.sleep(DISK_SECONDS)


async def sweep(journal: Journal, contents: DiskContents, now: Callable[[], dt.datetime]) -> None:
    """Erase what no message refers to, and files left by uploads and fetches that a crash cut short."""
    while True:
        for content in await journal.unreferenced(now() - dt.timedelta(seconds=ABANDONED_SECONDS), SWEPT_AT_ONCE):
            if await journal.forget_content(content):
                await contents.erase(content)
        for place in await asyncio.to_thread(contents.old_files, ABANDONED_SECONDS):
            if not await journal.needs_file(place):
                await asyncio.to_thread(contents.discard_file, place)
        await asyncio.sleep(SWEEP_SECONDS)


async def office(adapter: Office, door: Door) -> None:
    """Carry what an office puts out to the door, where its adapter does so."""
    await adapter.run(door)
