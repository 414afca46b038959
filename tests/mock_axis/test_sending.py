"""SendDocument, UpdateTraces, SendTogether and FindMessage."""

import asyncio
import hashlib

import pytest

from mock_axis import mailbox

from .client import OURS, Client, Fault, new_id


async def fault_of(awaitable):
    with pytest.raises(Fault) as caught:
        await awaitable
    return caught.value


async def held(mock):
    return await mock.mailbox.ask(mailbox.messages)


async def test_the_same_message_again_gets_the_same_receipt_bytes(mock, client):
    mock.habits.answers = ()
    file, message_id = client.document(), new_id()
    first = await client.send(file, message_id)
    again = await client.send(file, message_id)
    assert (first["AxisId"], first.receipt_bytes()) == (again["AxisId"], again.receipt_bytes())
    assert len(await held(mock)) == 1


async def test_many_at_once_of_one_message_are_one_message(mock, client):
    mock.habits.answers = ()
    file, message_id = client.document(), new_id()
    replies = await asyncio.gather(*(client.send(file, message_id) for _ in range(10)))
    assert len({reply.receipt_bytes() for reply in replies}) == 1
    assert len(await held(mock)) == 1


async def test_the_same_message_id_with_other_bytes_is_id_reused(mock, client):
    mock.habits.answers = ()
    message_id = new_id()
    await client.send(client.document(number="1"), message_id)
    assert (await fault_of(client.send(client.document(number="2"), message_id))).code == "IdReused"
    assert len(await held(mock)) == 1


async def test_two_systems_may_choose_the_same_message_id(mock, client):
    message_id = new_id()
    await client.send(client.document(), message_id)
    async with Client(mock, "cong-h41") as other:
        await other.send(other.document(sender="000.00.00.H41"), message_id)


async def test_without_deduplication_every_send_is_a_message(mock, client):
    mock.switches.deduplicates = False
    mock.habits.answers = ()
    file, message_id = client.document(), new_id()
    axis_ids = {(await client.send(file, message_id))["AxisId"] for _ in range(3)}
    assert len(axis_ids) == len(await held(mock)) == 3


async def test_find_tells_what_became_of_a_message_with_its_receipt_again(client):
    file, message_id = client.document(), new_id()
    assert (await client.find(message_id))["Found"] == "false"
    sent = await client.send(file, message_id)
    found = await client.find(message_id)
    assert found["Found"] == "true"
    assert found["Sha256"] == hashlib.sha256(file).hexdigest()
    assert (found["AxisId"], found.receipt_bytes()) == (sent["AxisId"], sent.receipt_bytes())


async def test_find_tells_nothing_of_another_systems_message(mock, client):
    message_id = new_id()
    await client.send(client.document(), message_id)
    async with Client(mock, "cong-h41") as other:
        assert (await other.find(message_id))["Found"] == "false"


async def test_an_axis_that_does_not_find_says_so(mock, client):
    mock.switches.finds = False
    assert (await fault_of(client.find(new_id()))).code == "NotFound"


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"size": 10}, {"size": 10**6}])
async def test_a_part_that_is_not_what_the_body_says_is_a_wrong_digest(mock, client, wrong):
    assert (await fault_of(client.send(client.document(), **wrong))).code == "WrongDigest"
    assert await held(mock) == []


async def test_one_unknown_receiver_refuses_the_whole_and_is_named(mock, client):
    fault = await fault_of(client.send(client.document(to=("000.00.00.G22", "000.00.00.X99"))))
    assert (fault.code, fault.detail.findtext("{*}OrganId")) == ("UnknownOrgan", "000.00.00.X99")
    assert await held(mock) == []


async def test_a_sender_may_not_speak_for_another_systems_organ(mock, client):
    assert (await fault_of(client.send(client.document(sender="000.00.00.H41")))).code == "NotYours"
    assert await held(mock) == []


@pytest.mark.parametrize(
    "file",
    [
        b"%PDF-1.7",
        b"<a/>",
        b"<edXML xmlns='http://www.mic.gov.vn/TBT/QCVN_102_2016'/>",
        b"<!DOCTYPE edXML [<!ENTITY a 'b'>]><edXML>&a;</edXML>",
    ],
    ids=["not-xml", "other-root", "no-header", "doctype"],
)
async def test_a_file_that_is_not_edxml_is_bad_form(client, file):
    assert (await fault_of(client.send(file))).code == "BadForm"


async def test_an_attachment_cut_off_is_bad_form(client):
    file = client.document(attachments=(b"0123456789",))
    assert (await fault_of(client.send(file.replace(b"OQ==", b"OQ=")))).code == "BadForm"
    assert (await fault_of(client.send(file[:-20]))).code == "BadForm"


async def test_statuses_and_documents_have_operations_of_their_own(client):
    status = client.status("000.00.00.G22,2026/11/01,1/CV")
    assert (await fault_of(client.send(status))).code == "BadForm"
    assert (await fault_of(client.send(client.document(), operation="UpdateTraces"))).code == "BadForm"
    await client.send(status, operation="UpdateTraces")


async def test_both_root_types_are_taken(client):
    await client.send(client.document(), root="application/xop+xml")
    assert (await fault_of(client.send(client.document(), root="application/json"))).code == "BadForm"


async def test_a_part_missing_or_of_another_name_is_bad_form(client):
    file = client.document()
    assert (await fault_of(client.send(file, content_id="other@h08"))).code == "BadForm"
    fields = client.envelope("SendDocument")
    assert (await fault_of(client.post("SendDocument", *fields))).code == "BadForm"


async def test_a_document_to_another_gateway_and_an_agency_reaches_both(mock, client):
    await client.send(client.document(to=("000.00.00.G22", "000.00.00.H41")))
    async with Client(mock, "cong-h41") as other:
        (item,) = await other.pending()
    assert (item["Kind"], item["FromOrganId"]) == ("document", OURS)
    registered = await mock.mailbox.ask(mailbox.registered)
    assert [(agency, verdict) for agency, verdict, _ in registered] == [("000.00.00.G22", "valid")]


async def test_organs_and_traces_can_be_looked_up(mock, client):
    mock.habits.answers = ("01", "03")
    mock.habits.every_seconds = 0
    await client.send(client.document())
    document_id = f"{OURS},2026/11/20,15/UBND-VX"
    from mock_axis.soap import field

    async def traces(who):
        reply = await who.call("GetTraces", field("DocumentId", document_id))
        return [trace.findtext("{*}StatusCode") for trace in reply.body.iter("{*}Trace")]

    for _ in range(100):
        if len(await traces(client)) == 2:
            break
        await asyncio.sleep(0.02)
    assert await traces(client) == ["01", "03"]
    async with Client(mock, "cong-h41") as other:
        assert await traces(other) == []
    reply = await client.call("GetOrganizations")
    assert "Văn phòng Chính phủ" in [name.text for name in reply.body.iter("{*}OrganName")]


async def test_documents_and_statuses_sent_together_are_each_taken_or_refused_for_themselves(mock, client):
    mock.habits.answers = ()
    unknown = client.document(to=("000.00.00.G99",))
    ids = [new_id() for _ in range(4)]
    files = [client.document(number="1"), unknown, client.status("D1"), client.document(sender="000.00.00.H41")]
    results = await client.send_together(*zip(ids, files, strict=True))
    assert [result["MessageId"] for result in results] == ids
    assert [result.get("Code") for result in results] == [None, "UnknownOrgan", None, "NotYours"]
    assert {message.message_id for message in await held(mock)} == {ids[0], ids[2]}
    for result in (results[0], results[2]):
        assert (await client.find(result["MessageId"]))["Receipt"] == result["Receipt"]


async def test_what_came_alone_before_gets_the_same_receipt_among_others(mock, client):
    mock.habits.answers = ()
    file, message_id = client.document(), new_id()
    first = await client.send(file, message_id)
    again, other, reused = await client.send_together(
        (message_id, file), (new_id(), client.document(number="2")), (message_id, client.document(number="3"))
    )
    assert (again["AxisId"], again["Receipt"]) == (first["AxisId"], first["Receipt"])
    assert "Receipt" in other
    assert reused["Code"] == "IdReused"
    assert len(await held(mock)) == 2


async def test_nothing_of_several_is_taken_when_one_part_is_not_what_the_body_says(mock, client):
    good, wrong = (new_id(), client.document(number="2")), (new_id(), client.document(), "0" * 64)
    assert (await fault_of(client.send_together(good, wrong))).code == "WrongDigest"
    assert await held(mock) == []
