"""When two documents are the same one twice, as far as the law asks: NĐ 30/2020/NĐ-CP Phụ lục VI.III.1.h.

A clerk is warned where an earlier document has the same identifier (mã định danh văn bản), or the same number and
notation of the same organ: numbers are given out anew each year (Đ15). It is a warning, never a refusal: updates and
replacements (types 1-3) carry earlier numbers by right and are not looked at. Repetitions of one submission are
another thing, found by its key.
"""

from __future__ import annotations

import datetime as dt
import unicodedata

from gateway.model import Document, Problem
from gateway.rules.clock import today
from gateway.states import Numbered

SAME_ID = "duplicate-document-id"
SAME_NUMBER = "duplicate-number"


def number_of(document: Document, at: dt.datetime) -> Numbered | None:
    """What number it was given, of which year; None where it has none. `at`: for one that bears no date."""
    if not document.number:
        return None
    return numbered(document.sender.code, document.code, document.promulgation_date or today(at))


def numbered(sender: str, code: str, on: dt.date) -> Numbered:
    """The number of a document of that day, in the one spelling that numbers are compared in."""
    folded = unicodedata.normalize("NFC", code).casefold()
    return Numbered(sender, on.year, "".join(folded.split()))


def numbered_by_id(document_id: str) -> Numbered | None:
    """The number that a DocumentId tells in its usual form: organ, date, number and notation, with commas between."""
    organ, _, rest = document_id.partition(",")
    day, _, code = rest.partition(",")
    try:
        on = dt.date(*map(int, day.strip().replace("-", "/").split("/")))
    except (TypeError, ValueError, OverflowError):
        return None
    return numbered(organ.strip(), code, on) if code else None


def looked_at(document: Document) -> bool:
    """Whether a second one like it is worth a warning."""
    return document.business.type == 0


def warnings(same_id: str | None, same_number: str | None) -> tuple[Problem, ...]:
    """What the clerk reads; each names the earlier message. One document is not warned of twice."""
    found = []
    if same_id is not None:
        text = "an earlier document has the same DocumentId"
        found.append(Problem("document_id", SAME_ID, text, {"earlier": same_id}))
    if same_number not in {None, same_id}:
        text = "an earlier document of this organ has the same number and notation in this year"
        found.append(Problem("number", SAME_NUMBER, text, {"earlier": same_number or ""}))
    return tuple(found)
