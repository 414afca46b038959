"""What the axis does for each operation of its HTTP face, once it knows who asks."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from mock_axis import mailbox
from mock_axis.agencies import Agencies
from mock_axis.edxml_reading import BadForm
from mock_axis.edxml_writing import VIETNAM
from mock_axis.faults import Faults
from mock_axis.keys import Trust
from mock_axis.mailbox import Item, Mailbox, Message
from mock_axis.operations import Operations
from mock_axis.soap import AxisFault, Spool, Upload
from mock_axis.vxp_form import LARGEST, rewritten

LIST_LIMIT = 10_000
_KINDS = {"edoc": "document", "status": "status"}
_CRLF = b"\r\n"


class VxpRefused(Exception):
    """Answered by status FAIL."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code} {why}")
        self.code, self.why = code, why


@dataclass(frozen=True, slots=True)
class Call:
    system: str
    said: Mapping[str, str]
    """The signed parameters."""
    request: web.Request

    def get(self, name: str) -> str:
        """Raises `VxpRefused`."""
        if name not in self.said:
            raise VxpRefused("20", f"{name} is missing")
        return self.said[name]

    @property
    def kind(self) -> str:
        wanted = self.get("messagetype")
        if self.get("servicetype") != "eDoc" or wanted not in _KINDS:
            raise VxpRefused("20", "servicetype or messagetype is not known")
        return _KINDS[wanted]

    def moment(self, name: str, default: float) -> float:
        """A parameter like fromDate as a moment."""
        value = self.said.get(name)
        if value is None:
            return default
        for form in ("%d/%m/%Y %H:%M:%S", "%Y/%m/%d"):
            try:
                return dt.datetime.strptime(value, form).replace(tzinfo=VIETNAM).timestamp()
            except ValueError:
                continue
        raise VxpRefused("20", f"{name} is not a date")


@dataclass(frozen=True, slots=True)
class Reply:
    fields: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0
    pieces: Iterator[bytes] | None = None
    """A file instead of JSON."""


class Acts:
    def __init__(
        self,
        operations: Operations,
        box: Mailbox,
        agencies: Agencies,
        faults: Faults,
        trust: Trust,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._operations, self._box, self._agencies = operations, box, agencies
        self._faults, self._trust, self._now = faults, trust, now
        self._registered: dict[str, dict[str, Any]] = {}
        """Agencies registered by a gateway; forgotten with the process."""
        self.by_name: Mapping[tuple[str, str], Callable[[Call], Awaitable[Reply]]] = {
            ("POST", "sendEdoc"): self._send,
            ("POST", "getReceivedEdocList"): self._received,
            ("POST", "getSentEdocList"): self._sent,
            ("POST", "getEdoc"): self._get,
            ("GET", "downloadEdoc"): self._download,
            ("POST", "updateStatus"): self._update,
            ("GET", "countReceiveEdoc"): self._count_documents,
            ("GET", "countReceiveStatus"): self._count_statuses,
            ("POST", "getAgenciesList"): self._list_agencies,
            ("POST", "getAgenciesListQD20"): self._list_agencies_qd20,
            ("POST", "getSynchronizeUnit"): self._list_units,
            ("POST", "registerAgency"): self._register,
            ("POST", "deleteAgency"): self._delete,
        }

    # --- sending ---

    async def _send(self, call: Call) -> Reply:
        kind, sender = call.kind, call.get("from")
        try:
            upload = await self._uploaded(call)
            if call.get("hash-file") not in {upload.sha256, _unpadded(upload.sha256)}:
                raise VxpRefused("21", "hash-file is of another file")
            return await self._take(call, kind, sender, upload)
        except BadForm as exc:
            raise VxpRefused("22", str(exc)) from None
        except AxisFault as fault:
            unknown = fault.code == "UnknownOrgan"
            raise VxpRefused("18" if unknown else "20", f"{fault.message} {fault.organ}") from None

    async def _uploaded(self, call: Call) -> Upload:
        """The body without the CRLF that ends it."""
        spool = Spool(self._box.store.draft())
        held = b""
        try:
            async for chunk in call.request.content.iter_chunked(256 << 10):
                held += chunk
                await spool.add(held[:-2])
                held = held[-2:]
            if held != _CRLF:
                await spool.add(held)
            return await spool.finish()
        finally:
            spool.close()

    async def _take(self, call: Call, kind: str, sender: str, upload: Upload) -> Reply:
        read, now = upload.read, self._now()
        if read.kind != kind or read.sender != sender:
            raise VxpRefused("22", "from or messagetype differs from the file")
        if not self._trust.parties[call.system].speaks_for(sender):
            raise VxpRefused("19", f"{sender} is not registered to the system")
        routing = self._operations.taking.route(read, now)
        content = (
            await asyncio.to_thread(self._box.store.adopt, upload.content)
            if isinstance(upload.content, Path)
            else upload.content
        )
        message = Message(
            uuid.uuid4().hex, call.system, uuid.uuid4().hex, read.kind, read.sender, read.document_id, read.to,
            read.attachments, read.priority, upload.size, upload.sha256, read.status_code, read.description, read.code,
            read.promulgation_date, None, now.timestamp(),
        )  # fmt: skip
        await self._box.ask(lambda tx: mailbox.accept(tx, message, content, routing, deduplicates=False))
        self._agencies.wake()
        return _ok(DocId=message.axis_id)

    async def _sent(self, call: Call) -> Reply:
        kind, wanted = call.kind, call.said.get("docId")
        since, until = call.moment("fromDate", 0), call.moment("toDate", float("inf"))
        held = await self._box.ask(lambda tx: mailbox.sent(tx, call.system, kind, since, until))
        lines = [
            {
                "serviceType": "eDoc",
                "messageType": call.get("messagetype"),
                "senderDocId": message.axis_id,
                "receiverDocId": "",
                "fromCode": message.sender,
                "toCode": organ,
                "notation": message.code,
                "title": "",
                "sentTime": _told(message.at),
                "receivedTime": "",
                "sendStatus": "done",
                "sendStatusDesc": "",
                "receiveStatus": "initial",
                "receiveStatusDesc": "",
            }
            for message in held
            if wanted in {None, message.axis_id}
            for organ in message.to
        ]
        return _ok(data=lines)

    # --- receiving ---

    async def _received(self, call: Call) -> Reply:
        since, until = call.moment("fromDate", 0), call.moment("toDate", float("inf"))
        items = [item for item in await self._waiting(call, call.kind) if since <= item.message.at < until]
        if self._faults.strikes("out-of-order", "getReceivedEdocList"):
            self._faults.shuffle(items)
        party = self._trust.parties[call.system]
        lines = [
            {
                "docId": item.item_id,
                "serviceType": "eDoc",
                "messageType": call.get("messagetype"),
                "created_time": _told(item.message.at),
                "updated_time": _told(item.message.at),
                "from": item.message.sender,
                "to": next((organ for organ in item.message.to if party.speaks_for(organ)), ""),
                "status": "initial",
                "status_desc": "",
            }
            for item in items
        ]
        return _ok(data=lines)

    async def _waiting(self, call: Call, kind: str) -> list[Item]:
        now = self._now().timestamp()
        items = await self._box.ask(lambda tx: mailbox.pending(tx, call.system, now, LIST_LIMIT))
        return [item for item in items if item.message.kind == kind]

    async def _count_documents(self, call: Call) -> Reply:
        return Reply({"count": len(await self._waiting(call, "document"))})

    async def _count_statuses(self, call: Call) -> Reply:
        return Reply({"count": len(await self._waiting(call, "status"))})

    async def _get(self, call: Call) -> Reply:
        file = await asyncio.to_thread(b"".join, (await self._file(call, "getEdoc"))[1])
        return _ok(data=base64.b64encode(file).decode())

    async def _download(self, call: Call) -> Reply:
        size, pieces = await self._file(call, "downloadEdoc")
        return Reply(size=size, pieces=pieces)

    async def _file(self, call: Call, operation: str) -> tuple[int, Iterator[bytes]]:
        """An item's file as this axis writes it anew; one too large for that as it came. (size, pieces)"""
        item = await self._item(call)
        await self._box.ask(lambda tx: mailbox.note_fetch(tx, call.system, item.item_id))
        size, pieces = item.message.size, self._box.store.read(item.message.place)
        if size <= LARGEST:
            data = await asyncio.to_thread(lambda: rewritten(b"".join(pieces), item.message.axis_id, item.message.at))
            if self._faults.strikes("wrong-digest", operation):
                data = bytes([data[0] ^ 1]) + data[1:]
            size, pieces = len(data), iter((data,))
        return size, pieces

    async def _item(self, call: Call) -> Item:
        doc_id = call.get("docId")
        item = await self._box.ask(lambda tx: mailbox.item(tx, call.system, doc_id))
        if item is None:
            # Another system's item is as unknown as one that never was.
            raise VxpRefused("20", "no such docId")
        return item

    async def _update(self, call: Call) -> Reply:
        status = call.get("status")
        if status not in {"processing", "done", "fail"}:
            raise VxpRefused("20", "status is processing, done or fail")
        item = await self._item(call)
        if status != "processing":
            keep_listed = bool(self._faults.strikes("delivered-again", "updateStatus"))
            said, now = status.encode(), self._now().timestamp()
            await self._box.ask(
                lambda tx: mailbox.confirm(tx, call.system, item.item_id, said, now, keep_listed=keep_listed)
            )
        return _ok()

    # --- directory ---

    def _organs(self) -> dict[str, str]:
        organs = dict(self._agencies.names)
        for party in self._trust.parties.values():
            organs |= {organ: organ for organ in party.organs if "*" not in organ and organ not in organs}
        return organs | {code: str(agency.get("name", "")) for code, agency in self._registered.items()}

    async def _list_agencies(self, call: Call) -> Reply:
        del call
        organs = enumerate(self._organs().items(), 1)
        return _ok(
            data=[
                {"id": number, "pid": 0, "code": code, "name": name, "mail": "", "oldCode": ""}
                for number, (code, name) in organs
            ]
        )

    async def _list_agencies_qd20(self, call: Call) -> Reply:
        """Made up from the old codes: `000.00.00.G22` is `G22` there."""
        call.get("level")
        lines = [
            {"id": number, "code": code.rpartition(".")[2], "name": name, "mail": "", "code102": code}
            for number, (code, name) in enumerate(self._organs().items(), 1)
            if code.startswith("000.00.00.")
        ]
        return _ok(data=lines)

    async def _list_units(self, call: Call) -> Reply:
        agencies = (await self._list_agencies(call)).fields["data"]
        return _ok(data=[line | {"version": 1, "centerCode": "", "deleted": 0, "isAgency": 1} for line in agencies])

    async def _register(self, call: Call) -> Reply:
        try:
            agency = await call.request.json()
            self._registered[str(agency["code"])] = dict(agency)
        except (ValueError, KeyError, TypeError):
            raise VxpRefused("20", "the body is not an agency") from None
        return _ok()

    async def _delete(self, call: Call) -> Reply:
        if self._registered.pop(call.get("AgencyCode"), None) is None:
            raise VxpRefused("20", "no such agency")
        return _ok()


def _ok(**fields: Any) -> Reply:
    return Reply({"status": "OK", "ErrorCode": "0", "ErrorDesc": "", **fields})


def _told(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, VIETNAM):%d/%m/%Y %H:%M:%S}"


def _unpadded(sha256: str) -> str:
    return "".join(f"{byte:x}" for byte in bytes.fromhex(sha256))
