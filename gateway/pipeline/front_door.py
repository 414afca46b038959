"""The one door for adapters that carry what an office puts out: documents to the intake, statuses to the acts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.model import Staff
from gateway.pipeline.acts import Acts
from gateway.pipeline.intake import Intake
from gateway.ports import Chunks, Submitted, Upload


class FrontDoor:
    """The `Door` of `gateway.ports`."""

    def __init__(self, intake: Intake, acts: Acts) -> None:
        self._intake = intake
        self._acts = acts

    async def submit(
        self, office: str, key: str, record: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Submitted:
        return await self._intake.submit(office, key, record, uploads)

    async def submit_edxml(self, office: str, chunks: Chunks) -> Submitted:
        return await self._intake.submit_edxml(office, chunks)

    async def report_status(
        self,
        office: str,
        message_id: str,
        code: str,
        reason: str,
        organ: str | None = None,
        staff: Staff | None = None,
    ) -> str:
        return await self._acts.report_status(office, message_id, code, reason, organ, staff)
