"""A verified request and its answer, and what every operation has at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import MultipartReader
from lxml import etree

from mock_axis.agencies import Agencies
from mock_axis.faults import Faults
from mock_axis.keys import Key, KeyRing, Trust
from mock_axis.mailbox import Mailbox
from mock_axis.store import Transaction

Result = TypeVar("Result")


@dataclass(slots=True)
class Switches:
    """How this axis behaves; a test may change them between calls."""

    deduplicates: bool = True
    """Off: every send of one message id makes a new message."""
    finds: bool = True
    """Off: FindMessage is answered with fault NotFound."""
    xop: bool = False
    """GetDocument answers under root type application/xop+xml."""


@dataclass(slots=True)
class Call:
    """A verified, valid request."""

    operation: str
    system: str
    request_id: str
    element: etree._Element
    parts: MultipartReader | None
    remembered: bool = False
    """Whether its id is in the mailbox's books already."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The fields of a reply, and the file that goes beside it."""

    fields: str = ""
    content_id: str = ""
    size: int = 0
    pieces: Iterator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """The axis's mailbox, keys and habits, which its operations share."""

    system: str
    box: Mailbox
    keys: KeyRing
    trust: Trust
    agencies: Agencies
    faults: Faults
    switches: Switches
    now: Callable[[], dt.datetime]
    stranger: Callable[[], Key]

    async def perform(self, call: Call, unit: Callable[[Transaction], Result]) -> Result:
        result = await self.box.perform(call.system, call.request_id, self.now().timestamp(), unit)
        call.remembered = True
        return result
