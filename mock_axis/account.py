"""The account at the end: what was handed in on one side against what the other side really holds.

It is drawn up from the mock's and the sample offices' own databases. The gateway's journal is not asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mock_axis import pki
from mock_axis.office import SampleOffice
from mock_axis.recount import looking_at

Line = tuple[str, str, tuple[str, ...]]
"""(receiving organ, DocumentId, SHA-256 of the attachments): one document for one organ, whatever it was called.

For a status the third part is (code, speaking organ).
"""


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
    told: Counter[Line] = field(default_factory=Counter)
    """What the gateway accepted and then rejected, and its office was told of it."""
    statuses: Counter[Line] = field(default_factory=Counter)
    """The 01 that is due for each document handed over, and each status that an agency gave."""
    statuses_there: Counter[Line] = field(default_factory=Counter)
    """Those that the agency registered, or the office heard."""

    @property
    def lost(self) -> list[Line]:
        return [*(self.out - self.told - self.out_there), *(self.incoming - self.incoming_here)]

    @property
    def doubled(self) -> list[Line]:
        return [*(self.out_there - self.out), *(self.incoming_here - self.incoming)]

    @property
    def statuses_lost(self) -> list[Line]:
        return [*(self.statuses - self.statuses_there)]

    @property
    def statuses_doubled(self) -> list[Line]:
        """Of our own only: an office may be told twice of a status that the axis lists twice."""
        agencies = set(pki.AGENCIES)
        return [line for line in self.statuses_there - self.statuses if line[0] in agencies]


async def draw_up(folder: Path, offices: Mapping[str, SampleOffice]) -> Account:
    """`offices`: by the organ each speaks for."""
    out: Counter[Line] = Counter()
    here: Counter[Line] = Counter()
    told: Counter[Line] = Counter()
    heard: Counter[Line] = Counter()
    for organ, office in offices.items():
        state = await office.state()
        for sent in await office.store.submissions():
            for message in sent["answer"]["messages"] if sent["status"] == 202 else ():
                lines = _lines(sent["document_id"], sent["digests"], message["organs"])
                out.update(lines)
                if state["notices"].get(message["message_id"]) == "message.rejected":
                    told.update(lines)
        for document_id, statuses in state["statuses"].items():
            for status in set(statuses):
                speaker, code = status.split(" ")
                heard[organ, document_id, (code, speaker)] += 1
        for got in await office.store.documents():
            # What is announced and not fetched yet is not here yet.
            if got["digests"] is not None:
                here.update(_lines(got["document_id"], got["digests"], [organ]))
    path = folder / "axis" / "axis.sqlite3"
    there, incoming = _of_the_axis(path, set(offices))
    due, given, arrived = _statuses_of_the_axis(path, set(offices))
    # Between two offices of one gateway the receiver is an office, not an agency.
    inside = Counter({line: count for line, count in here.items() if line in out and line not in incoming})
    statuses_there = arrived + Counter({line: 1 for line in heard if line in given})
    return Account(out, there + inside, incoming, here - inside, told, due + given, statuses_there)


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


def _statuses_of_the_axis(path: Path, ours: set[str]) -> tuple[Counter[Line], Counter[Line], Counter[Line]]:
    """(the 01 that our organs owe, what agencies gave, the 01 that they registered)"""
    due: Counter[Line] = Counter()
    given: Counter[Line] = Counter()
    arrived: Counter[Line] = Counter()
    with looking_at(path) as axis:
        for system, kind, document_id, to, code in axis.execute(
            "select system, kind, document_id, to_organs, status_code from messages"
        ):
            for organ in json.loads(to) if system in pki.AGENCIES else ():
                if organ in ours and kind == "document":
                    due[system, document_id, ("01", organ)] += 1
                elif organ in ours:
                    given[organ, document_id, (code, system)] = 1
        for agency, document_id, sender in axis.execute(
            "select r.agency, m.document_id, m.sender from registered r join messages m using (axis_id)"
            " where m.kind = 'status' and m.status_code = '01'"
        ):
            arrived[agency, document_id, ("01", sender)] += 1
    return due, given, arrived


def _digests(attachments: str) -> list[str]:
    return [digest for _, digest in json.loads(attachments)]


def _lines(document_id: str, digests: Iterable[str], organs: Iterable[str]) -> list[Line]:
    return [(organ, document_id, tuple(sorted(digests))) for organ in organs]
