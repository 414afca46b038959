"""What waits shares a call, as commits that wait share an fsync.

The first to come waits a moment for company, unless a call is full before; and while a call is under way what comes
gathers for the next. One that takes long does not hold up the others: then a further one begins beside it, up to as
many as allowed. What becomes of a call becomes of each item in it, but for those of which its answer says something
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.errors import GatewayError

Item = TypeVar("Item")
Result = TypeVar("Result")
Call = Callable[[Sequence[Item]], Awaitable[Sequence[Result | GatewayError]]]
"""One call for all the items: what became of each, in their order. Raises where the call as a whole failed."""


class Sharing(Generic[Item, Result]):
    def __init__(
        self, call: Call[Item, Result], *, at_once: int, calls: int = 1, company: float = 0.0, patience: float = 0.0
    ) -> None:
        """`at_once`: items in one call; `calls`: under way at the same time.

        In seconds, `company`: how long the first to come waits for others; `patience`: how long one waits for a call that
        is under way before a further one begins.
        """
        self._call, self._at_once, self._calls = call, at_once, calls
        self._company, self._patience = company, patience
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: dict[asyncio.Task[None], list[tuple[Item, asyncio.Future[Result]]]] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = False

    async def put(self, item: Item) -> Result:
        """What became of the item. Raises the error that its part of the answer, or the call as a whole, led to."""
        if self._closed:
            raise asyncio.CancelledError
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._arrange()
        return await done

    def _arrange(self) -> None:
        """A call for what waits, now or in a while."""
        if not self._waiting or len(self._running) >= self._calls:
            return
        if len(self._waiting) >= self._at_once and not self._running:
            self._begin()
        elif self._alarm is None:
            wait = self._patience if self._running else self._company
            self._alarm = asyncio.get_running_loop().call_later(wait, self._begin)

    def _begin(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        group, self._waiting = self._waiting[: self._at_once], self._waiting[self._at_once :]
        # Whose caller stopped waiting is not sent any more: someone else may have it by now.
        if group := [(item, done) for item, done in group if not done.done()]:
            task = asyncio.create_task(self._call_group(group))
            self._running[task] = group
            task.add_done_callback(self._ended)
        self._arrange()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # One that was cancelled before it began has told nobody.
        for _, done in self._running.pop(task):
            if not done.done():
                done.cancel()
        if self._alarm is not None and not self._running:
            self._begin()  # it was patience with a call that has ended now
        else:
            self._arrange()

    async def close(self) -> None:
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        waiting, self._waiting = self._waiting, []
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for _, done in waiting:
            done.cancel()

    async def _call_group(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | BaseException]
        try:
            results = await self._call([item for item, _ in group])
            if len(results) != len(group):
                raise ValueError("not one result for each item")
        except Exception as exc:  # noqa: BLE001 - passed on to everyone who waits for it
            results = [exc] * len(group)
        for (_, done), result in zip(group, results, strict=True):
            if done.done():
                continue  # its caller stopped waiting
            if isinstance(result, BaseException):
                done.set_exception(result)
            else:
                done.set_result(result)
