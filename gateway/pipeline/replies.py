"""Statuses we owe: what becomes of a received document travels back as a message of its own."""

from __future__ import annotations

import datetime as dt

from gateway.ids import new_id
from gateway.model import Direction, Document, Kind, Organ, ResponseFor, Staff, Status
from gateway.pipeline import detail
from gateway.states import Delivery, Message, NewMessage, State


def status_message(
    received: Message,
    document: Document,
    organ: Organ,
    code: str,
    now: dt.datetime,
    *,
    reason: str = "",
    staff: Staff | None = None,
    office: str | None = None,
) -> NewMessage:
    """The status `code` of `organ` about a received document, back over the axis it came by.

    `office` is set where an office reported it, and so must hear if it is rejected.
    """
    about = ResponseFor(document.sender.code, document.code, document.document_id, document.promulgation_date)
    return status_about(received, about, organ, code, now, reason=reason, staff=staff, office=office)


def status_about(
    received: Message,
    about: ResponseFor,
    organ: Organ,
    code: str,
    now: dt.datetime,
    *,
    reason: str = "",
    staff: Staff | None = None,
    office: str | None = None,
) -> NewMessage:
    """The same where nothing is left of the document but what names it."""
    status = Status(
        sender=organ,
        response_for=about,
        code=code,
        description=reason,
        timestamp=now,
        staff=staff,
    )
    message_id = new_id()
    return NewMessage(
        Message(
            message_id=message_id,
            direction=Direction.OUT,
            kind=Kind.STATUS,
            state=State.ACCEPTED,
            axis=received.axis,
            endpoint="inside",
            submission_id=received.submission_id,
            office=office,
            document_id=about.document_id,
            sender=organ.code,
            urgency=received.urgency,
            detail=detail.of_status(status),
            accepted_at=now,
            due_at=now,
        ),
        deliveries=(Delivery(about.organ),),
    )
