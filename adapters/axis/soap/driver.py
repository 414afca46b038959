"""The driver: the port's seven acts as calls of the axis service.

Each try of a call is signed afresh (RequestId, Timestamp, signature), so a repeat never meets the axis's replay
window. Only calls that read are repeated here, for seconds; the journal owns longer patience and every doubt about a
send.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from lxml import etree
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from adapters.axis.soap.mime import FilePart, Malformed, Parts, Written
from adapters.axis.soap.options import Options
from adapters.axis.soap.replies import Question, read_reply, refusal, refused_parcel
from adapters.axis.soap.sharing import Sharing
from adapters.axis.soap.transport import Transport
from adapters.axis.soap.wire import wire
from gateway.errors import Busy, GatewayError, NeedsOperator, Rejection, Unknown, Unreachable
from gateway.model import Kind
from gateway.ports import Acceptance, Announced, AxisContext, AxisOrgan, Capabilities, Chunks, Fetched, Parcel
from gateway.trust.keys import Keys
from gateway.trust.wssecurity import secure

_ENVELOPE_LIMIT = 1 << 20
_LIST_LIMIT = 8 << 20
_INLINE = 256 << 10
"""A longer reply is verified and read in a thread, so that other calls go on; a shorter one takes some milliseconds."""

_INLINE_BELOW = 16 << 10
"""Statuses fit, documents seldom do."""
_INLINE_ITEMS = 400
"""A longer list is asked for without files, so that its reply stays within the limit."""

_SMALL = 256 << 10
"""Files up to this size share a call with others that wait; a larger one has its own."""
_SENDS = 2
"""Calls of that kind at once: so that a slow axis does not hold up what could travel beside."""
_COMPANY = 0.005
"""Seconds that the first of them waits for others."""
_LONG = 0.1
"""Seconds after which a call that sends takes long, and another may begin beside it; and that the first of our receipts
waits for others: nobody looks out for one as a clerk does for theirs.
"""
_RECEIPTS = 16
"""In one call. The axis takes 100, but more would save little, and each holds a place in the runner while it waits."""
_PATIENCE = 10.0
"""Seconds after which a call that reads is not begun again."""

T = TypeVar("T")


class SoapAxis:
    """One axis, spoken to by SOAP. Safe to call concurrently: nothing of a call outlives it but pooled connections."""

    def __init__(self, options: Options, context: AxisContext) -> None:
        self.name = context.name
        self.can = Capabilities(options.deduplicates, options.finds, options.signs_receipts)
        self._options, self._context = options, context
        self._keys = Keys(context.keys, context.trust)
        self._transport = Transport(options)
        self._wire = wire()
        self._sends = Sharing(
            self._send_all, at_once=options.send_together, calls=_SENDS, company=_COMPANY, patience=_LONG
        )
        self._confirmations = Sharing(self._confirm_all, at_once=_RECEIPTS, company=_LONG)
        self._listed: dict[str, _Inline] = {}
        """Small files that came with the newest list, by axis id."""

    async def send(self, parcel: Parcel) -> Acceptance:
        if parcel.size > _SMALL:
            return await self._send(parcel)
        return await self._sends.put(parcel)

    async def _send(self, parcel: Parcel) -> Acceptance:
        line, file = self._line(parcel)
        operation = "UpdateTraces" if parcel.kind is Kind.STATUS else "SendDocument"
        reply = await self._call(operation, line, files=[file])
        return Acceptance(reply.AxisId, reply.Receipt)

    async def _send_all(self, parcels: Sequence[Parcel]) -> Sequence[Acceptance | GatewayError]:
        """Of several together, one that the axis refuses, or that cannot be read, must not hold up the others."""
        if len(parcels) == 1:
            return [await self._send(parcels[0])]
        lines, files = zip(*(self._line(parcel) for parcel in parcels), strict=True)
        try:
            reply = await self._call("SendTogether", {"Parcel": list(lines)}, files=files)
        except (Rejection, NeedsOperator):
            # Nothing of it was taken: each says for itself what is wrong with it.
            return [await _told(self._send(parcel)) for parcel in parcels]
        if [result.MessageId for result in reply.Result] != [parcel.message_id for parcel in parcels]:
            raise Unknown("axis-reply-form", "not the results of what was sent")
        return [_taken(result) for result in reply.Result]

    def _line(self, parcel: Parcel) -> tuple[dict[str, Any], FilePart]:
        """What vouches for a file in the Body, and the part that it travels as."""
        content_id = f"{parcel.message_id}@{self._context.system_id}"
        file = {"ContentId": content_id, "Size": parcel.size, "Sha256": parcel.sha256}
        return {"MessageId": parcel.message_id, "File": file}, FilePart(content_id, parcel.size, parcel.chunks)

    async def find(self, parcel: Parcel) -> Acceptance | None:
        reply = await self._ask("FindMessage", {"MessageId": parcel.message_id})
        if not reply.Found:
            return None
        if reply.AxisId is None or reply.Receipt is None or reply.Sha256 is None:
            raise Unreachable("axis-reply-form", "found, but without its receipt")
        if not hmac.compare_digest(reply.Sha256, parcel.sha256):
            raise NeedsOperator("axis-id-reused", "the axis holds other bytes under this message id")
        return Acceptance(reply.AxisId, reply.Receipt)

    async def pending(self, limit: int, after: str | None = None) -> Sequence[Announced]:
        inline = _INLINE_BELOW if limit <= _INLINE_ITEMS else 0
        asked: dict[str, Any] = {"Limit": limit, "InlineBelow": inline}
        if after is not None:
            asked["After"] = after
        reply = await self._ask("GetPendingDocumentIds", asked, _LIST_LIMIT)
        inlined = {item.AxisId: found for item in reply.Pending[:limit] if (found := _inline(item)) is not None}
        # What came with the page before may still wait to be fetched; of two pages, no more is kept.
        self._listed = inlined if after is None or len(self._listed) > limit else self._listed | inlined
        return [
            Announced(
                axis_id=item.AxisId,
                kind=Kind(item.Kind),
                sender=item.FromOrganId,
                document_id=item.DocumentId,
                urgency=min(item.Priority, 3),
                size=item.Size,
                sha256=item.Sha256,
                at=_moment(item.AcceptedAt),
                at_hand=item.AxisId in inlined,
            )
            for item in reply.Pending[:limit]
        ]

    @asynccontextmanager
    async def fetch(self, axis_id: str, kind: Kind) -> AsyncIterator[Fetched]:
        listed = self._listed.pop(axis_id, None)
        if listed is not None and listed.kind == kind:
            yield Fetched(len(listed.content), listed.sha256, _once(listed.content))
            return
        async with AsyncExitStack() as stack:
            reply, parts = await _patiently(
                lambda: stack.enter_async_context(self._exchange("GetDocument", {"AxisId": axis_id}))
            )
            if reply.AxisId != axis_id or reply.Kind != kind or parts is None:
                raise Unreachable("axis-reply-form", "not the item that was asked for")
            if reply.File.Size > self._options.edxml_bytes:
                raise NeedsOperator(
                    "axis-item-too-large", f"{reply.File.Size} bytes: more than axis.options.edxml_bytes"
                )
            yield Fetched(reply.File.Size, reply.File.Sha256, _proven(reply.File, parts))

    async def confirm(self, axis_id: str, receipt: bytes) -> None:
        await self._confirmations.put((axis_id, receipt))

    async def _confirm_all(self, receipts: Sequence[tuple[str, bytes]]) -> Sequence[GatewayError | None]:
        lines = [{"AxisId": axis_id, "Receipt": receipt} for axis_id, receipt in receipts]
        reply = await self._call("ConfirmReceived", {"Confirmation": lines})
        refused = {line.AxisId: refusal(line.Code) for line in reply.Refused}
        return [refused.get(axis_id) for axis_id, _ in receipts]

    async def organs(self) -> Sequence[AxisOrgan]:
        reply = await self._ask("GetOrganizations", {}, _LIST_LIMIT)
        return [
            AxisOrgan(
                item.OrganId,
                item.OrganName,
                item.OldOrganId or "",
                item.ValidFrom,
                item.ValidUntil,
                tuple(item.PredecessorId),
            )
            for item in reply.Organization
        ]

    def certificates(self) -> Mapping[str, dt.datetime]:
        system_id = self._context.axis_system_id
        party = self._keys.trust.parties.get(system_id)
        ends = [certificate.not_valid_after_utc for certificate in (party.certificates if party else ())]
        theirs = {system_id: max(ends)} if ends else {}
        ours = self._transport.client_certificate_ends
        return theirs | ({f"tls:{self.name}": ours} if ours else {})

    async def reload(self) -> None:
        await asyncio.to_thread(self._keys.reload)
        await asyncio.to_thread(self._transport.reload)

    async def close(self) -> None:
        await self._sends.close()
        await self._confirmations.close()
        await self._transport.close()

    async def _ask(self, operation: str, fields: dict[str, Any], limit: int = _ENVELOPE_LIMIT) -> Any:
        """A call that changes nothing: repeated for seconds, and never in doubt."""
        return await _patiently(lambda: self._call(operation, fields, limit))

    async def _call(
        self, operation: str, fields: dict[str, Any], limit: int = _ENVELOPE_LIMIT, files: Sequence[FilePart] = ()
    ) -> Any:
        async with self._exchange(operation, fields, limit, files) as (reply, _):
            return reply

    @asynccontextmanager
    async def _exchange(
        self, operation: str, fields: dict[str, Any], limit: int = _ENVELOPE_LIMIT, files: Sequence[FilePart] = ()
    ) -> AsyncIterator[tuple[Any, Parts | None]]:
        request_id = secrets.token_hex(16)
        ours = {"RequestId": request_id, "SystemId": self._context.system_id}
        envelope, action = self._wire.request(operation, ours | fields)
        now = self._context.now()
        signature = secure(envelope, self._keys.ring.signing(now), now)
        question = Question(operation, request_id, hashlib.sha256(signature).digest())
        body = Written(etree.tostring(envelope, encoding="utf-8", xml_declaration=True), *files)
        async with self._transport.post(action, body, limit) as answer:
            read = partial(
                read_reply,
                answer,
                question,
                wire=self._wire,
                trust=self._keys.trust,
                party=self._context.axis_system_id,
                now=self._context.now(),
            )
            reply = read() if len(answer.envelope) <= _INLINE else await asyncio.to_thread(read)
            yield reply, answer.parts


async def _told(sending: Awaitable[Acceptance]) -> Acceptance | GatewayError:
    try:
        return await sending
    except GatewayError as exc:
        return exc


def _taken(result: Any) -> Acceptance | GatewayError:
    if result.Code is not None:
        return refused_parcel(result)
    if result.AxisId is None or result.Receipt is None:
        return Unknown("axis-reply-form", "neither a receipt nor a refusal")
    return Acceptance(result.AxisId, result.Receipt)


def _moment(told: dt.datetime | None) -> dt.datetime | None:
    """A time that names no zone is no moment."""
    return told if told is not None and told.tzinfo is not None else None


@dataclass(frozen=True, slots=True)
class _Inline:
    kind: str
    sha256: str
    content: bytes


def _inline(item: Any) -> _Inline | None:
    """The file that came with a line of the list, if it is the one that the line vouches for."""
    content = item.Content
    if content is None or len(content) != item.Size or hashlib.sha256(content).hexdigest() != item.Sha256:
        return None
    return _Inline(item.Kind, item.Sha256, content)


async def _once(content: bytes) -> Chunks:
    yield content


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


async def _proven(file: Any, parts: Parts) -> Chunks:
    """The file's bytes. Ends normally only when they are those that the signed Body vouches for."""
    digest = hashlib.sha256()
    try:
        async for chunk in parts.file(file.ContentId, file.Size):
            digest.update(chunk)
            yield chunk
    except Malformed as exc:
        raise Unreachable("axis-file-form", str(exc)) from exc
    except Unknown as exc:
        raise Unreachable(exc.code, exc.message) from exc
    if not hmac.compare_digest(digest.hexdigest(), file.Sha256):
        raise Unreachable("axis-file-digest", "the bytes are not those that the axis signed for")
