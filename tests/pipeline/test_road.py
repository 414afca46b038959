"""The whole way, with nothing going wrong."""

import asyncio

from gateway.model import Kind
from gateway.states import Stage
from tests.assets.make_edxml import END_OF_PDF
from tests.doors import bytes_on_disk
from tests.pipeline.road import ALSO_OURS, FAR, LEASE, NEIGHBOUR, OFFICE, OURS, document_file, status_file


async def test_a_document_goes_out_is_answered_and_closes(road):
    message_id = await road.submit(FAR)
    await road.run()
    assert await road.state(message_id) == "sent"
    assert (await road.message(message_id)).proof == "signed-receipt"
    [(_, _, data)] = road.axis.held
    assert b"%PDF" not in data
    assert len(data) == (await road.message(message_id)).size
    await road.hear(message_id, "01")
    assert await road.state(message_id) == "closed"
    assert await road.codes(message_id) == ["accepted", "packed", "sent", "status-heard", "closed"]
    assert road.told() == ["status.received"]


async def test_a_document_comes_in_and_01_goes_back_for_each_organ_that_has_it(road):
    data = document_file(OURS, ALSO_OURS, NEIGHBOUR, FAR)
    message_id = await road.receive(data, "in-1")
    assert await road.state(message_id) == "closed"
    [receipt] = road.axis.confirmed["in-1"]
    assert receipt == await road.journal.receipt_given(message_id)
    [got] = road.offices[OFFICE].got
    assert got.organs == (OURS, ALSO_OURS)
    assert [chunk async for chunk in got.attachments[0].chunks()] == [b"%PDF-1.7 hai" + END_OF_PDF]
    assert b"".join([chunk async for chunk in got.edxml()]) == data
    assert await road.owed(message_id) == [(OURS, "01"), (ALSO_OURS, "01"), (NEIGHBOUR, "01")]
    assert len(road.axis.held) == 3


async def test_a_document_is_packed_before_its_office_has_the_answer(road):
    message_id = await road.submit(FAR)
    assert (await road.state(message_id), await road.codes(message_id)) == ("packed", ["accepted", "packed"])


async def test_what_cannot_be_packed_at_the_door_is_judged_by_its_stage(road):
    async def broken(message, refs):
        raise RuntimeError

    road.intake._pack = broken
    message_id = await road.submit(FAR)
    assert await road.state(message_id) == "accepted"
    await road.run()
    assert await road.state(message_id) == "sent"


async def arrived(road, data, kind=Kind.STATUS):
    await road.announce(data, kind=kind)
    [work] = await road.journal.claim("node-1", 1, LEASE)
    await road.runner._work(work)
    return work.message.message_id


async def status_of_ours(road, **fields):
    about = await road.submit(FAR)
    await road.run()
    return status_file((await road.message(about)).document_id, "01", FAR, **fields)


async def test_confirming_and_examining_a_status_are_written_together(road):
    message_id = await arrived(road, await status_of_ours(road))
    assert (await road.codes(message_id))[:4] == ["announced", "received", "confirmed", "status-heard"]
    stages = [attempt.stage for attempt in await road.journal.attempts(message_id)]
    assert stages == ["fetch", "confirm", "hand_over"]


async def test_the_confirmation_of_a_document_does_not_wait_for_its_examination(road):
    message_id = await arrived(road, document_file(OURS), Kind.DOCUMENT)
    stages = [attempt.stage for attempt in await road.journal.attempts(message_id)]
    assert stages == ["fetch", "confirm", "examine", "hand_over"]


async def test_what_is_held_once_confirmed_is_written_with_the_confirmation(road):
    message_id = await arrived(road, await status_of_ours(road, signer="stranger"))
    assert (await road.state(message_id), await road.held(message_id)) == ("confirmed", "signer-unknown")
    assert (await road.codes(message_id))[-2:] == ["confirmed", "held"]


async def test_a_bug_in_examining_leaves_the_message_confirmed_and_held(road):
    async def buggy(work):
        raise ValueError

    data = await status_of_ours(road)
    road.runner._stages[Stage.EXAMINE] = buggy
    message_id = await arrived(road, data)
    assert (await road.state(message_id), await road.held(message_id)) == ("confirmed", "bug-ValueError")
    assert road.axis.confirmed


async def test_a_submission_cut_short_while_it_is_packed_frees_its_key_and_keeps_nothing(road):
    packing = asyncio.Event()

    async def slow(message, refs):
        packing.set()
        await asyncio.Event().wait()

    real, road.intake._pack = road.intake._pack, slow
    submitting = asyncio.create_task(road.submit(FAR))
    await asyncio.wait_for(packing.wait(), 10)
    submitting.cancel()
    await asyncio.gather(submitting, return_exceptions=True)
    assert bytes_on_disk(road.folder) == b""
    assert not road.journal._reserved
    road.intake._pack = real
    assert await road.submit(FAR)
