"""What persons decide about a message that is held as a suspected state secret.

Two persons release it, by their word that it is none: the first word is kept, the second lets the message go on. That
they are two is a constraint of the journal (`clearance`), not a look before a write. One person may reject it; then it is
purged, and nobody is told more than that it was a state secret.

One document that went out to several axes is several messages: what is decided about one is decided about all of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.errors import Refused
from gateway.journal import Journal
from gateway.journal.purges import STATE_SECRET, WORDS_NEEDED, SamePerson
from gateway.model import Content, Direction, Kind, Problem
from gateway.pipeline import notices, refusing
from gateway.pipeline.acts import NOW, Acts, NotFound, impossible
from gateway.pipeline.quarantine import QUARANTINED
from gateway.pipeline.scanning import NOT_EXAMINED, not_examined
from gateway.rules.duplicates import numbered_by_id
from gateway.states import Cleared, ContentRef, Effect, Entry, Message, Outcome, Purge, State, withheld

BringBack = Callable[[Message], Awaitable[Content]]
"""Puts the file of a quarantined message back into the contents, decrypted and compared with its digest."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    """As they give it."""
    login: str
    """As the machine knows them, whatever they say."""


class SecretActs:
    def __init__(
        self,
        acts: Acts,
        journal: Journal,
        now: Callable[[], dt.datetime],
        office_of: refusing.OfficeOf,
        release_by: Literal["logins", "names"] = "logins",
        unexamined: Literal["hold", "pass"] = "pass",
    ) -> None:
        """`unexamined`: `antivirus.unexamined`, which two persons' word on secrecy does not answer."""
        self._acts = acts
        self._journal = journal
        self._now = now
        self._office_of = office_of
        self._release_by = release_by
        self._unexamined = unexamined

    async def release(self, message_id: str, who: Person, why: str, bring_back: BringBack | None = None) -> bool:
        """A person's word that it is no state secret. True: it was the second, and the message goes on, or waits for
        another reason that it has.

        Raises `SamePerson`, and `Refused` where it is not held so, or where the second word about a quarantined message
        comes without `bring_back`.
        """
        released = False
        for each in await self._same_document(message_id):
            released = await self._release(each.message_id, who, why, bring_back)
        return released

    async def _release(self, message_id: str, who: Person, why: str, bring_back: BringBack | None) -> bool:
        word = 0

        async def outcome(message: Message) -> Outcome:
            nonlocal word
            if not withheld(message.held):
                raise impossible(message, "release")
            said = await self._journal.purges.words(message_id)
            word = len(said) + 1
            cleared, facts = self._word(1 if word == 1 else 2, who), {"login": who.login, "reason": message.held}
            if word < WORDS_NEEDED:
                return Outcome(Entry("cleared-by-one", facts), effects=(cleared,))
            effects: tuple[Effect, ...] = (cleared,)
            if message.held == QUARANTINED:
                if any(who.login == login and self._release_by == "logins" for _, _, login in said):
                    raise SamePerson  # before anything is decrypted
                effects = (cleared, await _brought_back(message, bring_back))
            if message.direction is Direction.OUT and self._unexamined == "hold" and not_examined(message):
                # What came in is scanned on its way; this was at the door, where one reason to hold hid the other.
                return Outcome(Entry("released", {**facts, "held": NOT_EXAMINED}), held=NOT_EXAMINED, effects=effects)
            return Outcome(Entry("released", facts), due_in=NOW, effects=effects)

        await self._acts.act(message_id, outcome, who=who.name, why=why)
        return word >= WORDS_NEEDED

    def _word(self, word: Literal[1, 2], who: Person) -> Cleared:
        return Cleared(word, who.name, who.login, who.login if self._release_by == "logins" else who.name.casefold())

    async def reject(self, message_id: str, who: Person, why: str) -> Sequence[Message]:
        """End it, and purge it. The messages that were ended, as they were."""
        ended = await self._same_document(message_id)
        for each in ended:
            await self._reject(each.message_id, who, why)
        return ended

    async def _reject(self, message_id: str, who: Person, why: str) -> None:
        async def outcome(message: Message) -> Outcome:
            if not withheld(message.held):
                raise impossible(message, "reject")
            told: tuple[Effect, ...]
            known_by = None
            if message.direction is Direction.OUT:
                told = notices.about(message, "message.rejected", self._now(), STATE_SECRET)
            else:
                reason = refusing.NEUTRAL.format(code=STATE_SECRET)
                told = await refusing.statuses_owed(self._journal, self._office_of, message, reason, self._now())
                known_by = numbered_by_id(message.document_id)
            facts = {"reason": STATE_SECRET, "login": who.login}
            purge = Purge(message_id, STATE_SECRET, known_by=known_by)
            return Outcome(Entry("rejected", facts), state=State.REJECTED, effects=(*told, purge))

        await self._acts.act(message_id, outcome, who=who.name, why=why)

    async def _same_document(self, message_id: str) -> list[Message]:
        """The message, and those of the same submission that are held so too. Raises `NotFound`."""
        message = await self._journal.message(message_id)
        if message is None:
            raise NotFound("not-found", f"no message has the id {message_id}")
        if message.direction is Direction.IN or not withheld(message.held):
            return [message]
        others = await self._journal.submission(message.submission_id)
        alike = (Direction.OUT, Kind.DOCUMENT)
        return [each for each in others if (each.direction, each.kind) == alike and withheld(each.held)]


async def _brought_back(message: Message, bring_back: BringBack | None) -> ContentRef:
    if bring_back is None:
        told = "its contents are encrypted to the security officer: the second person gives the key, --key FILE"
        raise Refused([Problem("key", "key-needed", told)], code="key-needed", status=409)
    return ContentRef("edxml", await bring_back(message))
