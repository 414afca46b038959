import asyncio

from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import NeedsOperator
from gateway.metrics import Metrics
from gateway.web import health


async def well():
    return None


async def ask(path, metrics=None, **given):
    app = health.operators_app(metrics or Metrics(), **{"ready": {"journal": well}, **given})
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(path)
        return answer, await answer.text()


async def test_the_gauges_are_brought_up_to_date_when_they_are_asked_for():
    metrics = Metrics()

    async def measure():
        metrics.receipts_owed.set(3)

    answer, text = await ask("/metrics", metrics, watch=[measure])
    assert answer.status == 200
    assert answer.content_type == "text/plain"
    assert "lienthong_receipts_owed 3.0" in text


async def test_a_scrape_fails_when_the_gauges_cannot_be_measured():
    async def measure():
        raise OSError("disk")

    answer, text = await ask("/metrics", watch=[measure])
    assert answer.status == 500
    assert "disk" not in text


async def test_live_says_only_that_the_process_answers():
    async def broken():
        return "the journal is gone"

    answer, _ = await ask("/live", ready={"journal": broken})
    assert answer.status == 200


async def test_ready_when_every_check_holds():
    answer, _ = await ask("/ready")
    assert answer.status == 200
    assert await answer.json() == {"ready": True, "checks": {"journal": "ok"}}


async def test_one_failed_check_turns_ready_red_and_is_named():
    async def broken():
        return "stage pack takes no work after a row of bugs"

    answer, _ = await ask("/ready", ready={"journal": well, "stages": broken})
    assert answer.status == 503
    checks = (await answer.json())["checks"]
    assert checks == {"journal": "ok", "stages": "stage pack takes no work after a row of bugs"}


async def test_a_check_that_raises_or_hangs_is_red_and_tells_no_details(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.05)

    async def raising():
        raise ValueError("secret text")

    async def hanging():
        await asyncio.sleep(60)

    answer, text = await ask("/ready", ready={"one": raising, "two": hanging})
    assert answer.status == 503
    assert "ValueError" in text
    assert "no answer" in text
    assert "secret text" not in text


async def test_a_check_that_fails_with_an_error_of_ours_tells_its_code_and_message():
    async def keyless():
        raise NeedsOperator("key-missing", "no key pair is valid today")

    answer, _ = await ask("/ready", ready={"signing key": keyless})
    assert (await answer.json())["checks"] == {"signing key": "key-missing: no key pair is valid today"}
