"""Central agencies that live in the mock: they register what reaches them, answer with statuses, and write.

What an agency still has to answer stands in the mailbox's books, written in the same commit as the document, so a
killed mock goes on answering. Each status and document is signed with the agency's own key.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mock_axis import edxml_signature, edxml_writing, mailbox
from mock_axis.edxml_reading import EdxmlReader, Read, recalled
from mock_axis.edxml_writing import Attachment, Change, Letter, Notice, Organ
from mock_axis.keys import Key, KeyRing, Trust
from mock_axis.mailbox import Mailbox, Message, Routing
from mock_axis.store import PIECE, Transaction

SENTENCES = {
    "01": "Đã đến",
    "02": "Từ chối tiếp nhận: văn bản gửi không đúng thẩm quyền",
    "03": "Đã tiếp nhận",
    "04": "Phân công xử lý",
    "05": "Đang xử lý",
    "06": "Hoàn thành",
    "13": "Lấy lại",
    "15": "Đồng ý yêu cầu cập nhật, lấy lại",
    "16": "Từ chối yêu cầu cập nhật, lấy lại",
}
BATCH = 32


@dataclass(slots=True)
class Habits:
    """How agencies behave; may be changed while they run."""

    answers: tuple[str, ...] = ("01",)
    """Statuses given to each document got, the first at once."""
    recall: str = "15"
    """The status given to each 13 got, 15 or 16; empty: agencies that never react."""
    recall_document: str = "15"
    """The same to each recall by a document, about every document that it asks back: products know one of the two."""
    every_seconds: float = 1.0
    """Between one status and the next."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Description by status code, instead of the usual sentence."""


class Agencies:
    def __init__(
        self,
        names: Mapping[str, str],
        keys: Callable[[str], Path],
        trust: Trust,
        box: Mailbox,
        habits: Habits,
        now: Callable[[], dt.datetime],
        delivery: Callable[[dt.datetime], tuple[float, int]],
    ) -> None:
        self.names = names
        self.habits = habits
        self._keys = {code: KeyRing(keys(code)) for code in names}
        self._trust, self._box, self._now, self._delivery = trust, box, now, delivery
        self._wake = asyncio.Event()

    # --- receiving ---

    def verdict(self, read: Read, now: dt.datetime) -> str:
        return edxml_signature.verdict(read, self._trust, now)

    def answers_to(
        self, read: Read, agencies: Sequence[str], now: dt.datetime
    ) -> tuple[tuple[float, str, str, str, str], ...]:
        """The statuses that these agencies will give: (due, agency, status code, description, about), as in `Routing`."""
        habits = self.habits
        due = now.timestamp() + habits.every_seconds
        if read.status_code == "13" and habits.recall:
            return tuple((due, agency, habits.recall, self._sentence(habits.recall), "") for agency in agencies)
        if read.kind != "document":
            return ()
        asked_back = recalled(read) if habits.recall_document else ()
        return (
            *(
                (now.timestamp() + number * habits.every_seconds, agency, code, self._sentence(code), "")
                for agency in agencies
                for number, code in enumerate(habits.answers)
            ),
            *(
                (due, agency, habits.recall_document, self._sentence(habits.recall_document), document_id)
                for agency in agencies
                for document_id in asked_back
            ),
        )

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Give the statuses that are due, until cancelled."""
        while True:
            self._wake.clear()
            tasks = await self._box.ask(lambda tx: mailbox.due_tasks(tx, self._now().timestamp(), BATCH))
            await asyncio.gather(*(self._answer(*task) for task in tasks))
            if tasks:
                continue
            due = await self._box.ask(mailbox.next_due)
            wait = None if due is None else max(0.01, due - self._now().timestamp())
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def _answer(self, task_id: int, agency: str, about: Message, code: str, description: str) -> None:
        try:
            await self._report(agency, about, code, description, task_id)
        except LookupError:
            # Nobody to tell, or no key to sign with: a status that can never be given must not stop the others.
            await self._box.ask(lambda tx: mailbox.task_done(tx, task_id))

    # --- speaking ---

    async def report(self, agency: str, about: Message, code: str, description: str = "") -> str:
        """Give a status now; returns its axis id."""
        return await self._report(agency, about, code, description or self._sentence(code), None)

    async def _report(self, agency: str, about: Message, code: str, description: str, task_id: int | None) -> str:
        now = self._now()
        notice = Notice(
            sender=Organ(agency, self.names[agency]),
            # Status 13 goes the other way: the sender asks its receiver for the document back.
            about_organ=about.to[0] if code == "13" else about.sender,
            about_code=about.code,
            about_document_id=about.document_id,
            about_date=about.promulgation_date,
            status_code=code,
            description=description,
            time=now,
        )
        file = edxml_writing.status(notice, self._key(agency, now))
        reader = EdxmlReader()
        reader.feed(file)
        return await self._put(agency, reader.close(), file, len(file), hashlib.sha256(file).hexdigest(), task_id)

    async def recall(self, agency: str, about: Message, reason: str) -> list[str]:
        """Ask each of its receivers for a letter back; the axis ids of the statuses 13."""
        return [await self.report(agency, replace(about, to=(organ,)), "13", reason) for organ in about.to]

    async def send(self, letter: Letter) -> Message:
        """Put a signed document of an agency into the mailboxes of its receivers. Raises `LookupError`."""
        now = self._now()
        key = self._key(letter.sender.code, now)
        draft = self._box.store.draft()
        size, sha256 = await asyncio.to_thread(
            edxml_writing.write_file, edxml_writing.document(letter, key), draft, os.fsync
        )
        read = await asyncio.to_thread(_read_file, draft)
        place = await asyncio.to_thread(self._box.store.adopt, draft)
        axis_id = await self._put(letter.sender.code, read, place, size, sha256, None)
        sent = await self._box.ask(lambda tx: mailbox.by_axis_id(tx, axis_id))
        assert sent is not None
        return sent

    async def _put(
        self, agency: str, read: Read, content: bytes | str, size: int, sha256: str, task_id: int | None
    ) -> str:
        now = self._now()
        systems = {self._system_of(organ): None for organ in read.to}
        message = Message(
            uuid.uuid4().hex, agency, uuid.uuid4().hex, read.kind, read.sender, read.document_id, read.to,
            read.attachments, read.priority, size, sha256, read.status_code, read.description, read.code,
            read.promulgation_date, None, now.timestamp(),
        )  # fmt: skip
        routing = Routing(systems=tuple((system, *self._delivery(now)) for system in systems))

        def put(tx: Transaction) -> None:
            mailbox.accept(tx, message, content, routing, deduplicates=True)
            if task_id is not None:
                mailbox.task_done(tx, task_id)

        await self._box.ask(put)
        return message.axis_id

    def _system_of(self, organ: str) -> str:
        for party in self._trust.parties.values():
            if party.system not in self.names and party.speaks_for(organ):
                return party.system
        raise LookupError(f"no system owns {organ}")

    def _key(self, agency: str, now: dt.datetime) -> Key:
        return self._keys[agency].signing(now)

    def _sentence(self, code: str) -> str:
        return self.habits.reasons.get(code) or SENTENCES.get(code, "")

    def letter(
        self, agency: str, to: Sequence[str], subject: str, attachments: Sequence[Attachment], *, priority: int = 0,
        number: str = "", document_id: str = "", change: Change | None = None,
    ) -> Letter:  # fmt: skip
        """A letter with what the caller left out filled in. Raises `LookupError` for an agency not known."""
        if agency not in self.names:
            raise LookupError(f"no agency {agency}")
        return Letter(
            sender=Organ(agency, self.names[agency]),
            to=[Organ(code, code) for code in to],
            number=number or str(uuid.uuid4().int % 10**9),
            notation="CV-TT",
            subject=subject,
            date=self._now().astimezone(edxml_writing.VIETNAM).date(),
            priority=priority,
            attachments=attachments,
            document_id=document_id,
            change=change,
        )


def _read_file(path: Path) -> Read:
    reader = EdxmlReader()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            reader.feed(piece)
    return reader.close()
