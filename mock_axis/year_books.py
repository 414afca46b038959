"""A replayed year counted on three sides: what the axis holds, what the office knows, what the journal says.

Each side is asked in its own database. Documents are compared by their ids, statuses by their number.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mock_axis import pki
from mock_axis.recount import looking_at
from mock_axis.scene import Scene

CONFIRMED = """
select {id} from confirmations join items using (system, item_id) join messages m using (axis_id)
where m.kind = '{kind}' and m.system <> ?
"""
AXIS = {
    "documents_out": "select message_id from messages where kind = 'document' and system = ?",
    "documents_in": CONFIRMED.format(id="m.document_id", kind="document"),
    "statuses_out": "select m.axis_id from registered join messages m using (axis_id) where m.kind = 'status'"
    " and m.system = ?",
    "statuses_in": CONFIRMED.format(id="m.axis_id", kind="status"),
}
JOURNAL = {
    "documents_out": "select message_id from message where direction = 'out' and kind = 'document' and state = 'closed'",
    "documents_in": "select document_id from message where direction = 'in' and kind = 'document' and state = 'closed'"
    " and duplicate_of is null",
    "statuses_out": "select axis_id from message where direction = 'out' and kind = 'status' and state = 'closed'",
    "statuses_in": "select axis_id from message where direction = 'in' and kind = 'status' and state = 'closed'",
}
HEARD = {
    "documents_in": "select document_id from heard where type = 'document.received'",
    "statuses_in": "select message_id from heard where type = 'status.received'",
}

Book = dict[str, Counter[str]]
"""What → how often each id stands there."""


def axis_book(scene: Scene) -> Book:
    with looking_at(scene.folder / "axis" / "axis.sqlite3") as axis:
        return {what: _counted(axis.execute(question, (pki.GATEWAY,))) for what, question in AXIS.items()}


def journal_book(scene: Scene) -> Book:
    with looking_at(scene.journal) as journal:
        return {what: _counted(journal.execute(question)) for what, question in JOURNAL.items()}


def office_book(scene: Scene, taken: list[str], reported: list[str]) -> Book:
    """`taken`: answered 202; `reported`: message ids of the statuses that it gave. It owes a 01, sent by the gateway in
    its name, for each document it has.
    """
    with looking_at(heard_at(scene)) as office:
        book = {what: _counted(office.execute(question)) for what, question in HEARD.items()}
    owed = Counter({f"01 {document_id}": times for document_id, times in book["documents_in"].items()})
    return book | {"documents_out": Counter(taken), "statuses_out": owed + Counter(reported)}


def heard_at(scene: Scene) -> Path:
    """The office's database."""
    return scene.folder / "office" / "axis.sqlite3"


def counts(books: dict[str, Book]) -> dict[str, dict[str, int]]:
    """What → side → how many."""
    return {what: {side: book[what].total() for side, book in books.items()} for what in JOURNAL}


def disagreements(books: dict[str, Book]) -> list[str]:
    """Empty where all sides hold the same."""
    wrong = [f"{what}: {sides}" for what, sides in counts(books).items() if len(set(sides.values())) != 1]
    for what in ("documents_out", "documents_in"):
        first, *others = (book[what] for book in books.values())
        if any(other != first for other in others):
            wrong.append(f"{what}: not the same ones")
    return wrong


def _counted(rows: object) -> Counter[str]:
    return Counter(row[0] for row in rows)  # type: ignore[attr-defined]  # a cursor
