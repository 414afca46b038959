"""Zips that only wrap one file, as some products send whatever they do not know: opened once, when they come in.

What came stays what it is: the edXML file and its attachments, which signature, receipts and evidence cover. What was
inside is a second content of the message (role `unwrapped`), right after the attachment it stands in for, under the
attachment's name; it goes with the message wherever that goes. One level, never more; under limits; by the rule of
`gateway.edxml.sniff.unwrap`, and only where what is inside is what the attachment's name says.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import mimetypes
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.edxml import sniff
from gateway.edxml.findings import EdxmlError, Finding
from gateway.edxml.look import SAYS, WRAPPED, Look
from gateway.edxml.parse import Parsed
from gateway.errors import Rejection
from gateway.model import Attachment, Content, Problem
from gateway.ports import Chunks, Contents
from gateway.states import ContentRef

UNWRAPPED = "unwrapped"
_DIFFERS = "zip-entry-differs"
_READ_AHEAD = 256 << 10


@dataclass(frozen=True, slots=True)
class Inside:
    """What was found in the zips among a file's attachments."""

    files: Mapping[int, Attachment]
    """By the place of the attachment, under its name, with the type and the bytes of what was inside."""
    findings: tuple[Finding, ...] = ()

    def refs(self, attachments: Sequence[Attachment]) -> Iterator[ContentRef]:
        """Of the attachments as they came, each followed by what was inside."""
        for index, attachment in enumerate(attachments):
            if attachment.content:
                yield ContentRef("attachment", attachment.content, attachment)
            inside = self.files.get(index)
            if inside and inside.content:
                yield ContentRef(UNWRAPPED, inside.content, inside)


async def unwrap(
    parsed: Parsed, contents: Contents, stored: list[Content], *, attachment_limit: int, total_limit: int
) -> Inside:
    """Of the attachments that were found to be wrapped. `stored` gets what is kept; a zip that will not be opened, or is
    not what it says, is a finding and stays as it came.
    """
    files: dict[int, Attachment] = {}
    findings: list[Finding] = []
    wrapped = {each.where for each in parsed.findings if each.code == WRAPPED}
    left = total_limit
    for index, attachment in enumerate(parsed.attachments):
        where = f"attachments[{index}]"
        if where not in wrapped or attachment.content is None:
            continue
        try:
            found = await _opened(attachment, attachment.content, contents, min(attachment_limit, left))
        except Rejection as error:
            code = error.code if isinstance(error, EdxmlError) else "zip-bomb"
            findings.append(Finding(code, "warning", where, "left as it came"))
            continue
        if found is None or found[0].content is None:
            findings.append(Finding(_DIFFERS, "warning", where, "holds another kind of file than its name says"))
            continue
        files[index], look = found
        stored.append(found[0].content)
        left -= found[0].content.size
        odd = (code for code in look.codes(attachment.name, found[0].content_type) if code != WRAPPED)
        findings += [Finding(code, "warning", where, SAYS[code]) for code in odd]
    return Inside(files, tuple(findings))


def offered(refs: Iterable[ContentRef], *, unwrap: bool = True) -> list[ContentRef]:
    """A message's contents as an office is to have them: what was inside in the place of its wrapping, or not at all."""
    chosen: list[ContentRef] = []
    for ref in refs:
        if ref.role != UNWRAPPED:
            chosen.append(ref)
        elif unwrap:
            chosen[-1] = replace(ref, role="attachment")
    return chosen


@contextlib.asynccontextmanager
async def laid_open(
    attachments: Sequence[Attachment], told: Iterable[Problem], contents: Contents, *, limit: int
) -> AsyncIterator[list[Content | None]]:
    """The attachments' bytes to look into; of those told to be wrapped, what is inside, gone again afterwards."""
    wrapped = {each.field for each in told if each.code == WRAPPED}
    shown, opened = [each.content for each in attachments], list[Content]()
    try:
        for index, attachment in enumerate(attachments):
            if attachment.content is None or f"attachments[{index}]" not in wrapped:
                continue
            with contextlib.suppress(Rejection):  # what will not be opened is looked into as it is
                found = await _opened(attachment, attachment.content, contents, limit)
                if found is not None and (inside := found[0].content) is not None:
                    opened.append(inside)
                    shown[index] = inside
        yield shown
    finally:
        for each in opened:
            await asyncio.shield(contents.erase(each))


async def _opened(
    attachment: Attachment, content: Content, contents: Contents, limit: int
) -> tuple[Attachment, Look] | None:
    """What is inside, stored; None where that is not what the attachment's name says. Raises `Rejection`."""
    file = io.BufferedReader(_Held(contents, content), _READ_AHEAD)
    wrapped = await asyncio.to_thread(sniff.unwrap, file, attachment.name, limit=limit)
    if wrapped is None or not wrapped.suits(attachment.name):
        return None
    look = Look()
    inside = await contents.store(_chunks(wrapped, look), limit=limit)
    look.end()
    named = mimetypes.guess_type(attachment.name)[0]
    if not inside.size or not sniff.agrees(named or sniff.UNKNOWN, look.kind):
        await contents.erase(inside)
        return None
    return replace(attachment, content_type=named or look.kind, content=inside), look


async def _chunks(wrapped: sniff.Wrapped, look: Look) -> Chunks:
    chunks = wrapped.chunks()
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        look.take(chunk)
        yield chunk


class _Held(io.RawIOBase):
    """A content as a file, for a reader in a thread that wants to seek: never whole in memory, nor on disk once more."""

    def __init__(self, contents: Contents, content: Content) -> None:
        self._contents, self._content, self._at = contents, content, 0
        self._loop = asyncio.get_running_loop()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._content.size}[whence])
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer has no len
        # No more than the store reads at once on the loop: else this thread would wait for another of the same pool.
        end = min(self._at + min(len(buffer), _READ_AHEAD), self._content.size)
        if self._at >= end:
            return 0
        chunks = self._contents.open(self._content, self._at, end)
        data = asyncio.run_coroutine_threadsafe(_joined(chunks), self._loop).result()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


async def _joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
