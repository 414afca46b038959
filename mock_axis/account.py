"""The account at the end: what was handed in on one side against what the other side really holds.

It is drawn up from the mock's and the sample offices' own databases. The gateway's journal is not asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mock_axis import pki
from mock_axis.office import SampleOffice
from mock_axis.recount import looking_at

Line = tuple[str, str, tuple[str, ...]]
"""(receiving organ, DocumentId, SHA-256 of the attachments): one document for one organ, whatever it was called."""


@dataclass(slots=True)
class Account:
    out: Counter[Line]
    """What offices handed in and the gateway accepted."""
    out_there: Counter[Line]
    """What the agencies, and the other offices of this gateway, registered."""
    incoming: Counter[Line]
    """What agencies sent."""
    incoming_here: Counter[Line]
    """What the offices were handed, by distinct message."""

    @property
    def lost(self) -> list[Line]:
        return [*(self.out - self.out_there), *(self.incoming - self.incoming_here)]

    @property
    def doubled(self) -> list[Line]:
        return [*(self.out_there - self.out), *(self.incoming_here - self.incoming)]


async def draw_up(folder: Path, offices: Mapping[str, SampleOffice]) -> Account:
    """`offices`: by the organ each speaks for."""
    out: Counter[Line] = Counter()
    here: Counter[Line] = Counter()
    for organ, office in offices.items():
        for sent in await office.store.submissions():
            if sent["status"] == 202:
                out.update(_lines(sent["document_id"], sent["digests"], _organs(sent["answer"])))
        for got in await office.store.documents():
            here.update(_lines(got["document_id"], got["digests"] or (), [organ]))
    there, incoming = _of_the_axis(folder / "axis" / "axis.sqlite3", set(offices))
    # Between two offices of one gateway the receiver is an office, not an agency.
    inside = Counter({line: count for line, count in here.items() if line in out and line not in incoming})
    return Account(out, there + inside, incoming, here - inside)


def _of_the_axis(path: Path, ours: set[str]) -> tuple[Counter[Line], Counter[Line]]:
    """(what agencies registered, what agencies sent to us)"""
    there: Counter[Line] = Counter()
    incoming: Counter[Line] = Counter()
    with looking_at(path) as axis:
        for agency, document_id, attachments in axis.execute(
            "select r.agency, m.document_id, m.attachments from registered r join messages m using (axis_id)"
            " where m.kind = 'document'"
        ):
            there.update(_lines(document_id, _digests(attachments), [agency]))
        for system, document_id, attachments, to in axis.execute(
            "select system, document_id, attachments, to_organs from messages where kind = 'document'"
        ):
            if system in pki.AGENCIES:
                receivers = [organ for organ in json.loads(to) if organ in ours]
                incoming.update(_lines(document_id, _digests(attachments), receivers))
    return there, incoming


def _organs(answer: Mapping[str, Any]) -> list[str]:
    return [organ for message in answer["messages"] for organ in message["organs"]]


def _digests(attachments: str) -> list[str]:
    return [digest for _, digest in json.loads(attachments)]


def _lines(document_id: str, digests: Iterable[str], organs: Iterable[str]) -> list[Line]:
    return [(organ, document_id, tuple(sorted(digests))) for organ in organs]
