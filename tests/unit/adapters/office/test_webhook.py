"""The webhook: what is signed, what is said, and what each answer leads to."""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import socket
import ssl
from email.utils import format_datetime

import pytest
from aiohttp import web

from adapters.office import webhook
from gateway.errors import Busy, Misconfigured, NeedsOperator, Unknown, Unreachable
from gateway.model import Document, Organ
from gateway.ports import Event, Handover, OfficeContext
from mock_axis import pki

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
OLD = b"o" * 32
NEW = b"n" * 24


def whsec(secret):
    return "whsec_" + base64.b64encode(secret).decode()


def handover(**data):
    return Handover(
        Event("document.received", "a" * 32, NOW, {"from": "000.00.00.G99", **data}),
        ("000.01.00.H99",),
        document=Document(Organ("000.00.00.G99"), (Organ("000.01.00.H99"),), "id", "1", "BTN", "V/v sáp nhập"),
    )


class Listener:
    """An office's listener that keeps each request and answers as it is told."""

    def __init__(self):
        self.requests = []
        self.status, self.headers, self.wait = 204, {}, 0.0

    async def start(self, tls=None):
        app = web.Application()
        app.router.add_post("/hook", self._take)
        app.router.add_post("/other", self._take)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"

    async def _take(self, request):
        self.requests.append((request.path, dict(request.headers), await request.read(), request.transport))
        await asyncio.sleep(self.wait)
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def listener():
    listener = Listener()
    await listener.start()
    yield listener
    await listener.runner.cleanup()


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(whsec(OLD) + "\n")
    return path


@pytest.fixture
async def office(listener, secret_file, tmp_path):
    context = OfficeContext("so-noi-vu", tmp_path, {}, lambda: NOW)
    office = webhook.connect({"url": listener.url, "secret_files": [str(secret_file)], "timeout_seconds": 0.5}, context)
    yield office
    await office.close()


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


async def test_the_signature_is_the_one_of_standard_webhooks(office, listener):
    await office.hand_over(handover())
    headers, body = lower(listener.requests[0][1]), listener.requests[0][2]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(OLD, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["content-type"] == "application/json"


async def test_the_webhook_id_is_the_same_at_every_try_and_holds_no_full_stop(office, listener):
    await office.hand_over(handover())
    await office.hand_over(handover())
    ids = {lower(headers)["webhook-id"] for _, headers, _, _ in listener.requests}
    assert ids == {"a" * 32 + "_document-received"}


async def test_the_body_holds_ids_and_codes_and_no_content(office, listener):
    await office.hand_over(handover())
    assert json.loads(listener.requests[0][2]) == {
        "type": "document.received",
        "timestamp": "2026-03-02T08:00:00+00:00",
        "data": {"from": "000.00.00.G99", "message_id": "a" * 32, "organs": ["000.01.00.H99"]},
    }


async def test_during_a_roll_every_secret_signs(office, listener, secret_file, tmp_path, monkeypatch):
    monkeypatch.setenv("OFFICE_SECRET", whsec(NEW))
    options = {"url": listener.url, "secret_files": [str(secret_file)], "secret_env": ["OFFICE_SECRET"]}
    rolling = webhook.connect(options, OfficeContext("so-noi-vu", tmp_path, {}, lambda: NOW))
    await rolling.hand_over(handover())
    await rolling.close()
    headers, body = lower(listener.requests[0][1]), listener.requests[0][2]
    by_each = [webhook.sign(secret, headers["webhook-id"], int(NOW.timestamp()), body) for secret in (OLD, NEW)]
    assert headers["webhook-signature"].split(" ") == by_each


async def test_a_secret_rolled_in_its_file_counts_without_a_restart(office, listener, secret_file):
    await office.hand_over(handover())
    secret_file.write_text(whsec(NEW))
    await office.hand_over(handover())
    (_, first, body, _), (_, second, _, _) = listener.requests
    assert lower(first)["webhook-signature"] != lower(second)["webhook-signature"]
    assert lower(second)["webhook-signature"] == webhook.sign(
        NEW, lower(second)["webhook-id"], int(NOW.timestamp()), body
    )


async def test_posts_share_one_connection(office, listener):
    for _ in range(3):
        await office.hand_over(handover())
    assert len({id(transport) for *_, transport in listener.requests}) == 1


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (302, NeedsOperator, "webhook-redirect"),
        (400, NeedsOperator, "webhook-refused"),
        (401, NeedsOperator, "webhook-refused"),
        (404, NeedsOperator, "webhook-gone"),
        (410, NeedsOperator, "webhook-gone"),
        (408, Unknown, "webhook-error"),
        (429, Busy, "webhook-busy"),
        (500, Unknown, "webhook-error"),
        (503, Unknown, "webhook-error"),
    ],
)
async def test_each_answer_has_its_consequence(office, listener, status, error, code):
    listener.status = status
    with pytest.raises(error) as caught:
        await office.hand_over(handover())
    assert (type(caught.value), caught.value.code) == (error, code)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120.0),
        (format_datetime(NOW + dt.timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - dt.timedelta(seconds=90), usegmt=True), 0.0),
        ("99999999", 86400.0),
        ("soon", None),
    ],
)
async def test_the_patience_asked_for_is_kept_within_a_day(office, listener, retry_after, seconds):
    listener.status, listener.headers = 503, {"Retry-After": retry_after}
    with pytest.raises(Busy) as caught:
        await office.hand_over(handover())
    assert caught.value.after == seconds


async def test_a_redirect_is_not_followed(office, listener):
    listener.status, listener.headers = 307, {"Location": "/other"}
    with pytest.raises(NeedsOperator):
        await office.hand_over(handover())
    assert [path for path, *_ in listener.requests] == ["/hook"]


async def test_a_proxy_in_the_environment_is_not_used(office, listener, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    await office.hand_over(handover())
    assert len(listener.requests) == 1


async def test_a_certificate_counts_only_by_the_authority_that_was_named(secret_file, tmp_path):
    tls = pki.make(tmp_path / "pki").tls
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls / "server.crt.pem", tls / "server.key.pem")
    listener = Listener()
    await listener.start(context)
    options = {"url": listener.url.replace("http:", "https:"), "secret_files": [str(secret_file)]}
    of = OfficeContext("so-noi-vu", tmp_path, {}, lambda: NOW)
    trusting = webhook.connect({**options, "ca_file": str(tls / "ca.crt.pem")}, of)
    await trusting.hand_over(handover())
    await trusting.close()
    wary = webhook.connect(options, of)
    with pytest.raises(Unreachable, match="ClientConnectorCertificateError"):
        await wary.hand_over(handover())
    await wary.close()
    await listener.runner.cleanup()
    assert len(listener.requests) == 1


async def test_an_answer_that_does_not_come_leaves_a_doubt(office, listener):
    listener.wait = 2
    with pytest.raises(Unknown, match="webhook-unanswered"):
        await office.hand_over(handover())


async def test_a_closed_port_leaves_no_doubt(secret_file, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        options = {"url": f"http://127.0.0.1:{port}/", "secret_files": [str(secret_file)]}
        office = webhook.connect(options, OfficeContext("so-noi-vu", tmp_path, {}, lambda: NOW))
        with pytest.raises(Unreachable, match="webhook-unreachable"):
            await office.hand_over(handover())
        await office.close()


async def test_an_event_of_unreasonable_size_waits_for_a_person(office, listener):
    with pytest.raises(NeedsOperator, match="webhook-too-large"):
        await office.hand_over(handover(ids=["x" * 100] * 1000))
    assert not listener.requests


async def test_a_secret_that_went_missing_waits_for_a_person(office, listener, secret_file):
    secret_file.unlink()
    with pytest.raises(NeedsOperator, match="secret-missing"):
        await office.hand_over(handover())
    assert not listener.requests


@pytest.mark.parametrize("text", ["", "short", whsec(b"short"), "whsec_%%%", base64.b64encode(OLD).decode()])
def test_an_unfit_secret_is_found_before_start_and_never_shown(secret_file, text):
    secret_file.write_text(text)
    problems = webhook.check({"url": "https://office.example/hook", "secret_files": [str(secret_file)]})
    assert [problem.code for problem in problems] == ["secret-unfit"]
    assert not text or text not in problems[0].message


@pytest.mark.parametrize(
    "url",
    [
        "http://office.example/hook",
        "http://10.0.0.7/hook",
        "http://localhost.office.example/hook",
        "https://user:word@office.example/",
        "https://office.example/#here",
        "file:///etc/passwd",
        "/hook",
    ],
)
def test_an_unsafe_address_is_refused(url, secret_file, tmp_path):
    options = {"url": url, "secret_files": [str(secret_file)]}
    assert [problem.field for problem in webhook.check(options)] == ["url"]
    with pytest.raises(Misconfigured):
        webhook.connect(options, OfficeContext("so-noi-vu", tmp_path, {}, lambda: NOW))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_http_on_this_machine_is_allowed(host, secret_file):
    assert webhook.check({"url": f"http://{host}:8000/hook", "secret_files": [str(secret_file)]}) == []


def test_without_a_secret_nothing_can_be_signed():
    assert [problem.code for problem in webhook.check({"url": "https://office.example/hook"})] == ["missing"]
