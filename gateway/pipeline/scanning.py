"""Viruses: every attachment is shown to the scanner, at the door and on the way in, before anything else opens it.

An infected file is refused at the door, and held for an operator where it came from outside: it reaches no office, its
bytes are kept, and the sender hears when the operator rejects it. What could not be examined is its own verdict, never
taken for clean. Off by default, and then it costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gateway.config import AntivirusSection
from gateway.errors import Busy, NeedsOperator, Retryable, Unreachable
from gateway.journal import Journal
from gateway.model import Content, Problem
from gateway.ports import Antivirus, Contents, Scanned, ScanVerdict
from gateway.states import Message

INFECTED = "infected"
UNREACHABLE = "antivirus-unreachable"
NOT_EXAMINED = "antivirus-not-examined"
RETRY_SECONDS = 30.0
_NOBODY = Scanned(ScanVerdict.UNREACHABLE, UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Scans:
    """What the scanner said of a document's attachments, in their order; nothing where none was asked."""

    found: tuple[tuple[str, Scanned], ...] = ()
    """Field and verdict."""
    held: str | None = None
    """Why it must wait for a person, where the policy says so of what was handed in."""

    @property
    def infected(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(field, "attachment-infected", "carries a virus", {"virus": each.code})
            for field, each in self.found
            if each.verdict is ScanVerdict.INFECTED
        )

    @property
    def warned(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(field, "attachment-not-scanned", "was not scanned for viruses", {"reason": each.code})
            for field, each in self.found
            if each.verdict in {ScanVerdict.NOT_EXAMINED, ScanVerdict.UNREACHABLE}
        )

    @property
    def unexamined(self) -> bool:
        return any(each.verdict is ScanVerdict.NOT_EXAMINED for _, each in self.found)

    @property
    def more(self) -> dict[str, object]:
        """For the message's erasable detail."""
        found = [{"field": field, "verdict": each.verdict.value, "code": each.code} for field, each in self.found]
        return {"antivirus": found} if found else {}

    @property
    def facts(self) -> dict[str, str]:
        """For a journal entry, which stays for ever: verdicts and names of viruses."""
        if not self.found:
            return {}
        facts = {"antivirus": " ".join(each.verdict.value for _, each in self.found)}
        if names := dict.fromkeys(each.code for _, each in self.found if each.verdict is ScanVerdict.INFECTED):
            facts["virus"] = " ".join(names)
        return facts


def not_examined(message: Message) -> bool:
    """Whether its detail tells of an attachment that the scanner could not examine."""
    found: Any = (message.detail or {}).get("antivirus", ())
    return any(each["verdict"] == ScanVerdict.NOT_EXAMINED.value for each in found)


class Scanning:
    def __init__(
        self,
        antivirus: Antivirus,
        contents: Contents,
        journal: Journal,
        section: AntivirusSection,
        count: Callable[[str], None],
    ) -> None:
        """`count` is told each verdict: a metric."""
        self._antivirus = antivirus
        self._contents = contents
        self._journal = journal
        self._section = section
        self._count = count

    async def at_the_door(self, attachments: Iterable[Content | None]) -> Scans:
        """Raises `Busy` while the scanner cannot be asked, where the policy is to wait for it."""
        named = [(f"attachments[{index}]", content) for index, content in enumerate(attachments) if content]
        scans, error = await self._scan(named)
        if error and self._section.unreachable == "hold":
            raise Busy(error.code, error.message, after=RETRY_SECONDS) from error
        return Scans(scans.found, NOT_EXAMINED) if self._must_wait(scans) else scans

    async def on_the_way_in(self, message: Message, attachments: Iterable[tuple[str, Content]]) -> Scans:
        """`attachments`: field and bytes; a field may stand twice. Raises `Retryable` while the scanner cannot be asked, and in the end does what the policy says; `NeedsOperator`
        for what could not be examined, until a person has let it go on.
        """
        scans, error = await self._scan(attachments)
        if error:
            if await self._failed(message.message_id, error.code) + 1 < self._section.attempts:
                # No axis and no office is to blame: the document alone is put off.
                raise Retryable(error.code, error.message) from error
            if self._section.unreachable == "hold":
                raise NeedsOperator(error.code, error.message) from error
        if self._must_wait(scans) and not await self._released(message.message_id):
            raise NeedsOperator(
                NOT_EXAMINED, "; ".join(f"{each.field}: {each.facts['reason']}" for each in scans.warned)
            )
        return scans

    async def _failed(self, message_id: str, code: str) -> int:
        """How often it was put off for the scanner's sake: it may have waited for other things too."""
        timeline = await self._journal.timeline(message_id)
        return sum(entry.code == "put-off" and entry.facts.get("reason") == code for entry in timeline)

    async def _scan(self, attachments: Iterable[tuple[str, Content]]) -> tuple[Scans, Unreachable | None]:
        """What was said, and why something could not be asked about. What is infected is so whatever became of the rest:
        then there is nothing left to ask.
        """
        named = list(attachments)
        said = await asyncio.gather(*(self._one(content) for _, content in named), return_exceptions=True)
        found: list[tuple[str, Scanned]] = []
        silent: Unreachable | None = None
        for (field, _), each in zip(named, said, strict=True):
            if isinstance(each, Scanned):
                found.append((field, each))
            elif isinstance(each, Unreachable):
                found.append((field, _NOBODY))
                silent = silent or each
            else:
                raise each
        scans = Scans(tuple(found))
        return scans, None if scans.infected else silent

    async def _one(self, content: Content) -> Scanned:
        try:
            scanned = await self._antivirus.scan(content, self._contents.open(content))
        except Unreachable:
            self._count(ScanVerdict.UNREACHABLE)
            raise
        self._count(scanned.verdict)
        return scanned

    def _must_wait(self, scans: Scans) -> bool:
        return self._section.unexamined == "hold" and scans.unexamined and not scans.infected

    async def _released(self, message_id: str) -> bool:
        """Whether a person has let it go on, unexamined as it is. What is infected is scanned again instead."""
        return any(
            entry.code == "released" and entry.facts.get("reason") == NOT_EXAMINED
            for entry in await self._journal.timeline(message_id)
        )
