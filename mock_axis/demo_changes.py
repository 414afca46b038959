"""What the demo shows of changes: recalls of ours, by status 13 and by a document, and an update; a recall and an update of
an agency's; each counted on both sides.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from mock_axis.office import SampleOffice
from mock_axis.office_letters import letter
from mock_axis.scene import OFFICE_ORGAN

REASON = "Gửi nhầm nơi nhận"
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Made:
    """What was asked for, by message id and DocumentId."""

    recalled: tuple[str, str]
    recalled_by_document: tuple[str, str] | None
    """None where the demo sent too few letters."""
    recall_id: str
    """DocumentId of our recalling document."""
    updated: tuple[str, str]
    update_id: str
    """DocumentId of our update."""
    asked_back: tuple[str, str]
    changed: tuple[str, str]
    """The received document that an agency updated."""

    @property
    def whole(self) -> tuple[int, int]:
        """(recalls, updates) there are."""
        return (3 if self.recalled_by_document else 2, 2)


async def make(office: SampleOffice, control_url: str, documents: int, pdf: bytes, patience: float) -> Made:
    """Update the first letter, recall the second by status 13 and the third by a document; have the agencies recall one of
    theirs and update another.
    """
    updated = await _sent(office, "demo-1", patience)
    recalled = await _sent(office, f"demo-{min(documents, 2)}", patience)
    whole = await office.client.document(updated[0])
    to = [one["organ"] for one in whole["deliveries"]]
    record, files = letter(documents + 1, OFFICE_ORGAN, to, [pdf])
    record["business"] = {"reason": "Sửa phụ lục"}
    await office.send("demo-update", record, files, act="update", earlier=updated[0])
    await office.client.recall(recalled[0], "demo-recall", REASON)
    by_document = await _sent(office, "demo-3", patience) if documents >= _ENOUGH else None
    recall_id = await _recall_by_document(office, by_document[0], documents + 2, pdf) if by_document else ""
    got = await _until(lambda: _received(office), patience)
    first, last = got[0], got[-1]
    async with aiohttp.ClientSession() as session:
        change = {"type": 2, "reason": "Sửa lỗi", "document_ids": [last["document_id"]]}
        form = aiohttp.FormData(quote_fields=False, charset="utf-8")
        said = {"to": [OFFICE_ORGAN], "subject": "V/v cập nhật văn bản", "number": "990", "change": change}
        form.add_field("letter", json.dumps(said), content_type="application/json")
        form.add_field("file", pdf, filename="Thông báo.pdf", content_type="application/pdf")
        async with session.post(f"{control_url}/agencies/{last['from']}/send", data=form) as answer:
            answer.raise_for_status()
        asked = {"document_id": first["document_id"], "reason": REASON}
        async with session.post(f"{control_url}/agencies/{first['from']}/recall", json=asked) as answer:
            answer.raise_for_status()
    return Made(
        recalled,
        by_document,
        recall_id,
        updated,
        record["document_id"],
        (first["message_id"], first["document_id"]),
        (last["message_id"], last["document_id"]),
    )


async def _recall_by_document(office: SampleOffice, message_id: str, number: int, pdf: bytes) -> str:
    whole = await office.client.document(message_id)
    record, files = letter(number, OFFICE_ORGAN, [one["organ"] for one in whole["deliveries"]], [pdf])
    record |= {"business": {"reason": REASON}, "subject": "V/v thu hồi văn bản"}
    await office.send("demo-recall-document", record, files, act="recall", earlier=message_id)
    return str(record["document_id"])


async def completed(office: SampleOffice, control_url: str, made: Made, patience: float) -> tuple[int, int]:
    """(recalls, updates) that both sides show as done; at most `made.whole`."""
    ends = time.monotonic() + patience
    while True:
        found = await _count(office, control_url, made)
        if found == made.whole or time.monotonic() > ends:
            return found
        await asyncio.sleep(0.3)


async def _count(office: SampleOffice, control_url: str, made: Made) -> tuple[int, int]:
    async with aiohttp.ClientSession() as session, session.get(f"{control_url}/state") as answer:
        agencies: Mapping[str, Any] = (await answer.json())["agencies"]
    statuses = [(each["document_id"], each["code"]) for one in agencies.values() for each in one["statuses"]]
    registered = {key.partition("|")[0] for one in agencies.values() for key in one["contents"]}
    ours, theirs = await office.client.document(made.recalled[0]), await office.client.item(made.asked_back[0])
    recalls = [
        _agreed(ours) and (made.recalled[1], "13") in statuses,
        _agreed(theirs) and (made.asked_back[1], "15") in statuses,
    ]
    if made.recalled_by_document:
        ours = await office.client.document(made.recalled_by_document[0])
        recalls.append(_agreed(ours) and made.recall_id in registered)
    ours, theirs = await office.client.document(made.updated[0]), await office.client.item(made.changed[0])
    updates = [_updated(ours) and made.update_id in registered, _updated(theirs)]
    return sum(recalls), sum(updates)


def _agreed(shown: Mapping[str, Any]) -> bool:
    states = {one["state"] for one in shown["recalls"]}
    return states == {"agreed"}


def _updated(shown: Mapping[str, Any]) -> bool:
    return any(one["act"] == "update" and one["earlier"] == shown["message_id"] for one in shown["relations"])


async def _sent(office: SampleOffice, key: str, patience: float) -> tuple[str, str]:
    """Message id and DocumentId of the first message of a letter, once the axis has it."""

    async def look() -> tuple[str, str] | None:
        answers = {one["key"]: one["answer"] for one in await office.store.submissions()}
        shown = await office.client.document(answers[key]["messages"][0]["message_id"])
        return (shown["message_id"], shown["document_id"]) if shown["sent_at"] else None

    found: tuple[str, str] = await _until(look, patience)
    return found


async def _received(office: SampleOffice) -> list[dict[str, Any]]:
    return [one for one in await office.store.documents() if one["digests"]]


async def _until(look: Callable[[], Awaitable[Any]], patience: float) -> Any:
    ends = time.monotonic() + patience
    while not (found := await look()):
        if time.monotonic() > ends:
            raise TimeoutError("the documents to change did not arrive")
        await asyncio.sleep(0.1)
    return found
