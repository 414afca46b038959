"""What one axis, or one office, takes less of than the gateway itself: sizes, counts and names, judged before queueing.

A document for several axes is refused as a whole where one of them cannot carry it: half a document sent is worse than
one that the office can mend. Pure; `intake` decides when: first by what the record declares, then by what came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gateway.config import FileLimits, Settings
from gateway.model import LOCAL_AXIS, Problem
from gateway.pipeline.checks import refuse

Files = Sequence[tuple[str, int]]
"""Name and size of each attachment; 0 where the size is not known yet."""
PLAIN_NAME = re.compile(r"[A-Za-z0-9 ._()-]+")
_ENVELOPE = 64 << 10
"""More than the header of an edXML file takes, and a line of the manifest beside each attachment."""
_LINE = 2 << 10


class Limiter:
    def __init__(self, settings: Settings) -> None:
        self._axes = {each.name: each.limits for each in settings.axis if each.limits != FileLimits()}
        # What no axis carries, our own fetching bounds: a file between two of our offices must be one that is taken.
        self._axes[LOCAL_AXIS] = FileLimits(edxml_bytes=settings.limits.edxml_bytes)
        self._offices = {each.name: each.limits for each in settings.office if each.limits != FileLimits()}

    def refuse(self, office: str, axes: Iterable[str], files: Files) -> None:
        """Raises `Refused`: 422 for names and counts, 413 for sizes."""
        whose = [(f"office:{office}", self._offices.get(office))]
        whose += [(f"axis:{axis}", self._axes.get(axis)) for axis in axes]
        limited = [(name, limits) for name, limits in whose if limits is not None]
        if not limited or not files:
            return
        refuse([problem for name, limits in limited for problem in _names(name, limits, files)])
        large = [problem for name, limits in limited for problem in _sizes(name, limits, files)]
        refuse(large, code="too-large", status=413)


def _names(whose: str, limits: FileLimits, files: Files) -> Iterator[Problem]:
    if limits.attachments is not None and len(files) > limits.attachments:
        yield _over("attachments", "limit-attachments", whose, limits.attachments)
    for index, (name, _) in enumerate(files):
        field = f"attachments[{index}].name"
        if limits.name_length is not None and len(name) > limits.name_length:
            yield _over(field, "limit-name-length", whose, limits.name_length)
        if limits.name_characters == "plain" and not PLAIN_NAME.fullmatch(name):
            yield _over(field, "limit-name-characters", whose)


def _sizes(whose: str, limits: FileLimits, files: Files) -> Iterator[Problem]:
    sizes = [size for _, size in files]
    if limits.attachment_bytes is not None:
        for index, size in enumerate(sizes):
            if size > limits.attachment_bytes:
                yield _over(f"attachments[{index}].size", "limit-attachment-bytes", whose, limits.attachment_bytes)
    if limits.submission_bytes is not None and sum(sizes) > limits.submission_bytes:
        yield _over("attachments", "limit-submission-bytes", whose, limits.submission_bytes)
    if limits.edxml_bytes is not None and edxml_bytes(sizes) > limits.edxml_bytes:
        yield _over("attachments", "limit-edxml-bytes", whose, limits.edxml_bytes)


def edxml_bytes(sizes: Sequence[int]) -> int:
    """At most so many has the edXML file of these attachments: base64 makes four of three."""
    return _ENVELOPE + sum(4 * ((size + 2) // 3) + _LINE for size in sizes)


def _over(field: str, code: str, whose: str, limit: int | None = None) -> Problem:
    facts = {"of": whose, "limit": str(limit)} if limit is not None else {"of": whose}
    return Problem(field, code, f"{whose} takes no more", facts)
