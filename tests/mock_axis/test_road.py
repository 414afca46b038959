"""The plain road: handing over, listing, fetching, confirming."""

import asyncio

from mock_axis import pki, receipts

from .client import OURS, THEIRS, new_id, read_file


async def test_a_document_is_accepted_with_a_receipt_for_exactly_these_bytes(mock, client):
    file, message_id = client.document(), new_id()
    reply = await client.send(file, message_id)
    receipt = receipts.read(reply.receipt_bytes(), client.trust.parties[pki.AXIS], client.now())
    assert (receipt.kind, receipt.issued_by, receipt.addressed_to) == ("axis-accepted", pki.AXIS, pki.GATEWAY)
    assert (receipt.message_id, receipt.axis_id) == (message_id, reply["AxisId"])
    assert (receipt.size, receipt.sender, receipt.to) == (len(file), OURS, (THEIRS,))
    assert receipt.attachments == read_file(file).attachments
    assert len(receipt.attachments) == 1


async def test_an_agency_answers_and_its_status_is_listed_fetched_and_confirmed(mock, client):
    await client.send(client.document())
    for _ in range(100):
        items = await client.pending()
        if items:
            break
        await asyncio.sleep(0.02)
    (item,) = items
    assert item["Kind"] == "status"
    fetched = (await client.get(item["AxisId"])).file
    read = read_file(fetched)
    assert (read.status_code, read.sender, read.document_id) == ("01", THEIRS, f"{OURS},2026/11/20,15/UBND-VX")
    await client.confirm(item["AxisId"], client.receipt(item, fetched))
    assert await client.pending() == []
