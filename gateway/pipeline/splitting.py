"""Taking an edXML file apart as it passes: attachments into contents, never a whole file in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.edxml.findings import Finding
from gateway.edxml.look import SAYS, WRAPPED, Look
from gateway.edxml.parse import AttachmentData, EdxmlError, Parsed, SplitEvent, Splitter
from gateway.errors import Rejection
from gateway.model import Content
from gateway.ports import Chunks, Contents

MOST_ATTACHMENTS = 1000
"""Of a file from outside, which need not keep to our own limit. Each costs a durable write."""


async def split(
    chunks: Chunks,
    contents: Contents,
    stored: list[Content],
    *,
    attachment_limit: int,
    total_limit: int,
    most: int = MOST_ATTACHMENTS,
) -> Parsed:
    """Parse a file; each attachment of the result carries its stored content, and what is odd about its bytes is a finding.

    `stored` fills as contents are stored, also where this raises: the caller erases what it does not keep. Raises
    `EdxmlError` (a `Rejection`) for what is not of the form, `Rejection` past a limit: `too-large`, `too-many`.
    """
    splitter = Splitter(limit=total_limit)
    events = _events(splitter, chunks)
    looks: list[Look] = []
    try:
        # Attachments stand one after the other in the file, so each is pulled from the events by its own store.
        async for event in events:
            if len(stored) >= most:
                raise Rejection("too-many", f"more than {most} attachments")
            looks.append(Look())
            content = await contents.store(_one(event, events, looks[-1]), limit=attachment_limit)
            looks[-1].end()
            stored.append(content)  # one by one: what a failure leaves behind must be known
        return _joined(splitter.close(), stored, looks)
    except EdxmlError as error:
        error.document = splitter.so_far()
        raise


async def _events(splitter: Splitter, chunks: Chunks) -> AsyncIterator[SplitEvent]:
    async for chunk in chunks:
        for event in splitter.feed(chunk):
            yield event


async def _one(event: SplitEvent | None, following: AsyncIterator[SplitEvent], look: Look) -> AsyncIterator[bytes]:
    """The bytes of the attachment that `event` begins. A file may end within it: its splitter says so when closed."""
    while isinstance(event, AttachmentData):
        look.take(event.data)
        yield event.data
        event = await anext(following, None)


def _joined(parsed: Parsed, stored: list[Content], looks: list[Look]) -> Parsed:
    attachments = tuple(
        replace(attachment, content=content) for attachment, content in zip(parsed.attachments, stored, strict=True)
    )
    document = parsed.document and replace(parsed.document, attachments=attachments)
    odd = [
        Finding(code, "info" if code == WRAPPED else "warning", f"attachments[{index}]", SAYS[code])
        for index, (one, look) in enumerate(zip(attachments, looks, strict=True))
        for code in look.codes(one.name, one.content_type)
    ]
    return replace(parsed, attachments=attachments, document=document, findings=(*parsed.findings, *odd))
