"""Units of work that erase a message: its readable detail, its names, and the contents that no other message needs.

What is erased and what is noted about it commit together. References are counted in the same transaction; bytes are
erased after it, from the list `erasure`, so that a crash between the two leaves them to do. Ids, organs, times, digests,
receipts and the entries' chain stay. What is purged is also written into a ledger outside the database
(`gateway.journal.purge_ledger`), before it is committed (`PurgeRecords.tell_first`); where that failed, it is owed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, bindparam, delete, exists, insert, null, select, update

from gateway.errors import Refused
from gateway.journal import chain, queries
from gateway.journal.query import Query
from gateway.journal.rows import message_from, stamp, time
from gateway.journal.sqlite import SqliteStore, Transaction
from gateway.journal.tables import (
    clearance,
    content,
    content_ref,
    deadline,
    delivery,
    entry,
    erasure,
    extra,
    message,
    numbered,
    purge,
    recall,
    refused_secret,
)
from gateway.model import Content, Problem
from gateway.states import AGREED, NEXT, Cleared, Entry, Erase, Message, Numbered, Purge, State

_of: BindParameter[str] = bindparam("id")
_place: BindParameter[str] = bindparam("at_place")

ERASED: Sequence[Query] = (
    Query(update(message).where(message.c.message_id == _of).values(detail=null())),
    Query(
        update(entry).where(entry.c.message_id == _of, entry.c.detail.is_not(None)).values(detail=null(), salt=null())
    ),
    Query(delete(extra).where(extra.c.message_id == _of)),
    Query(delete(numbered).where(numbered.c.message_id == _of)),
    # It owes nothing any more.
    Query(delete(deadline).where(deadline.c.message_id == _of, deadline.c.met_at.is_(None))),
)
PLACES = Query(
    select(content.c.place, content.c.sha256, content.c.size)
    .join_from(content_ref, content, content_ref.c.place == content.c.place)
    .where(content_ref.c.message_id == _of)
    .distinct()
)
UNREFER = Query(delete(content_ref).where(content_ref.c.message_id == _of))
FORGET = Query(
    delete(content).where(content.c.place == _place, ~exists().where(content_ref.c.place == content.c.place))
)
KEPT_BY = Query(
    select(delivery.c.organ)
    .where(
        delivery.c.message_id == _of,
        delivery.c.office.is_not(None),
        ~exists().where(
            recall.c.message_id == delivery.c.message_id, recall.c.organ == delivery.c.organ, recall.c.answer == AGREED
        ),
    )
    .limit(1)
)
OWE_ERASURE = Query(
    lambda new: new(erasure).on_conflict_do_nothing(index_elements=("place",)), "place", "sha256", "size"
)
ERASURES = Query(
    select(erasure.c.sha256, erasure.c.size, erasure.c.place).order_by(erasure.c.place).limit(bindparam("limit"))
)
DONE_ERASING = Query(delete(erasure).where(erasure.c.place == _place))

STANDING = Query(
    select(message.c.state, message.c.purged_at, message.c.document_id, message.c.size, message.c.sha256, message.c.closed_at)
    .where(message.c.message_id == _of)
)  # fmt: skip
DUPLICATES = Query(
    select(message.c.message_id).where(
        message.c.document_id == bindparam("document"), message.c.duplicate_of == _of, message.c.purged_at.is_(None)
    )
)
END = Query(
    update(message)
    .where(message.c.message_id == _of)
    .values(version=message.c.version + 1, due_at=null(), held=null(), holder=null(), doubt=0, woken=0),
    *("state", "closed_at", "purged_at"),
)
NOTE_PURGE = Query(insert(purge), "message_id", "at", "reason", "ledgered")
PURGES = Query(
    select(purge.c.message_id, purge.c.at, purge.c.reason, message.c.sha256)
    .join_from(purge, message, purge.c.message_id == message.c.message_id)
    .order_by(purge.c.at, purge.c.message_id)
)
OWED = Query(
    select(purge.c.message_id, purge.c.at, purge.c.reason, message.c.sha256)
    .join_from(purge, message, purge.c.message_id == message.c.message_id)
    .where(purge.c.ledgered == 0)
    .order_by(purge.c.at, purge.c.message_id)
)
_secrets = (
    select(*queries.MESSAGE_COLUMNS)
    .join_from(message, purge, purge.c.message_id == message.c.message_id)
    .where(purge.c.reason == bindparam("why"), message.c.direction == "in", message.c.kind == "document")
    .order_by(message.c.number)
)
SECRETS_OF_ID = Query(_secrets.where(message.c.document_id == bindparam("document")))
SECRETS_OF_NUMBER = Query(
    _secrets.join(refused_secret, refused_secret.c.message_id == message.c.message_id).where(
        refused_secret.c.code == bindparam("told"), refused_secret.c.year == bindparam("in_year")
    )
)
KNOWN_BY = Query(insert(refused_secret), "message_id", "year", "code")
LEDGERED = Query(update(purge).where(purge.c.message_id == _of).values(ledgered=1))

CLEAR = Query(
    lambda new: new(clearance).on_conflict_do_nothing(),
    *("message_id", "word", "name", "name_key", "login", "login_key", "at"),
)
CLEARANCES = Query(
    select(clearance.c.word, clearance.c.name, clearance.c.login)
    .where(clearance.c.message_id == _of)
    .order_by(clearance.c.word)
)
WORDS_NEEDED = 2

STATE_SECRET = "state-secret"  # noqa: S105  # a reason
"""Why a message was purged: a person rejected it as one, or it was taken back while suspected."""
NOBODY = "ledger"
"""Who purges again what a restored backup brought back."""


class SamePerson(Refused):
    """One person's word counts once."""

    def __init__(self) -> None:
        told = "this person, or this login, has given their word already: a second person must"
        super().__init__([Problem("who", "same-person", told)], code="same-person", status=409)


@dataclass(frozen=True, slots=True)
class Purged:
    """That a message was purged; all of it stays for ever."""

    message_id: str
    at: dt.datetime
    reason: str
    sha256: str | None
    """Of its edXML file."""


def apply(tx: Transaction, message_id: str, effect: Erase | Purge | Cleared, who: str, now: int) -> None:
    match effect:
        case Erase():
            erase(tx, message_id)
        case Purge():
            if not effect.once_given_back or tx.one(KEPT_BY, {"id": effect.message_id}) is None:
                carry_out(tx, effect, who, now)
        case Cleared():
            clear(tx, message_id, effect, now)


def erase(tx: Transaction, message_id: str) -> None:
    """Repeating is harmless."""
    this = {"id": message_id}
    places = tx.all(PLACES, this)
    for query in (*ERASED, UNREFER):
        tx.run(query, this)
    for place, sha256, size in places:
        if tx.run(FORGET, {"at_place": place}):
            tx.run(OWE_ERASURE, {"place": place, "sha256": sha256, "size": size})


def carry_out(tx: Transaction, asked: Purge, who: str, now: int, *, at: int | None = None) -> bool:
    """Purge, wherever on its road the message is. False: there is no such message, or it was purged before.

    `at`: when it was, by the ledger.
    """
    standing = tx.one(STANDING, {"id": asked.message_id})
    if standing is None or standing[1] is not None:
        return False
    before, _, document_id, size, sha256, closed_at = standing
    erase(tx, asked.message_id)
    ends = {"state": _ends_as(State(before)).value, "closed_at": closed_at or now, "purged_at": at or now}
    tx.run(END, {"id": asked.message_id, **ends})
    note = {"message_id": asked.message_id, "at": at or now, "reason": asked.reason, "ledgered": int(at is not None)}
    tx.run(NOTE_PURGE, note)
    if asked.known_by:
        tx.run(KNOWN_BY, {"message_id": asked.message_id, "year": asked.known_by.year, "code": asked.known_by.code})
    if at is None:
        tx.told.append(Purged(asked.message_id, time(now), asked.reason, sha256))
    facts: dict[str, str | int | None] = {"reason": asked.reason, "size": size, "sha256": sha256}
    chain.append(tx, asked.message_id, Entry("purged", facts), who, now)
    for (copy,) in tx.all(DUPLICATES, {"id": asked.message_id, "document": document_id}):
        carry_out(tx, Purge(copy, asked.reason, known_by=asked.known_by), who, now, at=at)
    return True


def _ends_as(state: State) -> State:
    if state.final:
        return state
    return State.CLOSED if State.CLOSED in NEXT[state] else State.REJECTED


def clear(tx: Transaction, message_id: str, said: Cleared, now: int) -> None:
    """Raises `SamePerson`, and so lets nothing of its unit happen."""
    values = {
        "message_id": message_id,
        "word": said.word,
        "name": said.name,
        "name_key": " ".join(said.name.casefold().split()),
        "login": said.login,
        "login_key": said.counts_as,
        "at": now,
    }
    if not tx.run(CLEAR, values):
        raise SamePerson


class PurgeRecords:
    """What the journal knows of purges, of erasures to do, and of two persons' word: one unit of work each."""

    def __init__(self, store: SqliteStore, stamp_now: Callable[[], int]) -> None:
        self._store = store
        self._stamp = stamp_now

    def tell_first(self, write: Callable[[Purged], None]) -> None:
        """`write` is given each purge before it is committed: what it made durable is so before anybody can hear of the
        purge. In the committing thread, which waits for it; it must not raise.
        """

        def before_commit(told: Sequence[Purged]) -> None:
            for purged in told:
                write(purged)

        self._store.before_commit = before_commit

    async def again(self, purged: Purged, known_by: Numbered | None = None) -> bool:
        """Purge what the ledger says was purged. False: it is purged, or the journal has no such message."""
        now, asked = self._stamp(), Purge(purged.message_id, purged.reason, known_by=known_by)
        return await self._store.write(lambda tx: carry_out(tx, asked, NOBODY, now, at=stamp(purged.at)), lengthy=True)

    async def all(self) -> Sequence[Purged]:
        return await self._store.read(lambda tx: _purged(tx, PURGES))

    async def secrets_refused(self, document_id: str, numbers: Collection[Numbered]) -> Collection[Message]:
        """Documents received that were rejected and purged as state secrets, of this DocumentId or one that tells one of
        these numbers, of whatever organ.
        """
        why = {"why": STATE_SECRET}

        def unit(tx: Transaction) -> list[Message]:
            rows = list(tx.all(SECRETS_OF_ID, {**why, "document": document_id}))
            for each in numbers:
                rows += tx.all(SECRETS_OF_NUMBER, {**why, "told": each.code, "in_year": each.year})
            return [message_from(row) for row in rows]

        return {each.message_id: each for each in self._store.glance(unit)}.values()

    async def owed(self) -> Sequence[Purged]:
        """Those that the ledger may not have yet."""
        return await self._store.read(lambda tx: _purged(tx, OWED))

    async def ledgered(self, message_id: str) -> None:
        await self._store.write(lambda tx: tx.run(LEDGERED, {"id": message_id}))

    async def erasures(self, limit: int) -> Sequence[Content]:
        return [Content(*row) for row in await self._store.read(lambda tx: tx.all(ERASURES, {"limit": limit}))]

    async def erased(self, content: Content) -> None:
        await self._store.write(lambda tx: tx.run(DONE_ERASING, {"at_place": content.place}))

    async def forget_log(self) -> bool:
        """Take what was erased out of the write-ahead log too. False: somebody reads it now; it is overwritten later."""
        return await self._store.truncate_log()

    async def words(self, message_id: str) -> Sequence[tuple[int, str, str]]:
        """Who said that it is no state secret: (first or second, name, login)."""
        return [
            (row[0], row[1], row[2]) for row in self._store.glance(lambda tx: tx.all(CLEARANCES, {"id": message_id}))
        ]

    async def cleared(self, message_id: str) -> bool:
        """Two persons said that it is no state secret."""
        return len(await self.words(message_id)) >= WORDS_NEEDED


def _purged(tx: Transaction, query: Query) -> list[Purged]:
    return [Purged(message_id, time(at), reason, sha256) for message_id, at, reason, sha256 in tx.all(query)]
