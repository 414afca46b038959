"""Takes over the books of another gateway: what was sent and received before, as messages that are closed already.

Nothing is sent, fetched or handed over because of it. Adopted documents let statuses that still arrive find what they
are about, offices report on what they received before, duplicates be noticed, and items that an axis lists once more be
known. A line already taken over, or known from our own work, is passed over: repeating the import is harmless.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gateway.config import OrganCode, Settings
from gateway.errors import Refused
from gateway.journal import Journal, NewSubmission
from gateway.model import Direction, Document, Kind, Organ, Problem
from gateway.pipeline import detail
from gateway.pipeline.routing import Router
from gateway.rules.duplicates import number_of
from gateway.rules.statuses import answers
from gateway.states import Delivery, Entry, HandedOver, Message, NewMessage, Outcome, State

ADOPTED = "adopted"
"""In place of an office: whose submissions these are in the journal."""
Word = Annotated[str, Field(max_length=500)]


class Line(BaseModel):
    """One line of the file, a JSON object."""

    model_config = ConfigDict(extra="forbid")
    direction: Literal["out", "in"]
    axis: str
    document_id: Annotated[str, Field(min_length=1, max_length=500)]
    sender: OrganCode
    to: tuple[OrganCode, ...] = Field(min_length=1)
    at: AwareDatetime
    """When it was sent or received."""
    number: Word = ""
    notation: Word = ""
    subject: Word = ""
    promulgation_date: dt.date | None = None
    axis_id: str | None = None
    """The axis's own id of it, where known: an item listed under it is not fetched again."""
    statuses: Mapping[OrganCode, Annotated[str, Field(pattern="^[0-9A-Za-z]{1,8}$")]] = Field(default_factory=dict)
    """The last status heard of each organ."""

    @property
    def document(self) -> Document:
        return Document(
            sender=Organ(self.sender),
            to=tuple(Organ(code) for code in self.to),
            document_id=self.document_id,
            number=self.number,
            notation=self.notation,
            subject=self.subject,
            promulgation_date=self.promulgation_date,
        )

    @property
    def key(self) -> str:
        same = [self.direction, self.axis, self.axis_id, self.sender, self.document_id, sorted(self.to)]
        return hashlib.sha256(json.dumps(same).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Adopted:
    new: int
    known: int


def read(lines: Iterable[str], settings: Settings) -> list[Line]:
    """All lines, or `Refused` with what is wrong in any of them, by number: a file is taken whole or not at all."""
    router = Router(settings.office, settings.route)
    axes = {section.name for section in settings.axis}
    found: list[Line] = []
    problems: list[Problem] = []
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = Line.model_validate_json(text)
        except ValidationError as error:
            # Without the input: a subject must not get into logs.
            problems += [
                Problem(f"line {number}: {'.'.join(map(str, each['loc']))}", each["type"], each["msg"])
                for each in error.errors(include_input=False, include_url=False)
            ]
            continue
        found.append(line)
        if line.axis not in axes:
            problems.append(Problem(f"line {number}: axis", "unknown", "no axis is called so"))
        if not any(router.office_of(code) for code in _ours(line)):
            problems.append(Problem(f"line {number}", "organ-unowned", "no office of ours owns its organ"))
    if problems:
        raise Refused(problems)
    return found


async def adopt(
    lines: Iterable[Line], settings: Settings, journal: Journal, *, told: Callable[[], None] = lambda: None
) -> Adopted:
    """Enter each line as a closed message. `told` is called after each."""
    router = Router(settings.office, settings.route)
    new = known = 0
    for line in lines:
        if await _known(line, journal):
            known += 1
        else:
            message = _message(line, router)
            message_id = message.message.message_id
            answer: dict[str, Any] = {"submission": message_id, "messages": [], "warnings": []}
            await journal.accept(NewSubmission(ADOPTED, line.key, line.key, answer, (message,)))
            # The offices have had it long since: nothing waits to be acknowledged.
            offices = {each.office for each in message.deliveries if each.office and line.direction == "in"}
            had = tuple(HandedOver(message_id, office) for office in sorted(offices))
            await journal.apply(message_id, Outcome(Entry(ADOPTED), effects=had), who=ADOPTED)
            new += 1
        told()
    return Adopted(new, known)


async def _known(line: Line, journal: Journal) -> bool:
    direction = Direction(line.direction)
    if await journal.message(line.key[:32]):
        return True
    if line.axis_id and await journal.find_by_axis_id(direction, line.axis, line.axis_id):
        return True
    if direction is Direction.OUT:
        return any([await journal.find_sent(line.document_id, organ) for organ in line.to])
    return bool(await journal.find_received(line.document_id, line.sender))


def _ours(line: Line) -> tuple[str, ...]:
    return (line.sender,) if line.direction == "out" else line.to


def _message(line: Line, router: Router) -> NewMessage:
    direction, document = Direction(line.direction), line.document
    message = Message(
        message_id=line.key[:32],
        direction=direction,
        kind=Kind.DOCUMENT,
        state=State.CLOSED,
        axis=line.axis,
        endpoint="inside",
        submission_id=line.key[:32],
        office=router.office_of(line.sender) if direction is Direction.OUT else None,
        axis_id=line.axis_id,
        document_id=line.document_id,
        sender=line.sender,
        detail=detail.of_document(document, adopted=True),
        accepted_at=line.at,
        sent_at=line.at if direction is Direction.OUT else None,
        closed_at=line.at,
    )
    organs = line.to if direction is Direction.OUT else [code for code in line.to if router.office_of(code)]
    number = number_of(document, line.at)
    return NewMessage(
        message,
        tuple(_delivery(code, line, router) for code in organs),
        marks=(number,) if number else (),
    )


def _delivery(code: str, line: Line, router: Router) -> Delivery:
    status = line.statuses.get(code)
    return Delivery(code, router.office_of(code), status, line.at if status else None, answers(status or ""))
