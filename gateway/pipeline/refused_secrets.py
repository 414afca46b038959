"""Recalls of what was rejected and purged as a state secret: answered by the gateway, told to no office.

No office ever had such a document, and none may hear of it. Its sender is told 15, agreed: nothing of it is left here, and
that is what a recall asks for (QĐ 28/2018/QĐ-TTg Đ9.2). Operators see the recall in both timelines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.journal import Journal
from gateway.model import Organ, ResponseFor
from gateway.pipeline import replies
from gateway.rules.duplicates import numbered, numbered_by_id
from gateway.states import AGREED, Act, Concerns, Effect, Message, Numbered, RecallAnswered

ENTRY = "recall-of-refused"
REASON = "Nơi nhận không tiếp nhận và không còn giữ văn bản"


class RefusedSecrets:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def named(self, named: ResponseFor, codes: Iterable[str]) -> tuple[list[Message], list[Message]]:
        """Those of the sender, known by any of `codes`, that are named so, and those of others.

        By DocumentId, or by the number and date that it tells: nothing else of them is left to know them by.
        """
        codes, told = frozenset(codes), _numbers(named)
        found = [
            each for each in await self._journal.purges.secrets_refused(named.document_id, told) if _is(each, named)
        ]
        return [each for each in found if each.sender in codes], [each for each in found if each.sender not in codes]


def _numbers(named: ResponseFor) -> set[Numbered]:
    """That it is named by, and that its DocumentId tells."""
    told = {numbered_by_id(named.document_id)}
    if named.code and named.promulgation_date:
        told.add(numbered(named.organ, named.code, named.promulgation_date))
    return {number for number in told if number}


def _is(refused: Message, named: ResponseFor) -> bool:
    if named.document_id and refused.document_id == named.document_id:
        return True
    told = numbered_by_id(refused.document_id)
    if told is None:
        return False
    if named.code and named.promulgation_date and told == numbered(told.sender, named.code, named.promulgation_date):
        return True
    return told == numbered_by_id(named.document_id)


def answers(refused: Sequence[Message], named: ResponseFor, organs: Sequence[str], now: dt.datetime) -> list[Effect]:
    """That it was asked back, and 15 of each of our `organs`. `refused`: one document, once for each time it came."""
    first = refused[0]
    code = named.code or first.document_id
    about = replace(named, organ=first.sender, code=code, document_id=first.document_id)
    effects: list[Effect] = [Concerns(each.message_id, Act.RECALL, tuple(organs)) for each in refused]
    for organ in organs:
        born = replies.status_about(first, about, Organ(organ, ""), AGREED, now, reason=REASON)
        effects.append(born)
        effects += [RecallAnswered(each.message_id, organ, AGREED, born.message.message_id) for each in refused]
    return effects
