"""What waits shares a call, as commits that wait share an fsync.

While as many calls as allowed are under way, what comes gathers for the next; nobody waits for company. What becomes of
a call becomes of each item in it, but for those of which its answer says something else.
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
    def __init__(self, call: Call[Item, Result], *, at_once: int, calls: int = 1) -> None:
        """`at_once`: items in one call; `calls`: under way at the same time."""
        self._call, self._at_once, self._calls = call, at_once, calls
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def put(self, item: Item) -> Result:
        """What became of the item. Raises the error that its part of the answer, or the call as a whole, led to."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if len(self._running) < self._calls:
            task = asyncio.create_task(self._call_all())
            self._running.add(task)
        return await done

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for _, done in self._waiting:
            done.cancel()
        self._waiting = []

    async def _call_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._at_once], self._waiting[self._at_once :]
                # Whose caller stopped waiting is not sent any more: someone else may have it by now.
                if group := [(item, done) for item, done in group if not done.done()]:
                    await self._call_group(group)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._running.discard(task)

    async def _call_group(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | BaseException]
        try:
            results = await self._call([item for item, _ in group])
        except Exception as exc:  # noqa: BLE001 - passed on to everyone who waits for it
            results = [exc] * len(group)
        except asyncio.CancelledError:
            for _, done in group:
                done.cancel()
            raise
        for (_, done), result in zip(group, results, strict=True):
            if done.done():
                continue  # its caller stopped waiting
            if isinstance(result, BaseException):
                done.set_exception(result)
            else:
                done.set_result(result)
