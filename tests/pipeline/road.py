"""The whole road with fakes at both ends: real journal, contents, keys, signatures and runner; only time is told.

Organs and people are invented. `run` works off what is due now; what is due later waits until the clock is advanced.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import itertools
from functools import partial

from gateway import app
from gateway.config import AxisSection, Limits, OfficeSection, RouteSection, Settings, Times
from gateway.edxml import build
from gateway.journal import DiskContents, Journal
from gateway.metrics import Metrics
from gateway.model import LOCAL_AXIS, Attachment, Content, Direction, Document, Kind, Organ, ResponseFor, Status
from gateway.pipeline.acts import Acts
from gateway.pipeline.arrivals import Arrivals
from gateway.pipeline.handing import Handing
from gateway.pipeline.incoming import Incoming
from gateway.pipeline.intake import Intake
from gateway.pipeline.local_axis import SYSTEM_ID, LocalAxis
from gateway.pipeline.loops import Poller
from gateway.pipeline.office_acts import OfficeActs
from gateway.pipeline.outgoing import Outgoing
from gateway.pipeline.partners import AxisPartner, Partners
from gateway.pipeline.pull import PullOffice
from gateway.pipeline.recalls import Recalls
from gateway.pipeline.routing import Router
from gateway.pipeline.runner import Runner
from gateway.ports import Upload
from gateway.states import Stage
from gateway.trust import edxml_signature
from gateway.trust.keys import Keys, OwnKeys
from tests import pki
from tests.assets.make_edxml import END_OF_PDF
from tests.fakes import FakeAxis, FakeClock, FakeOffice

OURS, ALSO_OURS, NEIGHBOUR, PULLED = "000.00.05.H99", "000.00.06.H99", "000.00.07.H99", "000.00.08.H99"
FAR, ALSO_FAR, NOBODYS = "000.00.00.G98", "000.00.01.G98", "000.00.99.H99"
OFFICE, NEIGHBOURS, PULLS = "so-thu", "huyen-thu", "xa-thu"
FAR_SYSTEM, MEDDLER = pki.OTHER, "axis-66"
"""May speak for every organ of G98; is trusted, but may speak for nobody."""
LEASE = dt.timedelta(seconds=120)
_numbers = itertools.count(1)


def settings(**more):
    axis = {"driver": "soap", "system_id": pki.GATEWAY, "axis_system_id": pki.AXIS}
    return Settings(
        limits=Limits(disk_reserve_bytes=0),
        times=Times(**more.pop("times", {})),
        axis=(AxisSection(name="national", **axis),),
        office=(
            OfficeSection(name=OFFICE, adapter="webhook", organs=(OURS, ALSO_OURS)),
            OfficeSection(name=NEIGHBOURS, adapter="webhook", organs=(NEIGHBOUR,)),
            OfficeSection(name=PULLS, adapter="pull", organs=(PULLED,)),
        ),
        route=(RouteSection(organ="*.G98", axis="national"),),
        **more,
    )


class Road:
    def __init__(self, folder, journal, contents, clock, axis, policy, configured):
        self.folder, self.journal, self.contents, self.clock, self.axis = folder, journal, contents, clock, axis
        self.settings = configured
        self.keys = Keys(folder / "keys", folder / "trust")
        self.keys.look_every = 0.0
        self.offices = {name: FakeOffice(name) for name in (OFFICE, NEIGHBOURS)}
        self.metrics = Metrics()
        inside = OwnKeys(folder / "keys", SYSTEM_ID)
        local = LocalAxis(journal, contents, inside, clock, self._nudge)
        self.partners = Partners(
            {
                "national": AxisPartner(axis, pki.GATEWAY, pki.AXIS, self.keys, policy, fetch_attempts=3),
                LOCAL_AXIS: AxisPartner(local, SYSTEM_ID, SYSTEM_ID, inside, "required", fetch_attempts=3),
            },
            {**self.offices, PULLS: PullOffice(PULLS)},
        )
        router = Router(configured.office, configured.route)
        out = Outgoing(journal, contents, self.partners, configured, clock)
        self.into = into = Incoming(journal, contents, self.partners, router, configured, clock)
        self.stages = dict(app._stages(out, into, Handing(journal, contents, self.partners, clock)))
        self.runner = Runner(
            journal,
            self.stages,
            partial(app._rejected, out, into),
            configured,
            self.metrics,
            must_ask_first=self.partners.must_ask_first,
        )
        self.acts = Acts(journal, clock, self._nudge, router.office_of)
        self.recalls = Recalls(journal, configured, clock, self._nudge)
        self.intake = Intake(
            configured,
            journal,
            contents,
            router,
            clock,
            accepted=self._nudge,
            pack=out.packed,
            report=self.office_acts.report_file,
        )
        national = self.partners.axes["national"]
        arrivals = Arrivals("national", national, journal, into, self.runner.fetching)
        self.poller = Poller("national", national, 5.0, journal, arrivals, self._nudge)

    def _nudge(self):
        self.runner.nudge()

    @property
    def office_acts(self):
        return OfficeActs(self.acts, self.journal, self.clock)

    def packs_later(self):
        """Leave packing to its stage, as for what is too large for the door."""
        self.intake._pack = None

    # --- driving ------------------------------------------------------------------------------------------------

    async def step(self):
        """Claim what is due and take each one stage further."""
        paused = frozenset(self.runner.paused)
        works = await self.journal.claim("node-1", 100, LEASE, skip_stages=paused | self.runner.broken)
        self.runner.paused = set(Stage)  # nothing is taken further at once
        try:
            await asyncio.gather(*(self.runner._work(work) for work in works))
        finally:
            self.runner.paused = set(paused)
        return len(works)

    async def run(self):
        """Work off everything that is due now, and what follows from it."""
        for _ in range(200):
            if not await self.step():
                return
        raise AssertionError("it never comes to rest")

    async def later(self, **delta):
        self.clock.advance(**delta)
        await self.run()

    async def until(self, condition, **delta):
        for _ in range(100):
            if await condition():
                return
            await self.later(**delta)
        raise AssertionError("it never came to that")

    # --- handing in ---------------------------------------------------------------------------------------------

    async def submit(
        self, *to, files=(("a.pdf", b"%PDF-1.7 mot" + END_OF_PDF),), office=OFFICE, sender=OURS, **changes
    ):
        """The message id of the (only or first) message."""
        number = next(_numbers)
        record = {
            "from": {"code": sender, "name": "Sở Thử nghiệm"},
            "to": [{"code": code, "name": "Cơ quan thử"} for code in to or (FAR,)],
            "number": str(number),
            "notation": "STN-VP",
            "promulgation": {"place": "Thử nghiệm", "date": "2026-03-01"},
            "subject": "V/v thử nghiệm liên thông",
            "attachments": [{"name": name, "content_type": "application/pdf"} for name, _ in files],
            **changes,
        }
        submitted = await self.intake.submit(office, f"key-{number}", record, _uploads(files))
        return submitted.messages[0]["message_id"]

    async def announce(self, data, axis_id=None, kind=Kind.DOCUMENT):
        """Put a file into the axis's mailbox and look there: its message id here."""
        axis_id = axis_id or f"in-{next(_numbers)}"
        self.axis.put(axis_id, data, kind)
        await self.poller.once()
        return await self.by_axis_id(axis_id)

    async def by_axis_id(self, axis_id, axis="national"):
        found = await self.journal.find_by_axis_id(Direction.IN, axis, axis_id)
        return found and found.message_id

    async def receive(self, data, axis_id=None, kind=Kind.DOCUMENT):
        message_id = await self.announce(data, axis_id, kind)
        await self.run()
        return message_id

    async def hear(self, message_id, code, sender=FAR, **fields):
        """A status from far away about a document we sent."""
        sent = await self.message(message_id)
        return await self.receive(status_file(sent.document_id, code, sender, **fields), kind=Kind.STATUS)

    # --- looking ------------------------------------------------------------------------------------------------

    async def message(self, message_id):
        return await self.journal.message(message_id)

    async def state(self, message_id):
        return (await self.message(message_id)).state.value

    async def held(self, message_id):
        return (await self.message(message_id)).held

    async def codes(self, message_id):
        return [entry.code for entry in await self.journal.timeline(message_id)]

    async def facts(self, message_id, code):
        return [dict(entry.facts) for entry in await self.journal.timeline(message_id) if entry.code == code]

    async def delivery(self, message_id, organ):
        return next(each for each in await self.journal.deliveries(message_id) if each.organ == organ)

    async def owed(self, message_id):
        """The statuses born of a received message: (organ, code)."""
        received = await self.message(message_id)
        born = await self.journal.submission(received.submission_id)
        return sorted(
            (each.sender, each.detail["status"]["code"])
            for each in born
            if each.kind is Kind.STATUS and each.direction == "out"
        )

    def told(self, office=OFFICE, kind=None):
        """What an office was handed: the types of the events."""
        return [each.event.type for each in self.offices[office].got if kind is None or each.event.type == kind]


@contextlib.asynccontextmanager
async def open_road(folder, *, axis=None, policy="required", **configured):
    clock = FakeClock()
    pki.write_keys(folder / "keys", pki.valid(pki.GATEWAY))
    pki.write_trust(folder / "trust", pki.valid(pki.AXIS), organs=())
    pki.write_trust(folder / "trust", pki.valid(FAR_SYSTEM), organs=("*.G98",))
    pki.write_trust(folder / "trust", pki.valid(MEDDLER), organs=("*.G11",))
    contents = DiskContents(folder / "contents")
    journal = await Journal.open(folder / "journal.sqlite", now=clock)
    try:
        yield Road(folder, journal, contents, clock, axis or FakeAxis(), policy, settings(**configured))
    finally:
        await journal.close()
        await contents.close()


# --- files from far away ----------------------------------------------------------------------------------------


def document_file(*to, signer=FAR_SYSTEM, document_id=None, files=(("b.pdf", b"%PDF-1.7 hai" + END_OF_PDF),), **fields):
    """A signed edXML document from `FAR`; `signer=None` leaves it unsigned."""
    number = next(_numbers)
    held = {hashlib.sha256(data).hexdigest(): data for _, data in files}
    document = Document(
        **{
            "sender": Organ(FAR, "Bộ Thử nghiệm"),
            "to": tuple(Organ(code, "Cơ quan thử") for code in to or (OURS,)),
            "document_id": document_id or f"{FAR},2026/03/01,{number}/BTN-VP",
            "number": str(number),
            "notation": "BTN-VP",
            "subject": "V/v thử nghiệm chiều đến",
            "promulgation_date": dt.date(2026, 3, 1),
            "type": 2,
            "type_name": "Công văn",
            "attachments": tuple(
                Attachment(
                    f"{index}.pdf",
                    name,
                    "application/pdf",
                    content=Content(hashlib.sha256(data).hexdigest(), len(data), ""),
                )
                for index, (name, data) in enumerate(files)
            ),
            **fields,
        }
    )
    return _file(build.pack_document(document, sign=_signing(signer)), held)


def status_file(
    document_id, code="01", sender=FAR, *, signer=FAR_SYSTEM, at=pki.NOW, description="", to=OURS, number="1/STN-VP"
):
    status = Status(
        sender=Organ(sender, "Bộ Thử nghiệm"),
        response_for=ResponseFor(to, number, document_id, dt.date(2026, 3, 1)),
        code=code,
        description=description,
        timestamp=at,
    )
    return _file(build.pack_status(status, sign=_signing(signer)), {})


def _signing(signer):
    if signer is None:
        return lambda _: b""
    return partial(edxml_signature.sign, key=pki.valid(signer).pair(), now=pki.NOW)


def _file(pieces, held):
    return b"".join(
        piece.data if isinstance(piece, build.Literal) else base64.b64encode(held[piece.content.sha256])
        for piece in pieces
    )


async def _uploads(files):
    async def chunks(data):
        yield data

    for name, data in files:
        yield Upload(name, "application/pdf", chunks(data))
