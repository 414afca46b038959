"""What was written a moment ago, so that the next stage need not read it again.

It is remembered only once it is on the disk, and holds for the very version of the message that was written: whatever
anybody did to it meanwhile, from this process or another, makes it void.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.journal.outcomes import EXTRAS
from gateway.states import ContentRef, Effect, Erase, KeepReceipt, Known, NewMessage, Outcome, Purge, Work

_AT_MOST = 1024
"""Each with some kilobytes: its recipe, or what was read of it."""


def after(known: Known | None, outcome: Outcome) -> Known | None:
    """What is known once `outcome` is carried out."""
    for step in outcome.steps:
        if known is not None:
            known = _with_effects(known, step.effects)
        if known is not None and step.changes:
            beside = {name: step.changes[name] for name in step.changes.keys() & EXTRAS}
            known = replace(known, extra={**known.extra, **beside}) if beside else known
    return known


def _with_effects(known: Known, effects: Iterable[Effect]) -> Known | None:
    for effect in effects:
        match effect:
            case ContentRef():
                known = replace(known, contents=(*known.contents, effect))
            case KeepReceipt(given=True) if known.receipt is None:
                known = replace(known, receipt=effect.body)
            case Erase() | Purge():
                return None
    return known


class Recent:
    """The newest messages that nobody works on yet."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Known]] = {}

    def born(self, new: NewMessage) -> None:
        if new.then is not None and (known := after(Known(new.contents), new.then)) is not None:
            self.keep(new.message.message_id, new.message.version + 1, known)

    def keep(self, message_id: str, version: int, known: Known) -> None:
        self._kept[message_id] = (version, known)
        if len(self._kept) > _AT_MOST:
            del self._kept[next(iter(self._kept))]

    def into(self, claimed: Work) -> Work:
        """The work with what is known of its message, if nobody wrote to that since but to claim it."""
        version, known = self._kept.pop(claimed.message.message_id, (-1, None))
        return replace(claimed, known=known) if version + 1 == claimed.message.version else claimed
