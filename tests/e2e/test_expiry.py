"""A message that is not confirmed in time: the office is told so, and told again when the receipt comes late."""

import asyncio

import pytest
import pytest_asyncio

from tests.e2e.stage import CHANCELLERY, TIMES, eventually, on_stage, registered

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIFE = 3.0
"""Seconds; less than the driver waits for an answer."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    settings = {"times": TIMES | {"expires_hours": LIFE / 3600}, "runner": {"in_flight": 1}}
    async with on_stage(tmp_path_factory.mktemp("expiry"), settings=settings) as ready:
        yield ready


async def notice_of(stage, message_id):
    rows = await stage.office.store._rows(
        "select type, code from heard where about = ? and type like 'message.%' order by rowid", message_id
    )
    return [tuple(row) for row in rows]


async def test_an_expired_message_is_told_as_not_confirmed_and_a_resend_as_late(stage):
    await stage.faults("disk-full:SendDocument:1:status=503")
    document_id, answer = await stage.send(CHANCELLERY)
    (message,) = answer["messages"]

    async def told():
        return await notice_of(stage, message["message_id"])

    assert await eventually(told) == [("message.expired", "not-confirmed-in-time")]
    found = await stage.office.client.document(message["message_id"])
    assert found["state"] == "expired"
    assert await registered(stage.scene, CHANCELLERY) == []

    await stage.faults()
    await stage.command("resend", message["message_id"], "--why", "the axis is back", "--who", "ca-truc")

    async def late():
        return [kind for kind, _ in await notice_of(stage, message["message_id"]) if kind == "message.late"]

    assert await eventually(late) == ["message.late"]
    again = await stage.closed(message["message_id"])
    assert again["sha256"] == found["sha256"]
    assert again["proof"] == "signed-receipt"
    assert await registered(stage.scene, CHANCELLERY) == [document_id]
    codes = [entry["code"] for entry in again["timeline"]]
    assert codes.index("expired") < codes.index("resend") < codes.index("sent-late")


async def test_what_expired_before_its_first_try_can_be_resent_too(stage):
    await stage.faults("slow:SendDocument:1:1:seconds=6")
    await stage.send(CHANCELLERY)  # keeps the only place until the next one has expired
    await asyncio.sleep(0.5)
    document_id, answer = await stage.send(CHANCELLERY)
    (message,) = answer["messages"]

    async def ended():
        return (await stage.office.client.document(message["message_id"]))["state"] == "expired"

    await eventually(ended)
    await stage.faults()
    await stage.command("resend", message["message_id"], "--why", "it never left", "--who", "ca-truc")
    await stage.closed(message["message_id"])
    assert (await registered(stage.scene, CHANCELLERY)).count(document_id) == 1
