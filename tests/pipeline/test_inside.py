"""The road between two offices of one gateway: the same stages, receipts and statuses."""

from gateway.errors import Unreachable
from gateway.model import LOCAL_AXIS
from gateway.pipeline.outgoing import Packed, parcel_of
from gateway.ports import Finds
from gateway.trust import receipts
from tests.assets.make_edxml import END_OF_PDF
from tests.pipeline.road import FAR, LEASE, NEIGHBOUR, NEIGHBOURS, OFFICE, OURS, PULLED, PULLS


async def test_a_document_between_two_offices_takes_the_whole_road(road):
    message_id = await road.submit(NEIGHBOUR)
    await road.run()
    assert await road.state(message_id) == "closed"
    received = await road.by_axis_id(message_id, LOCAL_AXIS)
    assert await road.codes(received) == [
        *("announced", "received", "confirmed", "trusted", "handed-over", "handed-over")
    ]
    assert (await road.delivery(message_id, NEIGHBOUR)).status == "01"
    assert (road.told(NEIGHBOURS), road.told(OFFICE)) == (["document.received"], ["status.received"])
    [got] = road.offices[NEIGHBOURS].got
    assert b"".join([chunk async for chunk in got.attachments[0].chunks()]) == b"%PDF-1.7 mot" + END_OF_PDF
    assert road.axis.calls == {}, "nothing of it went out"


async def test_both_sides_hold_the_others_receipt_for_the_same_bytes(road):
    message_id = await road.submit(NEIGHBOUR)
    await road.run()
    inside = road.partners.axes[LOCAL_AXIS].keys.trust
    rows = await road.journal.receipts(message_id)
    read = [receipts.read(row.body, trust=inside, issuer="local", at=road.clock()) for row in rows]
    assert [receipt.kind for receipt in read] == ["axis-accepted", "gateway-received"]
    assert len({receipt.sha256 for receipt in read}) == 1
    assert len({receipt.attachments for receipt in read}) == 1


async def test_a_repeat_gets_the_same_receipt_bytes_and_makes_no_second_message(road):
    road.runner.paused.add("fetch")
    message_id = await road.submit(NEIGHBOUR)
    await road.run()
    message = await road.message(message_id)
    packed = Packed.of((await road.journal.extra(message_id))["recipe"])
    local = road.partners.axes[LOCAL_AXIS].driver
    road.clock.advance(hours=5)
    again = await local.send(parcel_of(message, packed, road.contents))
    assert again.receipt == (await road.journal.receipts(message_id))[0].body
    assert local.can.finds is Finds.BY_MESSAGE_ID
    assert len(await road.journal.submission(await road.by_axis_id(message_id, LOCAL_AXIS))) == 1


async def test_a_document_cut_short_inside_is_handed_over_once(road):
    message_id = await road.submit(NEIGHBOUR)
    [work] = await road.journal.claim("node-that-died", 1, LEASE)
    await road.stages["send"](work)
    await road.later(seconds=LEASE.total_seconds() + 1)
    assert await road.state(message_id) == "closed"
    assert road.told(NEIGHBOURS) == ["document.received"]


async def test_one_document_to_the_axis_and_inside_is_answered_from_both(road):
    message_id = await road.submit(FAR, NEIGHBOUR)
    await road.run()
    submitted = await road.journal.submission((await road.message(message_id)).submission_id)
    messages = {each.axis: each for each in submitted if each.kind == "document"}
    assert {axis: each.state for axis, each in messages.items()} == {"national": "sent", "local": "closed"}
    await road.hear(messages["national"].message_id, "01")
    assert await road.state(messages["national"].message_id) == "closed"


async def test_an_office_returns_a_document_inside_and_the_sender_hears(road):
    message_id = await road.submit(PULLED)
    await road.run()
    received = await road.by_axis_id(message_id, LOCAL_AXIS)
    await road.office_acts.acknowledge(PULLS, received)
    await road.later(minutes=5)
    await road.office_acts.report_status(PULLS, received, "02", "không thuộc thẩm quyền")
    await road.run()
    assert (await road.delivery(message_id, PULLED)).status == "02"
    assert road.told() == ["status.received"] * 2


async def test_an_office_may_write_to_itself(road):
    message_id = await road.submit(OURS)
    await road.run()
    assert await road.state(message_id) == "closed"
    assert sorted(road.told()) == ["document.received", "status.received"]


async def test_a_document_inside_needs_no_axis(road):
    road.axis.down = Unreachable("refused")
    away = await road.submit(FAR)
    message_id = await road.submit(NEIGHBOUR)
    await road.run()
    assert (await road.state(away), await road.state(message_id)) == ("packed", "closed")
