"""What an office must hear about its own message: itself a message, so that it survives like one."""

from __future__ import annotations

import datetime as dt

from gateway.ids import new_id
from gateway.model import Direction, Kind
from gateway.states import Delivery, Message, NewMessage, State


def about(message: Message, event: str, now: dt.datetime, code: str = "", text: str = "") -> tuple[NewMessage, ...]:
    """The notice `event` for the office that handed `message` in; nothing where no office did.

    `text` is kept in the erasable detail only.
    """
    if message.office is None:
        return ()
    return (
        NewMessage(
            Message(
                message_id=new_id(),
                direction=Direction.IN,
                kind=Kind.NOTICE,
                state=State.TRUSTED,
                axis="",
                endpoint=f"office:{message.office}",
                submission_id=message.submission_id,
                office=message.office,
                document_id=message.document_id,
                sender=message.sender,
                urgency=message.urgency,
                detail={"event": event, "about": message.message_id, "code": code, "text": text},
                accepted_at=now,
                due_at=now,
            ),
            deliveries=(Delivery(organ=message.sender, office=message.office),),
        ),
    )
