"""Confirmations that wait share a call, as commits that wait share an fsync.

While one call is under way, further confirmations gather for the next; nobody waits for company. What becomes of a
call becomes of each confirmation in it, but for those that the axis refuses by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.errors import GatewayError

AT_ONCE = 50
"""Receipts in one call; the axis takes 100."""

Send = Callable[[Sequence[tuple[str, bytes]]], Awaitable[Mapping[str, GatewayError]]]
"""Hands over (axis id, receipt) pairs; gives what was refused, by axis id. Raises where the call as a whole failed."""


class Confirmations:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def confirm(self, axis_id: str, receipt: bytes) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((axis_id, receipt, done))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        await done

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._send_group(group)
        finally:
            self._sending = None
            for _, _, done in self._waiting:
                done.cancel()
            self._waiting = []

    async def _send_group(self, group: Sequence[tuple[str, bytes, asyncio.Future[None]]]) -> None:
        failed: BaseException | None = None
        refused: Mapping[str, GatewayError] = {}
        try:
            refused = await self._send([(axis_id, receipt) for axis_id, receipt, _ in group])
        except Exception as exc:  # noqa: BLE001 - passed on to everyone who waits for it
            failed = exc
        except asyncio.CancelledError:
            for _, _, done in group:
                done.cancel()
            raise
        for axis_id, _, done in group:
            error = failed or refused.get(axis_id)
            if done.done():
                continue  # its caller stopped waiting
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
