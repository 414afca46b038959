"""The whole way, with nothing going wrong."""

from gateway.states import Stage
from tests.assets.make_edxml import END_OF_PDF
from tests.pipeline.road import ALSO_OURS, FAR, LEASE, NEIGHBOUR, OFFICE, OURS, document_file


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


async def test_confirming_and_examining_are_written_together(road):
    await road.announce(document_file(OURS))
    [work] = await road.journal.claim("node-1", 1, LEASE)
    await road.runner._work(work)
    assert await road.codes(work.message.message_id) == [
        *("announced", "received", "confirmed", "trusted", "handed-over", "handed-over")
    ]
    stages = [attempt.stage for attempt in await road.journal.attempts(work.message.message_id)]
    assert stages == ["fetch", "confirm", "hand_over"]


async def test_what_is_refused_once_confirmed_is_written_with_the_confirmation(road):
    await road.announce(document_file(OURS, signer="stranger"))
    [work] = await road.journal.claim("node-1", 1, LEASE)
    await road.runner._work(work)
    assert (await road.state(work.message.message_id), await road.held(work.message.message_id)) == (
        "confirmed",
        "signer-unknown",
    )
    assert (await road.codes(work.message.message_id))[-2:] == ["confirmed", "held"]


async def test_a_bug_in_examining_leaves_the_message_confirmed_and_held(road):
    async def buggy(work):
        raise ValueError

    road.runner._stages[Stage.EXAMINE] = buggy
    await road.announce(document_file(OURS))
    [work] = await road.journal.claim("node-1", 1, LEASE)
    await road.runner._work(work)
    assert (await road.state(work.message.message_id), await road.held(work.message.message_id)) == (
        "confirmed",
        "bug-ValueError",
    )
    assert road.axis.confirmed
