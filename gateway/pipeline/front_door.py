"""The one door for adapters that carry what an office puts out: documents to the intake, the rest to the acts on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.model import Staff
from gateway.pipeline.changes import Changes
from gateway.pipeline.intake import Intake
from gateway.pipeline.office_acts import OfficeActs
from gateway.ports import Asked, Chunks, Submitted, Upload

Uploads = AsyncIterator[Upload]


class FrontDoor:
    """The `Door`, `StatusDoor` and `ChangeDoor` of `gateway.ports`."""

    def __init__(self, intake: Intake, acts: OfficeActs, changes: Changes) -> None:
        self._intake = intake
        self.acts = acts
        self.changes = changes

    async def submit(self, office: str, key: str, record: Mapping[str, Any], uploads: Uploads) -> Submitted:
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
        return await self.acts.report_status(office, message_id, code, reason, organ, staff)

    async def recall(
        self, office: str, key: str, message_id: str, request: Mapping[str, Any], uploads: Uploads
    ) -> Asked:
        return await self.changes.recall(office, key, message_id, request, uploads)

    async def update(
        self, office: str, key: str, message_id: str, record: Mapping[str, Any], uploads: Uploads
    ) -> Submitted:
        return await self.changes.update(office, key, message_id, record, uploads)

    async def replace(
        self, office: str, key: str, message_id: str, record: Mapping[str, Any], uploads: Uploads
    ) -> Submitted:
        return await self.changes.replace(office, key, message_id, record, uploads)
