"""GetPendingDocumentIds, GetDocument and ConfirmReceived."""

import hashlib

import pytest

from mock_axis import mailbox
from mock_axis.edxml_writing import Attachment

from .client import OURS, Client, Fault, read_file


async def letter(mock, *, priority=0, number="", content=b"%PDF-1.7 noi dung", to=(OURS,)):
    attachments = [Attachment("cong-van.pdf", content)]
    written = mock.agencies.letter("000.00.00.G22", to, "V/v thử", attachments, priority=priority, number=number)
    return await mock.agencies.send(written)


async def bad_receipt(client, item, receipt, code="BadReceipt"):
    with pytest.raises(Fault) as caught:
        await client.confirm(item["AxisId"], receipt)
    assert caught.value.code == code
    assert len(await client.pending()) == 1


async def test_nothing_is_consumed_by_reading(mock, client):
    sent = await letter(mock)
    for _ in range(3):
        (item,) = await client.pending()
        reply = await client.get(item["AxisId"])
        assert hashlib.sha256(reply.file).hexdigest() == sent.sha256 == reply["Sha256"] == item["Sha256"]
    await client.confirm(item["AxisId"], client.receipt(item, reply.file))
    assert await client.pending() == []
    # Confirmed is not consumed either: a gateway that lost its disk may fetch again.
    assert (await client.get(item["AxisId"])).file == reply.file


async def test_urgent_comes_first_then_oldest(mock, client):
    for number, priority in (("1", 0), ("2", 0), ("3", 3), ("4", 1)):
        await letter(mock, number=number, priority=priority)
    listed = [item["DocumentId"].rsplit(",", 1)[1] for item in await client.pending()]
    assert listed == ["3/CV-TT", "4/CV-TT", "1/CV-TT", "2/CV-TT"]
    assert len(await client.pending(limit=2)) == 2


async def test_another_systems_item_is_not_found(mock, client):
    sent = await letter(mock)
    (item,) = await client.pending()
    receipt = client.receipt(item, (await client.get(sent.axis_id)).file)
    async with Client(mock, "cong-h41") as other:
        assert await other.pending() == []
        for act in (other.get(sent.axis_id), other.confirm(sent.axis_id, receipt)):
            with pytest.raises(Fault) as caught:
                await act
            assert caught.value.code == "NotFound"


async def test_confirming_again_is_harmless_and_keeps_every_receipt(mock, client):
    await letter(mock)
    (item,) = await client.pending()
    file = (await client.get(item["AxisId"])).file
    first, second = client.receipt(item, file), client.receipt(item, file)
    for receipt in (first, first, second):
        await client.confirm(item["AxisId"], receipt)
    rows = await mock.mailbox.ask(mailbox.confirmations)
    assert [row[4] for row in rows] == [first, second]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "axis-accepted"},
        {"issued_by": "cong-h41"},
        {"addressed_to": "truc-khac"},
        {"axis_id": "khac"},
        {"document_id": "khac"},
        {"sender": "000.00.00.G09"},
        {"to": ("000.00.00.H41",)},
        {"to": ()},
        {"size": 1},
        {"sha256": "0" * 64},
        {"attachments": ()},
        {"attachments": (("tep-1", "0" * 64),)},
    ],
    ids="-".join,
)
async def test_a_receipt_that_differs_in_any_field_settles_nothing(mock, client, changes):
    await letter(mock)
    (item,) = await client.pending()
    file = (await client.get(item["AxisId"])).file
    await bad_receipt(client, item, client.receipt(item, file, **changes))
    await client.confirm(item["AxisId"], client.receipt(item, file))


async def test_a_receipt_forged_or_signed_by_another_settles_nothing(mock, client):
    await letter(mock)
    (item,) = await client.pending()
    file = (await client.get(item["AxisId"])).file
    good = client.receipt(item, file)
    await bad_receipt(client, item, good.replace(item["AxisId"].encode(), b"khac"), "BadSignature")
    await bad_receipt(client, item, good[: good.index(b"<ds:Signature")] + b"</r:Receipt>", "BadSignature")
    await bad_receipt(client, item, b"not a receipt")
    async with Client(mock, "cong-h41") as other:
        await bad_receipt(client, item, other.receipt(item, file, issued_by=client.system), "BadSignature")


async def test_a_document_for_two_organs_of_one_gateway_is_listed_once(mock, client):
    sent = await letter(mock, to=("000.00.00.H08", "000.00.05.H08"))
    (item,) = await client.pending()
    assert item["AxisId"] == sent.axis_id
    file = (await client.get(item["AxisId"])).file
    assert read_file(file).to == ("000.00.00.H08", "000.00.05.H08")
    await client.confirm(item["AxisId"], client.receipt(item, file, to=("000.00.05.H08",)))


async def test_a_reply_may_come_under_the_xop_root_type(mock, client):
    mock.switches.xop = True
    sent = await letter(mock)
    assert hashlib.sha256((await client.get(sent.axis_id)).file).hexdigest() == sent.sha256
