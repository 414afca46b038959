"""What an office is told, as JSON: the same for every adapter that hands over whole messages."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from adapters.office import durable
from gateway.model import Content
from gateway.ports import AttachmentSource, Handover


def told(handover: Handover) -> dict[str, Any]:
    """Everything but the bytes."""
    event = handover.event
    whole: dict[str, Any] = {
        "type": event.type,
        "message_id": event.message_id,
        "at": event.at.isoformat(),
        "organs": list(handover.organs),
        "data": plain(event.data),
    }
    if handover.document is not None:
        whole["document"] = plain(handover.document)
        whole["document"]["attachments"] = [plain(source.attachment) for source in handover.attachments]
    if handover.status is not None:
        whole["status"] = plain(handover.status)
    return whole


def plain(value: Any) -> Any:
    """Our data as JSON has it, without the fields that say nothing and without where our store keeps the bytes."""
    if isinstance(value, Content):
        return {"sha256": value.sha256, "size": value.size}
    if dataclasses.is_dataclass(value):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(item) for name, item in fields if item not in (None, "", ())}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return value


def file_names(sources: tuple[AttachmentSource, ...]) -> list[str]:
    """A safe name for each attachment, near the one it came with, which a stranger chose, and none twice."""
    names: list[str] = []
    taken: set[str] = set()
    for index, source in enumerate(sources, start=1):
        last = source.attachment.name.replace("\\", "/").rpartition("/")[2]
        name = "".join(letter for letter in last if letter.isprintable()).strip().lstrip(".")
        stem, dot, suffix = name.rpartition(".")
        if not durable.plain_name(name):
            # 150 characters of three octets each would be too long; 60 with the suffix never are.
            name = (
                f"{(stem or suffix)[:60]}{dot and '.'}{suffix[:10] if dot else ''}" if name else f"attachment-{index}"
            )
        if name.casefold() in taken:
            name = f"{index}-{name}"
        taken.add(name.casefold())
        names.append(name)
    return names
