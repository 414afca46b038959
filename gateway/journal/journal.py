"""The journal: the durable record of every message, and the only meeting place of the gateway's parts.

Each method is one unit of work; what it wrote is on the disk when it returns. What is about no message in particular is
with the records of its own: `purges`, `partners` (endpoints, roles, keys), `directory`, `blocks`. The units themselves are in the
modules by concern (`door`, `work`, `outcomes`, `lookups`); running them is the store's business.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.errors import Busy, StorageBroken
from gateway.journal import (
    changes,
    deadlines,
    door,
    known,
    lookups,
    outcomes,
    proofs,
    queries,
    relations,
    work,
)
from gateway.journal.blocks import BlockRecords
from gateway.journal.deadlines import DeadlineRow, Missed
from gateway.journal.directory import DirectoryRecords
from gateway.journal.door import Answered, NewSubmission, Reserved, Running
from gateway.journal.known import Recent
from gateway.journal.lookups import (
    AttemptRow,
    EntryRow,
    InboxRow,
    MessageFilter,
    Page,
    ReceiptRow,
    Stats,
    StatusRow,
    twin_key,
)
from gateway.journal.partners import PartnerRecords
from gateway.journal.purges import PurgeRecords
from gateway.journal.relations import Overdue, RecallRow, RelationRow
from gateway.journal.rows import MICROSECOND, stamp
from gateway.journal.sqlite import SqliteStore, Transaction, prepare
from gateway.model import Content, Direction
from gateway.states import AnswerKey, ContentRef, Delivery, Message, NewMessage, Numbered, Outcome, Stage, Work

Now = Callable[[], dt.datetime]
OnBroken = Callable[[StorageBroken], None]

_FEW = 100
"""Lines of a list that are entered without holding up the event loop."""
_UNITS = 4
"""Lines that one received with its file takes as long as."""


class Journal:
    def __init__(self, store: SqliteStore, now: Now) -> None:
        self._store = store
        self._now = now
        self._recent = Recent()
        self._reserved: dict[tuple[str, str], Reserved] = {}
        self.purges = PurgeRecords(store, self._stamp)
        self.partners = PartnerRecords(store, self._stamp)
        self.directory = DirectoryRecords(store, self._stamp)
        self.blocks = BlockRecords(store, self._stamp)

    @classmethod
    async def open(cls, path: Path, *, now: Now, on_broken: OnBroken | None = None) -> Journal:
        """Open the journal at `path`, made or migrated where needed.

        `on_broken` is called, from whatever thread, when the disk broke its word: the process has to end.
        """
        await asyncio.to_thread(prepare, path)
        return cls(SqliteStore(path, on_broken), now)

    async def close(self) -> None:
        await self._store.close()

    def now(self) -> dt.datetime:
        """By the clock that the entries are dated by."""
        return self._now()

    def _stamp(self, later: dt.timedelta = dt.timedelta()) -> int:
        return stamp(self._now()) + later // MICROSECOND

    # --- the door -----------------------------------------------------------------------------------------------

    async def reserve(self, office: str, key: str, lease: dt.timedelta) -> Reserved | Answered | Running:
        """In memory: one process serves a journal's offices, and a crash frees what it had begun.

        What lets a key be answered once is its row (`accept`).
        """
        if (first := await self.answered(office, key)) is not None:
            return first
        if (after := self._running(office, key)) > 0:
            return Running(after)
        mine = self._reserved[office, key] = Reserved(office, key, self._now() + lease)
        return mine

    def _running(self, office: str, key: str) -> float:
        """For how many seconds yet the key is reserved."""
        reserved = self._reserved.get((office, key))
        return (reserved.until - self._now()).total_seconds() if reserved else 0.0

    async def answered(self, office: str, key: str) -> Answered | None:
        """What the key was answered, if it was."""
        return self._store.glance(lambda tx: door.answered(tx, office, key))

    async def release_key(self, mine: Reserved) -> None:
        """A refused submission leaves no trace of its key; an answered one keeps it, and so does whoever reserved it
        since `mine` lapsed.
        """
        if self._reserved.get((mine.office, mine.key)) is mine:
            del self._reserved[mine.office, mine.key]

    async def accept(self, submission: NewSubmission) -> dict[str, Any]:
        """The answer that counts: this one's, or the first one's with the same key and fingerprint.

        Raises `KeyReused` where the key was answered for another fingerprint.
        """
        now = self._stamp()
        answer = await self._store.write(lambda tx: door.accept(tx, submission, now))
        self._reserved.pop((submission.office, submission.key), None)
        for new in submission.messages:
            self._recent.born(new)
        return answer

    # --- the runner and the poller ------------------------------------------------------------------------------

    async def claim(
        self, holder: str, limit: int, lease: dt.timedelta, *, skip_stages: frozenset[Stage] = frozenset()
    ) -> list[Work]:
        """Take up to `limit` due messages under a lease, with an attempt opened for each.

        A lapsed lease is simply due again, in doubt.
        """
        now, until = self._stamp(), self._stamp(lease)
        works = await self._store.write(lambda tx: work.claim(tx, holder, limit, now, until, skip_stages))
        return [self._recent.into(each) for each in works]

    async def renew(self, mine: Work, lease: dt.timedelta) -> bool:
        """False: the lease was lost."""
        until = self._stamp(lease)
        return await self._store.write(lambda tx: work.renew(tx, mine, until))

    async def settle(self, mine: Work, outcome: Outcome) -> bool:
        """Close the attempt and carry out `outcome`. False: the lease was lost, and nothing is done.

        Raises ValueError for a move or a change that does not exist.
        """
        now = self._stamp()
        return await self._store.write(lambda tx: work.settle(tx, mine, outcome, now))

    async def advance(
        self, mine: Work, outcome: Outcome, lease: dt.timedelta, *, skip_stages: frozenset[Stage] = frozenset()
    ) -> tuple[bool, Work | None]:
        """`settle`, and where the next stage is due at once, its work under a fresh lease, in the same commit."""
        now, until = self._stamp(), self._stamp(lease)
        kept, following = await self._store.write(lambda tx: work.advance(tx, mine, outcome, now, until, skip_stages))
        if following is not None:
            following = replace(following, known=known.after(mine.known, outcome))
        return kept, following

    async def apply(
        self, message_id: str, outcome: Outcome, *, who: str, why: str | None = None, expect: int | None = None
    ) -> bool:
        """Carry out `outcome` from outside the runner: an operator's act, an office's acknowledgement.

        False: no such message, or not in version `expect`. An attempt under way loses its lease and leaves a doubt.
        `why` is kept as the entry's erasable detail. An outcome with no state, no time and no hold is a note: its
        entry and effects are kept, and the message stays as it is.
        """
        now = self._stamp()
        for effect in outcome.effects:
            if isinstance(effect, AnswerKey) and (after := self._running(effect.office, effect.key)) > 0:
                raise Busy("key-running", "another request with this key is running", after=after)
        if why is not None:
            outcome = outcomes.with_reason(outcome, why)
        return await self._store.write(lambda tx: work.apply(tx, message_id, outcome, who, expect, now))

    async def wake(self, message_id: str) -> bool:
        """Due now. False: unknown, closed or held."""
        now = self._stamp()
        return await self._store.write(lambda tx: outcomes.wake(tx, message_id, now))

    async def announce(self, axis: str, born: Sequence[NewMessage]) -> Sequence[NewMessage]:
        """Note what an axis lists, some of it received already; those that are new."""
        if not born:
            return []
        now = self._stamp()
        lengthy = sum(_UNITS if new.then else 1 for new in born) > _FEW
        entered = await self._store.write(lambda tx: work.announce(tx, axis, born, now), lengthy=lengthy)
        for new in entered:
            self._recent.born(new)
        return entered

    # --- look-ups -----------------------------------------------------------------------------------------------

    async def message(self, message_id: str) -> Message | None:
        return self._store.glance(lambda tx: lookups.message(tx, message_id))

    async def deliveries(self, message_id: str) -> list[Delivery]:
        return self._store.glance(lambda tx: lookups.deliveries(tx, message_id))

    async def statuses(self, message_id: str) -> list[StatusRow]:
        """Every status heard about a message, each once."""
        return self._store.glance(lambda tx: lookups.statuses(tx, message_id))

    async def contents(self, message_id: str) -> list[ContentRef]:
        return self._store.glance(lambda tx: lookups.contents(tx, message_id))

    async def extra(self, message_id: str) -> dict[str, Any]:
        """What outcomes set beside the message's own fields, by name (`outcomes.EXTRAS`)."""
        return self._store.glance(lambda tx: lookups.extra(tx, message_id))

    async def contents_of(self, mine: Work) -> Sequence[ContentRef]:
        """Of the message under our lease; this and the two below are read only where the work does not bring them along."""
        return mine.known.contents if mine.known else await self.contents(mine.message.message_id)

    async def extra_of(self, mine: Work) -> Mapping[str, Any]:
        return mine.known.extra if mine.known else await self.extra(mine.message.message_id)

    async def receipt_given_for(self, mine: Work) -> bytes | None:
        return (mine.known and mine.known.receipt) or await self.receipt_given(mine.message.message_id)

    async def receipts(self, message_id: str) -> list[ReceiptRow]:
        return await self._store.read(lambda tx: lookups.receipts(tx, message_id))

    async def receipt_given(self, message_id: str) -> bytes | None:
        """The first receipt we gave for it, byte for byte."""
        return self._store.glance(lambda tx: lookups.receipt_given(tx, message_id))

    async def confirmed_but_listed(
        self, axis: str, listed: Sequence[str], asked_at: dt.datetime
    ) -> list[tuple[str, bytes]]:
        """Of the axis ids `listed`, those confirmed there before the list was asked for, each with the receipt we gave."""
        asked = stamp(asked_at)
        return await self._store.read(lambda tx: lookups.confirmed_but_listed(tx, axis, listed, asked))

    async def unknown(self, axis: str, listed: Sequence[str]) -> set[str]:
        """Of the axis ids `listed`, those never seen before."""
        if not listed:
            return set()
        return await self._store.read(lambda tx: lookups.unknown(tx, axis, listed))

    async def unconfirmed(self, axis: str, enough: int) -> int:
        """How many messages listed by the axis it has no confirmation of yet and is to have one soon; counted up to `enough`."""
        return self._store.glance(lambda tx: lookups.unconfirmed(tx, axis, enough))

    async def rejected_but_listed(self, axis: str, listed: Sequence[str]) -> list[str]:
        """Of the axis ids `listed`, those rejected here before their bytes were taken."""
        return await self._store.read(lambda tx: lookups.rejected_but_listed(tx, axis, listed))

    async def timeline(self, message_id: str) -> list[EntryRow]:
        return await self._store.read(lambda tx: lookups.timeline(tx, message_id))

    async def attempts(self, message_id: str) -> list[AttemptRow]:
        return await self._store.read(lambda tx: lookups.attempts(tx, message_id))

    async def submission(self, submission_id: str) -> list[Message]:
        return await self._store.read(lambda tx: lookups.submission(tx, submission_id))

    async def find_sent(self, document_id: str, organ: str) -> list[Message]:
        """Our outgoing documents with this DocumentId that went to `organ`: those a status may be about."""
        return self._store.glance(lambda tx: lookups.find_sent(tx, document_id, organ))

    async def find_received(self, document_id: str, sender: str) -> list[Message]:
        """What came from `sender` under this DocumentId and claimed a twin key: each of other content."""
        return self._store.glance(lambda tx: lookups.find_received(tx, document_id, sender))

    async def find_by_axis_id(self, direction: Direction, axis: str, axis_id: str) -> Message | None:
        return self._store.glance(lambda tx: lookups.find_by_axis_id(tx, direction, axis, axis_id))

    async def find_duplicate(
        self, sender: str, document_id: str, business_type: int, digests: Sequence[str]
    ) -> Message | None:
        """The message that claimed this document's twin key first."""
        key = twin_key(sender, document_id, business_type, digests)
        return self._store.glance(lambda tx: lookups.find_by_twin(tx, key))

    async def claim_twin(self, twin: str, message_id: str) -> str:
        """The id of the first message that claimed the key: `message_id` itself, or an earlier one."""
        return await self._store.write(lambda tx: lookups.claim_twin(tx, twin, message_id))

    async def list(self, chosen: MessageFilter, after: int | None, limit: int) -> Page:
        """Messages, newest first, beyond the cursor `after`."""
        return await self._store.read(lambda tx: lookups.list_messages(tx, chosen, after, limit))

    async def stats(self) -> Stats:
        now = self._stamp()
        return await self._store.read(lambda tx: lookups.stats(tx, now))

    # --- inboxes ------------------------------------------------------------------------------------------------

    async def pending_handovers(self, message_id: str) -> Sequence[str]:
        """The offices that are to have it and do not have it yet."""
        return self._store.glance(lambda tx: lookups.pending_handovers(tx, message_id))

    async def inbox(self, office: str, after: int, limit: int) -> Sequence[InboxRow]:
        """What waits for an office, in the order it was offered, beyond the cursor `after`."""
        return await self._store.read(lambda tx: lookups.inbox(tx, office, after, limit))

    # --- contents that nobody needs -----------------------------------------------------------------------------

    async def unreferenced(self, before: dt.datetime, limit: int) -> Sequence[Content]:
        """Contents that no message refers to, kept before a time."""
        values = {"before": stamp(before), "limit": limit}
        return [Content(*row) for row in await self._store.read(lambda tx: tx.all(queries.UNREFERENCED, values))]

    async def forget_content(self, content: Content) -> bool:
        """To be called before the bytes are erased. False: a message refers to it after all."""
        return await self._store.write(lambda tx: bool(tx.run(queries.FORGET_CONTENT, {"at": content.place})))

    async def needs_file(self, place: str) -> bool:
        """Whether any content that the journal knows lies in that file of the store."""
        return await self._store.read(lambda tx: tx.one(queries.NEEDS_FILE, {"place": place}) is not None)

    # --- deadlines and numbers ----------------------------------------------------------------------------------

    async def deadlines(self, message_id: str) -> Sequence[DeadlineRow]:
        return await self._store.read(lambda tx: deadlines.of_message(tx, message_id))

    async def meet_deadlines(self, *, sent: frozenset[str], told: frozenset[str]) -> int:
        """Close the deadlines that were met by sending the message (`sent`) or a status about it (`told`)."""
        return await self._store.write(lambda tx: deadlines.meet_by_sending(tx, sent, told), lengthy=True)

    async def deadlines_over(self, rule: str, limit: int) -> Sequence[Missed]:
        """What is unmet and past its time, and not marked late yet."""
        now = self._stamp()
        return await self._store.read(lambda tx: deadlines.over(tx, rule, now, limit))

    async def miss_deadline(self, missed: Missed, outcome: Outcome, *, who: str) -> bool:
        """Mark it late and note `outcome` beside the road. False: met or marked meanwhile, and nothing is done."""
        now = self._stamp()

        def unit(tx: Transaction) -> bool:
            return deadlines.mark_late(tx, missed.message_id, missed.rule) and work.apply(
                tx, missed.message_id, outcome, who, None, now
            )

        return await self._store.write(unit)

    async def open_deadlines(self) -> Mapping[tuple[str, bool], int]:
        """(rule, late) → how many are unmet."""
        return await self._store.read(deadlines.open_counts)

    async def same_number(self, given: Numbered, direction: Direction, submission_id: str = "") -> str | None:
        """The first message of another submission whose document has this number in this year, of this organ."""
        return self._store.glance(lambda tx: deadlines.same_number(tx, given, direction.value, submission_id))

    async def same_document_id(
        self, sender: str, document_id: str, direction: Direction, submission_id: str = ""
    ) -> str | None:
        """The first message of another submission whose document has this DocumentId."""
        return self._store.glance(lambda tx: deadlines.same_id(tx, sender, document_id, direction.value, submission_id))

    # --- recalls, updates, replacements -------------------------------------------------------------------------

    async def relations(self, message_id: str) -> Sequence[RelationRow]:
        """What the message does to earlier ones, and later ones to it."""
        return self._store.glance(lambda tx: relations.of_message(tx, message_id))

    async def recalls(self, message_id: str) -> Sequence[RecallRow]:
        """For each organ that the document is asked back from, the last time it was."""
        return self._store.glance(lambda tx: relations.recalls(tx, message_id))

    async def change_answered_by(self, about: str, organ: str) -> changes.Change | None:
        """The update or replacement of ours that 15 or 16 of that organ about a document of ours answers, if any."""
        return self._store.glance(lambda tx: changes.answered_by(tx, about, organ))

    async def change_answers(self, message_id: str) -> Sequence[changes.ChangeAnswerRow]:
        """What organs say to the message, where it recalls, updates or replaces an earlier one."""
        return self._store.glance(lambda tx: changes.answers(tx, message_id))

    async def handed_in(self, office: str, document_id: str) -> Sequence[Message]:
        """The office's own documents under this DocumentId, but for those that never left and were rejected."""
        return self._store.glance(lambda tx: relations.handed_in(tx, office, document_id))

    async def received(self, document_id: str) -> Sequence[Message]:
        """What was received under this DocumentId, from whomever, and was not rejected."""
        return self._store.glance(lambda tx: relations.received(tx, document_id))

    async def of_number(self, given: Numbered, direction: Direction) -> Sequence[Message]:
        """The documents of this number, of this organ and year."""
        return self._store.glance(lambda tx: relations.of_number(tx, given, direction.value))

    async def never_tried(self, message_id: str) -> bool:
        """Whether a message can be withdrawn, because nobody can have it."""
        return self._store.glance(lambda tx: relations.never_tried(tx, message_id))

    async def overdue_recalls(self, limit: int) -> Sequence[Overdue]:
        """Recalls unanswered past their time, not marked so yet."""
        now = self._stamp()
        return await self._store.read(lambda tx: relations.overdue(tx, now, limit))

    async def miss_recall(self, over: Overdue, outcome: Outcome, *, who: str) -> bool:
        """Mark it unanswered and note `outcome` beside the road. False: answered or marked meanwhile."""
        now = self._stamp()

        def unit(tx: Transaction) -> bool:
            return relations.mark_late(tx, over) and work.apply(tx, over.message_id, outcome, who, None, now)

        return await self._store.write(unit)

    # --- proofs -----------------------------------------------------------------------------------------------------

    async def proof(self, message_id: str) -> proofs.Proof:
        """The message's chain, and the blocks that vouch for it, up to the newest."""
        return await self._store.read(lambda tx: proofs.proof(tx, message_id))
