"""What comes in about documents that we received before: recalls, updates, replacements.

Only a document's own sender may touch it: what a stranger asks is shown as a finding and done to nothing. A recall comes
as status 13 or as a document of type 1. It may overtake the document it is about, so one that finds nothing waits a
while (`WAITS`, `PATIENCE`), and is then shown as unmatched. The earlier document is found by DocumentId, then by number
and date, since some products write the DocumentId in another form. What was rejected as a state secret is known here, but
no office may hear of it (`refused_secrets`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from gateway.errors import NeedsOperator
from gateway.journal import Journal
from gateway.model import Direction, Document, Kind, ResponseFor, Status
from gateway.pipeline import detail, notices
from gateway.pipeline.directory import Directories
from gateway.pipeline.earlier_sent import ACTS, business_type
from gateway.pipeline.refused_secrets import RefusedSecrets, answers
from gateway.rules.duplicates import numbered
from gateway.states import AGREED, ASKED_BACK, Act, Concerns, Effect, Message, State

WAITS = tuple(dt.timedelta(seconds=seconds) for seconds in (5, 10, 20, 40, 80))
"""How long a document waits for the one it concerns before it is handed over without: an office must have it the same
day (NĐ 30/2020/NĐ-CP Đ21.2c)."""
PATIENCE = dt.timedelta(days=1)
"""How long a status 13 waits: nobody is kept waiting by it."""
LONGEST_WAIT = dt.timedelta(hours=1)
UNKNOWN = "earlier-unknown"
NOT_THEIRS = "not-the-sender"
"""Somebody else's document."""

OfficeOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Found:
    """The earlier documents that one message concerns."""

    earlier: tuple[str, ...] = ()
    """Message ids."""
    effects: tuple[Effect, ...] = ()
    findings: tuple[str, ...] = ()
    """Codes."""
    held: bool = False
    """One of them waits for a person: no office has it or may hear of it, a suspected state secret among them."""
    refused: tuple[str, ...] = ()
    """Message ids of state secrets among them."""
    closes: tuple[Effect, ...] = ()
    """What is left to do where it only asks such secrets back."""

    @property
    def wanting(self) -> bool:
        """Something it names is not here, and may yet come."""
        return UNKNOWN in self.findings

    def later(self, message: Message, now: dt.datetime) -> dt.timedelta | None:
        """For how long the message is to wait for what it concerns; None: no longer."""
        if self.held:
            return LONGEST_WAIT
        return wait(message, now, is_status=False) if self.wanting else None


@dataclass(frozen=True, slots=True)
class AskedBack:
    """A status 13, and what it asks back."""

    documents: tuple[Message, ...] = ()
    effects: tuple[Effect, ...] = ()
    offices: dict[str, str] = field(default_factory=dict)
    """Organ of ours → its office."""
    stranger: bool = False
    held: bool = False
    """As of `Found`."""
    refused: tuple[Message, ...] = ()
    """State secrets, instead of documents that offices have. `stranger`: somebody else's."""


class EarlierReceived:
    def __init__(
        self, journal: Journal, office_of: OfficeOf, directories: Directories, now: Callable[[], dt.datetime]
    ) -> None:
        self._journal = journal
        self._office_of = office_of
        self._directories = directories
        self._refused = RefusedSecrets(journal)
        self._now = now

    async def of(self, message: Message, document: Document) -> Found:
        """What a document of another kind than 0 concerns."""
        act = ACTS.get(document.business.type)
        if act is None:
            return Found(findings=("business-unknown",))
        found: dict[str, Message] = {}
        findings: dict[str, None] = {}
        secrets: list[str] = []
        closes: list[Effect] = []
        only_secrets = act is Act.RECALL
        for named in _named(act, document):
            theirs, others = await self._find(message.axis, document.sender.code, named)
            refused, strange = await self._secrets(message.axis, document.sender.code, named, theirs)
            secrets += [each.message_id for each in (*refused, *strange)]
            only_secrets = only_secrets and bool(refused)
            if refused:
                theirs = []
                ours = [organ.code for organ in document.to if self._office_of(organ.code)]
                closes += answers(refused, named, ours, self._now())
            found |= {each.message_id: each for each in theirs if each.message_id != message.message_id}
            if not theirs:
                findings[NOT_THEIRS if others else UNKNOWN] = None
        return Found(
            tuple(found),
            tuple(await self._done_to(found.values(), act, document)),
            tuple(findings),
            _held(found.values()),
            tuple(secrets),
            tuple(closes) if only_secrets else (),
        )

    async def _done_to(self, found: Iterable[Message], act: Act, document: Document) -> list[Effect]:
        effects: list[Effect] = []
        for each in found:
            organs = await self._ours(each)
            back = tuple(organ for organ in organs if organ in {to.code for to in document.to}) or tuple(organs)
            effects.append(Concerns(each.message_id, act, back if act is Act.RECALL else ()))
            if act is Act.RECALL:
                effects += self._tell(each, {organ: organs[organ] for organ in back}, document.business.reason)
        return effects

    async def asked_back(self, message: Message, status: Status) -> AskedBack:
        """What a status 13 asks back. Some products put the organ where the number belongs, and the other way round."""
        named = status.response_for
        theirs, others = await self._find(message.axis, status.sender.code, named)
        if not theirs and named.code and named.organ:
            theirs, more = await self._find(message.axis, status.sender.code, replace(named, code=named.organ))
            others += more
        if secret := await self._secret_asked_back(message.axis, status, theirs):
            return secret
        effects: list[Effect] = []
        offices: dict[str, str] = {}
        for each in theirs:
            organs = await self._ours(each)
            back = {organ: organs[organ] for organ in (named.organ, named.code) if organ in organs} or organs
            effects.append(Concerns(each.message_id, Act.RECALL, tuple(back)))
            offices |= back
        return AskedBack(
            tuple(theirs), tuple(effects), offices, stranger=bool(others) and not theirs, held=_held(theirs)
        )

    async def _secret_asked_back(self, axis: str, status: Status, theirs: list[Message]) -> AskedBack | None:
        named = status.response_for
        if self._office_of(named.code) and not self._office_of(named.organ):
            named = replace(named, code=named.organ, organ=named.code)
        refused, strange = await self._secrets(axis, status.sender.code, named, theirs)
        if not refused:
            return AskedBack(refused=tuple(strange), stranger=True) if strange else None
        organs = [named.organ] if self._office_of(named.organ) else await self._sent_back(refused)
        if not organs:
            raise NeedsOperator("organ-unowned", "it names no organ of ours, and none is known to have sent it back")
        return AskedBack(refused=tuple(refused), effects=tuple(answers(refused, named, organs, self._now())))

    async def _sent_back(self, refused: Iterable[Message]) -> list[str]:
        """Our organs that told the sender of a state secret that they would not have it: what is left of whom it was for."""
        said = [each for one in refused for each in await self._journal.submission(one.submission_id)]
        organs = {each.sender for each in said if (each.direction, each.kind) == (Direction.OUT, Kind.STATUS)}
        return sorted(organ for organ in organs if self._office_of(organ))

    async def _secrets(
        self, axis: str, sender: str, named: ResponseFor, theirs: Iterable[Message]
    ) -> tuple[list[Message], list[Message]]:
        """The sender's state secrets that are named so, and those of others; none where an office can have what is named."""
        if any(each.purged_at is None for each in theirs):
            return [], []
        return await self._refused.named(named, {sender} | await self._directories.aliases(axis, sender))

    async def _find(self, axis: str, sender: str, named: ResponseFor) -> tuple[list[Message], list[Message]]:
        """The sender's documents that are named so, and those of others."""
        found = list(await self._journal.received(named.document_id)) if named.document_id else []
        codes = {sender}
        if any(each.sender not in codes for each in found) or not found:
            codes |= await self._directories.aliases(axis, sender)
        if not any(each.sender in codes for each in found) and named.code and named.promulgation_date:
            for code in sorted(codes):
                number = numbered(code, named.code, named.promulgation_date)
                found += await self._journal.of_number(number, Direction.IN)
        found = [each for each in found if business_type(each) != 1]
        return [each for each in found if each.sender in codes], [each for each in found if each.sender not in codes]

    async def _ours(self, message: Message) -> dict[str, str]:
        """Our organs among its receivers, each with its office; of what was purged here, those that have not given it back."""
        if "document" not in (message.detail or {}):
            agreed = {row.organ for row in await self._journal.recalls(message.message_id) if row.answer == AGREED}
            had = await self._journal.deliveries(message.message_id)
            return {each.organ: each.office for each in had if each.office and each.organ not in agreed}
        to = detail.document_bare(message.detail or {}).to
        return {organ.code: office for organ in to if (office := self._office_of(organ.code))}

    def _tell(self, earlier: Message, organs: dict[str, str], reason: str) -> Iterable[Effect]:
        """Each office that has, or is to have, the document hears that it is asked back."""
        for office, organ in {office: organ for organ, office in organs.items()}.items():
            about = replace(earlier, office=office, sender=organ)
            yield from notices.about(about, "recall.asked", self._now(), ASKED_BACK, reason)


def _held(found: Iterable[Message]) -> bool:
    return any(each.held is not None and each.state in {State.RECEIVED, State.CONFIRMED} for each in found)


def wait(message: Message, now: dt.datetime, *, is_status: bool) -> dt.timedelta | None:
    """For how long to wait for what it is about; None when that is over. Attempts count the looks so far."""
    if not is_status:
        return WAITS[message.attempts - 1] if message.attempts <= len(WAITS) else None
    if now - (message.accepted_at or now) >= PATIENCE:
        return None
    doubled: int = 2 ** min(message.attempts - 1, 10)
    return min(WAITS[0] * doubled, LONGEST_WAIT)


def _named(act: Act, document: Document) -> tuple[ResponseFor, ...]:
    sender = document.sender.code
    match act:
        case Act.RECALL:
            return document.response_for
        case Act.UPDATE:
            return (ResponseFor(sender, document_id=document.business.document_id),)
        case Act.REPLACE:
            return tuple(ResponseFor(sender, document_id=old.document_id) for old in document.business.replacements)
