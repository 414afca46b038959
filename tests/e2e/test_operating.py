"""What operators see and do: the second listener, the commands, a stop under load, urgency under a backlog."""

import asyncio
import json
import signal
import time

import aiohttp
import pytest
import pytest_asyncio

from mock_axis import account
from mock_axis.recount import looking_at
from tests.e2e.stage import CHANCELLERY, FINANCE, HOME_AFFAIRS, control, eventually, on_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEW_ORGAN = "000.00.77.H08"
"""Ours on the axis, and nobody's here."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    settings = {"runner": {"in_flight": 4, "claim": 4}}
    async with on_stage(tmp_path_factory.mktemp("operating"), settings=settings) as ready:
        yield ready


async def ask(stage, path):
    async with aiohttp.ClientSession() as session, session.get(stage.scene.operators_url + path) as answer:
        return answer.status, await answer.text()


async def metric(stage, line):
    """Its value; None where the series is not there."""
    _, text = await ask(stage, "/metrics")
    found = [each.rpartition(" ")[2] for each in text.splitlines() if each.startswith(line)]
    return float(found[0]) if found else None


async def status(stage):
    return json.loads(await stage.command("status", "--json"))


async def test_the_operators_listener_answers(stage):
    assert await ask(stage, "/live") == (200, '{"live": true}')
    code, ready = await ask(stage, "/ready")
    assert (code, json.loads(ready)["ready"]) == (200, True)
    _, answer = await stage.send(CHANCELLERY)
    await stage.closed(answer["message_id"])
    assert await metric(stage, 'lienthong_messages{direction="out",state="closed"}') >= 1
    assert await metric(stage, 'lienthong_stage_seconds_count{outcome="ok",stage="send"}') >= 1
    assert await metric(stage, 'lienthong_stage_breaker_open{stage="send"}') == 0


async def test_an_axis_that_fails_shows_and_is_forgiven(stage):
    await stage.faults("disk-full:*:1:status=503")
    _, answer = await stage.send(CHANCELLERY)

    async def failing():
        return await metric(stage, 'lienthong_endpoint_failing_seconds{endpoint="axis:quoc-gia"}')

    await eventually(failing)
    assert "axis:quoc-gia" in (await status(stage))["endpoints_failing_seconds"]
    await stage.faults()
    await stage.closed(answer["message_id"])
    assert await failing() is None


async def test_a_document_for_nobody_is_held_and_a_person_decides(stage):
    kept, refused = [await stage.receive(CHANCELLERY, NEW_ORGAN) for _ in range(2)]

    async def held():
        return await metric(stage, 'lienthong_held_messages{reason="organ-unowned"}') == 2

    await eventually(held)
    lines = (await status(stage))["held"]
    assert [line["reason"] for line in lines] == ["organ-unowned"] * 2
    with looking_at(stage.scene.journal) as journal:
        ids = dict(journal.execute("select document_id, message_id from message where held is not null").fetchall())
    assert set(ids) == {kept, refused}

    # An office takes the organ over; the one document is released to it, the other is rejected.
    stage.scene.more = f'[[office]]\nname = "so-moi"\nadapter = "pull"\norgans = ["{NEW_ORGAN}"]\n'
    stage.scene.lay_out()
    await stop(stage)
    await stage.scene.start_gateway()
    await stage.command("release", ids[kept], "--why", "Sở mới nhận", "--who", "ca-truc")
    await stage.command("reject", ids[refused], "--why", "Không thuộc thẩm quyền", "--who", "ca-truc")

    async def moved():
        return await metric(stage, 'lienthong_messages{direction="in",state="trusted"}')

    assert await eventually(moved) == 1
    first, second = await shown(stage, ids[kept]), await shown(stage, ids[refused])
    assert (first["state"], second["state"]) == ("trusted", "rejected")
    assert ("released", "ca-truc", "Sở mới nhận") in acts(first)
    assert ("rejected", "ca-truc", "Không thuộc thẩm quyền") in acts(second)
    assert await metric(stage, "lienthong_held_messages{") is None


def acts(found):
    return [(entry["act"], entry["who"], entry["why"]) for entry in found["timeline"]]


async def shown(stage, message_id):
    return json.loads(await stage.command("show", message_id, "--json"))


async def test_show_tells_deliveries_receipts_and_timeline(stage):
    document_id, answer = await stage.send(CHANCELLERY, FINANCE)
    await stage.closed(answer["message_id"])
    found = await shown(stage, answer["message_id"])
    assert (found["document_id"], found["state"], found["proof"]) == (document_id, "closed", "signed-receipt")
    assert {(one["organ"], one["status"]) for one in found["deliveries"]} == {(CHANCELLERY, "01"), (FINANCE, "01")}
    assert [(one["kind"], one["given"], one["mismatch"]) for one in found["receipts"]] == [
        ("axis-accepted", False, None)
    ]
    assert [entry["act"] for entry in found["timeline"]][:3] == ["accepted", "packed", "sent"]
    with pytest.raises(RuntimeError, match="no message has the id"):
        await shown(stage, "0" * 32)


async def test_an_urgent_document_overtakes_a_backlog(stage):
    await stage.faults("slow:SendDocument:1:seconds=0.4")
    for _ in range(24):
        await stage.send(CHANCELLERY)
    before = len(await sent(stage))
    urgent, answer = await stage.send(CHANCELLERY, priority=3)
    await stage.closed(answer["message_id"])
    passed = (await sent(stage)).index(urgent) - before
    await stage.faults()
    assert passed <= 8  # four were under way, and four may have been claimed while this one was packed
    _, last = await stage.send(CHANCELLERY)
    await stage.closed(last["message_id"])
    assert len(await sent(stage)) - before - passed > 8  # there was a backlog to overtake


async def sent(stage):
    """DocumentIds in the order in which the axis took them."""
    return [m["document_id"] for m in await control(stage.scene, "GET", "/messages") if m["kind"] == "document"]


async def stop(stage):
    """SIGTERM; how long it took to end, politely."""
    began = time.monotonic()
    stage.scene.gateway.send_signal(signal.SIGTERM)
    code = await asyncio.wait_for(stage.scene.gateway.wait(), 20)
    assert code == 0
    return time.monotonic() - began


async def test_a_stop_under_load_loses_nothing(stage):
    await stage.faults("slow-reply:*:0.5:seconds=0.5", "late:Deliver:0.3:seconds=0.5")
    for number in range(10):
        await stage.send((CHANCELLERY, HOME_AFFAIRS, FINANCE)[number % 3])
        await stage.receive((CHANCELLERY, HOME_AFFAIRS, FINANCE)[number % 3])
    await stop(stage)
    assert any(line["state"] not in {"closed", "rejected"} for line in (await status(stage))["messages"])
    await stage.faults()
    await stage.scene.start_gateway()

    async def all_done():
        await stage.office.work_off(())
        drawn = await account.draw_up(stage.scene.folder, stage.offices)
        # What nobody here owned was handed to another office, and none of these offices got it.
        return [] if drawn.lost or drawn.statuses_lost else [drawn]

    (drawn,) = await eventually(all_done, 40)
    assert drawn.doubled == []
    assert drawn.statuses_doubled == []
