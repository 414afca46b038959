"""The inbox of an office that pulls: documents, statuses and notices for it.

Reading consumes nothing: an item leaves the list only when the office acknowledges it, and stays readable after that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from gateway.journal import Journal
from gateway.model import Attachment, Content, Direction, Staff
from gateway.pipeline.acts import gone
from gateway.pipeline.office_acts import OfficeActs
from gateway.pipeline.record import refused
from gateway.pipeline.unwrapping import offered
from gateway.ports import Contents
from gateway.rules.statuses import named
from gateway.states import ContentRef, Message, State, withheld
from gateway.web import answers, cursors, problems, ranges
from gateway.web.keys import OFFICE
from gateway.web.routes import PAGING, Parameter, Route, json_answer
from gateway.web.uploads import idempotency_key, json_object

_IN_THE_INBOX = frozenset({State.TRUSTED, State.CLOSED})
"""Before that it is not examined; what was rejected or is held as suspected never shows."""


class Inbox:
    def __init__(
        self,
        journal: Journal,
        contents: Contents,
        acts: OfficeActs,
        body_limit: int,
        as_they_came: Collection[str] = (),
    ) -> None:
        """`as_they_came`: offices that want a zip around one file as it is (`unwrap_zips = false`)."""
        self._journal = journal
        self._contents = contents
        self._acts = acts
        self._body_limit = body_limit
        self._as_they_came = frozenset(as_they_came)

    def routes(self) -> list[Route]:
        partial = (Parameter("Range", "One byte range, to resume a download.", "header"),)
        item = "/v1/inbox/{message_id}"
        return [
            Route(
                "GET",
                "/v1/inbox",
                "listInbox",
                "What waits for the office, oldest first. Reading consumes nothing.",
                self.waiting,
                {200: answers.InboxPage},
                parameters=PAGING,
            ),
            Route("GET", item, "getInboxItem", "One item, parsed.", self.get, {200: answers.InboxAnswer}),
            Route(
                "GET",
                f"{item}/content",
                "getContent",
                "The whole edXML file, as it came.",
                self.content,
                {200: "application/xml", 206: "application/xml"},
                parameters=partial,
                refusals=(410, 416),
            ),
            Route(
                "GET",
                f"{item}/attachments/{{n}}",
                "getAttachment",
                "One attachment, by its place in the document, from 0.",
                self.attachment,
                {200: "application/octet-stream", 206: "application/octet-stream"},
                parameters=partial,
                refusals=(410, 416),
            ),
            Route(
                "POST",
                f"{item}/ack",
                "acknowledge",
                "The office has it; 01 goes out. Repeating is harmless.",
                self.acknowledge,
                {204: None},
            ),
            Route(
                "POST",
                f"{item}/status",
                "reportStatus",
                "Tell the sender what became of the document.",
                self.report,
                {202: answers.Reported},
                parameters=(
                    Parameter(
                        "Idempotency-Key",
                        "Names this report; repeat it with the same content as often as needed. Without one, the same "
                        "report again within ten minutes counts as a repeat.",
                        "header",
                        {"type": "string", "minLength": 1, "maxLength": 255},
                    ),
                ),
                body=answers.StatusReport,
                refusals=(409, 410, 413, 415, 422),
            ),
        ]

    async def page(self, office: str, cursor: str | None, limit: str | None) -> answers.InboxPage:
        rows_wanted = cursors.read_limit(limit)
        rows = await self._journal.inbox(office, cursors.read(cursor) or 0, rows_wanted)
        items = [answers.InboxLine(**answers.inbox_line(row.message)) for row in rows]
        return answers.InboxPage(items=items, next=cursors.write(rows[-1].seq) if len(rows) == rows_wanted else None)

    async def item(self, office: str, message_id: str) -> answers.InboxAnswer:
        message, organs = await self._own(office, message_id)
        refs = await self._attachments(office, message)
        terms = await self._journal.deadlines(message.message_id)
        findings = (await self._journal.extra(message.message_id)).get("findings", ())
        related = await self._journal.relations(message.message_id)
        recalls = [row for row in await self._journal.recalls(message.message_id) if row.organ in organs]
        said = [row for row in await self._journal.change_answers(message.message_id) if row.organ in organs]
        return answers.inbox_item(message, organs, refs, terms, findings, related, recalls, said)

    async def file(self, office: str, message_id: str, n: str) -> tuple[Attachment, Content]:
        """One attachment of an item, by its place in the document, from 0. Raises `Refused` (410) once it was purged."""
        message, _ = await self._unpurged(office, message_id)
        refs = await self._attachments(office, message)
        if not (n.isascii() and n.isdecimal() and len(n) < 6 and int(n) < len(refs)):
            raise problems.not_found()
        ref = refs[int(n)]
        assert ref.attachment is not None, "the journal names every attachment"
        return ref.attachment, ref.content

    async def acknowledged(self, office: str, message_id: str) -> None:
        await self._own(office, message_id)
        await self._acts.acknowledge(office, message_id)

    async def reported(
        self, office: str, message_id: str, said: Mapping[str, Any], key: str | None = None
    ) -> tuple[answers.Reported, bool]:
        """`said` is a `StatusReport` as JSON has it, `key` its idempotency key. True: it was answered before."""
        message, _ = await self._own(office, message_id)
        try:
            report = answers.StatusReport.model_validate(said)
        except ValidationError as error:
            raise refused(error) from None
        staff = Staff(**report.staff.model_dump()) if report.staff else None
        asked = (office, message.message_id, named(report.code), report.reason, report.organ, staff)
        if key is None:
            return answers.Reported(message_id=await self._acts.report_status(*asked)), False
        reported, repeated = await self._acts.report_status_once(key, *asked)
        return answers.Reported(message_id=reported), repeated

    # --- over HTTP ------------------------------------------------------------------------------------------------

    async def waiting(self, request: web.Request) -> web.Response:
        page = await self.page(request[OFFICE], request.query.get("cursor"), request.query.get("limit"))
        return json_answer(page)

    async def get(self, request: web.Request) -> web.Response:
        return json_answer(await self.item(request[OFFICE], request.match_info["message_id"]))

    async def content(self, request: web.Request) -> web.StreamResponse:
        message, _ = await self._unpurged(request[OFFICE], request.match_info["message_id"])
        refs = await self._held(message, "edxml")
        if not refs:
            raise problems.not_found()
        return await self._send(request, refs[0].content, "application/xml", f"{message.message_id}.edxml")

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        attachment, content = await self.file(
            request[OFFICE], request.match_info["message_id"], request.match_info["n"]
        )
        return await self._send(request, content, attachment.content_type, attachment.name)

    async def acknowledge(self, request: web.Request) -> web.Response:
        await self.acknowledged(request[OFFICE], request.match_info["message_id"])
        return web.Response(status=204)

    async def report(self, request: web.Request) -> web.Response:
        office, message_id = request[OFFICE], request.match_info["message_id"]
        await self._own(office, message_id)  # a stranger's body is not read
        header = request.headers.get("Idempotency-Key")
        key = None if header is None else idempotency_key(header, "Idempotency-Key")
        said = await json_object(request, limit=self._body_limit)
        reported, repeated = await self.reported(office, message_id, said, key)
        return json_answer(reported, status=202, headers={"Idempotency-Replayed": "true"} if repeated else None)

    async def _own(self, office: str, message_id: str) -> tuple[Message, list[str]]:
        """The item and the office's organs it is for. Raises `Refused` (404) where it is not in its inbox."""
        message = await self._journal.message(message_id)
        if message is None or message.direction is not Direction.IN or message.state not in _IN_THE_INBOX:
            raise problems.not_found()
        deliveries = await self._journal.deliveries(message.message_id)
        organs = [each.organ for each in deliveries if each.office == office]
        if not organs or withheld(message.held):
            raise problems.not_found()
        return message, organs

    async def _unpurged(self, office: str, message_id: str) -> tuple[Message, list[str]]:
        message, organs = await self._own(office, message_id)
        if message.purged_at is not None:
            raise gone()
        return message, organs

    async def _attachments(self, office: str, message: Message) -> list[ContentRef]:
        refs = offered(await self._journal.contents(message.message_id), unwrap=office not in self._as_they_came)
        return [ref for ref in refs if ref.role == "attachment"]

    async def _held(self, message: Message, role: str) -> list[ContentRef]:
        return [ref for ref in await self._journal.contents(message.message_id) if ref.role == role]

    async def _send(self, request: web.Request, content: Content, content_type: str, name: str) -> web.StreamResponse:
        return await ranges.send(
            request,
            lambda start, end: self._contents.open(content, start, end),
            size=content.size,
            sha256=content.sha256,
            content_type=content_type,
            name=name,
        )
