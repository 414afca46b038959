"""The driver: the port's acts as operations of the axis.

The axis gives no receipt and finds nothing by our id. Its reply is kept as it came; a doubt is settled by its list of
sent messages, where exactly one line can be the parcel asked about, and left to a person where several can.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from adapters.axis.vxp.answers import consequence
from adapters.axis.vxp.listing import Lines, Window, instant, is_line_of, sent_line, text
from adapters.axis.vxp.options import Options
from adapters.axis.vxp.service import Service
from gateway.errors import NeedsOperator, Unknown, Unreachable
from gateway.model import Kind
from gateway.ports import (
    Acceptance,
    Announced,
    AxisContext,
    AxisOrgan,
    Capabilities,
    Chunks,
    Fetched,
    Finds,
    Parcel,
    SentLine,
)

_KINDS = (Kind.DOCUMENT, Kind.STATUS)
IN_DOUBT = "in-doubt"
TOMORROW = dt.timedelta(days=1)
"""The end of a window is exclusive, may be rounded to its day, and two clocks differ."""
_NARROWEST = {"dd/MM/yyyy HH:mm:ss": dt.timedelta(minutes=1), "yyyy/MM/dd": dt.timedelta(days=2)}
"""By how dates are told: a window so narrow is not parted further."""
MOST_LISTS = 64
"""Asked for in one look: an axis that heeds no dates would be asked without end."""


class VxpAxis:
    """One axis, spoken to over HTTP. Safe to call concurrently."""

    def __init__(self, options: Options, context: AxisContext) -> None:
        self.name = context.name
        self.can = Capabilities(deduplicates=False, finds=Finds(options.finds), signs_receipts=False)
        self.service = Service(options, context)
        self._options, self._context = options, context
        self._windows = {kind: Window(options) for kind in _KINDS}

    async def send(self, parcel: Parcel) -> Acceptance:
        answer = await self.service.send_edoc(parcel)
        if not answer.text("DocId"):
            raise Unknown("axis-reply-form", "taken, it says, but under no DocId")
        return Acceptance(answer.text("DocId"), None, answer.body)

    async def find(self, parcel: Parcel) -> Acceptance | None:
        """By sender, number and notation (or DocumentId where the list tells it), and receivers, since the first try."""
        now = self._context.now()
        earliest = parcel.since or now - dt.timedelta(days=self._options.lookback_days)
        since = earliest - dt.timedelta(seconds=self._options.clock_margin_seconds)
        lines = await self.service.sent_edoc_list(parcel.kind, since, now + TOMORROW)
        if self._options.list_cap and len(lines) >= self._options.list_cap:
            raise NeedsOperator(IN_DOUBT, "the axis's list of sent messages may be cut short")
        if not parcel.code and not all(text(line, "documentId") for line in lines):
            raise NeedsOperator(IN_DOUBT, "the axis's list tells number and notation only, and this message has none")
        found: dict[str, Lines] = defaultdict(list)
        for line in lines:
            if is_line_of(parcel, line, since):
                found[text(line, "senderDocId")].append(line)
        for axis_id in list(found):
            if await parcel.is_another(axis_id):
                del found[axis_id]
        if not found:
            return None
        if len(found) > 1:
            raise NeedsOperator(IN_DOUBT, f"{len(found)} messages of the axis's list may be this one")
        ((axis_id, those),) = found.items()
        return Acceptance(axis_id, None, json.dumps(those, ensure_ascii=False, separators=(",", ":")).encode())

    async def sent(self, since: dt.datetime, until: dt.datetime) -> Sequence[SentLine]:
        """What the axis has of ours, both kinds. Raises `NeedsOperator` for a list that may be cut short."""
        lines = []
        for kind in _KINDS:
            listed = await self.service.sent_edoc_list(kind, since, until)
            if self._options.list_cap and len(listed) >= self._options.list_cap:
                raise NeedsOperator("axis-list-cut", "the axis's list of sent messages may be cut short")
            lines += [sent_line(kind, line) for line in listed if text(line, "senderDocId")]
        return lines

    async def pending(self, limit: int, after: str | None = None) -> Sequence[Announced]:
        """The axis has no pages of its own: each is cut from the whole list of the window, asked for anew."""
        now = self._context.now()
        lists = await asyncio.gather(*(self._pending(kind, now) for kind in _KINDS))
        items = [item for _, listed in lists for item in listed]
        start = 0
        if after is not None:
            start = next((n for n, item in enumerate(items, 1) if item.axis_id == after), len(items))
        if len(items) <= start + limit:  # all of it is passed on
            for kind, (lines, _) in zip(_KINDS, lists, strict=True):
                self._windows[kind].saw(lines, now)
        return items[start : start + limit]

    async def _pending(self, kind: Kind, now: dt.datetime) -> tuple[Lines, list[Announced]]:
        lines = await self._lines(kind, self._windows[kind].start(now), now + TOMORROW)
        lines.sort(key=lambda line: instant(line, "created_time") or now)
        return lines, [
            Announced(
                axis_id=text(line, "docId"), kind=kind, sender=text(line, "from"), at=instant(line, "created_time")
            )
            for line in lines
            if text(line, "docId")
        ]

    async def _lines(self, kind: Kind, since: dt.datetime, until: dt.datetime) -> Lines:
        """The lines of that time. A list as long as the axis makes them may be cut short: its halves are asked for."""
        cap, narrowest = self._options.list_cap, _NARROWEST.get(self._options.list_dates)
        found: dict[str, Mapping[str, Any]] = {}
        windows = [(since, until)]
        for start, end in itertools.islice(windows, MOST_LISTS):  # grows as it goes
            lines = await self.service.received_edoc_list(kind, start, end)
            found |= {text(line, "docId"): line for line in lines}
            if cap and len(lines) >= cap and narrowest is not None and end - start >= narrowest:
                middle = start + (end - start) / 2
                windows += [(start, middle), (middle, end)]
        return list(found.values())

    @asynccontextmanager
    async def fetch(self, axis_id: str, kind: Kind) -> AsyncIterator[Fetched]:
        del kind  # one docId names one message, of either kind
        if self._options.says_processing:
            answer = await self.service.update_status(axis_id, "processing")
            if answer.refused:
                raise consequence(answer, hands_over=False)
        get = self.service.download_edoc if self._options.download == "stream" else self.service.get_edoc
        async with get(axis_id) as chunks:
            yield Fetched(None, None, self._limited(chunks))

    async def _limited(self, chunks: Chunks) -> Chunks:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > self._options.edxml_bytes:
                raise NeedsOperator("axis-item-too-large", "more than axis.options.edxml_bytes")
            yield chunk

    async def confirm(self, axis_id: str, receipt: bytes) -> None:
        """Say `done`. The axis takes no receipt: ours stays in our journal."""
        del receipt
        answer = await self.service.update_status(axis_id, "done")
        if not answer.refused:
            return
        error = consequence(answer, hands_over=False)
        if isinstance(error, Unreachable) and not await self._waits(axis_id):
            return  # done before, and the reply to that was lost
        raise error

    async def refuse(self, axis_id: str) -> None:
        """Say `fail`: an operator rejected it before it could be taken."""
        answer = await self.service.update_status(axis_id, "fail")
        if answer.refused:
            raise consequence(answer, hands_over=False)

    async def _waits(self, axis_id: str) -> bool:
        now = self._context.now()
        since = now - dt.timedelta(days=self._options.lookback_days)
        lists = await asyncio.gather(
            *(self.service.received_edoc_list(kind, since, now + TOMORROW) for kind in _KINDS),
        )
        return any(text(line, "docId") == axis_id for lines in lists for line in lines)

    async def organs(self) -> Sequence[AxisOrgan]:
        """By the operation that the options name; what it says is deleted is left out, and closed by that."""
        service = self.service
        if self._options.organs == "getAgenciesListQD20":
            levels = [await service.agencies_qd20(level) for level in self._options.organ_levels]
            listed = list({agency.code: agency for level in levels for agency in level}.values())
        elif self._options.organs == "getSynchronizeUnit":
            listed = await service.synchronize_units()
        else:
            listed = await service.agencies()
        return [AxisOrgan(agency.code, agency.name, agency.old_code) for agency in listed if not agency.deleted]

    def certificates(self) -> Mapping[str, dt.datetime]:
        """Ours for TLS alone: a secret vouches for us, and nothing for the axis."""
        ours = self.service.client_certificate_ends
        return {f"tls:{self.name}": ours} if ours else {}

    async def reload(self) -> None:
        await self.service.reload()

    async def close(self) -> None:
        await self.service.close()
