"""Whether a document looks like a state secret, and what becomes of one that came in: for two persons to judge.

Luật Bảo vệ bí mật nhà nước 2018, QĐ 28/2018/QĐ-TTg Đ1.2. What an e-office says openly is refused at the door
(`gateway.rules.secrecy`); what only looks so (`gateway.rules.secrets_in_text`) is held from everybody. Nothing here repeats
the words that matched: a field and a degree are all that is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import structlog

from gateway.config import SecrecySection, Settings
from gateway.errors import NeedsOperator
from gateway.journal import Journal
from gateway.model import LOCAL_AXIS, Document, Problem
from gateway.pipeline.quarantine import QUARANTINED, SUSPECTED, Quarantine
from gateway.ports import Contents
from gateway.rules import secrecy, secrets_in_text
from gateway.rules.secrets_in_text import DEFAULT, Pattern
from gateway.states import ContentRef, Entry, Erase, Message, Outcome

log = structlog.get_logger(__name__)


def patterns(section: SecrecySection) -> tuple[Pattern, ...]:
    """Those of the configuration, the built-in ones first."""
    own = (Pattern(each.code, each.degree, each.expression, each.where, each.plain) for each in section.pattern)
    return (*(DEFAULT if section.builtin_patterns else ()), *own)


def in_words(document: Document, searched: Sequence[Pattern]) -> list[Problem]:
    """In its subject and notation."""
    said = {"subject": document.subject, "notation": document.code}
    return [
        problem
        for field, text in said.items()
        for problem in secrets_in_text.problems(field, secrets_in_text.search(text, searched))
    ]


class Suspects:
    """Documents that came in and look like state secrets."""

    def __init__(
        self, journal: Journal, contents: Contents, settings: Settings, now: Callable[[], dt.datetime]
    ) -> None:
        self._journal = journal
        self._contents = contents
        self._quarantine = Quarantine(settings)
        self._patterns = patterns(settings.secrecy)
        self._now = now

    async def judge_words(self, message: Message, refs: Sequence[ContentRef], document: Document) -> Outcome | None:
        """By subject and notation; also by a notation that our own door would refuse outright."""
        found = [*secrecy.refuse(None, document), *in_words(document, self._patterns)]
        return await self.judge(message, refs, found)

    async def judge(self, message: Message, refs: Sequence[ContentRef], suspected: Sequence[Problem]) -> Outcome | None:
        """Held, where anything is suspected; None where nothing is, or two persons said that it is no secret.

        No office hears of it. Its contents are encrypted to the security officer and go from the ordinary store; without
        his certificate they stay there.
        """
        # Between our own offices our own door has judged it.
        if not suspected or message.axis == LOCAL_AXIS or await self._journal.purges.cleared(message.message_id):
            return None
        facts: dict[str, str | int | None] = {
            "sender": message.sender,
            "size": message.size,
            "sha256": message.sha256,
            "fields": " ".join(dict.fromkeys(each.field for each in suspected)),
            "degrees": " ".join(sorted({each.facts.get("degree") or each.code for each in suspected})),
        }
        if self._quarantine.possible:
            try:
                return await self._quarantined(message, refs, facts)
            except NeedsOperator as error:
                log.error("cannot quarantine", reason=error.code, detail=error.message)  # noqa: TRY400  # the code says all
        return Outcome(Entry("suspected", facts), held=SUSPECTED)

    async def _quarantined(
        self, message: Message, refs: Sequence[ContentRef], facts: dict[str, str | int | None]
    ) -> Outcome:
        file = next(ref.content for ref in refs if ref.role == "edxml")
        about = {**facts, "message_id": message.message_id, "at": self._now().isoformat()}
        kept = await self._quarantine.keep(message.message_id, self._contents.open(file), about)
        return Outcome(Entry("quarantined", facts | kept), held=QUARANTINED, effects=(Erase(),))
