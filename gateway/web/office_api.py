"""The office API: where an e-office hands in documents, follows them and reads its inbox.

Every answer that is not the one asked for is a problem document (`gateway.web.problems`). Each key speaks for one
office; what belongs to another office is not there (404). The inbox's handlers are in `gateway.web.inbox`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from aiohttp import web

from gateway.config import Settings
from gateway.errors import Busy, Refused
from gateway.journal import Journal, MessageFilter
from gateway.model import Direction, Problem
from gateway.pipeline.changes import Changes
from gateway.pipeline.office_acts import OfficeActs
from gateway.ports import Contents, Door, Submitted
from gateway.states import Message, State
from gateway.web import answers, cursors, openapi, problems
from gateway.web.changes import ChangeRoutes
from gateway.web.forms import Submission
from gateway.web.inbox import Inbox
from gateway.web.keys import KEY, OFFICE, Keys, authenticated
from gateway.web.office_soap import OfficeSoap
from gateway.web.rates import Rates
from gateway.web.routes import MULTIPART, PAGING, Parameter, Route, json_answer
from gateway.web.uploads import body, idempotency_key, media_type

T = TypeVar("T")

_EDXML = frozenset({"application/xml", "text/xml", "application/edxml+xml"})
_READY: dict[str, dict[str, Any]] = {
    media: {"schema": {"type": "string", "format": "binary"}} for media in sorted(_EDXML)
}
_RETRY_UPLOAD_SECONDS = 5.0


def office_app(
    door: Door, journal: Journal, contents: Contents, settings: Settings, acts: OfficeActs, changes: Changes
) -> web.Application:
    """The application behind the offices' listener."""
    offices = frozenset(office.name for office in settings.office)
    documents = Documents(door, journal, settings)
    inbox = Inbox(journal, contents, acts, settings.limits.record_bytes, settings.as_they_came)
    rates = Rates(settings.limits.requests_per_second, settings.limits.requests_burst)
    keys = Keys(journal.partners.office_of_key, offices, rates)
    soap = OfficeSoap(door, changes, documents, inbox, contents, keys, settings)
    changing = ChangeRoutes(changes, documents, settings.limits.record_bytes)
    routes = [*documents.routes(), *changing.routes(), *inbox.routes()]
    routes.append(_description(routes))
    public = frozenset(route.path for route in routes if route.public) | soap.paths
    app = web.Application(
        middlewares=[problems.as_problems, authenticated(keys, public)],
        client_max_size=settings.limits.record_bytes,
    )
    app[problems.FALLBACK] = settings.language
    for route in routes:
        route.add_to(app)
    soap.add_to(app)
    return app


def _description(routes: list[Route]) -> Route:
    """The route of the document that tells of all routes, itself too."""

    async def describe(_: web.Request) -> web.Response:
        return web.json_response(built)

    media = "application/json"
    route = Route(
        "GET", "/v1/openapi.json", "describe", "This API, as an OpenAPI document.", describe, {200: media}, public=True
    )
    built = openapi.build([*routes, route])
    return route


class Documents:
    """What an office hands in, and what became of it."""

    def __init__(self, door: Door, journal: Journal, settings: Settings) -> None:
        self._door = door
        self._journal = journal
        self._limits = settings.limits
        self._uploading: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        listing = (
            Parameter("state", "Only in this state.", schema={"type": "string", "enum": list(State)}),
            Parameter("since", "Accepted at or after this time.", schema={"type": "string", "format": "date-time"}),
            Parameter("until", "Accepted before this time.", schema={"type": "string", "format": "date-time"}),
            Parameter("organ", "Only those with this organ among the receivers."),
            Parameter("held", "Only those that wait for a person, or only the others.", schema={"type": "boolean"}),
            *PAGING,
        )
        return [
            Route(
                "POST",
                "/v1/documents",
                "submitDocument",
                "Hand in a document: the record first, then one part per attachment; or a ready edXML file as the body.",
                self.post,
                {202: answers.Accepted},
                parameters=(
                    Parameter(
                        "Idempotency-Key",
                        "Names this submission; repeat it with the same content as often as needed. "
                        "Not used with a ready edXML file.",
                        "header",
                        {"type": "string", "minLength": 1, "maxLength": 255},
                    ),
                ),
                body={**MULTIPART, **_READY},
                refusals=(403, 409, 413, 415, 422),
            ),
            Route(
                "GET",
                "/v1/documents",
                "listDocuments",
                "What the office handed in, newest first.",
                self.sent,
                {200: answers.DocumentPage},
                parameters=listing,
            ),
            Route(
                "GET",
                "/v1/documents/{message_id}",
                "getDocument",
                "One message: its deliveries and its timeline.",
                self.get,
                {200: answers.DocumentAnswer},
            ),
        ]

    async def post(self, request: web.Request) -> web.Response:
        with self.one_upload(request[KEY]):
            submitted = await self._submit(request)
        accepted = answers.accepted(submitted, problems.language_of(request))
        headers = {"Location": f"/v1/documents/{accepted.message_id}"}
        if submitted.repeated:
            headers["Idempotency-Replayed"] = "true"
        return json_answer(accepted, status=202, headers=headers)

    async def _submit(self, request: web.Request) -> Submitted:
        office = request[OFFICE]
        if media_type(request) in _EDXML:
            return await self._door.submit_edxml(office, body(request))
        if media_type(request) != "multipart/form-data":
            problem = Problem("Content-Type", "media-type-document", "")
            raise Refused([problem], code="media-type", status=415)
        submission = Submission(request, record_limit=self._limits.record_bytes)
        key = idempotency_key(request.headers.get("Idempotency-Key", ""), "Idempotency-Key")
        record = await submission.record()
        return await self._door.submit(office, key, record, submission.files())

    @contextlib.contextmanager
    def one_upload(self, key: str) -> Iterator[None]:
        """No key, named by its digest, may take all the room there is for uploads."""
        if self._uploading[key] >= self._limits.uploads_at_once:
            raise Busy("too-many-uploads", after=_RETRY_UPLOAD_SECONDS)
        self._uploading[key] += 1
        try:
            yield
        finally:
            self._uploading[key] -= 1
            if not self._uploading[key]:
                del self._uploading[key]

    async def sent(self, request: web.Request) -> web.Response:
        page = await self._journal.list(
            _filter(request), cursors.read(request.query.get("cursor")), cursors.read_limit(request.query.get("limit"))
        )
        # The journal also lists what is for an office; another's own copy of it is that other's.
        own = [message for message in page.rows if message.office == request[OFFICE]]
        items = [answers.DocumentLine(**answers.line(message)) for message in own]
        return json_answer(answers.DocumentPage(items=items, next=cursors.write(page.next)))

    async def get(self, request: web.Request) -> web.Response:
        return json_answer(await self.followed(request[OFFICE], request.match_info["message_id"]))

    async def followed(self, office: str, message_id: str) -> answers.DocumentAnswer:
        """One message that the office handed in. Raises `Refused` (404) for any other."""
        message = await self._own(office, message_id)
        deliveries = await self._journal.deliveries(message_id)
        timeline = await self._journal.timeline(message_id)
        terms = await self._journal.deadlines(message.message_id)
        related = await self._journal.relations(message_id)
        recalls = await self._journal.recalls(message_id)
        said = await self._journal.change_answers(message_id)
        return answers.document(message, deliveries, terms, timeline, related, recalls, said)

    async def _own(self, office: str, message_id: str) -> Message:
        message = await self._journal.message(message_id)
        if message is None or message.office != office or message.direction is not Direction.OUT:
            raise problems.not_found()
        return message


def _filter(request: web.Request) -> MessageFilter:
    """The filter that the query asks for. Raises `Refused` (400) with every parameter that is not understood."""
    query = request.query
    found: list[Problem] = []

    def read(name: str, how: Callable[[str], T]) -> T | None:
        try:
            return how(query[name]) if name in query else None
        except (ValueError, OverflowError):
            found.append(Problem(name, "parameter", "not a value of this parameter"))
            return None

    chosen = MessageFilter(
        office=request[OFFICE],
        direction=Direction.OUT,
        state=read("state", State),
        since=read("since", _moment),
        until=read("until", _moment),
        organ=query.get("organ"),
        held=read("held", _yes_or_no),
    )
    known = {"state", "since", "until", "organ", "held", "cursor", "limit"}
    found += [Problem(name[:60], "parameter-unknown", "no such parameter") for name in query if name not in known]
    if found:
        raise Refused(found, status=400)
    return chosen


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(dt.UTC)


def _yes_or_no(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"
