"""The SOAP face of the office API, for offices that speak only SOAP 1.1: the same door, inbox and journal behind it.

    POST /soap/v1         one envelope, or multipart/related with the files after it
    GET  /soap/v1?wsdl    the service's description; its types are /soap/office.xsd

Who calls is known by the same keys as in the office API: in the header Authorization, or, for stacks that cannot set
it, in the SOAP header element ApiKey, behind a lower limit, since then a stranger's envelope has to be read. Every
refusal is a fault with the problem details of the office API. HTTP has 500 for every fault (SOAP 1.1, 6.2).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from aiohttp import BodyPartReader, MultipartReader, web

import schemas
from gateway import texts
from gateway.config import Settings
from gateway.errors import GatewayError, Refused
from gateway.model import Problem
from gateway.pipeline.changes import RecallRequest
from gateway.ports import ChangeDoor, Chunks, Contents, Door, Upload
from gateway.web import answers, problems, soap_schema
from gateway.web.changes import recalled
from gateway.web.inbox import Inbox
from gateway.web.keys import Keys, bearer
from gateway.web.soap_messages import with_facts
from gateway.web.soap_xml import Call, Envelope, write, write_fault
from gateway.web.uploads import (
    CHUNK_BYTES,
    IDLE_SECONDS,
    PLAIN_ENCODINGS,
    body,
    idempotency_key,
    in_time,
    malformed,
    media_type,
    well_formed,
)

PATH, XSD_PATH = "/soap/v1", "/soap/office.xsd"
INLINE_BYTES = 6 << 20
"""Of all files inside one envelope, which is read whole."""
PIECE_BYTES = 4 << 20
_ENVELOPES = frozenset({"text/xml", "application/xml", "application/xop+xml"})
_HAND_IN = frozenset({"SubmitDocument", "RecallDocument", "UpdateDocument", "ReplaceDocument"})
"""Operations that may bring files."""
_FAULTS = {"soap-version": "VersionMismatch", "soap-must-understand": "MustUnderstand"}


class Sent(Protocol):
    """What an office handed in (`gateway.web.office_api.Documents`)."""

    def one_upload(self, key: str) -> AbstractContextManager[None]: ...

    async def followed(self, office: str, message_id: str) -> answers.DocumentAnswer: ...


class OfficeSoap:
    paths = frozenset({PATH, XSD_PATH})
    """Open to all: the description tells nothing, and calls are told apart here."""

    def __init__(
        self,
        door: Door,
        changes: ChangeDoor,
        documents: Sent,
        inbox: Inbox,
        contents: Contents,
        keys: Keys,
        settings: Settings,
    ) -> None:
        self._door = door
        self._changes = changes
        self._documents = documents
        self._inbox = inbox
        self._contents = contents
        self._keys = keys
        self._record_bytes = settings.limits.record_bytes
        self._scheme = "https" if settings.office_api.certificate or settings.office_api.behind_tls_proxy else "http"
        self._xsd = schemas.path("office/office.xsd").read_bytes()
        self._calls: Mapping[str, Callable[[str, Mapping[str, Any]], Awaitable[Any]]] = {
            "GetStatus": self._get_status,
            "ListInbox": self._list_inbox,
            "GetItem": self._get_item,
            "Acknowledge": self._acknowledge,
            "ReportStatus": self._report_status,
        }

    def add_to(self, app: web.Application) -> None:
        app.router.add_post(PATH, self.post)
        app.router.add_get(PATH, self.wsdl)
        app.router.add_get(XSD_PATH, self.xsd)

    async def wsdl(self, request: web.Request) -> web.Response:
        address = f"{self._scheme}://{request.host}{PATH}"
        return web.Response(text=soap_schema.wsdl(address), content_type="text/xml")

    async def xsd(self, _: web.Request) -> web.Response:
        return web.Response(body=self._xsd, content_type="text/xml", charset="utf-8")

    async def post(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except GatewayError as error:
            return _fault(request, problems.verdict(error))
        except web.HTTPException as error:
            return _fault(request, problems.Verdict("bad-request", error.status))
        except ConnectionError:
            raise  # the client went away: nobody is left to answer
        except Exception as error:  # noqa: BLE001 - a bug must not show its inside to a client
            problems.log_bug(error)
            return _fault(request, problems.Verdict("internal", 500))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        by_header = "Authorization" in request.headers
        office, key = await self._keys.identify(bearer(request)) if by_header else ("", "")
        limit = self._record_bytes + (INLINE_BYTES * 4 // 3 if by_header else 0)
        data, parts = await _first(request, limit)
        envelope = Envelope(data)
        in_envelope = envelope.api_key()
        if not by_header:
            office, key = await self._keys.identify(in_envelope)
        call = envelope.call()
        if call.operation in _HAND_IN:
            with self._documents.one_upload(key):
                return await self._hand_in(request, office, call, parts)
        if call.operation == "GetAttachment":
            return await self._get_attachment(request, office, call.arguments)
        return _reply(call.operation, await self._calls[call.operation](office, call.arguments))

    # --- operations -------------------------------------------------------------------------------------------------

    async def _hand_in(
        self, request: web.Request, office: str, call: Call, parts: MultipartReader | None
    ) -> web.Response:
        asked = call.arguments
        key = idempotency_key(asked["idempotency_key"], "idempotency_key")
        record, message_id = asked.get("record", {}), asked.get("message_id", "")
        names = [each["name"] for each in record.get("attachments", [])]
        uploads = _uploads(asked.get("file", []), names, parts)
        match call.operation:
            case "RecallDocument":
                recall = {name: asked[name] for name in RecallRequest.model_fields if name in asked}
                back = await self._changes.recall(office, key, message_id, recall, uploads)
                told = recalled(message_id, back).model_dump(mode="json")
                return _reply(call.operation, {**told, "repeated": back.repeated})
            case "UpdateDocument":
                submitted = await self._changes.update(office, key, message_id, record, uploads)
            case "ReplaceDocument":
                submitted = await self._changes.replace(office, key, message_id, record, uploads)
            case _:
                submitted = await self._door.submit(office, key, record, uploads)
        said = answers.accepted(submitted, problems.language_of(request)).model_dump(mode="json")
        return _reply(call.operation, {**said, "repeated": submitted.repeated})

    async def _get_status(self, office: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return with_facts(await self._documents.followed(office, asked["message_id"]))

    async def _list_inbox(self, office: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        limit = asked.get("limit")
        page = await self._inbox.page(office, asked.get("cursor"), None if limit is None else str(limit))
        return page.model_dump(mode="json")

    async def _get_item(self, office: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._inbox.item(office, asked["message_id"])).model_dump(mode="json")

    async def _acknowledge(self, office: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        await self._inbox.acknowledged(office, asked["message_id"])
        return {}

    async def _report_status(self, office: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        reported, _ = await self._inbox.reported(office, asked["message_id"], asked["report"])
        return reported.model_dump(mode="json")

    async def _get_attachment(self, request: web.Request, office: str, asked: Mapping[str, Any]) -> web.StreamResponse:
        attachment, content = await self._inbox.file(office, asked["message_id"], str(asked["n"]))
        start, inline = asked.get("offset", 0), asked.get("inline", False)
        length = asked.get("length", PIECE_BYTES if inline else content.size)
        if not 0 <= start <= content.size or length < 1:
            raise Refused([], code="range", status=416)
        end = min(start + (min(length, PIECE_BYTES) if inline else length), content.size)
        said = {
            "n": asked["n"],
            "name": attachment.name,
            "content_type": attachment.content_type,
            "size": content.size,
            "sha256": content.sha256,
            "offset": start,
        }
        if inline:
            data = b"".join([chunk async for chunk in self._contents.open(content, start, end)])
            return _reply("GetAttachment", {**said, "content": data})
        cid = uuid.uuid4().hex
        envelope = write("GetAttachmentResponse", "GetAttachmentResponse", {**said, "cid": cid})
        return await _send_parts(request, envelope, cid, self._contents.open(content, start, end), end - start)


async def _first(request: web.Request, limit: int) -> tuple[bytes, MultipartReader | None]:
    """The envelope, and what reads the parts after it."""
    media = media_type(request)
    if media in _ENVELOPES:
        data = bytearray()
        async for chunk in body(request):
            data += chunk
            if len(data) > limit:
                raise Refused([Problem("", "too-many-bytes", "", {"limit": str(limit)})], code="too-large", status=413)
        return bytes(data), None
    if media != "multipart/related":
        raise Refused([], code="media-type", status=415)
    with well_formed():
        reader = await request.multipart()
        part = await reader.next()
    if not isinstance(part, BodyPartReader):
        raise malformed("multipart-broken")
    if part.headers.get("Content-Type", "").partition(";")[0].strip().lower() not in _ENVELOPES:
        raise malformed("soap-body")
    return b"".join([chunk async for chunk in _part_bytes(part, limit=limit)]), reader


async def _uploads(
    files: list[dict[str, Any]], names: list[str], parts: MultipartReader | None
) -> AsyncIterator[Upload]:
    """The files in the record's order: those inside the envelope, and the parts as they come."""
    for index, file in enumerate(files):
        name = names[index] if index < len(names) else ""
        if "content" in file:
            yield Upload(name, "", _whole(file["content"]))
            continue
        part = await _next(parts)
        if part is None:
            return  # the door says which ones are missing
        if _bare(part.headers.get("Content-ID", "")) != _bare(file.get("cid", "")):
            field = f"file[{index}].cid"
            raise Refused([Problem(field, "attachment-order", "the parts do not come in the order of the files")])
        yield Upload(name, part.headers.get("Content-Type", ""), _part_bytes(part))
    if (part := await _next(parts)) is not None:
        yield Upload("", "", _part_bytes(part))


async def _next(parts: MultipartReader | None) -> BodyPartReader | None:
    if parts is None:
        return None
    with well_formed():
        part = await parts.next()
    if part is not None and not isinstance(part, BodyPartReader):
        raise malformed("multipart-broken")
    return part


async def _part_bytes(part: BodyPartReader, *, limit: int | None = None) -> Chunks:
    """The bytes of one part as they come. Raises `Refused`: encoded, broken, or past `limit` bytes."""
    if part.headers.get("Content-Transfer-Encoding", "").lower() not in PLAIN_ENCODINGS:
        raise Refused([], code="part-encoded", status=415)
    size = 0
    while True:
        with well_formed(), in_time():
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await part.read_chunk(CHUNK_BYTES)
        if not chunk:
            return
        size += len(chunk)
        if limit is not None and size > limit:
            problem = Problem("", "too-many-bytes", f"more than {limit} bytes", {"limit": str(limit)})
            raise Refused([problem], code="too-large", status=413)
        yield chunk


async def _whole(data: bytes) -> Chunks:
    yield data


def _bare(content_id: str) -> str:
    return content_id.strip().removeprefix("cid:").removeprefix("<").removesuffix(">")


def _reply(operation: str, said: Mapping[str, Any]) -> web.Response:
    return _xml(write(f"{operation}Response", f"{operation}Response", said), 200)


def _fault(request: web.Request, verdict: problems.Verdict) -> web.Response:
    language = problems.language_of(request)
    title = texts.say(verdict.code, language)
    said = {
        "code": verdict.code,
        "status": verdict.status,
        "title": title,
        "retry_after": verdict.after,
        "errors": [problems.told(each, language) for each in verdict.problems],
    }
    code = _FAULTS.get(verdict.code) or ("Client" if verdict.status < 500 else "Server")
    return _xml(write_fault(code, title, said), 500)


def _xml(data: bytes, status: int) -> web.Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=data, status=status, content_type="text/xml", charset="utf-8", headers=headers)


async def _send_parts(request: web.Request, envelope: bytes, cid: str, chunks: Chunks, size: int) -> web.StreamResponse:
    """SOAP with attachments: the envelope, then one part."""
    mark = uuid.uuid4().hex
    head = (
        f"--{mark}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <envelope>\r\n\r\n".encode()
        + envelope
        + f"\r\n--{mark}\r\nContent-Type: application/octet-stream\r\nContent-ID: <{cid}>\r\n".encode()
        + b"Content-Transfer-Encoding: binary\r\n\r\n"
    )
    tail = f"\r\n--{mark}--\r\n".encode()
    kind = f'multipart/related; type="text/xml"; start="<envelope>"; boundary="{mark}"'
    response = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-store"})
    response.content_length = len(head) + size + len(tail)
    await response.prepare(request)
    await response.write(head)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write(tail)
    await response.write_eof()
    return response
