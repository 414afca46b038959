"""The operations of the axis, one typed method each.

Calls that only read are repeated for seconds, and never in doubt; everything else is tried once, because the journal
owns longer patience and every doubt.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from adapters.axis.vxp.answers import Answer, consequence, read_answer
from adapters.axis.vxp.encoded import decoded
from adapters.axis.vxp.options import Options
from adapters.axis.vxp.secret import Secret
from adapters.axis.vxp.signing import VIETNAM, Parameters, file_hash, signed_headers, timestamp
from adapters.axis.vxp.transport import Body, Reply, Transport
from gateway.errors import Busy, Unknown, Unreachable
from gateway.model import Kind
from gateway.ports import AxisContext, Chunks, Parcel

_ANSWER_LIMIT = 1 << 20
_INLINE = 64 << 10
"""A longer answer is read in a thread, so that other calls go on."""
_PATIENCE = 10.0
"""Seconds after which a call that reads is not begun again."""
_LONGEST_TO = 2000
"""It travels twice, and servers take 8 kB of headers at most; the receivers stand in the file anyway."""
_STREAM, _JSON = "application/octet-stream", "application/json"
_MESSAGE_TYPE = {Kind.DOCUMENT: "edoc", Kind.STATUS: "status"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Agency:
    """An organ as the directory has it; which of the fields are there depends on the operation."""

    code: str
    name: str
    agency_id: str = ""
    parent_id: str = ""
    mail: str = ""
    old_code: str = ""
    """`oldCode`, or `code102` in the directory of QĐ 20/2020 codes."""
    centre_code: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """What `registerAgency` wants to know."""

    agency_id: str
    code: str
    name: str
    parent_code: str = ""
    parent_id: str = ""
    mail: str = ""
    mobile: str = ""
    fax: str = ""


class Service:
    """Safe to call concurrently: nothing of a call outlives it but pooled connections."""

    def __init__(self, options: Options, context: AxisContext) -> None:
        self._options, self._context = options, context
        self._secret = Secret(options.secret_file, options.secret_env)
        self._transport = Transport(options)

    async def reload(self) -> None:
        await asyncio.to_thread(self._transport.reload)

    @property
    def client_certificate_ends(self) -> dt.datetime | None:
        return self._transport.client_certificate_ends

    async def close(self) -> None:
        await self._transport.close()

    # --- sending ---

    async def send_edoc(self, parcel: Parcel) -> Answer:
        """Hand a document or a status over. Raises `Rejection`, `NeedsOperator`, `Unreachable`, `Unknown`."""
        options = self._options
        said = [("from", parcel.sender), ("servicetype", "eDoc"), ("messagetype", _MESSAGE_TYPE[parcel.kind])]
        to = json.dumps(parcel.to, separators=(",", ":"))
        if options.to_header and parcel.kind is Kind.DOCUMENT and len(to) <= _LONGEST_TO:
            said.append(("to", to))
        said.append(("hash-file", file_hash(parcel.sha256, options.hash_file)))
        end = b"\r\n" if options.ends_with_crlf else b""

        async def chunks() -> Chunks:
            async for chunk in parcel.chunks():
                yield chunk
            if end:
                yield end

        body = Body(parcel.size + len(end), chunks)
        async with self._exchange("POST", "sendEdoc", said, body, _STREAM) as reply:
            answer = await _answer(reply, _ANSWER_LIMIT)
        if answer.refused:
            raise consequence(answer, hands_over=True)
        return answer

    async def sent_edoc_list(
        self,
        kind: Kind,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        *,
        doc_id: str | None = None,
    ) -> list[Mapping[str, Any]]:
        """What we sent, a line for each receiver, in a window or for one docId."""
        said = [("servicetype", "eDoc"), ("messagetype", _MESSAGE_TYPE[kind]), *self._window(since, until)]
        if doc_id is not None:
            said.append(("docId", doc_id))
        return (await self._ask("POST", "getSentEdocList", said, self._options.list_bytes)).lines()

    # --- receiving ---

    async def received_edoc_list(
        self, kind: Kind, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> list[Mapping[str, Any]]:
        """What waits for us. `until` is exclusive there."""
        said = [("servicetype", "eDoc"), ("messagetype", _MESSAGE_TYPE[kind]), *self._window(since, until)]
        return (await self._ask("POST", "getReceivedEdocList", said, self._options.list_bytes)).lines()

    @asynccontextmanager
    async def download_edoc(self, doc_id: str) -> AsyncIterator[Chunks]:
        """A file as a stream."""
        async with AsyncExitStack() as stack:
            reply = await _patiently(
                lambda: stack.enter_async_context(self._exchange("GET", "downloadEdoc", [("docId", doc_id)]))
            )
            yield _file(reply)

    @asynccontextmanager
    async def get_edoc(self, doc_id: str) -> AsyncIterator[Chunks]:
        """A file as base64 within a JSON answer, decoded as it comes."""
        said = [("docId", doc_id), ("filePath", ".")]
        async with AsyncExitStack() as stack:
            reply = await _patiently(
                lambda: stack.enter_async_context(self._exchange("POST", "getEdoc", said, _json({})))
            )
            yield _decoded_file(reply)

    async def update_status(self, doc_id: str, status: Literal["processing", "done", "fail"]) -> Answer:
        """Tell what became of our download: not the document's business status. The answer may be a refusal."""
        said = [("docId", doc_id), ("status", status)]
        async with self._exchange("POST", "updateStatus", said, _json({})) as reply:
            return await _answer(reply, _ANSWER_LIMIT)

    async def count_received(self, kind: Kind) -> int:
        """How many wait for us, by countReceiveEdoc or countReceiveStatus."""
        operation = "countReceiveEdoc" if kind is Kind.DOCUMENT else "countReceiveStatus"
        count = (await self._ask("GET", operation, [], _ANSWER_LIMIT)).text("count")
        if not count.isascii() or not count.isdecimal():
            raise Unreachable("axis-reply-form", "no count")
        return int(count)

    # --- directory ---

    async def agencies(self) -> list[Agency]:
        return _agencies(await self._ask("POST", "getAgenciesList", [], self._options.list_bytes))

    async def agencies_qd20(self, level: int) -> list[Agency]:
        """The directory by the codes of QĐ 20/2020/QĐ-TTg."""
        said = [("level", str(level))]
        return _agencies(await self._ask("POST", "getAgenciesListQD20", said, self._options.list_bytes))

    async def synchronize_units(self) -> list[Agency]:
        """The directory with what was deleted from it."""
        return _agencies(await self._ask("POST", "getSynchronizeUnit", [], self._options.list_bytes))

    async def register_agency(self, agency: Registration) -> None:
        parent = {"pcode": agency.parent_code} if agency.parent_code else {"pid": agency.parent_id}
        body = {"id": agency.agency_id, "code": agency.code, **parent, "name": agency.name}
        body |= {"mail": agency.mail, "mobile": agency.mobile, "fax": agency.fax}
        await self._change("registerAgency", [], body)

    async def delete_agency(self, code: str) -> None:
        await self._change("deleteAgency", [("AgencyCode", code)], {})

    # --- the way of every call ---

    async def _change(self, operation: str, parameters: Parameters, body: Mapping[str, str]) -> None:
        async with self._exchange("POST", operation, parameters, _json(body)) as reply:
            answer = await _answer(reply, _ANSWER_LIMIT)
        if answer.refused:
            raise consequence(answer, hands_over=False)

    async def _ask(self, method: str, operation: str, parameters: Parameters, limit: int) -> Answer:
        """A call that changes nothing: repeated for seconds, and never in doubt."""

        async def once() -> Answer:
            body = _json({}) if method == "POST" else None
            async with self._exchange(method, operation, parameters, body) as reply:
                return await _answer(reply, limit)

        answer = await _patiently(once)
        if answer.refused:
            raise consequence(answer, hands_over=False)
        return answer

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        operation: str,
        parameters: Parameters,
        body: Body | None = None,
        content_type: str = _JSON,
    ) -> AsyncIterator[Reply]:
        now = timestamp(self._context.now(), self._options.timestamp)
        headers = signed_headers(self._context.system_id, self._secret.now(), now, content_type, parameters)
        async with self._transport.call(method, operation, headers, body) as reply:
            if reply.status != 200:
                # Whoever said so, it is not the axis's answer. No `after`: a proxy may give up before the axis does.
                raise Unknown(
                    f"axis-http-{reply.status}", "no answer", after=None if operation == "sendEdoc" else reply.after
                )
            yield reply

    def _window(self, since: dt.datetime | None, until: dt.datetime | None) -> list[tuple[str, str]]:
        forms = {"dd/MM/yyyy HH:mm:ss": "%d/%m/%Y %H:%M:%S", "yyyy/MM/dd": "%Y/%m/%d"}
        form = forms.get(self._options.list_dates)
        if form is None:
            return []
        ends = (("fromDate", since), ("toDate", until))
        return [(name, f"{at.astimezone(VIETNAM):{form}}") for name, at in ends if at is not None]


async def _answer(reply: Reply, limit: int) -> Answer:
    body = await reply.whole(limit)
    return read_answer(body) if len(body) <= _INLINE else await asyncio.to_thread(read_answer, body)


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_passing),
        stop=stop_after_attempt(3) | stop_after_delay(_PATIENCE),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    ):
        with attempt:
            try:
                return await call()
            except Unknown as exc:
                # Nothing was asked to change, so nothing can have happened.
                narrow = Unreachable if exc.after is None else Busy
                raise narrow(exc.code, exc.message, after=exc.after) from exc
    raise AssertionError  # the loop returns or raises


def _passing(exc: BaseException) -> bool:
    """Whether the trouble may be over in a second: the network's or a restarting server's."""
    return isinstance(exc, Unreachable) and exc.code.startswith(("axis-unreachable", "axis-reply-lost", "axis-http-5"))


async def _file(reply: Reply) -> Chunks:
    """The bytes of a file; a JSON answer in its place is a refusal."""
    try:
        chunks = reply.chunks()
        first = await anext(chunks, b"")
        if first.lstrip()[:1] in {b"{", b""}:
            held = bytearray(first)
            async for chunk in chunks:
                held += chunk
                if len(held) > _ANSWER_LIMIT:
                    break
            raise consequence(read_answer(bytes(held)), hands_over=False)
        yield first
        async for chunk in chunks:
            yield chunk
    except Unknown as exc:
        raise Unreachable(exc.code, exc.message) from exc


async def _decoded_file(reply: Reply) -> Chunks:
    around: list[Answer] = []
    size = 0
    try:
        async for chunk in decoded(reply.chunks(), around):
            size += len(chunk)
            yield chunk
    except Unknown as exc:
        raise Unreachable(exc.code, exc.message) from exc
    if around[0].refused or not size:
        raise consequence(around[0], hands_over=False)


def _json(fields: Mapping[str, Any]) -> Body:
    data = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()

    async def chunks() -> Chunks:
        yield data

    return Body(len(data), chunks)


def _agencies(answer: Answer) -> list[Agency]:
    return [
        Agency(
            code=_text(line, "code"),
            name=_text(line, "name"),
            agency_id=_text(line, "id"),
            parent_id=_text(line, "pid"),
            mail=_text(line, "mail"),
            old_code=_text(line, "oldCode") or _text(line, "code102"),
            centre_code=_text(line, "centerCode"),
            deleted=_text(line, "deleted").lower() in {"1", "true"},
        )
        for line in answer.lines()
        if _text(line, "code")
    ]


def _text(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name)
    return "" if value is None else str(value).strip()
