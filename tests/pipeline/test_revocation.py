"""Whether a signer's certificate was revoked, asked of its issuer over HTTP by the gateway, never by a worker."""

import contextlib
import json

import pytest
from aiohttp import web

from gateway.errors import Retryable
from gateway.outside import revocation
from gateway.outside.revocation import FetchedRevocation
from gateway.trust.pdf import RevocationAsk
from tests.contract.journals import Clock
from tests.issuer import Issuer, desk
from tests.unit.trust_pdf.pki import DAY, NOW, ORGAN, PERSON, Pki


async def test_an_issuer_is_asked_and_its_answer_kept_for_evidence_and_for_the_next_document(tmp_path):
    async with desk(tmp_path, policy="hard") as at:
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON, ORGAN)
        looked = await at.look(signed)
        assert (looked.refused, looked.facts["pdfs"]) == ((), "valid")
        assert sorted(at.issuer.asked) == ["crl root", "ocsp ca", "ocsp ca"]
        (detail,) = looked.detail
        assert [each["revocation"] for each in detail["signatures"]] == ["good", "good"]
        kept = {each.name for each in (tmp_path / "revocation" / "answers").iterdir()}
        assert set(detail["answers"]) == kept
        assert "asks" not in detail
        again = await at.look(signed)
        assert (again.facts["pdfs"], len(at.issuer.asked)) == ("valid", 3)
        at.clock.pass_(25 * 3600)
        at.issuer.at = at.clock.time
        assert (await at.look(signed)).facts["pdfs"] == "valid"
        assert len(at.issuer.asked) == 6


async def test_a_revoked_signer_is_found_out(tmp_path):
    async with desk(tmp_path) as at:
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, "revoked")
        assert await at.signatures(signed) == [("failed", "revoked")]


async def test_the_list_is_asked_for_where_the_responder_does_not_answer(tmp_path):
    async with desk(tmp_path, policy="hard") as at:
        at.issuer.down = {"ocsp"}
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON)
        assert await at.signatures(signed) == [("passed", "good")]
        assert sorted(at.issuer.asked) == ["crl ca", "crl root", "ocsp ca"]


async def test_a_host_that_is_not_configured_is_never_asked(tmp_path):
    async with desk(tmp_path, hosts=["elsewhere.example"]) as at:
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON)
        assert await at.signatures(signed) == [("passed", "unknown")]
        assert at.issuer.asked == []


async def test_the_addresses_of_a_stranger_are_never_asked_for(tmp_path):
    """The chain leads nowhere, so what its certificates name is nobody's word."""
    async with desk(tmp_path) as at:
        (tmp_path / "trust" / "root.pem").write_bytes(at.issuer.pki.pem("stranger"))
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON)
        assert await at.signatures(signed) == [("indeterminate", "not-checked")]
        assert at.issuer.asked == []


async def test_soft_passes_and_hard_waits_while_the_issuer_is_away(tmp_path):
    async with desk(tmp_path) as at:
        at.issuer.down = {"ocsp", "crl"}
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON, ORGAN)
        looked = await at.look(signed)
        assert (looked.refused, looked.facts["pdfs"]) == ((), "valid")
        assert looked.detail[0]["signatures"][0]["reasons"] == ["revocation-unknown"]
    (tmp_path / "hard").mkdir()
    async with desk(tmp_path / "hard", policy="hard") as at:
        at.issuer.down = {"ocsp", "crl"}
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON, ORGAN)
        with pytest.raises(Retryable, match="revocation-unreachable"):
            await at.look(signed)
        assert (await at.look(signed, "mild")).facts["pdfs"] == "indeterminate"
        asked = len(at.issuer.asked)
        at.issuer.down = set()
        assert (await at.look(signed, "mild")).facts["pdfs"] == "indeterminate"
        assert len(at.issuer.asked) == asked  # who did not answer is left alone for a while
        at.clock.pass_(301)
        at.issuer.at = at.clock.time
        assert (await at.look(signed)).facts["pdfs"] == "valid"


async def test_an_answer_that_proves_nothing_is_not_served_again(tmp_path):
    """Whoever stands between us and a responder that speaks plain http can send anything, good for years."""
    async with desk(tmp_path) as at, contextlib.AsyncExitStack() as stack:
        (tmp_path / "other").mkdir()
        forger = await Issuer().open(stack, tmp_path / "other", "a forger's")
        forged = forger.pki.crl("root")
        at.issuer.instead = {"crl root": lambda: web.Response(body=forged)}
        at.issuer.down = {"ocsp"}
        at.issuer.instead["crl ca"] = lambda: web.Response(body=forged)
        signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON)
        assert await at.signatures(signed) == [("passed", "unknown")]
        assert list((tmp_path / "revocation" / "asked").iterdir()) == []
        at.issuer.instead, at.issuer.down = {}, set()
        at.clock.pass_(301)
        at.issuer.at = at.clock.time
        assert await at.signatures(signed) == [("passed", "good")]


# --- the fetching itself ------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def fetching(folder, answer, hosts=None):
    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        clock = Clock()
        clock.time = NOW
        yield FetchedRevocation(folder, hosts or [host], clock), f"http://{host}/ca.crl", clock
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "response",
    [
        lambda: web.Response(body=b"no list"),
        lambda: web.Response(status=404),
        lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"}),
        lambda: web.Response(body=b"x" * 3000),
    ],
)
async def test_what_is_no_answer_is_not_kept_and_not_asked_for_again_at_once(tmp_path, monkeypatch, response):
    monkeypatch.setitem(revocation.LARGEST, "crl", 2000)
    asked = []

    async def answer(request):
        asked.append(request.path)
        return response()

    async with fetching(tmp_path, answer) as (source, url, _):
        for _ in range(3):
            found = await source.answers([RevocationAsk("crl", url)])
            assert (found.files, found.failed) == ((), True)
    assert asked == ["/ca.crl"]
    assert list((tmp_path / "answers").iterdir()) == []


async def test_a_redirect_is_not_followed_even_to_the_same_host(tmp_path, tmp_path_factory):
    body = Pki(tmp_path_factory.mktemp("pki")).crl("ca")

    async def answer(request):
        if request.path == "/real.crl":
            return web.Response(body=body)
        return web.Response(status=302, headers={"Location": "/real.crl"})

    async with fetching(tmp_path, answer) as (source, url, _):
        assert (await source.answers([RevocationAsk("crl", url)])).files == ()
        assert (await source.answers([RevocationAsk("crl", url.replace("ca.crl", "real.crl"))])).files


async def test_a_list_that_has_ended_is_no_answer(tmp_path, old_list):
    async with fetching(tmp_path, old_list) as (source, url, _):
        assert (await source.answers([RevocationAsk("crl", url)])).failed


@pytest.fixture
def old_list(tmp_path_factory):
    body = Pki(tmp_path_factory.mktemp("pki")).crl("ca", NOW - 60 * DAY)

    async def answer(_):
        return web.Response(body=body)

    return answer


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://crl.example/ca.crl",
        "http://crl.example:8080/ca.crl",
        "http://crl.example.evil.example/ca.crl",
        "http://user@crl.example/ca.crl",
        "http://evil.example/crl.example",
        "http://[::1/ca.crl",
        "http://crl.example:99999/",
    ],
)
def test_only_the_configured_hosts_on_their_usual_ports_may_be_asked(tmp_path, url):
    source = FetchedRevocation(tmp_path, ["crl.example"], Clock())
    assert not source._allowed(url)
    assert source._allowed("http://CRL.example/ca.crl")
    assert source._allowed("https://crl.example:443/ca.crl")


async def test_many_documents_at_once_ask_once(tmp_path, tmp_path_factory):
    import asyncio

    body, asked = Pki(tmp_path_factory.mktemp("pki")).crl("ca"), []

    async def answer(request):
        asked.append(1)
        await asyncio.sleep(0.05)
        return web.Response(body=body)

    async with fetching(tmp_path, answer) as (source, url, clock):
        found = await asyncio.gather(*(source.answers([RevocationAsk("crl", url)]) for _ in range(8)))
        assert {len(each.files) for each in found} == {1}
        (told,) = (json.loads(each.read_bytes()) for each in (tmp_path / "asked").iterdir())
        assert told["until"] == (clock.time + DAY).isoformat()
    assert len(asked) == 1
