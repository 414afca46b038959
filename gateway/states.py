"""Where a message can be on its road, which step comes next, and what a stage may say about it.

A stage never writes: it returns an `Outcome`, and the journal carries it out in one transaction with the entry that
tells of it. "Put off" and "held" are pauses of a state, not states.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from gateway.model import Attachment, Content, Direction, Kind, ProofGrade


class State(StrEnum):
    ACCEPTED = "accepted"
    """Ours to carry: the bytes and the row are on disk, and the office has its answer."""
    PACKED = "packed"
    """The edXML file is signed and frozen."""
    SENT = "sent"
    """The axis holds exactly these bytes, by the proof grade stored beside it."""
    ANNOUNCED = "announced"
    """An axis listed it."""
    RECEIVED = "received"
    """Its bytes are here and match what the axis vouched for; we owe the receipt."""
    CONFIRMED = "confirmed"
    """The axis has our receipt."""
    TRUSTED = "trusted"
    """Examined; an office is to have it."""
    CLOSED = "closed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Not confirmed in time. A late receipt still moves it to `sent`."""

    @property
    def final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset({State.CLOSED, State.REJECTED, State.EXPIRED})

WITHHELD = "secret-"
"""How the reasons begin for which a message is held from everybody. Held for any other, what an office may have already
it may have still: that another office's road is blocked is none of its business.
"""


def withheld(held: str | None) -> bool:
    return held is not None and held.startswith(WITHHELD)


BEFORE_START = "before-start"
"""Held because the axis took it before `axis.start_at`: an earlier gateway may have had it."""


class Stage(StrEnum):
    """The step that works on a message in a given state."""

    PACK = "pack"
    SEND = "send"
    CHASE = "chase"
    FETCH = "fetch"
    CONFIRM = "confirm"
    EXAMINE = "examine"
    HAND_OVER = "hand_over"
    TELL_OFFICE = "tell_office"


_STAGES: Mapping[State, Stage] = {
    State.ACCEPTED: Stage.PACK,
    State.PACKED: Stage.SEND,
    State.EXPIRED: Stage.SEND,  # only when a person asked to resend it: an expired message is not due by itself
    State.SENT: Stage.CHASE,
    State.ANNOUNCED: Stage.FETCH,
    State.RECEIVED: Stage.CONFIRM,
    State.CONFIRMED: Stage.EXAMINE,
    State.TRUSTED: Stage.HAND_OVER,
}


def stage_for(state: State, kind: Kind) -> Stage | None:
    """The stage that takes a message on from here, or None where nothing is left to do."""
    if state is State.TRUSTED and kind is Kind.NOTICE:
        return Stage.TELL_OFFICE
    return _STAGES.get(state)


NEXT: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.PACKED, State.REJECTED, State.EXPIRED}),
    State.PACKED: frozenset({State.SENT, State.CLOSED, State.REJECTED, State.EXPIRED}),
    State.SENT: frozenset({State.CLOSED}),
    State.ANNOUNCED: frozenset({State.RECEIVED, State.REJECTED}),
    State.RECEIVED: frozenset({State.CONFIRMED, State.REJECTED}),
    State.CONFIRMED: frozenset({State.TRUSTED, State.CLOSED, State.REJECTED}),
    State.TRUSTED: frozenset({State.CLOSED, State.REJECTED}),
    State.EXPIRED: frozenset({State.SENT, State.REJECTED}),
    State.CLOSED: frozenset(),
    State.REJECTED: frozenset(),
}
"""Every change of state there is. The journal refuses any other."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one organ, and the last status heard about it."""

    organ: str
    office: str | None = None
    """The office of ours that owns the organ; None where it lies beyond an axis."""
    status: str | None = None
    status_at: dt.datetime | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the journal: a document, a status or a notice on its way, in one direction, over one axis."""

    message_id: str
    """Ours, frozen at acceptance."""
    direction: Direction
    kind: Kind
    state: State
    axis: str
    """Name of the axis; `local` between our own offices; empty for a notice."""
    endpoint: str
    """Whose back-off it waits for: `axis:national`, `office:so-noi-vu`, or `inside` when no I/O partner is needed."""
    submission_id: str
    """What an office handed in at once: the message id of its first message."""
    office: str | None = None
    """The office that handed it in (out) or must hear it (notice, status)."""
    axis_id: str | None = None
    """Theirs."""
    document_id: str = ""
    sender: str = ""
    """Organ code of the sender."""
    urgency: int = 0
    """0 normal, 1 khẩn, 2 thượng khẩn, 3 hỏa tốc and hỏa tốc hẹn giờ."""
    detail: Mapping[str, object] | None = None
    """What people read: subject, names, the parsed record. Erasable; never in an entry's digest."""
    size: int | None = None
    """Of the edXML file, in bytes."""
    sha256: str | None = None
    """Of the edXML file, hex."""
    proof: ProofGrade | None = None
    version: int = 0
    attempts: int = 0
    """Attempts opened in the present state."""
    accepted_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    """When the next stage may take it; None: nothing to do, or held."""
    expires_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    held: str | None = None
    """Why a person must act; None when not held."""
    supersedes: str | None = None
    duplicate_of: str | None = None
    purged_at: dt.datetime | None = None
    """When its detail and contents were erased for good."""


@dataclass(frozen=True, slots=True)
class Work:
    """A message under our lease, with the attempt opened for it."""

    message: Message
    holder: str
    attempt: int
    doubt: bool
    """An earlier attempt of this stage was left open or ended not knowing: what it asked for may have happened."""
    known: Known | None = None
    """What need not be read again."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal wrote about a message a moment ago: all its contents, the receipt we gave, what is kept beside."""

    contents: tuple[ContentRef, ...] = ()
    receipt: bytes | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


# --- effects: what one transaction does beside moving the message -----------------------------------------------


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A further message born with this outcome: a status we owe, a notice an office must hear."""

    message: Message
    deliveries: tuple[Delivery, ...] = ()
    contents: tuple[ContentRef, ...] = ()
    marks: tuple[Due | Numbered | Concerns, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further facts for its first entry, e.g. the verdicts on its PDFs."""
    then: Outcome | None = None
    """What its first stage made of it already: it is born in the state that this leads to."""


@dataclass(frozen=True, slots=True)
class ContentRef:
    """That a message needs these bytes. `role`: `edxml`, `attachment`, `header`, `reply`."""

    role: str
    content: Content
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class KeepReceipt:
    """A receipt given or got, byte for byte. A mismatched one is kept too, and settles nothing."""

    receipt_id: str
    kind: str
    """`axis-accepted` | `gateway-received`; of an axis without signed receipts `axis-acknowledged`, its reply as it came,
    and `gateway-kept`, ours, signed, and given to nobody."""
    given: bool
    """True: ours, owed to the other side; False: theirs."""
    body: bytes
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class SettleDelivery:
    """A status heard about a document of ours: settles the delivery row, whatever the message's state is."""

    message_id: str
    organ: str
    status: str
    at: dt.datetime
    answered: bool
    file: str | None = None
    """SHA-256 of the edXML file that says so: two of one code at one time may say different things."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An office has it."""

    message_id: str
    office: str


@dataclass(frozen=True, slots=True)
class AddDelivery:
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Due:
    """The law sets the message a time: a rule of `gateway.rules.deadlines`, and when it is due."""

    rule: str
    due_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Met:
    """A rule's deadline of a message was met; nothing where it has none, or had been met."""

    message_id: str
    rule: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Numbered:
    """The document's number and notation, which its organ gives out once a year (NĐ 30/2020/NĐ-CP Đ15)."""

    sender: str
    year: int
    code: str
    """In one spelling: `gateway.rules.duplicates` makes it."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """An office's idempotency key and what it was answered. A key that was answered before lets nothing happen again."""

    office: str
    key: str
    fingerprint: str
    """Of what was asked: the same key with another is refused."""
    answer: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Erase:
    """What people read of this message goes, and its contents that no other message needs; it stays where it is."""


@dataclass(frozen=True, slots=True)
class Purge:
    """Erase a message for good: it ends here, its duplicates with it, and a restored backup erases it again.

    Ids, organs, times, digests and receipts stay (NĐ 30/2020/NĐ-CP PL VI.III.8). Purging again changes nothing.
    """

    message_id: str
    reason: str
    """A code, kept in the entry and in the ledger."""
    once_given_back: bool = False
    """Only when each of our organs that had it has agreed to a recall: one's word does not take it from another."""
    known_by: Numbered | None = None
    """The number that the DocumentId of a state secret tells: its recall may name no more."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The first or second person's word that a message held as suspected is no state secret. Two are needed."""

    word: Literal[1, 2]
    name: str
    """As given."""
    login: str
    """Whom the machine knows them as."""
    counts_as: str
    """What must differ from the other person's, beside the name."""


ASKED_BACK = "13"
AGREED = "15"
DECLINED = "16"
"""The codes of a recall and its answers, which also answer updates; what all codes mean is in `gateway.rules.statuses`."""


class Act(StrEnum):
    """What a message does to an earlier document."""

    RECALL = "recall"
    UPDATE = "update"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Concerns:
    """That the message recalls, updates or replaces an earlier one. Of ours the journal refuses it where it is frozen."""

    earlier: str
    """Its message id."""
    act: Act
    organs: tuple[str, ...] = ()
    """Of a recall: those it is asked back from; of a received document our own."""
    due_at: dt.datetime | None = None
    """When a recall that nobody answered is shown as such, if it leaves at once; later, if it leaves later."""


@dataclass(frozen=True, slots=True)
class RecallAnswered:
    """What an organ says to a recall; nothing where it was not asked. Kept once: only a refusal may still turn."""

    message_id: str
    """Of the document asked back."""
    organ: str
    code: str
    """15 or 16."""
    by: str
    """Message id of the status that says so."""
    demanded: bool = False
    """Refuse the whole unit where no recall waits for it: our own office's word, which must not contradict itself."""


@dataclass(frozen=True, slots=True)
class ChangeAnswered:
    """What an organ says to an update or a replacement. Kept once, as to a recall: only a refusal may still turn."""

    about: str
    """Message id of the document that it names. Of ours the later one or the earlier; of a received one the later."""
    organ: str
    code: str
    """15 or 16."""
    by: str
    """Message id of the status that says so."""
    received_as: Act | None = None
    """What a document received is, where our own office speaks: its word must not contradict itself, or else the whole
    unit is refused."""


Effect = (
    AnswerKey
    | NewMessage
    | ContentRef
    | KeepReceipt
    | SettleDelivery
    | HandedOver
    | AddDelivery
    | Due
    | Met
    | Numbered
    | Erase
    | Purge
    | Cleared
    | Concerns
    | RecallAnswered
    | ChangeAnswered
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal says happened. `code` and `facts` are chained for ever; `detail` may be erased."""

    code: str
    facts: Mapping[str, str | int | None] | None = None
    """Codes, ids, digests, times: never text a person wrote."""
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What should become of a message: carried out by the journal in one transaction."""

    entry: Entry
    state: State | None = None
    """None: stay."""
    due_in: dt.timedelta | None = None
    """When to look again; None with a working state means: wait for an event."""
    held: str | None = None
    doubt: bool = False
    """The attempt ended without knowing whether it happened."""
    changes: Mapping[str, object] | None = None
    """Columns of the message to set, e.g. {"axis_id": "…", "proof": "signed-receipt"}."""
    effects: tuple[Effect, ...] = ()
    otherwise: Outcome | None = None
    """Instead, where each status that it settles had been heard before: of that delivery, that code, at that time, in the
    same file. The journal's unique key decides, so of two examined at once one is told.
    """
    then: Outcome | None = None
    """What the next stage, which speaks with nobody, made of it at once: carried out in the same transaction."""

    @property
    def steps(self) -> tuple[Outcome, ...]:
        """This outcome and those that followed at once, in their order."""
        return (self,) if self.then is None else (self, *self.then.steps)

    def state_after(self, state: State) -> State:
        """Where a message that is in `state` is when all of it is done."""
        for step in self.steps:
            state = step.state or state
        return state
