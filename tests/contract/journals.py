"""Messages and submissions for the journal's tests; organs and offices are invented."""

import datetime as dt
import itertools

from gateway.journal import announced
from gateway.journal.door import NewSubmission
from gateway.model import Content, Direction, Kind
from gateway.states import ContentRef, Delivery, Entry, Message, NewMessage, Outcome, State

LEASE = dt.timedelta(seconds=60)
START = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
ORGAN = "000.00.01.H99"
OTHER_ORGAN = "000.00.02.H99"
_numbers = itertools.count(1)


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> dt.datetime:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


def message(message_id=None, **fields) -> Message:
    message_id = message_id or f"m{next(_numbers)}"
    return Message(
        **{
            "message_id": message_id,
            "direction": Direction.OUT,
            "kind": Kind.DOCUMENT,
            "state": State.ACCEPTED,
            "axis": "national",
            "endpoint": "inside",
            "submission_id": message_id,
            "office": "so-thu-nghiem",
            "sender": "000.00.09.H99",
            "document_id": f"doc-{message_id}",
            **fields,
        }
    )


def content(sha256="ab" * 32, size=3, place="x:1") -> Content:
    return Content(sha256, size, place)


def new(a_message: Message, *, to=(ORGAN,), contents=()) -> NewMessage:
    deliveries = tuple(to_ if isinstance(to_, Delivery) else Delivery(to_) for to_ in to)
    return NewMessage(a_message, deliveries, tuple(ContentRef("attachment", one) for one in contents))


def listed(axis, *items):
    """What the lines of an axis's list make."""
    return [NewMessage(announced(axis, item, f"axis:{axis}")) for item in items]


def submission(*messages, key=None, office="so-thu-nghiem", fingerprint="f1") -> NewSubmission:
    made = tuple(one if isinstance(one, NewMessage) else new(one) for one in messages)
    key = key or f"key-{next(_numbers)}"
    return NewSubmission(office, key, fingerprint, {"messages": [one.message.message_id for one in made]}, made)


async def accepted(journal, **fields) -> Message:
    a_message = message(**fields)
    await journal.accept(submission(a_message))
    return a_message


async def claim_one(journal, holder="node-1", **options):
    [work] = await journal.claim(holder, 10, LEASE, **options)
    return work


def to(state, **fields) -> Outcome:
    return Outcome(Entry(str(state)), state=state, **fields)


NOW = dt.timedelta()


async def at_state(journal, *states, **fields) -> Message:
    """A message taken along the road through `states`, waiting there for an event."""
    a_message = await accepted(journal, **fields)
    for state in states:
        assert await journal.apply(a_message.message_id, to(state), who="test")
    return await journal.message(a_message.message_id)
