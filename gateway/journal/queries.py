"""The journal's statements, in SQLAlchemy Core.

A bound value is named after its column where it is stored (`sets`), and otherwise by the name given here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)

from gateway.journal.query import Query, inserting, inserting_once, names
from gateway.journal.tables import (
    attempt,
    content,
    content_ref,
    delivery,
    endpoint,
    extra,
    handover,
    message,
    receipt,
    status_heard,
    submission,
)
from gateway.model import Kind
from gateway.states import WITHHELD, Stage, State, stage_for

_id: BindParameter[Any] = bindparam("id")
_office: BindParameter[Any] = bindparam("office")
_now: BindParameter[Any] = bindparam("now")
_limit: BindParameter[Any] = bindparam("limit")

# --- messages ---------------------------------------------------------------------------------------------------

MESSAGE_COLUMNS = tuple(message.c[name] for name in names(message))

STANDING_COLUMNS = ("holder", "doubt", "woken", "tries", "last_seq", "last_digest")
"""What the journal alone needs to know of a message."""

NEW_MESSAGE = inserting_once(message, "number", key=("direction", "axis", "axis_id"))
MESSAGE = Query(select(*MESSAGE_COLUMNS).where(message.c.message_id == _id))
STANDING = Query(
    select(*(message.c[name] for name in STANDING_COLUMNS)).where(
        message.c.message_id == _id, message.c.version == bindparam("seen"), message.c.holder == bindparam("by")
    )
)
MESSAGES_OF_SUBMISSION = Query(
    select(*MESSAGE_COLUMNS).where(message.c.submission_id == _id).order_by(message.c.number)
)
MESSAGE_BY_AXIS_ID = Query(
    select(*MESSAGE_COLUMNS).where(
        message.c.direction == bindparam("direction"),
        message.c.axis == bindparam("axis"),
        message.c.axis_id == bindparam("axis_id"),
    )
)
SENT_DOCUMENTS = Query(
    select(*MESSAGE_COLUMNS)
    .where(
        message.c.document_id == bindparam("document_id"),
        message.c.direction == "out",
        message.c.kind == "document",
        # One that never left cannot have arrived: a corrected copy under the same DocumentId did.
        or_(message.c.state != State.REJECTED.value, message.c.sent_at.is_not(None)),
        exists().where(delivery.c.message_id == message.c.message_id, delivery.c.organ == bindparam("organ")),
    )
    .order_by(message.c.number)
)
TRUSTED_DOCUMENTS = Query(
    select(*MESSAGE_COLUMNS)
    .where(
        message.c.document_id == bindparam("document_id"),
        message.c.sender == bindparam("sender"),
        message.c.direction == "in",
        message.c.kind == "document",
        message.c.twin.is_not(None),
    )
    .order_by(message.c.number)
)
CONFIRMED_BUT_LISTED = Query(
    select(message.c.axis_id, receipt.c.body)
    .join_from(message, receipt, receipt.c.message_id == message.c.message_id)
    .where(
        message.c.direction == "in",
        message.c.axis == bindparam("axis"),
        message.c.axis_id == bindparam("axis_id"),
        message.c.state != "announced",
        message.c.state != "received",
        receipt.c.given == 1,
        # Confirmed while the list was on its way, it is rightly on it.
        ~exists().where(
            attempt.c.message_id == message.c.message_id,
            attempt.c.stage == Stage.CONFIRM.value,
            attempt.c.closed_at > bindparam("asked_at"),
        ),
    )
    .order_by(receipt.c.number)
    .limit(1)
)
MESSAGE_BY_TWIN = Query(select(*MESSAGE_COLUMNS).where(message.c.twin == bindparam("twin")))
GIVE_UP_TWIN = Query(update(message).where(message.c.message_id == _id).values(twin=null()))
CLAIM_TWIN = Query(update(message).where(message.c.message_id == _id, message.c.twin.is_(None)), "twin")

NEXT_VERSION = Query(update(message).where(message.c.message_id == _id).values(version=message.c.version + 1))
CHANGEABLE = frozenset(
    {
        *("axis", "endpoint", "office", "axis_id", "document_id", "sender", "urgency", "detail", "size", "sha256"),
        *("proof", "expires_at", "sent_at", "submission_id", "supersedes", "duplicate_of", "doubt"),
    }
)
"""The columns that an outcome may change."""


@cache
def set_columns(names: tuple[str, ...]) -> Query:
    return Query(update(message).where(message.c.message_id == _id), *names)


WAKE = Query(
    update(message)
    .where(message.c.message_id == _id, message.c.closed_at.is_(None), message.c.held.is_(None))
    .values(
        due_at=case((message.c.holder.is_(None), _now), else_=message.c.due_at),
        woken=case((message.c.holder.is_(None), 0), else_=1),
    )
)

CLOSE_SENT = Query(
    # Not while it is held, nor while someone works on it.
    update(message)
    .where(message.c.message_id == _id, message.c.state == "sent", message.c.held.is_(None), message.c.holder.is_(None))
    .values(
        state="closed",
        version=message.c.version + 1,
        attempts=0,
        due_at=null(),
        closed_at=_now,
        doubt=0,
        woken=0,
    ),
    *("last_seq", "last_digest"),
)

SET_EXTRA = Query(
    lambda new: (stmt := new(extra)).on_conflict_do_update(
        index_elements=("message_id", "name"), set_={"value": stmt.excluded.value}
    ),
    *names(extra),
)
EXTRAS = Query(select(extra.c.name, extra.c.value).where(extra.c.message_id == _id))

# --- the runner -------------------------------------------------------------------------------------------------

_waiting = message.c.due_at.is_not(None)


def _in_back_off(name: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(endpoint.c.name == name, endpoint.c.next_try_at > _now)


def _lanes() -> Select[Any]:
    """(endpoint, urgency) of everything that waits, urgent first: each found by one step into the index, however
    many rows wait. Endpoints in back-off are left out.
    """
    first = select(func.min(message.c.endpoint).label("endpoint")).where(_waiting).cte("ends", recursive=True)
    following = select(func.min(message.c.endpoint)).where(_waiting, message.c.endpoint > first.c.endpoint)
    ends = first.union_all(select(following.scalar_subquery()).select_from(first).where(first.c.endpoint.is_not(None)))
    urgencies = union_all(*(select(literal(urgency).label("urgency")) for urgency in (3, 2, 1, 0))).cte("urgencies")
    return (
        select(ends.c.endpoint, urgencies.c.urgency)
        .where(ends.c.endpoint.is_not(None), ~_in_back_off(ends.c.endpoint))
        .order_by(urgencies.c.urgency.desc(), ends.c.endpoint)
    )


LANES = Query(_lanes())


@cache
def due_in_lane(skipped: frozenset[Stage]) -> Query:
    """Ids due in one lane, longest due first; what waits for a skipped stage is passed over."""
    statement = (
        select(message.c.message_id)
        .where(
            message.c.endpoint == bindparam("endpoint"),
            message.c.urgency == bindparam("urgency"),
            _waiting,
            message.c.due_at <= _now,
        )
        .order_by(message.c.due_at)
        .limit(_limit)
    )
    for state in State:
        for kind in Kind:
            if stage_for(state, kind) in skipped:
                statement = statement.where(or_(message.c.state != state.value, message.c.kind != kind.value))
    return Query(statement)


_claim = (
    update(message)
    .where(message.c.message_id == _id)
    .values(
        # A holder still there never settled: what it asked for may have happened.
        doubt=case((message.c.holder.is_not(None), 1), else_=message.c.doubt),
        holder=bindparam("by"),
        due_at=bindparam("until"),
        version=message.c.version + 1,
        attempts=message.c.attempts + 1,
        tries=message.c.tries + 1,
        woken=0,
    )
    .returning(*MESSAGE_COLUMNS)
)
CLAIM = Query(_claim)
CLAIM_IF_DUE = Query(_claim.where(_waiting, message.c.due_at <= _now, ~_in_back_off(message.c.endpoint)))
RENEW = Query(
    update(message)
    .where(message.c.message_id == _id, message.c.version == bindparam("seen"), message.c.holder == bindparam("by"))
    .values(due_at=bindparam("until"))
)
OPEN_ATTEMPT = inserting(attempt)
CLOSE_ATTEMPT = Query(
    update(attempt).where(attempt.c.message_id == _id, attempt.c.n == bindparam("nth")),
    *("closed_at", "outcome", "doubt"),
)
ATTEMPTS = Query(select(*attempt.columns).where(attempt.c.message_id == _id).order_by(attempt.c.n))

# --- deliveries, handovers, receipts ----------------------------------------------------------------------------

ADD_DELIVERY = inserting_once(delivery, key=("message_id", "organ"))
DELIVERIES = Query(
    select(delivery.c.organ, delivery.c.office, delivery.c.status, delivery.c.status_at, delivery.c.answered)
    .where(delivery.c.message_id == _id)
    .order_by(delivery.c.organ)
)
DELIVERY = Query(
    select(delivery.c.status, delivery.c.status_at, delivery.c.answered).where(
        delivery.c.message_id == _id, delivery.c.organ == bindparam("to")
    )
)
SETTLE_DELIVERY = Query(
    update(delivery).where(delivery.c.message_id == _id, delivery.c.organ == bindparam("to")),
    *("status", "status_at", "answered"),
)
UNANSWERED_SENT = Query(
    select(func.count(), func.coalesce(func.sum(delivery.c.answered), 0))
    .join_from(delivery, message, delivery.c.message_id == message.c.message_id)
    .where(delivery.c.message_id == _id, message.c.state == "sent")
)
STATUS_HEARD = inserting_once(status_heard, key=("message_id", "organ", "status", "status_at"))
STATUS_FILE = Query(
    select(status_heard.c.file).where(
        status_heard.c.message_id == bindparam("message_id"),
        status_heard.c.organ == bindparam("organ"),
        status_heard.c.status == bindparam("status"),
        status_heard.c.status_at == bindparam("status_at"),
    )
)
STATUSES = Query(
    select(*(each for each in status_heard.columns if each.name != "file"))
    .where(status_heard.c.message_id == _id)
    .order_by(status_heard.c.status_at, status_heard.c.heard_at)
)

NEW_HANDOVER = inserting_once(handover, key=("message_id", "office"))
PENDING_HANDOVERS = Query(
    select(handover.c.office)
    .where(handover.c.message_id == _id, handover.c.state != "done")
    .order_by(handover.c.office)
)
UNOFFERED = Query(
    select(handover.c.office)
    .where(handover.c.message_id == _id, handover.c.state == "pending")
    .order_by(handover.c.office)
)
_offered = handover.alias("offered")
OFFER = Query(
    update(handover)
    .where(handover.c.message_id == _id, handover.c.office == bindparam("to"))
    .values(
        state="offered",
        at=_now,
        seq=select(func.coalesce(func.max(_offered.c.seq), 0) + 1).scalar_subquery(),
    )
)
HANDED_OVER = Query(
    update(handover)
    .where(handover.c.message_id == _id, handover.c.office == bindparam("to"), handover.c.state != "done")
    .values(state="done", at=_now)
)
INBOX = Query(
    select(handover.c.seq, handover.c.at.label("offered_at"), *MESSAGE_COLUMNS)
    .join_from(handover, message, handover.c.message_id == message.c.message_id)
    .where(
        handover.c.office == _office,
        handover.c.state == "offered",
        handover.c.seq > bindparam("after"),
        or_(message.c.held.is_(None), message.c.held.not_like(f"{WITHHELD}%")),
        message.c.closed_at.is_(None),
    )
    .order_by(handover.c.seq)
    .limit(_limit)
)

KEEP_RECEIPT = Query(
    # The same receipt again is one row; once verified, what was held against it before no longer counts.
    lambda new: (stmt := new(receipt)).on_conflict_do_update(
        index_elements=("message_id", "given", "sha256"),
        set_={name: stmt.excluded[name] for name in ("receipt_id", "kind", "mismatch")},
        where=stmt.excluded.mismatch.is_(None),
    ),
    *names(receipt, "number"),
)
RECEIPTS = Query(select(*receipt.columns).where(receipt.c.message_id == _id).order_by(receipt.c.number))
RECEIPT_GIVEN = Query(
    select(receipt.c.body).where(receipt.c.message_id == _id, receipt.c.given == 1).order_by(receipt.c.number).limit(1)
)

# --- contents ---------------------------------------------------------------------------------------------------

KEEP_CONTENT = inserting_once(content, key=("place",))
REFER = inserting(content_ref, "number")
CONTENTS = Query(
    select(content_ref.c.role, content.c.sha256, content.c.size, content.c.place, content_ref.c.attachment)
    .join_from(content_ref, content, content_ref.c.place == content.c.place)
    .where(content_ref.c.message_id == _id)
    .order_by(content_ref.c.number)
)
_referred = exists().where(content_ref.c.place == content.c.place)
UNREFERENCED = Query(
    select(content.c.sha256, content.c.size, content.c.place)
    .where(~_referred, content.c.kept_at < bindparam("before"))
    .order_by(content.c.place)
    .limit(_limit)
)
FORGET_CONTENT = Query(delete(content).where(content.c.place == bindparam("at"), ~_referred))

_place: BindParameter[str] = bindparam("place")
NEEDS_FILE = Query(
    # A segment's places are NAME:OFFSET, and ";" is the character after ":".
    select(literal(1))
    .select_from(content)
    .where(or_(content.c.place == _place, (content.c.place > _place + ":") & (content.c.place < _place + ";")))
    .limit(1)
)

# --- the door ---------------------------------------------------------------------------------------------------

_of_key = (submission.c.office == _office, submission.c.key == bindparam("key"))
SUBMISSION = Query(select(submission.c.fingerprint, submission.c.answer).where(*_of_key))
PUT_SUBMISSION = inserting_once(submission, key=("office", "key"))
ANSWER_KEY = inserting_once(submission, key=("office", "key"))

# --- numbers for screens and metrics ----------------------------------------------------------------------------

COUNTS = Query(
    select(message.c.state, message.c.direction, func.count()).group_by(message.c.state, message.c.direction)
)
HELD = Query(select(message.c.held, func.count()).where(message.c.held.is_not(None)).group_by(message.c.held))
IN_DOUBT = Query(select(func.count()).select_from(message).where(message.c.doubt == 1, message.c.closed_at.is_(None)))
OLDEST_DUE = Query(
    select(message.c.direction, func.min(message.c.due_at))
    .where(_waiting, message.c.due_at <= _now)
    .group_by(message.c.direction)
)
