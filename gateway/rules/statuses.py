"""What a status means for a delivery: who may send it, what may follow what, when a delivery is answered.

**The rule of the answer.** A delivery is *answered* by the first status from its organ that says the document is in
its system or was refused: 01-06 (QCVN 102:2016; QĐ 28/2018/QĐ-TTg Đ6.3, Đ9.2). 13 is the sender's own request; 15 and
16 answer that request, not the delivery. Unknown codes are carried verbatim and answer nothing. A message closes when
all its deliveries are answered or the chase ends; later statuses still settle their delivery.

**The table.** No normative one was found; `NEXT` is what products do and the law implies. It judges nothing: what comes
out of order, or skips a step, settles all the same and is marked. Only a repetition (05 excepted: work goes on) and a
word that is not the speaker's to say settle nothing.

**Recall.** The sender asks by 13, at any time after sending; the receiver agrees by 15 and must then destroy its copy
(QĐ 28/2018/QĐ-TTg Đ9.2, NĐ 30/2020/NĐ-CP Đ18.4b), or refuses by 16 and goes on. 14 is read as 15 and never written.

**Update and replacement.** The receiver may answer them by the same 15 and 16, once to each. Neither ends the handling of
either document, and nothing is destroyed for a 15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.states import AGREED, ASKED_BACK, DECLINED

ARRIVED = "01"
RETURNED = "02"
REGISTERED = "03"
IN_PROCESS = "05"
COMPLETED = "06"

RECALL_ANSWERS = frozenset({AGREED, DECLINED})
"""What a receiver may say to a 13, or to an update or a replacement."""
FROM_OFFICE = frozenset({"02", "03", "04", "05", "06"}) | RECALL_ANSWERS
"""What an office may report itself; 01 is the gateway's to send when the office has the document."""
REASON_REQUIRED = frozenset({RETURNED, DECLINED})

REPEATED = "status-repeated"
UNKNOWN = "status-unknown"
NOT_THEIRS = "status-not-theirs"
OUT_OF_ORDER = "status-out-of-order"

_ANSWERS = frozenset({"01", "02", "03", "04", "05", "06"})
_MAY_REPEAT = frozenset({IN_PROCESS})
_NAMES = {"14": AGREED}


def named(code: str) -> str:
    """The code by the name it goes by here: 14 is 15."""
    return _NAMES.get(code, code)


class By(StrEnum):
    """Who speaks, seen from the document that the status is about."""

    SENDER = "sender"
    RECEIVER = "receiver"


SAID_BY: Mapping[str, By] = {
    **dict.fromkeys(_ANSWERS | RECALL_ANSWERS, By.RECEIVER),
    ASKED_BACK: By.SENDER,
}
"""Every known code, and whose it is."""

NEXT: Mapping[str, frozenset[str]] = {
    "": frozenset({ARRIVED}),
    ARRIVED: frozenset({RETURNED, REGISTERED}),
    RETURNED: frozenset(),
    REGISTERED: frozenset({"04", IN_PROCESS, COMPLETED}),
    "04": frozenset({IN_PROCESS, COMPLETED}),
    IN_PROCESS: frozenset({IN_PROCESS, COMPLETED}),
    COMPLETED: frozenset(),
    ASKED_BACK: RECALL_ANSWERS,
    AGREED: frozenset(),
}
"""What is expected after the last code heard; "" is a delivery of which nothing was heard. Two rules stand beside the
table: 13 may follow anything but 02, 13 and 15; after 13 and 16 handling goes on from where it stood."""

_ASKS_NO_MORE = frozenset({"", RETURNED, ASKED_BACK, AGREED})


@dataclass(frozen=True, slots=True)
class Step:
    """What one status does to a delivery."""

    settles: bool
    """Whether it counts: is entered as what the organ last said."""
    answers: bool
    expected: bool
    finding: str | None = None
    """What is odd about it: `UNKNOWN`, `REPEATED`, `NOT_THEIRS` or `OUT_OF_ORDER`."""


def answers(code: str) -> bool:
    """Whether this status answers the delivery."""
    return code in _ANSWERS


def step(before: Sequence[str], code: str, by: By) -> Step:
    """What `code`, said `by` one side, does to a delivery of which `before` was heard, earliest first."""
    code, before = _NAMES.get(code, code), [_NAMES.get(each, each) for each in before]
    if code not in SAID_BY:
        # Said again or not: nobody knows whether such a code may repeat.
        return Step(settles=True, answers=False, expected=False, finding=UNKNOWN)
    if SAID_BY[code] is not by:
        return Step(settles=False, answers=False, expected=False, finding=NOT_THEIRS)
    # A refused recall may be asked for again, and is then answered again.
    since = before[_last(before, DECLINED) + 1 :] if code == ASKED_BACK else before
    since = before[_last(before, ASKED_BACK) + 1 :] if code in RECALL_ANSWERS else since
    if code in since and code not in _MAY_REPEAT:
        return Step(settles=False, answers=False, expected=False, finding=REPEATED)
    expected = _expected(before, code)
    return Step(True, answers(code), expected, None if expected else OUT_OF_ORDER)


def _expected(before: Sequence[str], code: str) -> bool:
    known = [each for each in before if each in SAID_BY]
    last = known[-1] if known else ""
    if code == ASKED_BACK:
        return last not in _ASKS_NO_MORE
    if code in NEXT.get(last, frozenset()):
        return True
    if last not in {ASKED_BACK, DECLINED}:
        return False
    handled = [each for each in known if each in _ANSWERS]
    return code in NEXT[handled[-1] if handled else ""]


def _last(codes: Sequence[str], code: str) -> int:
    return max((index for index, each in enumerate(codes) if each == code), default=-1)
