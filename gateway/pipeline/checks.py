"""What the door asks of a submission beside its form: receivers, limits of `[limits]`, times. Pure; `intake` decides when.

What an axis or an office takes less of is in `limits`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from gateway.config import Limits
from gateway.errors import Refused
from gateway.model import Document, Problem, Status
from gateway.pipeline.record import Record
from gateway.rules import clock

Targets = Sequence[tuple[str, str]]
"""Field and organ code of each receiver."""


def refuse(problems: Sequence[Problem], *, code: str = "invalid", status: int = 422) -> None:
    if problems:
        raise Refused(problems, code=code, status=status)


def over(field: str, code: str, limit: int) -> Problem:
    return Problem(field, code, f"more than {limit}", {"limit": str(limit)})


def targets(subject: Document | Status) -> Targets:
    """Whom it goes to. A status goes to the sender of the document it tells of (or the receiver, for 13)."""
    if isinstance(subject, Status):
        return [("response_for.organ", subject.response_for.organ)]
    return [(f"to[{index}].code", organ.code) for index, organ in enumerate(subject.to)]


def unfit(document: Document) -> list[Problem]:
    """What its kind (new, recall, update, replacement) needs and lacks, or has no use for."""
    business, problems = document.business, []
    if business.type and not business.reason.strip():
        problems.append(Problem("business.reason", "reason-required", "why is needed"))
    stray = {
        "document_id": business.type != 2 and bool(business.document_id),
        "replacements": business.type != 3 and bool(business.replacements),
        "receiver_changes": business.type not in {2, 3} and bool(business.receiver_changes),
    }
    problems += [
        Problem(f"business.{name}", "not-of-this-kind", "this kind of document does not take it")
        for name, is_stray in stray.items()
        if is_stray
    ]
    if business.type == 1:
        problems += [
            Problem(f"response_for[{index}]", "earlier-unnamed", "needs a DocumentId, or number and date")
            for index, named in enumerate(document.response_for)
            if not named.document_id and not (named.code and named.promulgation_date)
        ]
    return problems


def too_many(form: Record, limits: Limits) -> list[Problem]:
    return [over("attachments", "too-many", limits.attachments)] if len(form.attachments) > limits.attachments else []


def too_large(form: Record, limits: Limits) -> list[Problem]:
    """By the sizes it declares."""
    sizes = [one.size or 0 for one in form.attachments]
    large = [
        over(f"attachments[{index}].size", "too-many-bytes", limits.attachment_bytes)
        for index, size in enumerate(sizes)
        if size > limits.attachment_bytes
    ]
    if sum(sizes) > limits.submission_bytes:
        large.append(over("attachments", "too-many-bytes", limits.submission_bytes))
    return large


def untimely(form: Record, now: dt.datetime) -> list[Problem]:
    """Dates that cannot be, seen from Vietnam's today."""
    problems = []
    if form.promulgation.date > clock.today(now):
        problems.append(Problem("promulgation.date", "date-in-future", "a document is promulgated before it is sent"))
    for name in ("deliver_by", "expires"):
        moment: dt.datetime | None = getattr(form, name)
        if moment is not None and moment <= now:
            problems.append(Problem(name, "time-past", "must be a time to come"))
    return problems
