"""A second, loopback listener for tests, demo and people: look at the axis, steer its faults, agencies and clock.

GET /state  GET /messages  GET /receipts  GET /counts        what it holds (JSON)
GET|PUT /faults                                              {"faults": ["reply-lost:SendDocument:0.2"], "seed": 7}
GET|PUT /behaviour                                           {"deduplicates": true, "finds": true, "answers": ["01"], "recall": "15",
                                                             "recall_document": "15"}
POST /clock                                                  {"offset_seconds": 600}
POST /agencies/{code}/send                                   JSON, or multipart: `letter` (JSON), then files
    "change": {"type": 1 | 2 | 3, "reason": …, "document_ids": […]} makes it a recall, an update, a replacement
POST /agencies/{code}/recall                                 {"document_id": …, "reason": …}: status 13 for one it sent
POST /agencies/{code}/status                                 {"document_id": …, "code": "03", "description": …}
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import tempfile
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from mock_axis import mailbox
from mock_axis.edxml_writing import Attachment, Change
from mock_axis.faults import BadRule
from mock_axis.mailbox import Message

if TYPE_CHECKING:
    from mock_axis.simulator import MockAxis

PIECE = 1 << 20
UPLOAD_LIMIT = 1 << 31


class Control:
    def __init__(self, mock: MockAxis) -> None:
        self._mock = mock

    def application(self) -> web.Application:
        app = web.Application(client_max_size=UPLOAD_LIMIT, middlewares=[_explain])
        app.router.add_get("/state", self._state)
        app.router.add_get("/counts", self._counts)
        app.router.add_get("/messages", self._messages)
        app.router.add_get("/receipts", self._receipts)
        app.router.add_get("/faults", self._get_faults)
        app.router.add_put("/faults", self._put_faults)
        app.router.add_get("/behaviour", self._get_behaviour)
        app.router.add_put("/behaviour", self._put_behaviour)
        app.router.add_post("/clock", self._clock)
        app.router.add_post("/agencies/{code}/send", self._send)
        app.router.add_post("/agencies/{code}/status", self._status)
        app.router.add_post("/agencies/{code}/recall", self._recall)
        return app

    # --- looking ---

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(await state(self._mock))

    async def _counts(self, _: web.Request) -> web.Response:
        return web.json_response(await self._mock.mailbox.ask(mailbox.counts))

    async def _messages(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", "-1"))
        held = await self._mock.mailbox.ask(lambda tx: mailbox.messages(tx, limit))
        return web.json_response([_summary(message) for message in held])

    async def _receipts(self, _: web.Request) -> web.Response:
        return web.json_response(await receipts(self._mock))

    # --- steering ---

    async def _get_faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": self._mock.faults.state()})

    async def _put_faults(self, request: web.Request) -> web.Response:
        table = await _table(request)
        seed = table.get("seed")
        self._mock.faults.replace([str(rule) for rule in table["faults"]], seed=None if seed is None else int(seed))
        return await self._get_faults(request)

    async def _get_behaviour(self, _: web.Request) -> web.Response:
        switches, habits = self._mock.switches, self._mock.habits
        return web.json_response(
            {
                "deduplicates": switches.deduplicates,
                "finds": switches.finds,
                "xop": switches.xop,
                "answers": list(habits.answers),
                "every_seconds": habits.every_seconds,
                "recall": habits.recall,
                "recall_document": habits.recall_document,
            }
        )

    async def _put_behaviour(self, request: web.Request) -> web.Response:
        table = await _table(request)
        for name in ("deduplicates", "finds", "xop"):
            if name in table:
                setattr(self._mock.switches, name, bool(table[name]))
        if "answers" in table:
            self._mock.habits.answers = tuple(str(code) for code in table["answers"])
        for name in ("recall", "recall_document"):
            if name in table:
                setattr(self._mock.habits, name, str(table[name]))
        if "every_seconds" in table:
            self._mock.habits.every_seconds = float(table["every_seconds"])
        return await self._get_behaviour(request)

    async def _clock(self, request: web.Request) -> web.Response:
        self._mock.clock_offset = dt.timedelta(seconds=float((await _table(request))["offset_seconds"]))
        return web.json_response({"now": self._mock.now().isoformat()})

    async def _send(self, request: web.Request) -> web.Response:
        with tempfile.TemporaryDirectory(prefix="mock-axis-") as folder:
            if request.content_type.startswith("multipart/"):
                table, attachments = await _read_parts(request, Path(folder))
            else:
                table = await _table(request)
                attachments = await asyncio.to_thread(_make_attachments, table, Path(folder))
            agencies = self._mock.agencies
            letter = agencies.letter(
                request.match_info["code"],
                [str(organ) for organ in table["to"]],
                str(table.get("subject", "V/v thử liên thông văn bản")),
                attachments,
                priority=int(table.get("priority", 0)),
                number=str(table.get("number", "")),
                document_id=str(table.get("document_id", "")),
                change=_change(table),
            )
            sent = await agencies.send(letter)
        return web.json_response(_summary(sent), status=201)

    async def _recall(self, request: web.Request) -> web.Response:
        table = await _table(request)
        agency, document_id = request.match_info["code"], str(table["document_id"])
        held = await self._mock.mailbox.ask(lambda tx: mailbox.messages(tx, -1))
        about = [
            each for each in held if (each.system, each.document_id, each.kind) == (agency, document_id, "document")
        ]
        if not about:
            raise LookupError("that agency sent no such document")
        asked = await self._mock.agencies.recall(agency, about[-1], str(table.get("reason", "")))
        return web.json_response({"axis_ids": asked}, status=201)

    async def _status(self, request: web.Request) -> web.Response:
        table = await _table(request)
        document_id = str(table["document_id"])
        agency = request.match_info["code"]
        if agency not in self._mock.agencies.names:
            raise LookupError(f"no agency {agency}")
        got = await self._mock.mailbox.ask(mailbox.registered)
        about = [
            message
            for owner, _, message in got
            if owner == agency and message.document_id == document_id and message.kind == "document"
        ]
        if not about:
            raise LookupError("that agency has no such document")
        axis_id = await self._mock.agencies.report(
            agency, about[-1], str(table["code"]), str(table.get("description", ""))
        )
        return web.json_response({"axis_id": axis_id}, status=201)


async def state(mock: MockAxis) -> dict[str, Any]:
    """Per agency: what it got, how often, and what it was told."""
    got = await mock.mailbox.ask(mailbox.registered)
    agencies: dict[str, Any] = {}
    for code, name in mock.agencies.names.items():
        mine = [(verdict, message) for owner, verdict, message in got if owner == code]
        documents = [message for _, message in mine if message.kind == "document"]
        agencies[code] = {
            "name": name,
            "documents": dict(Counter(message.message_id for message in documents)),
            "contents": dict(Counter(_content_key(message) for message in documents)),
            "statuses": [
                {"document_id": m.document_id, "code": m.status_code, "from": m.sender, "description": m.description}
                for _, m in mine
                if m.kind == "status"
            ],
            "signatures": dict(Counter(verdict for verdict, _ in mine)),
        }
    return {
        "agencies": agencies,
        "receipts": await receipts(mock),
        **await mock.mailbox.ask(mailbox.counts),
    }


async def receipts(mock: MockAxis) -> list[dict[str, Any]]:
    """The gateways' receipts, byte for byte (base64)."""
    rows = await mock.mailbox.ask(mailbox.confirmations)
    return [
        {
            "system": system,
            "item_id": item_id,
            "axis_id": axis_id,
            "document_id": document_id,
            "receipt": b64encode(receipt).decode(),
            "at": at,
        }
        for system, item_id, axis_id, document_id, receipt, at in rows
    ]


def _content_key(message: Message) -> str:
    """A document by what it says it is and what it holds, whatever it was called on the way."""
    return "|".join((message.document_id, *(digest for _, digest in message.attachments)))


def _summary(message: Message) -> dict[str, Any]:
    return {
        "axis_id": message.axis_id,
        "system": message.system,
        "message_id": message.message_id,
        "kind": message.kind,
        "from": message.sender,
        "to": list(message.to),
        "document_id": message.document_id,
        "code": message.code,
        "priority": message.priority,
        "size": message.size,
        "sha256": message.sha256,
        "attachments": [{"content_id": name, "sha256": digest} for name, digest in message.attachments],
        "status_code": message.status_code,
        "at": message.at,
    }


def _change(table: dict[str, Any]) -> Change | None:
    if "change" not in table:
        return None
    said = table["change"]
    document_ids = [str(each) for each in said["document_ids"]]
    return Change(int(said["type"]), str(said.get("reason", "")), document_ids, [str(organ) for organ in table["to"]])


async def _table(request: web.Request) -> dict[str, Any]:
    table = json.loads(await request.read() or b"{}")
    if not isinstance(table, dict):
        raise TypeError("a JSON object is expected")
    return table


async def _read_parts(request: web.Request, folder: Path) -> tuple[dict[str, Any], list[Attachment]]:
    table: dict[str, Any] = {}
    attachments: list[Attachment] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise TypeError("parts of parts are not expected")
        if part.name == "letter":
            table = json.loads(await part.read())
            continue
        path = folder / f"part-{len(attachments)}"
        with path.open("wb") as file:
            while chunk := await part.read_chunk(PIECE):
                file.write(chunk)
        content_type = part.headers.get("Content-Type", "application/octet-stream")
        attachments.append(Attachment(part.filename or path.name, path, content_type))
    return table, attachments


def _make_attachments(table: dict[str, Any], folder: Path) -> list[Attachment]:
    """Random files of the sizes asked for: `size` for one, `sizes` for several."""
    sizes = [int(size) for size in table.get("sizes", [table["size"]] if "size" in table else [])]
    made: list[Attachment] = []
    for number, size in enumerate(sizes, 1):
        path = folder / f"tep-{number}.bin"
        with path.open("wb") as file:
            for start in range(0, size, PIECE):
                file.write(os.urandom(min(PIECE, size - start)))
        made.append(Attachment(path.name, path, "application/octet-stream"))
    return made


@web.middleware
async def _explain(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except BadRule as exc:
        return web.json_response({"error": str(exc)}, status=422)
    except LookupError as exc:
        return web.json_response({"error": f"missing or unknown: {exc}"}, status=404)
    except (ValueError, TypeError) as exc:
        return web.json_response({"error": str(exc)}, status=422)
    return response
