"""The whole way, with nothing going wrong."""

from tests.assets.make_edxml import END_OF_PDF
from tests.pipeline.road import ALSO_OURS, FAR, NEIGHBOUR, OFFICE, OURS, document_file


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
