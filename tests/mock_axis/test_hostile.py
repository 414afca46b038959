"""Requests damaged at random: each gets a signed fault or a signed reply, and none an accident."""

import asyncio
import io
import random

import aiohttp
import pytest

from mock_axis import mailbox, soap

from .client import Client, Fault, new_id

ROUNDS = 150


def damaged(data, chance):
    data = bytearray(data)
    kind = chance.randrange(4)
    at = chance.randrange(len(data))
    if kind == 0:
        del data[at:]
    elif kind == 1:
        del data[at : at + chance.randrange(1, 200)]
    elif kind == 2:
        data[at : at + chance.randrange(1, 20)] = chance.randbytes(chance.randrange(1, 20))
    else:
        data[at:at] = data[: chance.randrange(1, 2000)]
    return bytes(data)


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_damage_makes_the_axis_stumble(mock, client, seed):
    mock.habits.answers = ()
    chance = random.Random(seed)
    file = client.document()
    fields = soap.field("MessageId", new_id()) + soap.element(
        "File",
        soap.field("ContentId", "f@h08")
        + soap.field("Size", str(len(file)))
        + soap.field("Sha256", soap.hashlib.sha256(file).hexdigest()),
    )
    outcomes = set()
    for _ in range(ROUNDS):
        envelope, value = client.envelope("SendDocument", fields)
        whole = (
            b"--XX\r\nContent-Type: text/xml\r\n\r\n"
            + envelope
            + b"\r\n--XX\r\nContent-ID: <f@h08>\r\n\r\n"
            + file
            + b"\r\n--XX--\r\n"
        )
        headers = {"Content-Type": 'multipart/related; boundary="XX"; type="text/xml"'}
        data = io.BytesIO(damaged(whole, chance))
        async with client.session.post(mock.url, data=data, headers=headers) as response:
            raw = await response.read()
            try:
                client.read(response, raw, value)
                outcomes.add("accepted")
            except Fault as fault:
                outcomes.add(fault.code)
    assert not {code for code in outcomes if code.startswith("http-")}, outcomes
    assert {"BadForm", "BadSignature"} <= outcomes
    # What got through is what was meant, once.
    held = await mock.mailbox.ask(mailbox.messages)
    assert {message.sha256 for message in held} <= {soap.hashlib.sha256(file).hexdigest()}
    assert len(held) <= 1


@pytest.mark.parametrize(
    "content_type",
    ["multipart/related", "multipart/related; boundary=", "application/json", "text/xml; charset=nonsense", ""],
)
async def test_no_content_type_makes_the_axis_stumble(mock, client, content_type):
    envelope, value = client.envelope("GetOrganizations")
    headers = {"Content-Type": content_type}
    async with client.session.post(mock.url, data=envelope, headers=headers) as response:
        if content_type.startswith("text/xml"):
            assert client.read(response, await response.read(), value).body is not None
            return
        with pytest.raises(Fault) as caught:
            client.read(response, await response.read(), value)
        assert caught.value.code == "BadForm"


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 5000, "0" * 30 + "1"])
async def test_a_number_of_any_length_is_answered(client, digits):
    with pytest.raises(Fault) as caught:
        await client.call("GetPendingDocumentIds", soap.field("Limit", digits))
    assert caught.value.code == "TooLarge"


async def test_an_upload_broken_off_leaves_nothing_behind(mock, client):
    file = client.document(attachments=(bytes(3_000_000),))
    envelope, _ = client.envelope(
        "SendDocument",
        soap.field("MessageId", new_id())
        + soap.element(
            "File",
            soap.field("ContentId", "f@h08") + soap.field("Size", str(len(file))) + soap.field("Sha256", "0" * 64),
        ),
    )

    async def half():
        yield b"--XX\r\nContent-Type: text/xml\r\n\r\n" + envelope + b"\r\n--XX\r\nContent-ID: <f@h08>\r\n\r\n"
        yield file[:2_500_000]
        raise OSError("the line is cut")

    headers = {"Content-Type": "multipart/related; boundary=XX"}
    with pytest.raises((OSError, aiohttp.ClientError)):
        await client.session.post(mock.url, data=half(), headers=headers)
    for _ in range(100):
        if not list(mock.mailbox.store.contents.iterdir()):
            break
        await asyncio.sleep(0.02)
    assert list(mock.mailbox.store.contents.iterdir()) == []


async def test_a_large_message_sent_again_keeps_one_file(mock, client):
    mock.habits.answers = ()
    file, message_id = client.document(attachments=(bytes(3_000_000),)), new_id()
    for _ in range(3):
        await client.send(file, message_id)
    assert len(list(mock.mailbox.store.contents.iterdir())) == 1
    async with Client(mock) as other:
        assert (await other.find(message_id))["Found"] == "true"
