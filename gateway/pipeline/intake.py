"""The door: takes what offices hand in. All checks, then the bytes, then the row, then the answer.

What a record says is decided before a byte of an attachment is read: its form, secrecy, and whether the office may
speak for that organ. Then the key is reserved: whoever comes again with it gets the first answer, or is refused where
the content differs. Only then come the questions whose answer changes with time (routes, dates, room on disk), so that
a repeated submission is never judged anew. A failed submission frees its key and keeps nothing.

Left to others: the wire of an upload (`gateway.web`), taking its bytes (`intake_uploads`, `intake_edxml`), packing and
signing (`gateway.pipeline.outgoing`).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import structlog

from gateway.config import Settings
from gateway.edxml.check import check_document
from gateway.errors import Busy, Refused, Retryable
from gateway.ids import new_id
from gateway.journal import Answered, Journal, NewSubmission, Reserved, Running
from gateway.model import Attachment, Content, Direction, Document, Kind, Problem, Status
from gateway.pipeline import detail, intake_edxml, intake_uploads, repeats, suspicion
from gateway.pipeline.checks import Targets, refuse, targets, too_large, too_many, unfit, untimely
from gateway.pipeline.directory import Directories, Looked, Roads
from gateway.pipeline.duplicates import earlier
from gateway.pipeline.earlier_sent import NOTHING, Earlier, EarlierSent
from gateway.pipeline.limits import Limiter
from gateway.pipeline.pdfs import Looked as PdfsLooked
from gateway.pipeline.pdfs import Pdfs
from gateway.pipeline.quarantine import SUSPECTED
from gateway.pipeline.record import Record, read, to_document
from gateway.pipeline.repeats import Given
from gateway.pipeline.routing import Router
from gateway.pipeline.scanning import Scanning, Scans
from gateway.pipeline.unwrapping import laid_open
from gateway.ports import Chunks, Contents, Submitted, Upload
from gateway.rules import clock, secrecy
from gateway.rules.deadlines import Deadlines
from gateway.rules.duplicates import number_of
from gateway.states import ContentRef, Delivery, Due, Message, NewMessage, Numbered, Outcome, State

KEY_LEASE = dt.timedelta(seconds=15)
"""How long a key stays taken by a submission whose process died. Slower uploads are safe: where two outlive it, the
journal's unique key lets one of them in, and the other gets its answer."""
AT_ONCE_BYTES = 1 << 20
"""Up to so many bytes of attachments are packed before the office has its answer: a millisecond or two."""
DISK_RETRY_SECONDS = 60.0
KEY_RETRY_SECONDS = 5.0
"""Most submissions take far less; who asks too early is told again."""


Packs = Callable[[Message, Sequence[ContentRef]], Awaitable[Outcome]]
"""What packing makes of a message that is not in the journal yet (`Outgoing.packed`)."""

Reports = Callable[[str, str, Status], Awaitable[Submitted | None]]
"""What becomes of a ready status that is the office's word about what it received (`OfficeActs.report_file`)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Handed:
    """One submission with all its bytes held: what is left is to enter it."""

    reserved: Reserved
    fingerprint: str
    subject: Document | Status
    roads: Mapping[str, tuple[str, ...]]
    """Axis → organs."""
    expires: dt.datetime
    more: Mapping[str, str] = field(default_factory=dict)
    """Further detail: what the wire has no place for."""
    warnings: tuple[Problem, ...] = ()
    pdfs: PdfsLooked = field(default_factory=PdfsLooked)
    suspected: bool = False
    """It looks like a state secret."""
    scans: Scans = field(default_factory=Scans)
    earlier: Earlier = NOTHING
    """What it does to documents handed in before."""


class Intake:
    """The `Door` of `gateway.ports`."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        contents: Contents,
        router: Router,
        now: Callable[[], dt.datetime],
        *,
        accepted: Callable[[], None] = lambda: None,
        pdfs: Pdfs | None = None,
        scanning: Scanning | None = None,
        pack: Packs | None = None,
        report: Reports | None = None,
    ) -> None:
        """`accepted` is called when there is new work: the runner's nudge. Without `pdfs` no PDF is looked into, without
        `scanning` nothing is scanned for viruses, without `pack` everything is packed later, without `report` a ready
        status is sent on whatever it answers.
        """
        self._limits = settings.limits
        self._limiter = Limiter(settings)
        self._default_life = dt.timedelta(hours=settings.times.expires_hours)
        self._journal = journal
        self._contents = contents
        self._router = router
        self._directories = Directories(settings.axis, journal, now)
        self._deadlines = Deadlines(settings.working_time)
        self._earlier = EarlierSent(journal, dt.timedelta(hours=settings.times.recall_hours), now)
        self._now = now
        self._accepted = accepted
        self._pdfs = pdfs
        self._patterns = suspicion.patterns(settings.secrecy)
        self._scanning = scanning
        self._pack = pack
        self._report = report

    async def submit(
        self,
        office: str,
        key: str,
        record: Mapping[str, Any],
        uploads: AsyncIterator[Upload],
        given: Given | None = None,
    ) -> Submitted:
        """`given`: by what a repeat is known, where that is not the record."""
        form = read(record)
        document = to_document(form)
        self._check_at_once(office, form, document)
        said = given.said if given else record
        reserved = await self._reserve(office, key)
        if isinstance(reserved, Answered):
            files = await intake_uploads.digests(form, uploads, self._limits)
            # Keys were once answered for the record as it was filled up.
            return repeats.again(reserved, repeats.fingerprint(said, files), repeats.fingerprint(record, files))
        async with self._tentative(reserved) as kept:
            if given and given.only_again:
                raise given.only_again
            roads = self._roads(targets(document), untimely(form, self._now()))
            listed = await self._listed(document, roads)
            twice = await earlier(self._journal, document, Direction.OUT, self._now())
            self._limiter.refuse(office, listed.roads, [(one.name, one.size or 0) for one in form.attachments])
            concerned = await self._earlier.of(office, listed.document)
            self._need_room()
            attachments, warnings = await intake_uploads.take(form, uploads, self._contents, self._limits, kept)
            self._limiter.refuse(office, listed.roads, _files(attachments))
            scans = await self._scan(attachments)
            pdfs = await self._look(office, attachments, warnings)
        suspected = tuple(suspicion.in_words(document, self._patterns))
        return await self._enter(
            _Handed(
                reserved,
                repeats.fingerprint(said, attachments),
                replace(listed.document, attachments=tuple(attachments)),
                listed.roads,
                expires=form.expires or form.deliver_by or self._now() + self._default_life,
                more={"deliver_by": form.deliver_by.isoformat()} if form.deliver_by else {},
                warnings=(*listed.warnings, *twice, *warnings, *scans.warned, *pdfs.told, *suspected),
                pdfs=pdfs,
                suspected=bool(suspected or pdfs.suspected),
                scans=scans,
                earlier=concerned,
            )
        )

    async def submit_edxml(self, office: str, chunks: Chunks) -> Submitted:
        self._need_room()
        async with self._discarding() as kept:
            today = clock.today(self._now())
            subject, odd = await intake_edxml.take(chunks, self._contents, self._limits, kept, today)
            self._check_owner(office, subject.sender.code)
            if isinstance(subject, Document):
                refuse(secrecy.refuse(None, subject), code="state-secret")
            key, described = intake_edxml.key_of(subject), _detail(subject)
            if isinstance(subject, Status) and self._report and (said := await self._report(office, key, subject)):
                return said
            fingerprint = repeats.fingerprint(described, _attachments(subject))
            reserved = await self._reserve(office, key)
            if isinstance(reserved, Answered):
                answer = repeats.again(reserved, fingerprint)
                await self._discard(kept)
                return answer
        async with self._tentative(reserved, kept):
            roads: Roads = self._roads(targets(subject))
            warnings: tuple[Problem, ...] = ()
            if isinstance(subject, Document):
                listed = await self._listed(subject, roads)
                twice = await earlier(self._journal, subject, Direction.OUT, self._now())
                subject, roads, warnings = listed.document, listed.roads, (*listed.warnings, *twice)
            self._limiter.refuse(office, roads, _files(_attachments(subject)))
            scans = await self._scan(_attachments(subject))
            concerned = await self._earlier.of(office, subject)
            pdfs = await self._look(office, _attachments(subject), odd)
            suspected: Sequence[Problem] = ()
            if isinstance(subject, Document):
                suspected = suspicion.in_words(subject, self._patterns)
        return await self._enter(
            _Handed(
                reserved,
                fingerprint,
                subject,
                roads,
                expires=self._now() + self._default_life,
                warnings=(*warnings, *odd, *scans.warned, *pdfs.told, *suspected),
                pdfs=pdfs,
                suspected=bool(suspected or pdfs.suspected),
                scans=scans,
                earlier=concerned,
            )
        )

    # --- checks -------------------------------------------------------------------------------------------------

    def _check_at_once(self, office: str, form: Record, document: Document) -> None:
        """What the record alone decides: form, limits, secrecy, whose organ it is."""
        refuse([*check_document(document), *unfit(document), *too_many(form, self._limits)])
        refuse(too_large(form, self._limits), code="too-large", status=413)
        refuse(secrecy.refuse(form.secrecy, document), code="state-secret")
        self._check_owner(office, document.sender.code)

    def _check_owner(self, office: str, organ: str) -> None:
        if self._router.office_of(organ) != office:
            problem = Problem("from", "organ-not-yours", "the office does not own this organ")
            raise Refused([problem], code="organ-not-yours", status=403)

    def _roads(self, targets: Targets, problems: Sequence[Problem] = ()) -> dict[str, tuple[str, ...]]:
        """Axis → organs, in the order given. Refuses receivers that no route reaches, with the problems given."""
        today = clock.today(self._now())
        roads: dict[str, tuple[str, ...]] = {}
        found = list(problems)
        for name, organ in targets:
            if (axis := self._router.route(organ, today)) is None:
                found.append(Problem(name, "organ-unknown", "no route reaches this organ", {"organ": organ}))
            else:
                roads[axis] = (*roads.get(axis, ()), organ)
        refuse(found)
        return roads

    async def _listed(self, document: Document, roads: Roads) -> Looked:
        """Its receivers as the directories list them. Refuses those that are unknown or closed there."""
        looked = await self._directories.receivers(document, roads)
        refuse(looked.problems)
        return looked

    def _need_room(self) -> None:
        if self._contents.free_bytes() < self._limits.disk_reserve_bytes:
            raise Busy("disk-full", "the disk is nearly full", after=DISK_RETRY_SECONDS)

    # --- the key ------------------------------------------------------------------------------------------------

    async def _reserve(self, office: str, key: str) -> Answered | Reserved:
        taken = await self._journal.reserve(office, key, KEY_LEASE)
        if isinstance(taken, Running):
            raise Busy(
                "key-running",
                "the first submission with this key is still running",
                after=min(taken.after, KEY_RETRY_SECONDS),
            )
        return taken

    @contextlib.asynccontextmanager
    async def _tentative(self, reserved: Reserved, kept: list[Content] | None = None) -> AsyncIterator[list[Content]]:
        """Whatever ends the block early frees the key and drops the bytes taken so far."""
        try:
            async with self._discarding(kept) as held:
                yield held
        except BaseException:
            await asyncio.shield(self._journal.release_key(reserved))
            raise

    # --- the bytes ----------------------------------------------------------------------------------------------

    async def _scan(self, attachments: Sequence[Attachment]) -> Scans:
        """For viruses, once all bytes are held. Refuses what is infected; raises `Busy` where that cannot be told now."""
        if self._scanning is None or not attachments:
            return Scans()
        scans = await self._scanning.at_the_door([one.content for one in attachments])
        refuse(scans.infected, code="infected")
        return scans

    async def _look(self, office: str, attachments: Sequence[Attachment], told: Iterable[Problem]) -> PdfsLooked:
        """Into the PDFs, zipped ones too, once all bytes are held. Refuses what the office's policy on their signatures demands.

        Raises `Busy` where that cannot be told now.
        """
        if self._pdfs is None or not attachments:
            return PdfsLooked()
        shown = laid_open(attachments, told, self._contents, limit=self._limits.attachment_bytes)
        try:
            async with shown as contents:
                looked = await self._pdfs.look(contents, [office])
        except Retryable as error:
            raise Busy(error.code, error.message, after=error.after) from error
        refuse(looked.refused, code="pdf-signatures")
        return looked

    @contextlib.asynccontextmanager
    async def _discarding(self, kept: list[Content] | None = None) -> AsyncIterator[list[Content]]:
        kept = [] if kept is None else kept
        try:
            yield kept
        except BaseException:
            await asyncio.shield(self._discard(kept))
            raise

    async def _discard(self, kept: Iterable[Content]) -> None:
        for content in kept:
            await self._contents.erase(content)

    # --- the row, the answer --------------------------------------------------------------------------------------

    async def _enter(self, handed: _Handed) -> Submitted:
        ids = {axis: new_id() for axis in handed.roads}
        submission = next(iter(ids.values()))
        answer = {
            "submission": submission,
            "messages": [
                {"message_id": ids[axis], "axis": axis, "organs": list(organs)} for axis, organs in handed.roads.items()
            ],
            "warnings": [asdict(warning) for warning in handed.warnings],
        }
        held = [one.content for one in _attachments(handed.subject) if one.content]
        office, key = handed.reserved.office, handed.reserved.key
        async with self._tentative(handed.reserved, held):
            messages = [
                await self._packed(self._message(handed, message_id, submission, axis, handed.roads[axis]))
                for axis, message_id in ids.items()
            ]
        entering = asyncio.ensure_future(
            self._journal.accept(
                NewSubmission(office, key, handed.fingerprint, answer, tuple(messages), handed.earlier.withdrawn)
            )
        )
        # Once begun it is carried through, whoever still waits for the answer.
        try:
            kept = await asyncio.shield(entering)
        except (Refused, Busy):
            # What it is about has changed since it was looked up, or the key is another submission's; or there is no room.
            await self._journal.release_key(handed.reserved)
            await self._discard(one.content for one in _attachments(handed.subject) if one.content)
            raise
        if repeated := kept["submission"] != submission:
            # Another request with the key was answered while this one outlived its reservation.
            await self._discard(one.content for one in _attachments(handed.subject) if one.content)
        else:
            for axis, message_id in ids.items():
                log.info("accepted", message_id=message_id, office=office, axis=axis)
        self._accepted()
        return repeats.submitted(kept, repeated=repeated)

    async def _packed(self, new: NewMessage) -> NewMessage:
        """With its edXML file, where that is quickly made. What goes wrong here its own stage meets again, and tells."""
        if self._pack is None or new.message.held or sum(ref.content.size for ref in new.contents) > AT_ONCE_BYTES:
            return new
        try:
            return replace(new, then=await self._pack(new.message, new.contents))
        except Exception:  # noqa: BLE001 - the stage's runner knows what each error means
            return new

    def _message(
        self, handed: _Handed, message_id: str, submission: str, axis: str, organs: tuple[str, ...]
    ) -> NewMessage:
        subject, now = handed.subject, self._now()
        if isinstance(subject, Document):
            subject = replace(subject, to=tuple(organ for organ in subject.to if organ.code in organs))
            kind, document_id, urgency = Kind.DOCUMENT, subject.document_id, min(subject.priority, 3)
        else:
            kind, document_id, urgency = Kind.STATUS, subject.response_for.document_id, 0
        message = Message(
            message_id=message_id,
            direction=Direction.OUT,
            kind=kind,
            state=State.ACCEPTED,
            axis=axis,
            endpoint="inside",
            submission_id=submission,
            office=handed.reserved.office,
            document_id=document_id,
            sender=subject.sender.code,
            urgency=urgency,
            held=SUSPECTED if handed.suspected else handed.scans.held,
            detail=_detail(subject, **handed.more, **handed.pdfs.more, **handed.scans.more),
            accepted_at=now,
            due_at=now,
            expires_at=handed.expires,
        )
        return NewMessage(
            message,
            tuple(Delivery(organ, self._router.office_of(organ)) for organ in organs),
            tuple(ContentRef("attachment", one.content, one) for one in _attachments(subject) if one.content),
            (*self._marks(subject, now), *handed.earlier.marks(organs)),
            {**handed.scans.facts, **handed.pdfs.facts},
        )

    def _marks(self, subject: Document | Status, now: dt.datetime) -> tuple[Due | Numbered, ...]:
        """The law's times, and its number, for a second one to be known by."""
        if not isinstance(subject, Document):
            return ()
        number = number_of(subject, now)
        return (*self._deadlines.of_sent(subject, now), *((number,) if number else ()))


def _detail(subject: Document | Status, **more: object) -> dict[str, Any]:
    return detail.of_document(subject, **more) if isinstance(subject, Document) else detail.of_status(subject, **more)


def _attachments(subject: Document | Status) -> tuple[Attachment, ...]:
    return subject.attachments if isinstance(subject, Document) else ()


def _files(attachments: Sequence[Attachment]) -> list[tuple[str, int]]:
    return [(one.name, one.content.size if one.content else 0) for one in attachments]
