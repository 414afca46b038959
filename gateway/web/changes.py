"""Recalling, updating and replacing a document that the office handed in.

An update or a replacement is a document of its own, handed in like any other, and so is a recall by a document; a recall
by status 13 asks each organ by itself. Whichever way, the earlier document's answers tell of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ConfigDict, Field, ValidationError

from gateway.errors import GatewayError, Refused
from gateway.journal import Journal
from gateway.model import Problem
from gateway.pipeline import detail
from gateway.pipeline.filling import filled
from gateway.pipeline.recalls import Asked, Recalls
from gateway.pipeline.record import Code, Text, refused
from gateway.ports import Door, Upload
from gateway.states import Act, Message
from gateway.web import answers, problems
from gateway.web.keys import KEY as KEY_DIGEST
from gateway.web.keys import OFFICE
from gateway.web.routes import MULTIPART, Parameter, Route, json_answer
from gateway.web.shown import Shown
from gateway.web.uploads import Submission, idempotency_key, json_object, media_type

KEY = Parameter(
    "Idempotency-Key",
    "Names this request; repeat it with the same content as often as needed.",
    "header",
    {"type": "string", "minLength": 1, "maxLength": 255},
    required=True,
)
_REFUSALS = (403, 409, 413, 415, 422)
Files = AsyncIterator[Upload]
_ITEM = "/v1/documents/{message_id}"
_SUMMARIES = {
    Act.UPDATE: "Update it: the whole new content, as a record and its files. What the record leaves out of `from`, `to` "
    "and `business` follows from the earlier document; `business.reason` is needed.",
    Act.REPLACE: "Replace it by another document: a record and its files, as for an update. `business.replacements` may "
    "name further documents that it replaces.",
}


class RecallRequest(Shown):
    """Ask a document back: by status 13 from each organ, or by a document of its own (type 1)."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    """Why; told to the receivers."""
    by: Literal["status", "document"] = "status"
    """`document` needs a `record`; the same with files is handed in as multipart."""
    receivers: list[Code] | None = Field(default=None, min_length=1, max_length=1000)
    """From which organs; left out, from all that have it."""
    record: dict[str, Any] | None = None
    """The recalling document, without files: its number, notation, promulgation, subject and signer."""


class Recalled(Shown):
    """The same for the same request for ever."""

    document: str
    """Message id of the document asked back."""
    messages: list[answers.MessageRef]
    """The messages that ask for it."""
    withdrawn: list[answers.MessageRef]
    """What had not left yet, and now never will: nobody has to be asked."""


class HandsIn(Protocol):
    """How documents are handed in over HTTP (`gateway.web.office_api.Documents`)."""

    def one_upload(self, key: str) -> AbstractContextManager[None]: ...


class Changes:
    def __init__(self, recalls: Recalls, door: Door, journal: Journal, documents: HandsIn, body_limit: int) -> None:
        self._recalls = recalls
        self._door = door
        self._journal = journal
        self._documents = documents
        self._body_limit = body_limit

    def routes(self) -> list[Route]:
        recall = Route(
            "POST",
            f"{_ITEM}/recall",
            "recallDocument",
            "Ask it back: JSON, or, by a document with files, multipart as for `POST /v1/documents`. What has not left "
            "yet is withdrawn. Until every organ has refused, the document is frozen: it cannot be updated or replaced.",
            self.recall,
            {202: Recalled},
            parameters=(KEY,),
            body={"application/json": {"schema": {"$ref": "#/components/schemas/RecallRequest"}}, **MULTIPART},
            refusals=_REFUSALS,
        )
        handlers: dict[Act, Handler] = {Act.UPDATE: self.update, Act.REPLACE: self.replace}
        return [
            recall,
            *(
                Route(
                    "POST",
                    f"{_ITEM}/{act.value}",
                    f"{act.value}Document",
                    _SUMMARIES[act],
                    handler,
                    {202: answers.Accepted},
                    parameters=(KEY,),
                    body=MULTIPART,
                    refusals=_REFUSALS,
                )
                for act, handler in handlers.items()
            ),
        ]

    async def update(self, request: web.Request) -> web.Response:
        return await self._hand_in(request, Act.UPDATE)

    async def replace(self, request: web.Request) -> web.Response:
        return await self._hand_in(request, Act.REPLACE)

    async def _hand_in(self, request: web.Request, act: Act) -> web.Response:
        documents = await self._own(request)  # a stranger's body is not read
        key = _key(request)
        with self._documents.one_upload(request[KEY_DIGEST]):
            submission = Submission(request, record_limit=self._body_limit)
            record = await self._filled(act, await submission.record(), documents)
            submitted = await self._door.submit(request[OFFICE], key, record, submission.files())
        accepted = answers.accepted(submitted, problems.language_of(request))
        return json_answer(accepted, status=202, headers=_headers(accepted.message_id, repeated=submitted.repeated))

    async def recall(self, request: web.Request) -> web.Response:
        documents = await self._own(request)
        key = _key(request)
        if media_type(request) == "multipart/form-data":
            with self._documents.one_upload(request[KEY_DIGEST]):
                submission = Submission(request, record_limit=self._body_limit)
                record = await submission.record()
                return await self._recall_by_document(request, key, documents, record, submission.files())
        try:
            asked = RecallRequest.model_validate(await json_object(request, limit=self._body_limit))
        except ValidationError as error:
            raise refused(error) from None
        office, said = request[OFFICE], (asked.reason, asked.receivers, asked.record)
        if asked.by == "document" and not await self._recalls.needs_no_document(office, key, documents, *said):
            if asked.record is None:
                raise Refused([Problem("record", "missing", "a recall by a document needs its record")])
            record = {"business": {"reason": asked.reason}, **asked.record}
            if asked.receivers is not None:
                record.setdefault("to", list(asked.receivers))
            return await self._recall_by_document(request, key, documents, record, _no_files())
        message_id = request.match_info["message_id"]
        return _recalled(message_id, await self._recalls.ask(office, key, message_id, *said))

    async def _recall_by_document(
        self, request: web.Request, key: str, documents: list[Message], record: dict[str, Any], files: Files
    ) -> web.Response:
        record = await self._filled(Act.RECALL, record, documents)
        submitted = await self._door.submit(request[OFFICE], key, record, files)
        found = Recalled(
            document=request.match_info["message_id"],
            messages=[answers.MessageRef(**one) for one in submitted.messages],
            withdrawn=[],
        )
        headers = _headers(submitted.messages[0]["message_id"], repeated=submitted.repeated)
        return json_answer(found, status=202, headers=headers)

    async def _own(self, request: web.Request) -> list[Message]:
        try:
            return await self._recalls.own(request[OFFICE], request.match_info["message_id"])
        except GatewayError as error:
            raise problems.not_found() from error

    async def _filled(self, act: Act, record: dict[str, Any], documents: list[Message]) -> dict[str, Any]:
        read = documents[0].detail or {}
        if "document" not in read:
            raise Refused([Problem("", "purged", "its contents were erased")], code="purged", status=409)
        organs = [delivery.organ for each in documents for delivery in await self._journal.deliveries(each.message_id)]
        return filled(act, record, detail.document_bare(read), organs)


def _key(request: web.Request) -> str:
    return idempotency_key(request.headers.get("Idempotency-Key", ""), "Idempotency-Key")


def _recalled(message_id: str, asked: Asked) -> web.Response:
    found = Recalled(
        document=message_id,
        messages=[answers.MessageRef(**one) for one in asked.messages],
        withdrawn=[answers.MessageRef(**one) for one in asked.withdrawn],
    )
    return json_answer(found, status=202, headers=_headers(message_id, repeated=asked.repeated))


def _headers(message_id: str, *, repeated: bool) -> dict[str, str]:
    headers = {"Location": f"/v1/documents/{message_id}"}
    return headers | {"Idempotency-Replayed": "true"} if repeated else headers


async def _no_files() -> AsyncIterator[Upload]:
    nothing: tuple[Upload, ...] = ()
    for upload in nothing:
        yield upload
