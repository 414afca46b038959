"""What every office adapter promises (`gateway.ports.Office`), on each one that is installed, and on the SOAP face.

Each has a stand: a small office at its other end, which says what it holds and can go away for a while.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import json
import shutil
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from types import SimpleNamespace

import pytest
from aiohttp import web
from lxml import etree

from gateway.errors import GatewayError, Misconfigured, NeedsOperator, Retryable
from gateway.journal import NewSubmission
from gateway.model import Attachment, Content, Direction, Document, Kind, Organ, Problem, ResponseFor, Status
from gateway.pipeline import detail
from gateway.ports import AttachmentSource, Event, Handover, OfficeContext
from gateway.states import ContentRef, Delivery, Message, NewMessage, State
from gateway.web.soap_xml import SOAP
from tests import doors
from tests.unit.adapters.database import servers
from tests.web.offices import open_street

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
SUBJECT = "V/v chuẩn bị hội nghị thường niên"
PDF = b"%PDF-1.7 not much of one\n" * 5000
ADAPTERS = {point.name: point for point in entry_points(group="gateway.adapters.office")}


class FolderStand:
    def __init__(self, place):
        self.root = place / "share"
        self.root.mkdir()
        self.options = {"path": str(self.root), "interval_seconds": 0.01}
        self.secrets = {}
        self.carried_home = set()

    async def start(self):
        pass

    async def stop(self):
        pass

    @contextlib.asynccontextmanager
    async def away(self):
        inbox = self.root / "inbox"
        inbox.rename(self.root / "elsewhere")
        try:
            yield
        finally:
            (self.root / "elsewhere").rename(inbox)

    async def holds(self):
        """Each message and how many times it came; the office empties its inbox each time it looks."""
        for entry in (self.root / "inbox").iterdir():
            name = entry.name.split(".")[0]
            assert name not in self.carried_home, "a message came twice"
            self.carried_home.add(name)
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return self.carried_home


class WebhookStand:
    def __init__(self, place):
        secret = place / "secret"
        secret.write_text("whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
        self.options = {"secret_files": [str(secret)], "timeout_seconds": 5}
        self.secrets = {}
        self.received = {}
        self.is_away = False

    async def start(self):
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        port = self.runner.addresses[0][1]
        self.options["url"] = f"http://127.0.0.1:{port}/hook"

    async def stop(self):
        await self.runner.cleanup()

    @contextlib.asynccontextmanager
    async def away(self):
        self.is_away = True
        yield
        self.is_away = False

    async def _hook(self, request):
        body = await request.read()
        if self.is_away:
            return web.Response(status=500)
        told = json.loads(body)
        self.received[request.headers["webhook-id"]] = told["data"]["message_id"]
        return web.Response(status=204)

    async def holds(self):
        held = list(self.received.values())
        assert len(held) == len(set(held)), "a message came under two webhook ids"
        return set(held)


class DatabaseStand:
    kind = "sqlite"

    def __init__(self, place):
        self.place = place
        self.options = {"url_file": str(place / "url"), "interval_seconds": 0.01}
        self.secrets = {}
        self.carried_home = set()

    async def start(self):
        self.opened = contextlib.ExitStack()
        self.database = self.opened.enter_context(servers.database(self.kind, self.place))
        (self.place / "url").write_text(self.database.url)

    async def stop(self):
        self.opened.close()

    @contextlib.asynccontextmanager
    async def away(self):
        with self.database.away():
            yield

    async def holds(self):
        """Each message; the office empties its tables each time it looks."""
        with self.database.engine.begin() as connection:
            for (name,) in connection.exec_driver_sql("SELECT message_id FROM lt_in_message").all():
                assert name not in self.carried_home, "a message came twice"
                self.carried_home.add(name)
            for table in ("piece", "attachment", "receiver", "message"):
                connection.exec_driver_sql(f"DELETE FROM lt_in_{table}")
        return self.carried_home


class PostgresStand(DatabaseStand):
    kind = "postgresql"


class SoapStand:
    """An office that fetches by SOAP: what the road leaves in its inbox is handed over when the office acknowledges."""

    def __init__(self, place):
        self.place = place
        self.options = None
        self.secrets = {}
        self.carried_home = set()

    async def start(self):
        self.opened = contextlib.AsyncExitStack()
        self.street = await self.opened.enter_async_context(open_street(self.place))

    async def stop(self):
        await self.opened.aclose()

    def connect(self):
        return Inbox(self.street.house)

    async def _ask(self, operation, inside=""):
        asked = f'<o:{operation} xmlns:o="urn:lienthong:office:1">{inside}</o:{operation}>'
        envelope = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{asked}</s:Body></s:Envelope>'
        answer = await self.street.ours.post("/soap/v1", data=envelope, headers={"Content-Type": "text/xml"})
        assert answer.status == 200, await answer.text()
        return etree.fromstring(await answer.read())

    async def holds(self):
        """Each message; the office reads and acknowledges whatever waits each time it looks."""
        waiting = await self._ask("ListInbox", "<o:limit>100</o:limit>")
        for found in waiting.iterfind(".//{*}items/{*}message_id"):
            assert found.text not in self.carried_home, "a message came twice"
            named = f"<o:message_id>{found.text}</o:message_id>"
            item = await self._ask("GetItem", named)
            for n in range(len(item.findall(".//{*}GetItemResponse/{*}attachments"))):
                got = await self._ask("GetAttachment", f"{named}<o:n>{n}</o:n><o:inline>true</o:inline>")
                assert base64.b64decode(got.findtext(".//{*}content")) == PDF
            await self._ask("Acknowledge", named)
            self.carried_home.add(found.text)
        return self.carried_home


class Inbox:
    """Takes a message as the road leaves it for an office that pulls."""

    def __init__(self, house):
        self.house = house

    async def hand_over(self, handover):
        event, refs = handover.event, []
        for source in handover.attachments:
            content = await self.house.contents.store(source.chunks(), limit=1 << 30)
            refs.append(ContentRef("attachment", content, source.attachment))
        kind, said = Kind.NOTICE, {"event": event.type, **event.data}
        if handover.document:
            named = tuple(source.attachment for source in handover.attachments)
            kind, said = Kind.DOCUMENT, detail.of_document(replace(handover.document, attachments=named))
        if handover.status:
            kind, said = Kind.STATUS, detail.of_status(handover.status)
        message = Message(
            message_id=event.message_id,
            direction=Direction.IN,
            kind=kind,
            state=State.TRUSTED,
            axis="national",
            endpoint="inside",
            submission_id=event.message_id,
            axis_id=f"axis-{event.message_id}",
            sender="000.00.00.G99",
            detail=said,
            accepted_at=NOW,
        )
        new = NewMessage(message, tuple(Delivery(organ, doors.OFFICE) for organ in handover.organs), tuple(refs))
        await self.house.journal.accept(NewSubmission("", event.message_id, "f", {}, (new,)))

    async def close(self):
        pass


STANDS = {
    "database": DatabaseStand,
    "database on PostgreSQL": PostgresStand,
    "folder": FolderStand,
    "webhook": WebhookStand,
    "soap": SoapStand,
}
PUSHED_TO = pytest.mark.parametrize("stand", sorted(set(STANDS) - {"soap"}), indirect=True)
"""What only an adapter promises: it has options, and an office it cannot reach."""


def test_every_adapter_stands_here():
    assert {name.partition(" ")[0] for name in STANDS} == {*ADAPTERS, "soap"}


@pytest.fixture(params=sorted(STANDS))
async def stand(request, tmp_path):
    stand = STANDS[request.param](tmp_path)
    if (name := request.param.partition(" ")[0]) in ADAPTERS:
        stand.module = import_module(ADAPTERS[name].module)
        stand.context = OfficeContext("so-noi-vu", tmp_path, stand.secrets, lambda: NOW)
        stand.connect = lambda: stand.module.connect(stand.options, stand.context)
    await stand.start()
    yield stand
    await stand.stop()


@pytest.fixture
async def office(stand):
    office = stand.connect()
    yield office
    await office.close()


def document(message_id="d" * 32):
    digest = hashlib.sha256(PDF).hexdigest()
    attachment = Attachment("file-1", "../công văn.pdf", "application/pdf", content=Content(digest, len(PDF), "x"))

    async def chunks():
        yield PDF[:1000]
        yield PDF[1000:]

    return Handover(
        Event("document.received", message_id, NOW, {"from": "000.00.00.G99"}),
        ("000.01.00.H99",),
        document=Document(
            Organ("000.00.00.G99", "Bộ Thử nghiệm"),
            (Organ("000.01.00.H99"),),
            "G99,2026/03/02,1/BTN",
            "1",
            "BTN",
            SUBJECT,
        ),
        edxml=chunks,
        attachments=(AttachmentSource(attachment, chunks),),
    )


def status(message_id="e" * 32):
    told = Status(Organ("000.00.00.G99"), ResponseFor("000.01.00.H99", "7/SNV-VP"), "03", timestamp=NOW)
    return Handover(Event("status.received", message_id, NOW, {"status": "03"}), ("000.01.00.H99",), status=told)


def notice(message_id="f" * 32):
    return Handover(Event("message.rejected", message_id, NOW, {"code": "too-large"}), ("000.01.00.H99",))


EVERY_KIND = pytest.mark.parametrize("handover", [document(), status(), notice()], ids=[kind.value for kind in Kind])


@PUSHED_TO
async def test_it_bears_the_name_of_its_office_and_is_handed_to(office):
    assert office.name == "so-noi-vu"
    assert office.pulls is False


@EVERY_KIND
async def test_what_was_handed_over_is_at_the_office(stand, office, handover):
    await office.hand_over(handover)
    assert await stand.holds() == {handover.event.message_id}


@EVERY_KIND
async def test_a_second_hand_over_of_one_message_changes_nothing(stand, office, handover):
    await office.hand_over(handover)
    assert len(await stand.holds()) == 1
    await office.hand_over(handover)
    assert len(await stand.holds()) == 1


@EVERY_KIND
async def test_a_second_hand_over_after_a_restart_changes_nothing(stand, office, handover):
    await office.hand_over(handover)
    assert len(await stand.holds()) == 1
    await office.close()
    again = stand.connect()
    await again.hand_over(handover)
    await again.close()
    assert len(await stand.holds()) == 1


async def test_two_messages_with_the_same_content_are_two(stand, office):
    await office.hand_over(document("1" * 32))
    await office.hand_over(document("2" * 32))
    assert await stand.holds() == {"1" * 32, "2" * 32}


@PUSHED_TO
async def test_an_office_that_is_away_gets_it_when_it_is_back(stand, office):
    async with stand.away():
        with pytest.raises((Retryable, NeedsOperator)):
            await office.hand_over(document())
    await office.hand_over(document())
    assert len(await stand.holds()) == 1


async def test_many_messages_at_once_all_arrive(stand, office):
    names = [f"{number:032x}" for number in range(40)]
    await asyncio.gather(*(office.hand_over(document(name)) for name in names))
    assert await stand.holds() == set(names)


@PUSHED_TO
async def test_errors_tell_nothing_of_the_content(stand, office):
    async with stand.away():
        with pytest.raises(GatewayError) as caught:
            await office.hand_over(document())
    assert SUBJECT not in str(caught.value)
    assert "công văn" not in str(caught.value)


@PUSHED_TO
async def test_run_ends_at_once_or_when_cancelled_and_raises_nothing_else(office):
    running = asyncio.create_task(office.run(SimpleNamespace()))
    await asyncio.sleep(0.05)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_it_closes_twice(stand, office):
    await office.hand_over(document())
    await office.close()
    await office.close()


@PUSHED_TO
async def test_good_options_have_no_problems(stand):
    assert stand.module.check(stand.options) == []


@PUSHED_TO
async def test_an_unknown_option_is_refused_by_its_name(stand):
    options = {**stand.options, "colour": "whsec_very-secret"}
    problems = stand.module.check(options)
    assert [problem.field for problem in problems] == ["colour"]
    assert isinstance(problems[0], Problem)
    with pytest.raises(Misconfigured, match="colour") as caught:
        stand.module.connect(options, stand.context)
    assert "very-secret" not in str(caught.value)
