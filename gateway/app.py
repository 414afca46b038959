"""The whole gateway in one process: builds the parts from the settings, runs them, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import fcntl
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from gateway import texts
from gateway.config import CANNOT_BE_REQUIRED, AxisSection, Listener, OfficeSection, Settings, purge_folder
from gateway.errors import Misconfigured, Rejection, StorageBroken
from gateway.journal import DiskContents, HeadFolder, Journal, PurgeLedger
from gateway.metrics import Metrics
from gateway.model import LOCAL_AXIS, Direction, Problem
from gateway.outside.clamd import Clamd
from gateway.outside.revocation import FetchedRevocation
from gateway.pipeline import deadlines, heads, loops, reconcile, suspicion
from gateway.pipeline.acts import Acts
from gateway.pipeline.arrivals import Arrivals
from gateway.pipeline.changes import Changes
from gateway.pipeline.front_door import FrontDoor
from gateway.pipeline.handing import Handing
from gateway.pipeline.heads import Heads
from gateway.pipeline.incoming import Incoming
from gateway.pipeline.intake import Intake
from gateway.pipeline.local_axis import SYSTEM_ID, LocalAxis
from gateway.pipeline.office_acts import OfficeActs
from gateway.pipeline.outgoing import Outgoing
from gateway.pipeline.partners import AxisPartner, Partners
from gateway.pipeline.pdfs import Pdfs, Revocation
from gateway.pipeline.pull import PullOffice
from gateway.pipeline.purging import Purging
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.recalls import Recalls
from gateway.pipeline.routing import Router
from gateway.pipeline.runner import Runner, StageFunction
from gateway.pipeline.scanning import Scanning
from gateway.ports import Axis, AxisContext, ListsSent, Office, OfficeContext, Timestamper
from gateway.rules.signatures import Policy
from gateway.states import Outcome, Stage, Work
from gateway.trust.keys import Keys, OwnKeys
from gateway.trust.pdf import PdfExaminer, PdfOptions
from gateway.web.health import operators_app
from gateway.web.office_api import office_app
from gateway.web.watching import watched

AXES, OFFICES = "gateway.adapters.axis", "gateway.adapters.office"
STOP_SECONDS = 10.0
HEADER_SECONDS = 60.0
"""From connecting, or from the last answer, to the end of a request's headers: who is slower is idle, and let go."""

log = structlog.get_logger(__name__)


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Fatal:
    """Hears, from any thread, that the disk broke its word: whoever met it, the process must end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Future[None] = self._loop.create_future()

    def tell(self, error: StorageBroken) -> None:
        def pass_on() -> None:
            if not self._told.done():
                self._told.set_exception(error)

        self._loop.call_soon_threadsafe(pass_on)

    async def wait(self) -> None:
        """Raises what was told."""
        await asyncio.shield(self._told)


@dataclass(slots=True)
class Gateway:
    settings: Settings
    journal: Journal
    contents: DiskContents
    partners: Partners
    router: Router
    runner: Runner
    into: Incoming
    door: FrontDoor
    metrics: Metrics
    keys: Keys
    heads: Heads
    purging: Purging
    now: Callable[[], dt.datetime]
    fatal: Fatal


@dataclass(frozen=True, slots=True)
class Running:
    gateway: Gateway
    office_url: str
    operators_url: str
    tasks: Sequence[asyncio.Task[None]]

    async def ended(self) -> None:
        """Return never, or raise what ended a loop for good (`StorageBroken`)."""
        endless = {task for task in self.tasks if not task.get_name().startswith("office:")}
        done, _ = await asyncio.wait(endless, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()


@contextlib.asynccontextmanager
async def built(settings: Settings, now: Callable[[], dt.datetime] = utc_now) -> AsyncIterator[Gateway]:
    """All parts, connected but not running. Raises `Misconfigured`."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_alone(settings.data_dir))
        fatal = Fatal()
        journal = await Journal.open(settings.data_dir / "journal.sqlite", now=now, on_broken=fatal.tell)
        stack.push_async_callback(journal.close)
        contents = DiskContents(settings.data_dir / "contents", on_broken=fatal.tell)
        stack.push_async_callback(contents.close)
        metrics, router = Metrics(), Router(settings.office, settings.route)
        keys = Keys(settings.keys, settings.trust)
        runner: Runner

        def nudge() -> None:
            runner.nudge()  # made last, because it needs all that nudges it

        inside = OwnKeys(settings.keys, SYSTEM_ID)
        axes = {LOCAL_AXIS: _local(LocalAxis(journal, contents, inside, now, nudge), inside)}
        for section in settings.axis:
            axes[section.name] = partner = _axis(section, settings, keys, now)
            stack.push_async_callback(partner.driver.close)
        offices: dict[str, Office] = {}
        for office in settings.office:
            offices[office.name] = adapter = _office(office, settings, now)
            stack.push_async_callback(adapter.close)
        partners = Partners(axes, offices)
        pdfs = await stack.enter_async_context(_pdfs(settings, contents, now))
        out = Outgoing(journal, contents, partners, settings, now)
        scanning = _scanning(settings, journal, contents, metrics)
        into = Incoming(journal, contents, partners, router, settings, now, pdfs, scanning)
        runner = Runner(
            journal,
            _stages(out, into, Handing(journal, contents, partners, now, as_they_came=settings.as_they_came)),
            partial(_rejected, out, into),
            settings,
            metrics,
            must_ask_first=partners.must_ask_first,
        )
        purging = made_purging(settings, journal, contents)
        acts = OfficeActs(Acts(journal, now, nudge, router.office_of, purged=purging.finish), journal, now)
        intake = Intake(
            settings,
            journal,
            contents,
            router,
            now,
            accepted=nudge,
            pdfs=pdfs,
            scanning=scanning,
            pack=out.packed,
            report=acts.report_file,
        )
        door = FrontDoor(intake, acts, Changes(Recalls(journal, settings, now, nudge), intake, journal))
        kept = written_heads(settings, journal, keys, now)
        yield Gateway(
            settings,
            journal,
            contents,
            partners,
            router,
            runner,
            into,
            door,
            metrics,
            keys,
            kept,
            purging,
            now,
            fatal,
        )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One gateway to a data folder: a second one would sweep away what the first is working on.

    The lock is the kernel's and ends with the process, however that ends. Raises `Misconfigured`.
    """
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured([Problem(str(folder), "in-use", "another gateway runs on this folder")]) from None
        yield


@contextlib.asynccontextmanager
async def _pdfs(settings: Settings, contents: DiskContents, now: Callable[[], dt.datetime]) -> AsyncIterator[Pdfs]:
    section, spool = settings.pdf, settings.data_dir / "pdf-spool"
    await asyncio.to_thread(shutil.rmtree, spool, ignore_errors=True)  # what a killed process left
    await asyncio.to_thread(spool.mkdir, mode=0o700)  # documents wait where documents lie
    options = PdfOptions(
        section.trust, section.revocation_answers, section.revocation, workers=section.workers, folder=spool
    )
    policies = {each.name: Policy(each.pdf_signatures, section.unexamined) for each in settings.office}
    async with PdfExaminer(options) as examiner:
        yield Pdfs(contents, examiner, policies, now, suspicion.patterns(settings.secrecy), _revocation(settings, now))


def _scanning(settings: Settings, journal: Journal, contents: DiskContents, metrics: Metrics) -> Scanning | None:
    """None where no scanner is configured."""
    section = settings.antivirus
    if section.clamd is None:
        return None
    return Scanning(Clamd(section), contents, journal, section, metrics.scanned)


def _revocation(settings: Settings, now: Callable[[], dt.datetime]) -> Revocation | None:
    section = settings.pdf
    if section.revocation == "off" or not section.revocation_hosts:
        return None
    source = FetchedRevocation(settings.data_dir / "revocation", section.revocation_hosts, now)
    return Revocation(source, section.revocation == "hard")


def written_heads(settings: Settings, journal: Journal, keys: Keys, now: Callable[[], dt.datetime]) -> Heads:
    folder = HeadFolder(settings.journal.heads or settings.data_dir / "heads")
    return Heads(journal, folder, heads.signer(keys, now), time_stamping_authority(settings, now), now)


def made_purging(settings: Settings, journal: Journal, contents: DiskContents) -> Purging:
    return Purging(journal, contents, PurgeLedger(purge_folder(settings)), Quarantine(settings))


def time_stamping_authority(settings: Settings, now: Callable[[], dt.datetime]) -> Timestamper | None:
    """None where none is configured."""
    if settings.timestamps.url is None:
        return None
    from gateway.outside.authority import TimeStampingAuthority  # noqa: PLC0415  # half a second, only where it is used

    return TimeStampingAuthority(settings.timestamps, now)


def _stages(out: Outgoing, into: Incoming, handing: Handing) -> Mapping[Stage, StageFunction]:
    return {
        Stage.PACK: out.pack,
        Stage.SEND: out.send,
        Stage.CHASE: out.chase,
        Stage.FETCH: into.fetch,
        Stage.CONFIRM: into.confirm,
        Stage.EXAMINE: into.examine,
        Stage.HAND_OVER: handing.hand_over,
        Stage.TELL_OFFICE: handing.tell_office,
    }


async def _rejected(out: Outgoing, into: Incoming, work: Work, error: Rejection) -> Outcome:
    if work.message.direction is Direction.OUT:
        return out.rejected(work, error)
    return await into.rejected(work, error)


def _axis(section: AxisSection, settings: Settings, keys: Keys, now: Callable[[], dt.datetime]) -> AxisPartner:
    connect: Callable[[Mapping[str, Any], AxisContext], Axis] = _load(
        AXES, section.driver, f"axis.{section.name}.driver"
    )
    context = AxisContext(
        name=section.name,
        system_id=section.system_id,
        keys=settings.keys,
        trust=settings.trust,
        now=now,
        axis_system_id=section.axis_system_id,
    )
    driver = connect(section.options, context)
    if section.edxml_signature == "required" and not driver.can.signs_receipts:
        # It writes every file anew: what it hands out would be refused, each document of it.
        problem = Problem(f"axis.{section.name}.edxml_signature", "cannot-be-required", CANNOT_BE_REQUIRED)
        raise Misconfigured([problem])
    return AxisPartner(
        driver=driver,
        system_id=section.system_id,
        axis_system_id=section.axis_system_id,
        keys=keys,
        edxml_signature=section.edxml_signature,
        fetch_attempts=section.fetch_attempts,
        edxml_form=section.edxml_form,
        start_at=section.start_at,
    )


@contextlib.asynccontextmanager
async def connected_axis(section: AxisSection, settings: Settings) -> AsyncIterator[Axis]:
    """The driver of one axis alone, for a command that has a question to it."""
    driver = _axis(section, settings, Keys(settings.keys, settings.trust), utc_now).driver
    try:
        yield driver
    finally:
        await driver.close()


def _local(driver: Axis, keys: Keys) -> AxisPartner:
    return AxisPartner(driver, SYSTEM_ID, SYSTEM_ID, keys, edxml_signature="required", fetch_attempts=10)


def _office(section: OfficeSection, settings: Settings, now: Callable[[], dt.datetime]) -> Office:
    if section.adapter == "pull":
        return PullOffice(section.name)
    connect: Callable[[Mapping[str, Any], OfficeContext], Office] = _load(
        OFFICES, section.adapter, f"office.{section.name}.adapter"
    )
    say = partial(texts.sentence, language=section.language)
    context = OfficeContext(name=section.name, data_dir=settings.data_dir, secrets={}, now=now, say=say)
    return connect(section.options, context)


def _load(group: str, name: str, field: str) -> Any:
    for point in entry_points(group=group, name=name):
        return point.load()
    known = ", ".join(sorted(point.name for point in entry_points(group=group)))
    raise Misconfigured([Problem(field, "unknown", f"no adapter is called {name!r}; there are: {known}")])


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """The gateway at work. Wait for `Running.ended`: it never ends but by a fault that must end the process."""
    async with built(settings) as gateway, contextlib.AsyncExitStack() as stack:
        await gateway.purging.replay()  # before anybody can ask: a restored backup may hold what was purged
        door = gateway.door
        api = office_app(door, gateway.journal, gateway.contents, settings, door.acts, door.changes)
        operators = operators_app(
            gateway.metrics,
            **watched(
                gateway.metrics,
                gateway.journal,
                gateway.contents,
                gateway.partners,
                gateway.runner,
                gateway.keys,
                gateway.heads.watched,
                settings,
                gateway.now,
            ),
        )
        office_url = await _listen(stack, api, settings.office_api, "office_api")
        operators_url = await _listen(stack, operators, settings.operators, "operators")
        tasks = [asyncio.create_task(loops.supervise(name, loop), name=name) for name, loop in _loops(gateway).items()]
        try:
            yield Running(gateway, office_url, operators_url, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await gateway.heads.at_stop()


def _loops(gateway: Gateway) -> dict[str, Callable[[], Any]]:
    settings, journal, runner = gateway.settings, gateway.journal, gateway.runner
    node = settings.node
    found: dict[str, Callable[[], Any]] = {
        "runner": runner.run,
        "disk guard": partial(loops.disk_guard, gateway.contents, runner, settings),
    }
    sign = partial(_sign_block, gateway.keys)
    found["sweep"] = partial(loops.sweep, journal, gateway.contents, gateway.now)
    found["purging"] = gateway.purging.watch
    found["storage"] = gateway.fatal.wait
    found["deadlines"] = partial(
        loops.in_role, journal, "deadlines", node, partial(deadlines.watch, journal, gateway.now, runner.nudge)
    )
    found["notary"] = partial(
        loops.in_role, journal, "notary", node, partial(loops.notary, journal, sign, settings.times.block_seconds)
    )
    found["heads"] = partial(loops.in_role, journal, "heads", node, gateway.heads.daily)
    for section in settings.axis:
        partner = gateway.partners.axes[section.name]
        arrivals = Arrivals(section.name, partner, journal, gateway.into, runner.fetching)
        poller = loops.Poller(
            section.name,
            partner,
            section.poll_seconds,
            journal,
            arrivals,
            runner.nudge,
            settings.times,
        )
        role = f"poll:{section.name}"
        found[role] = partial(loops.in_role, journal, role, node, poller.run)
        if isinstance(lister := gateway.partners.axes[section.name].driver, ListsSent):
            role = f"reconcile:{section.name}"
            compare = partial(reconcile.daily, lister, journal, section.name, settings.data_dir, gateway.now)
            found[role] = partial(loops.in_role, journal, role, node, compare)
        if section.directory != "off":
            axis = gateway.partners.axes[section.name]
            role = f"directory:{section.name}"
            copy = partial(loops.directory, section.name, axis, journal, gateway.now)
            found[role] = partial(loops.in_role, journal, role, node, copy)
    for name, adapter in gateway.partners.offices.items():
        role = f"office:{name}"
        found[role] = partial(loops.in_role, journal, role, node, partial(loops.office, adapter, gateway.door))
    return found


def _sign_block(keys: Keys, body: bytes) -> bytes:
    return keys.ring.signing(utc_now()).sign(body)


async def _listen(stack: contextlib.AsyncExitStack, app: web.Application, listener: Listener, section: str) -> str:
    """Its URL. Raises `Misconfigured` where another process listens there, or this machine has no such address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS, keepalive_timeout=HEADER_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    tls = None
    if listener.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(listener.certificate, listener.key)
    site = web.TCPSite(runner, listener.host, listener.port, ssl_context=tls)
    try:
        await site.start()
    except OSError as exc:
        raise Misconfigured([_not_bound(exc, listener, section)]) from exc
    host, port = runner.addresses[0][:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def _not_bound(exc: OSError, listener: Listener, section: str) -> Problem:
    address = f"{listener.host}:{listener.port}"
    if exc.errno == errno.EADDRINUSE:
        message = f"{address} is in use; stop what listens there, or choose another"
        return Problem(f"{section}.port", "in-use", message)
    why = exc.strerror if isinstance(exc, socket.gaierror) else os.strerror(exc.errno or 0)
    return Problem(f"{section}.host", "not-bound", f"cannot listen at {address}: {why}")
