"""The sample office: keeps a true account of what it sent and heard, whatever the gateway and the network do."""

import base64
import datetime as dt
import hashlib

import aiohttp
import pytest
from aiohttp import web

from adapters.office import webhook
from gateway.errors import NeedsOperator, Unknown
from gateway.ports import Event, Handover, OfficeContext
from mock_axis.office import Faults, SampleOffice
from mock_axis.office_client import File, NoAnswer, NotTaken, OfficeClient
from mock_axis.office_letters import letter

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two octets...").decode()
PDF = b"%PDF-1.7 " + bytes(300_000)


class Gateway:
    """An office API that says what a test tells it to, and keeps what it took by its key."""

    def __init__(self):
        self.taken = {}
        self.posts = 0
        self.answers = []
        self.items = {}
        self.acknowledged, self.reports = [], []

    async def start(self):
        app = web.Application(client_max_size=10 << 20)
        app.router.add_post("/v1/documents", self._submit)
        app.router.add_get("/v1/documents/{id}", self._document)
        app.router.add_get("/v1/inbox", self._inbox)
        app.router.add_get("/v1/inbox/{id}", self._item)
        app.router.add_get("/v1/inbox/{id}/content", self._content)
        app.router.add_get("/v1/inbox/{id}/attachments/{n}", self._attachment)
        app.router.add_post("/v1/inbox/{id}/ack", self._acknowledge)
        app.router.add_post("/v1/inbox/{id}/status", self._report)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    def receives(self, message_id, *attachments, spoiled=False):
        self.items[message_id] = {
            "message_id": message_id,
            "kind": "document",
            "document_id": f"doc-{message_id}",
            "sender": "000.00.00.G99",
            "sha256": hashlib.sha256(b"<edXML/>").hexdigest(),
            "size": 8,
            "detail": {},
            "attachments": [
                {"n": n, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                for n, data in enumerate(attachments)
            ],
            "data": [data[:-1] if spoiled else data for data in attachments],
        }

    async def _submit(self, request):
        self.posts += 1
        assert request.headers["Authorization"] == "Bearer lt_key"
        parts = [(part.name, part.filename, await part.read()) async for part in await request.multipart()]
        key = request.headers["Idempotency-Key"]
        says = self.answers.pop(0) if self.answers else "take"
        if says in {"take", "lose"}:
            self.taken.setdefault(key, parts)
        if says == "lose":
            request.transport.close()
            return web.Response()
        if says != "take":
            return web.json_response({"type": "urn:lienthong:problem:x"}, status=says, headers={"Retry-After": "0"})
        return web.json_response({"message_id": f"m-{list(self.taken).index(key)}"}, status=202)

    async def _document(self, request):
        return web.json_response({"message_id": request.match_info["id"], "state": "sent"})

    async def _inbox(self, request):
        return web.json_response({"items": [i for n, i in self.told() if n not in self.acknowledged], "next": None})

    def told(self):
        return [(n, {name: v for name, v in item.items() if name != "data"}) for n, item in self.items.items()]

    async def _item(self, request):
        return web.json_response(dict(self.told())[request.match_info["id"]])

    async def _content(self, request):
        return web.Response(body=b"<edXML/>")

    async def _attachment(self, request):
        return web.Response(body=self.items[request.match_info["id"]]["data"][int(request.match_info["n"])])

    async def _acknowledge(self, request):
        self.acknowledged.append(request.match_info["id"])
        return web.Response(status=204)

    async def _report(self, request):
        self.reports.append((request.match_info["id"], await request.json()))
        return web.json_response({"message_id": "s"}, status=202)


@pytest.fixture
async def gateway():
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.runner.cleanup()


@pytest.fixture
async def office(gateway, tmp_path):
    async with sample(gateway, tmp_path) as office:
        yield office


def sample(gateway, tmp_path, **more):
    return SampleOffice(
        tmp_path / "office", gateway=gateway.url, key="lt_key", secrets=[SECRET], **{"patience": 5, **more}
    )


@pytest.fixture
async def hook(office, tmp_path):
    """The gateway's own adapter, aimed at the sample office."""
    (tmp_path / "secret").write_text(SECRET)
    context = OfficeContext("so", tmp_path, {}, lambda: dt.datetime.now(dt.UTC))
    adapter = webhook.connect({"url": office.url, "secret_files": [str(tmp_path / "secret")]}, context)
    yield adapter
    await adapter.close()


def received(message_id, document_id=None, kind="document.received", **data):
    told = {"document_id": document_id or f"doc-{message_id}", "from": "000.00.00.G99", **data}
    return Handover(Event(kind, message_id, dt.datetime.now(dt.UTC), told), ("000.01.00.H99",))


# --- sending ----------------------------------------------------------------------------------------------------


async def test_a_letter_travels_as_a_record_and_its_files(gateway, office):
    record, files = letter(7, "000.01.00.H99", ["000.00.00.G99"], [PDF, b"%PDF-2"], day=dt.date(2026, 3, 2))
    answer = await office.send("k-7", record, files)
    (first, *rest) = gateway.taken["k-7"]
    assert answer["message_id"] == "m-0"
    assert first[0] == "record"
    assert [name for _, name, _ in rest] == [file.name for file in files] == [a["name"] for a in record["attachments"]]
    assert [data for *_, data in rest] == [PDF, b"%PDF-2"]


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(gateway, office):
    gateway.answers = ["lose", 503, 409]
    await office.send("k-1", {"document_id": "d-1"}, [File("a.pdf", PDF)])
    assert gateway.posts == 4
    assert list(gateway.taken) == ["k-1"]
    assert (await office.state())["accepted"] == 1


async def test_a_refusal_is_final_and_kept(gateway, office):
    gateway.answers = [422]
    for _ in range(2):
        with pytest.raises(NotTaken):
            await office.send("k-1", {"document_id": "d-1"})
    state = await office.state()
    assert gateway.posts == 1
    assert (state["sent"], state["accepted"], state["refused"]) == (1, 0, 1)


async def test_after_a_restart_an_answered_letter_is_not_sent_again(gateway, tmp_path):
    async with sample(gateway, tmp_path) as office:
        first = await office.send("k-1", {"document_id": "d-1"})
    async with sample(gateway, tmp_path) as office:
        again = await office.send("k-1", {"document_id": "d-1"})
        assert (await office.store.submissions())[0]["document_id"] == "d-1"
    assert again["message_id"] == first["message_id"]
    assert gateway.posts == 1


async def test_after_a_restart_an_unanswered_letter_is_sent_under_the_same_key(gateway, tmp_path):
    gateway.answers = [503] * 50
    async with sample(gateway, tmp_path, patience=0.1) as office:
        with pytest.raises(NoAnswer):
            await office.send("k-1", {"document_id": "d-1"})
    gateway.answers = []
    async with sample(gateway, tmp_path) as office:
        await office.send("k-1", {"document_id": "d-1"})
    assert list(gateway.taken) == ["k-1"]


async def test_a_file_on_disk_is_streamed_at_every_try(gateway, office, tmp_path):
    (tmp_path / "big.pdf").write_bytes(PDF)
    gateway.answers = ["lose"]
    await office.send("k-1", {}, [File("big.pdf", tmp_path / "big.pdf")])
    assert gateway.taken["k-1"][1][2] == PDF
    assert (await office.store.submissions())[0]["digests"] == [hashlib.sha256(PDF).hexdigest()]


async def test_a_gateway_that_is_not_there_is_given_up_after_the_patience(tmp_path):
    client = OfficeClient("http://127.0.0.1:1", "lt_key", patience=0.1)
    with pytest.raises(NoAnswer):
        await client.document("m-1")
    await client.close()


async def test_it_can_be_told_later_where_the_gateway_is(gateway, tmp_path):
    async with SampleOffice(tmp_path / "office", gateway="http://127.0.0.1:1", patience=0.1) as office:
        with pytest.raises(NoAnswer):
            await office.client.document("m-1")
        await office.connect(gateway.url, "lt_key")
        assert (await office.client.document("m-1"))["message_id"] == "m-1"


async def test_it_asks_what_became_of_a_letter(office):
    assert (await office.client.document("m-1"))["state"] == "sent"


# --- hearing ----------------------------------------------------------------------------------------------------


async def test_a_webhook_heard_twice_is_one_document_and_one_repeat(office, hook):
    await hook.hand_over(received("m-1"))
    await hook.hand_over(received("m-1"))
    state = await office.state()
    assert (state["received"], state["doubled"], state["repeats"]) == (1, 0, 1)


async def test_a_webhook_is_known_again_after_a_restart(gateway, office, hook, tmp_path):
    await hook.hand_over(received("m-1"))
    await office.close()
    async with sample(gateway, tmp_path) as again:
        assert (await again.state())["received"] == 1


async def test_a_webhook_signed_with_another_secret_is_not_heard(office, tmp_path):
    (tmp_path / "other").write_text("whsec_" + base64.b64encode(bytes(32)).decode())
    context = OfficeContext("so", tmp_path, {}, lambda: dt.datetime.now(dt.UTC))
    adapter = webhook.connect({"url": office.url, "secret_files": [str(tmp_path / "other")]}, context)
    with pytest.raises(NeedsOperator):
        await adapter.hand_over(received("m-1"))
    await adapter.close()
    state = await office.state()
    assert (state["events"], state["forged"]) == (0, 1)


async def test_an_old_webhook_is_not_heard(office, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    late = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=6)
    context = OfficeContext("so", tmp_path, {}, lambda: late)
    adapter = webhook.connect({"url": office.url, "secret_files": [str(tmp_path / "secret")]}, context)
    with pytest.raises(NeedsOperator):
        await adapter.hand_over(received("m-1"))
    await adapter.close()
    assert (await office.state())["events"] == 0


async def test_a_lost_webhook_is_not_kept_and_a_lost_answer_is(office, hook):
    office.faults = Faults(lose=1)
    with pytest.raises(Unknown):
        await hook.hand_over(received("m-1"))
    assert (await office.state())["events"] == 0
    office.faults = Faults(lose_answer=1)
    with pytest.raises(Unknown):
        await hook.hand_over(received("m-1"))
    state = await office.state()
    assert (state["events"], state["lost"]) == (1, 2)


async def test_faults_can_be_set_and_the_account_read_from_outside(office, hook):
    base = office.url.removesuffix("/webhook")
    async with aiohttp.ClientSession() as session:
        await session.put(f"{base}/faults", json={"lose": 1, "seed": 3})
        with pytest.raises(Unknown):
            await hook.hand_over(received("m-1"))
        async with session.get(f"{base}/state") as answer:
            assert (await answer.json())["lost"] == 1


async def test_statuses_and_notices_are_told_per_document(office, hook):
    await hook.hand_over(received("s-1", "d-1", "status.received", status="01", about="m-9"))
    await hook.hand_over(received("s-2", "d-1", "status.received", status="03", about="m-9"))
    await hook.hand_over(received("n-1", "d-2", "message.rejected", code="too-large", about="m-8"))
    state = await office.state()
    assert state["statuses"] == {"d-1": ["000.00.00.G99 01", "000.00.00.G99 03"]}
    assert state["notices"] == {"m-8": "message.rejected"}
    assert state["received"] == 0


# --- fetching ---------------------------------------------------------------------------------------------------


async def test_what_was_heard_of_is_fetched_compared_and_reported_once(gateway, office, hook):
    gateway.receives("m-1", PDF, b"two")
    await hook.hand_over(received("m-1"))
    assert await office.work_off(["03"]) == 2
    assert await office.work_off(["03"]) == 0
    state = await office.state()
    assert (state["fetched"], state["spoiled"]) == (1, 0)
    assert gateway.reports == [("m-1", {"code": "03", "reason": ""})]
    (document,) = await office.store.documents()
    assert document["digests"] == sorted(hashlib.sha256(data).hexdigest() for data in (PDF, b"two"))


async def test_a_spoiled_attachment_is_noticed_and_not_registered(gateway, office, hook):
    gateway.receives("m-1", PDF, spoiled=True)
    await hook.hand_over(received("m-1"))
    await office.work_off(["03"])
    assert (await office.store.documents())[0]["spoiled"] == "attachment 0"
    assert (await office.state())["spoiled"] == 1
    assert gateway.reports == []


async def test_one_document_under_two_message_ids_is_counted_as_doubled(gateway, office, hook):
    for message_id in ("m-1", "m-2"):
        gateway.receives(message_id, PDF)
        await hook.hand_over(received(message_id, "the same"))
    await office.work_off([])
    state = await office.state()
    assert (state["received"], state["doubled"]) == (1, 1)


async def test_an_updated_document_with_other_attachments_is_not_doubled(gateway, office, hook):
    for message_id, pdf in (("m-1", PDF), ("m-2", b"new")):
        gateway.receives(message_id, pdf)
        await hook.hand_over(received(message_id, "the same"))
    await office.work_off([])
    state = await office.state()
    assert (state["received"], state["doubled"]) == (2, 0)


async def test_an_office_that_pulls_takes_its_inbox_and_acknowledges(gateway, office):
    gateway.receives("m-1", PDF)
    assert await office.pull() == 1
    assert await office.pull() == 0
    assert gateway.acknowledged == ["m-1"]
    assert (await office.state())["received"] == 1


# --- letters ----------------------------------------------------------------------------------------------------


def test_a_letter_is_the_same_for_the_same_number_and_seed():
    day = dt.date(2026, 3, 2)
    first, second = (letter(3, "000.01.00.H99", ["000.00.00.G99"], [PDF], day=day, seed=1)[0] for _ in range(2))
    assert first == second
    assert first["document_id"] == "000.01.00.H99,2026/03/02,3"


def test_every_letter_is_a_record_that_the_gateway_takes():
    from gateway.pipeline.record import read

    for number in range(200):
        read(letter(number, "000.01.00.H99", ["000.00.00.G99"], [PDF])[0])
