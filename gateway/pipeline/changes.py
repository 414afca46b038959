"""Recalling, updating and replacing a document that the office handed in: what every way of connecting comes down to.

An update or a replacement is a document of its own, handed in like any other, and so is a recall by a document; a recall
by status 13 asks each organ by itself (`gateway.pipeline.recalls`). What the record leaves out is `filling`'s, what it
says is the door's to judge.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import Refused
from gateway.journal import Journal
from gateway.model import Problem, ResponseFor
from gateway.pipeline import detail
from gateway.pipeline.filling import filled
from gateway.pipeline.intake import Intake
from gateway.pipeline.recalls import Recalls
from gateway.pipeline.record import Code, Text, refused
from gateway.pipeline.repeats import Given
from gateway.ports import Asked, Submitted, Upload
from gateway.states import Act, Message


class RecallRequest(BaseModel):
    """Ask a document back: by status 13 from each organ, or by a document of its own (type 1)."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    """Why; told to the receivers."""
    by: Literal["status", "document"] = "status"
    """`document` needs a `record`; the same with files is handed in as multipart."""
    receivers: list[Code] | None = Field(default=None, min_length=1, max_length=1000)
    """From which organs; left out, from all that have it."""
    record: dict[str, Any] | None = None
    """The recalling document, without files: its number, notation, promulgation, subject and signer."""


class Changes:
    """The `ChangeDoor` of `gateway.ports`."""

    def __init__(self, recalls: Recalls, door: Intake, journal: Journal) -> None:
        self._recalls = recalls
        self._door = door
        self._journal = journal

    async def own(self, office: str, message_id: str) -> list[Message]:
        """All messages of the document that the office handed in. Raises `GatewayError("not-found")` for any other."""
        return await self._recalls.own(office, message_id)

    async def recall(
        self, office: str, key: str, message_id: str, request: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Asked:
        documents = await self.own(office, message_id)
        try:
            asked = RecallRequest.model_validate(request)
        except ValidationError as error:
            raise refused(error) from None
        said = asked.reason, asked.receivers, asked.record
        if asked.by == "status" or await self._recalls.needs_no_document(office, key, documents, *said):
            return await self._recalls.ask(office, key, message_id, *said)
        if asked.record is None:
            raise Refused([Problem("record", "missing", "a recall by a document needs its record")])
        record = {"business": {"reason": asked.reason}, **asked.record}
        if asked.receivers is not None:
            record.setdefault("to", list(asked.receivers))
        return await self.recall_by_document(office, key, documents, record, uploads)

    async def recall_by_document(
        self,
        office: str,
        key: str,
        documents: Sequence[Message],
        record: Mapping[str, Any],
        uploads: AsyncIterator[Upload],
    ) -> Asked:
        submitted = await self._hand_in(Act.RECALL, office, key, documents, record, uploads)
        return Asked(submitted.messages, repeated=submitted.repeated)

    async def update(
        self, office: str, key: str, message_id: str, record: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Submitted:
        return await self._hand_in(Act.UPDATE, office, key, await self.own(office, message_id), record, uploads)

    async def replace(
        self, office: str, key: str, message_id: str, record: Mapping[str, Any], uploads: AsyncIterator[Upload]
    ) -> Submitted:
        return await self._hand_in(Act.REPLACE, office, key, await self.own(office, message_id), record, uploads)

    async def _hand_in(
        self,
        act: Act,
        office: str,
        key: str,
        documents: Sequence[Message],
        record: Mapping[str, Any],
        uploads: AsyncIterator[Upload],
    ) -> Submitted:
        organs = [delivery.organ for each in documents for delivery in await self._journal.deliveries(each.message_id)]
        whole = filled(act, record, await self._named(office, key, documents[0]), organs)
        said = {"act": act.value, "earlier": documents[0].submission_id, "record": record}
        given = Given(said, None if _is_kept(documents[0]) else _purged())
        return await self._door.submit(office, key, whole, uploads, given)

    async def _named(self, office: str, key: str, earlier: Message) -> ResponseFor:
        """What the earlier document is filled in by. Of one that was purged, what is left, so that a repeat is told from
        another request: a recall of it that was handed in by an earlier version is known only in that recall's own words.
        """
        if _is_kept(earlier):
            document = detail.document_bare(earlier.detail or {})
            return ResponseFor(document.sender.code, document.code, document.document_id, document.promulgation_date)
        left = ResponseFor(earlier.sender, document_id=earlier.document_id)
        first = await self._journal.answered(office, key)
        handed_in = first.answer.get("messages") if first else None
        recall = await self._journal.message(handed_in[0]["message_id"]) if handed_in else None
        if recall is None or not _is_kept(recall):
            return left
        named = detail.document_bare(recall.detail or {}).response_for
        return next((each for each in named if each.document_id == earlier.document_id), left)


def _is_kept(message: Message) -> bool:
    return "document" in (message.detail or {})


def _purged() -> Refused:
    return Refused([Problem("", "purged", "its contents were erased")], code="purged", status=409)
