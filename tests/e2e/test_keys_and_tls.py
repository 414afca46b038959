"""TLS with client certificates, and both sides' keys rolled under way."""

import asyncio
import ssl

import aiohttp
import pytest
import pytest_asyncio

from mock_axis import account, pki
from mock_axis.recount import looking_at, verify_receipts
from mock_axis.scene import OFFICE_ORGAN
from tests.e2e.stage import AXIS, CHANCELLERY, FINANCE, HOME_AFFAIRS, eventually, on_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    async with on_stage(tmp_path_factory.mktemp("tls"), tls=True, axis_options=AXIS) as ready:
        yield ready


async def test_documents_cross_under_mutual_tls(stage):
    assert stage.scene.axis_url.startswith("https:")
    _, answer = await stage.send(CHANCELLERY)
    assert (await stage.closed(answer["message_id"]))["proof"] == "signed-receipt"
    await stage.heard_of(await stage.receive(CHANCELLERY))


async def test_it_is_watched_until_when_our_client_certificate_lasts(stage):
    async with aiohttp.ClientSession() as session, session.get(f"{stage.scene.operators_url}/metrics") as answer:
        assert 'lienthong_certificate_days_left{certificate="tls:' in await answer.text()


async def test_nobody_gets_in_without_a_client_certificate(stage):
    trusting = ssl.create_default_context(cafile=stage.scene.pki.tls / "ca.crt.pem")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(stage.scene.axis_url + "?wsdl", ssl=trusting) as answer:
                await answer.read()
        trusting.load_cert_chain(stage.scene.pki.tls / "client.crt.pem", stage.scene.pki.tls / "client.key.pem")
        async with session.get(stage.scene.axis_url + "?wsdl", ssl=trusting) as answer:
            assert answer.status == 200


async def test_both_sides_keys_roll_under_way_without_a_restart(stage):
    scene = stage.scene
    gateway = scene.gateway.pid
    await stage.faults("disk-full:*:0.3:status=503", "reply-lost:*:0.1", "late:Deliver:0.5:seconds=1")

    async def some(count):
        for number in range(count):
            await stage.send((CHANCELLERY, HOME_AFFAIRS, FINANCE)[number % 3])
            await stage.receive((CHANCELLERY, HOME_AFFAIRS, FINANCE)[number % 3])
            await asyncio.sleep(0.05)

    await some(6)
    before = _states(scene)
    await asyncio.to_thread(pki.roll_gateway_key, scene.pki)
    await some(3)
    await asyncio.to_thread(pki.roll_axis_key, scene.pki)
    await some(3)
    # The old key is put away; its certificate stays trusted, for what it signed.
    for path in scene.pki.gateway_keys().glob("gateway.*.pem"):
        path.unlink()
    await asyncio.sleep(1.5)
    await some(3)
    await stage.faults()
    assert len(before) > 1, before  # the keys rolled with messages in several states

    async def all_done():
        drawn = await account.draw_up(scene.folder, stage.offices)
        await stage.office.work_off(())
        # After a confirmation is lost, this list may hold documents already here; only what is open counts.
        return (
            not drawn.lost and not drawn.statuses_lost and set(_states(scene)) <= {("in", "closed"), ("out", "closed")}
        )

    await eventually(all_done)
    drawn = await account.draw_up(scene.folder, {OFFICE_ORGAN: stage.office})
    assert drawn.doubled == []
    counted = await asyncio.to_thread(verify_receipts, scene.folder)
    assert (counted.bad, counted.missing) == ([], [])
    assert scene.gateway.pid == gateway
    assert scene.gateway.returncode is None
    with looking_at(scene.journal) as journal:
        certificates = journal.execute(
            "select distinct json_extract(facts, '$.certificate') from entry where code = 'packed'"
        ).fetchall()
    assert len(certificates) >= 2, certificates


def _states(scene):
    with looking_at(scene.journal) as journal:
        return journal.execute("select distinct direction, state from message").fetchall()
