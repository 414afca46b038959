"""Recalling, updating and replacing a document that the office handed in, over HTTP; the rules are `pipeline.changes`'s."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.pipeline.changes import Changes
from gateway.ports import Asked, Submitted, Upload
from gateway.states import Act
from gateway.web import answers, problems
from gateway.web.forms import Submission
from gateway.web.keys import KEY as KEY_DIGEST
from gateway.web.keys import OFFICE
from gateway.web.routes import MULTIPART, Parameter, Route, json_answer
from gateway.web.shown import Shown
from gateway.web.uploads import idempotency_key, json_object, media_type

KEY = Parameter(
    "Idempotency-Key",
    "Names this request; repeat it with the same content as often as needed.",
    "header",
    {"type": "string", "minLength": 1, "maxLength": 255},
    required=True,
)
_REFUSALS = (403, 409, 413, 415, 422)
_ITEM = "/v1/documents/{message_id}"
_SUMMARIES = {
    Act.UPDATE: "Update it: the whole new content, as a record and its files. What the record leaves out of `from`, `to` "
    "and `business` follows from the earlier document; `business.reason` is needed.",
    Act.REPLACE: "Replace it by another document: a record and its files, as for an update. `business.replacements` may "
    "name further documents that it replaces.",
}


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


class ChangeRoutes:
    def __init__(self, changes: Changes, documents: HandsIn, body_limit: int) -> None:
        self._changes = changes
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
        return await self._hand_in(request, self._changes.update)

    async def replace(self, request: web.Request) -> web.Response:
        return await self._hand_in(request, self._changes.replace)

    async def _hand_in(self, request: web.Request, act: Callable[..., Awaitable[Submitted]]) -> web.Response:
        office, message_id = request[OFFICE], request.match_info["message_id"]
        await self._changes.own(office, message_id)  # a stranger is told nothing, and its body is not read
        key = _key(request)
        with self._documents.one_upload(request[KEY_DIGEST]):
            submission = Submission(request, record_limit=self._body_limit)
            record = await submission.record()
            submitted = await act(office, key, message_id, record, submission.files())
        accepted = answers.accepted(submitted, problems.language_of(request))
        return json_answer(accepted, status=202, headers=_headers(accepted.message_id, repeated=submitted.repeated))

    async def recall(self, request: web.Request) -> web.Response:
        office, message_id = request[OFFICE], request.match_info["message_id"]
        documents = await self._changes.own(office, message_id)
        key = _key(request)
        if media_type(request) == "multipart/form-data":
            with self._documents.one_upload(request[KEY_DIGEST]):
                submission = Submission(request, record_limit=self._body_limit)
                record, files = await submission.record(), submission.files()
                asked = await self._changes.recall_by_document(office, key, documents, record, files)
        else:
            said = await json_object(request, limit=self._body_limit)
            asked = await self._changes.recall(office, key, message_id, said, no_files())
        headers = _headers(message_id, repeated=asked.repeated)
        return json_answer(recalled(message_id, asked), status=202, headers=headers)


def recalled(message_id: str, asked: Asked) -> Recalled:
    return Recalled(
        document=message_id,
        messages=[answers.MessageRef(**one) for one in asked.messages],
        withdrawn=[answers.MessageRef(**one) for one in asked.withdrawn],
    )


def _key(request: web.Request) -> str:
    return idempotency_key(request.headers.get("Idempotency-Key", ""), "Idempotency-Key")


def _headers(message_id: str, *, repeated: bool) -> dict[str, str]:
    headers = {"Location": f"/v1/documents/{message_id}"}
    return headers | {"Idempotency-Replayed": "true"} if repeated else headers


async def no_files() -> AsyncIterator[Upload]:
    nothing: tuple[Upload, ...] = ()
    for upload in nothing:
        yield upload
