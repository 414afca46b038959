"""What was answered is on disk; what is large passes through."""

import asyncio
import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from mock_axis import wssecurity
from mock_axis.pki import Pki
from mock_axis.soap import element, field

from .client import AX, OURS, Client, Fault, new_id

LARGE = 100 << 20


class Child:
    """The mock axis as a process of its own."""

    def __init__(self, folder, *options):
        code = "from mock_axis.commands import mock_axis; mock_axis()"
        arguments = ["--folder", str(folder), "--port", "0", "--control-port", "0", *options]
        self.process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[1]
        self.control_url = self.process.stdout.readline().split()[1]
        self.pki = Pki(folder / "pki")

    def end(self, number):
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code

    def peak_memory(self):
        with Path(f"/proc/{self.process.pid}/status").open() as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))


@pytest.fixture
def start(folder):
    children = []

    def starter(*options):
        children.append(Child(folder, *options))
        return children[-1]

    yield starter
    for child in children:
        if child.process.poll() is None:
            child.end(signal.SIGKILL)


async def get_json(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.json()


async def test_a_killed_axis_keeps_every_document_it_answered(start):
    child = start("--answers", "")
    answered = {}

    async def send_until_killed(number):
        async with Client(child) as client:
            for step in range(1000):
                file, message_id = client.document(number=f"{number}{step}"), new_id()
                try:
                    reply = await client.send(file, message_id)
                except aiohttp.ClientError:
                    return
                answered[message_id] = (file, reply.receipt_bytes())
                if len(answered) == 20:
                    child.process.send_signal(signal.SIGKILL)

    await asyncio.gather(*(send_until_killed(number) for number in range(8)))
    child.end(signal.SIGKILL)
    child = start("--answers", "")
    async with Client(child) as client:
        assert len(answered) >= 20
        for message_id, (file, receipt) in answered.items():
            assert (await client.find(message_id)).receipt_bytes() == receipt
            assert (await client.send(file, message_id)).receipt_bytes() == receipt


async def test_a_replay_is_refused_after_a_kill_too(start):
    child = start()
    async with Client(child) as client:
        envelope, value = client.envelope("CheckPermission", field("OrganId", OURS))
        await client.post("CheckPermission", envelope, value)
    child.end(signal.SIGKILL)
    async with Client(start()) as client:
        with pytest.raises(Fault) as caught:
            await client.post("CheckPermission", envelope, value)
    assert caught.value.code == "Replayed"


async def test_a_confirmation_outlives_a_kill(start):
    child = start()
    async with aiohttp.ClientSession() as session:
        url = f"{child.control_url}/agencies/000.00.00.G22/send"
        async with session.post(url, json={"to": [OURS], "size": 2_000_000}) as response:
            assert response.status == 201
    async with Client(child) as client:
        (item,) = await client.pending()
        file = (await client.get(item["AxisId"])).file
        receipt = client.receipt(item, file)
        await client.confirm(item["AxisId"], receipt)
    child.end(signal.SIGKILL)
    child = start()
    async with Client(child) as client:
        assert await client.pending() == []
        assert (await client.get(item["AxisId"])).file == file
    (kept,) = await get_json(f"{child.control_url}/receipts")
    assert base64.b64decode(kept["receipt"]) == receipt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_asked(start, number):
    assert start().end(number) == 0


async def test_a_large_document_passes_in_and_out_with_little_memory(start, tmp_path):
    child = start("--answers", "")
    async with Client(child) as client:
        pieces, size, digest = _large_file(client, tmp_path / "large")
        fields = field("MessageId", new_id()) + element(
            "File", field("ContentId", "f@h08") + field("Size", str(size)) + field("Sha256", digest)
        )
        envelope, value = client.envelope("SendDocument", fields)
        head = b"--XX\r\nContent-Type: text/xml\r\n\r\n" + envelope
        head += b"\r\n--XX\r\nContent-ID: <f@h08>\r\n\r\n"

        async def body():
            yield head
            for piece in pieces():
                yield piece
            yield b"\r\n--XX--\r\n"

        headers = {"Content-Type": 'multipart/related; boundary="XX"; type="text/xml"'}
        async with client.session.post(child.url, data=body(), headers=headers) as response:
            assert client.read(response, await response.read(), value)["Receipt"]
        async with Client(child, "cong-h41") as other:
            (item,) = await other.pending()
            assert item["Sha256"] == digest
            assert await _digest_of(other, item["AxisId"], size) == digest
    assert child.peak_memory() < 200 << 20
    (message,) = await get_json(f"{child.control_url}/messages")
    assert message["size"] == size
    assert len(message["attachments"]) == 1


def _large_file(client, path):
    from mock_axis.edxml_writing import Attachment, Letter, Organ, document

    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(LARGE >> 20):
            file.write(block)
    letter = Letter(
        Organ(OURS, "UBND"),
        [Organ("000.00.00.H41", "x")],
        "1",
        "CV",
        "V/v",
        SimpleDate(),
        attachments=[Attachment("a", path)],
    )
    pieces = list(document(letter, client.signing()))
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    return lambda: iter(pieces), sum(map(len, pieces)), digest


class SimpleDate(SimpleNamespace):
    def __format__(self, _):
        return "2026/11/20"


async def _digest_of(client, axis_id, size):
    envelope, _ = client.envelope("GetDocument", field("AxisId", axis_id))
    async with client.session.post(client.mock.url, data=envelope, headers={"Content-Type": "text/xml"}) as response:
        start = await response.content.readuntil(b"\r\n\r\n")
        raw = (await response.content.readuntil(b"\r\n--"))[:-4]
        spoken = wssecurity.check(raw, client.trust, client.now())
        assert spoken.body[0].findtext(f".//{AX}Size") == str(size)
        await response.content.readuntil(b"\r\n\r\n")
        digest, left = hashlib.sha256(), size
        while left:
            piece = await response.content.read(min(left, 1 << 16))
            assert piece
            digest.update(piece)
            left -= len(piece)
        assert (await response.content.read()).startswith(b"\r\n--")
        assert start.startswith(b"--")
        return digest.hexdigest()


async def test_state_is_the_same_after_a_restart(start):
    child = start("--answers", "")
    async with Client(child) as client:
        await client.send(client.document())
    before = await get_json(f"{child.control_url}/state")
    assert child.end(signal.SIGTERM) == 0
    after = await get_json(f"{start().control_url}/state")
    assert json.dumps(before) == json.dumps(after)
    assert list(after["agencies"]["000.00.00.G22"]["documents"].values()) == [1]
