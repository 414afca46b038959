"""Enters what an axis lists: announced, to be fetched; or received at once, where its file came with the list.

What cannot be received here is entered as announced: its own stage meets the difficulty again, counts and tells it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from gateway.errors import GatewayError
from gateway.journal import Journal, announced
from gateway.pipeline.partners import AxisPartner
from gateway.ports import Announced
from gateway.states import Message, NewMessage, Outcome

AT_ONCE = 24
"""Files taken side by side: they share the waits for the disk."""


log = structlog.get_logger(__name__)


class Receives(Protocol):
    async def received(self, message: Message) -> Outcome: ...

    async def discard(self, outcome: Outcome) -> None: ...


class Arrivals:
    """Of one axis."""

    def __init__(
        self,
        name: str,
        axis: AxisPartner,
        journal: Journal,
        receives: Receives,
        fetching: Callable[[], bool] = lambda: True,
    ) -> None:
        """`fetching` says whether files are taken at present: not while the disk is nearly full."""
        self._name, self._axis = name, axis
        self._journal, self._receives, self._fetching = journal, receives, fetching
        self._entered: set[str] = set()
        """Axis ids of the page before: an item stays listed until it is confirmed."""

    async def enter(self, items: Sequence[Announced]) -> int:
        """How many are new."""
        fresh = [item for item in items if item.axis_id not in self._entered]
        unknown = await self._journal.unknown(self._name, [item.axis_id for item in fresh])
        endpoint, entered = f"axis:{self._name}", 0
        for start in range(0, len(fresh), AT_ONCE):
            lines = fresh[start : start + AT_ONCE]
            born = [
                self._born(announced(self._name, item, endpoint, self._axis.start_at), item.at_hand)
                for item in lines
                if item.axis_id in unknown
            ]
            entered += await self._all_or_none(born)
        self._entered = {item.axis_id for item in items}
        return entered

    async def _born(self, message: Message, at_hand: bool) -> NewMessage:
        new = NewMessage(message)
        if not at_hand or message.held is not None or not self._fetching():
            return new
        try:
            return replace(new, then=await self._receives.received(message))
        except Exception:  # noqa: BLE001 - the stage's runner knows what each error means
            return new

    async def _all_or_none(self, coming: Sequence[Awaitable[NewMessage]]) -> int:
        """Whatever keeps them from being entered, bytes that nothing refers to do not stay."""
        tasks = [asyncio.ensure_future(each) for each in coming]
        try:
            return await self._kept(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.shield(self._discard(await asyncio.gather(*tasks, return_exceptions=True)))
            raise

    async def _kept(self, born: Sequence[NewMessage]) -> int:
        """Enter them; of what turns out to be known after all the bytes are dropped again."""
        entered = await self._entered_by_journal(born)
        new = {each.message.message_id for each in entered}
        await self._discard([each for each in born if each.message.message_id not in new])
        return len(entered)

    async def _entered_by_journal(self, born: Sequence[NewMessage]) -> Sequence[NewMessage]:
        """Together; or, where the journal will not write one of them, each by itself, and that one is told of."""
        try:
            return await self._journal.announce(self._name, born)
        except GatewayError:
            raise
        except Exception as error:
            if len(born) == 1:
                log.exception("item not entered", axis=self._name, error=type(error).__name__)
                return []
        return [new for each in born for new in await self._entered_by_journal([each])]

    async def _discard(self, born: Sequence[NewMessage | BaseException]) -> None:
        for each in born:
            if isinstance(each, NewMessage) and each.then is not None:
                await self._receives.discard(each.then)
