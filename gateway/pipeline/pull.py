"""An office that cannot listen: it reads its inbox over the office API and acknowledges what it has."""

from __future__ import annotations

from gateway.ports import Door, Handover


class PullOffice:
    pulls = True

    def __init__(self, name: str) -> None:
        self.name = name

    async def hand_over(self, handover: Handover) -> None:
        raise AssertionError(f"{handover.event.message_id}: an office that pulls is never called")

    async def run(self, door: Door) -> None:
        """It calls us."""

    async def close(self) -> None:
        """Nothing is open."""
