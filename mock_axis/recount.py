"""Counting afterwards, from what the mock and the sample office really hold, not from the gateway's books.

Every receipt that the gateway stored is verified again here, with the mock's own reading of signatures: run as
`python -m mock_axis.recount FOLDER` it is a process of its own that shares nothing with the gateway but its files.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mock_axis import pki, receipts
from mock_axis.keys import Trust
from mock_axis.xmlsig import BadSignature, NotXml

LOCAL = "local"
"""Between two offices of one gateway no axis issues the receipts: they are counted apart."""


@dataclass(slots=True)
class Receipts:
    verified: int = 0
    inside: int = 0
    bad: list[str] = field(default_factory=list)
    """Message ids whose receipt does not prove what the other side holds."""
    missing: list[str] = field(default_factory=list)
    """Messages the gateway counts as sent, without a good receipt."""


@contextmanager
def looking_at(path: Path) -> Iterator[sqlite3.Connection]:
    """A database of another process, to read only."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        yield database


def verify_receipts(folder: Path) -> Receipts:
    """Every receipt in the gateway's journal, as the other side would read it, against the mock's own books."""
    trust, counted = Trust(pki.Pki(folder / "pki").gateway_trust()), Receipts()
    with looking_at(folder / "axis" / "axis.sqlite3") as axis:
        held = dict(axis.execute("select axis_id, sha256 from messages"))
        alias = dict(axis.execute("select item_id, axis_id from items"))
    with looking_at(folder / "data" / "journal.sqlite") as journal:
        rows = journal.execute(
            "select m.message_id, m.axis, m.sha256, r.given, r.body, r.at from receipt r join message m using (message_id)"
            " where r.mismatch is null and r.kind in ('axis-accepted', 'gateway-received')"
        ).fetchall()
        sent = {
            message_id
            for (message_id,) in journal.execute(
                "select message_id from message where direction = 'out' and sent_at is not null"
                " and coalesce(proof, '') <> 'acknowledged' and axis <> ?",
                (LOCAL,),
            )
        }
    proven = set()
    for message_id, axis_name, sha256, given, body, at in rows:
        if axis_name == LOCAL:
            counted.inside += 1
            continue
        party = trust.parties[pki.GATEWAY if given else pki.AXIS]
        try:
            receipt = receipts.read(body, party, dt.datetime.fromtimestamp(at / 1_000_000, dt.UTC))
        except (BadSignature, NotXml):
            counted.bad.append(message_id)
            continue
        there = held.get(alias.get(receipt.axis_id, receipt.axis_id))
        if receipt.message_id != message_id or not receipt.sha256 == sha256 == there:
            counted.bad.append(message_id)
            continue
        counted.verified += 1
        if not given:
            proven.add(message_id)
    counted.missing = sorted(sent - proven)
    return counted


def main() -> None:
    print(json.dumps(asdict(verify_receipts(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
