"""Replies of an axis gone wrong: a send stays in doubt, a question is only put off; memory and time have bounds."""

import asyncio
import contextlib
import hashlib
import time
import tracemalloc

import pytest

from adapters.axis.soap import connect
from gateway.errors import GatewayError, Unknown, Unreachable
from gateway.model import Kind
from gateway.ports import AxisContext, Parcel
from tests.assets import make_replies as assets
from tests.pki import AXIS, GATEWAY, NOW, valid, write_keys, write_trust


@contextlib.asynccontextmanager
async def axis_that_says(start, piece=None):
    """A server that reads a request and answers with these bytes; endlessly where there is a piece to repeat."""

    answering = set()

    async def answer(reader, writer):
        answering.add(asyncio.current_task())
        try:
            await say(reader, writer)
        finally:
            writer.close()

    async def say(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(start)
            while piece is not None:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0 if piece else 0.05)
                if reader.at_eof():
                    break
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/axis"
    finally:
        server.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axis")
    return AxisContext(
        name="national",
        system_id=GATEWAY,
        axis_system_id=AXIS,
        keys=write_keys(folder / "keys", valid(GATEWAY)),
        trust=write_trust(folder / "trust", valid(AXIS)),
        now=lambda: NOW,
    )


def parcel():
    data = b"<edXML/>"

    async def chunks():
        yield data

    return Parcel("0" * 20, Kind.DOCUMENT, "D", "H08", ("G22",), len(data), hashlib.sha256(data).hexdigest(), chunks)


@contextlib.asynccontextmanager
async def driver_to(url, context):
    driver = connect({"url": url, "idle_seconds": 0.4, "first_byte_seconds": 0.4}, context)
    try:
        yield driver
    finally:
        await driver.close()


async def send(start, context, piece=None):
    """The error that a send ends with, and the most memory it took."""
    async with axis_that_says(start, piece) as url, driver_to(url, context) as driver:
        tracemalloc.start()
        try:
            with pytest.raises(GatewayError) as caught:
                await driver.send(parcel())
            return caught.value, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("name", assets.REPLIES)
async def test_a_bad_reply_leaves_a_send_in_doubt(context, name):
    began = time.monotonic()
    error, memory = await send(assets.REPLIES[name], context)
    assert isinstance(error, Unknown), error
    assert error.after is None or error.after <= 3600
    assert "captive" not in str(error)
    assert "passwd" not in str(error)
    assert memory < 40 << 20
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("name", assets.ENDLESS)
async def test_an_endless_reply_ends_with_a_doubt(context, name):
    began = time.monotonic()
    error, memory = await send(*(assets.ENDLESS[name][0], context), assets.ENDLESS[name][1])
    assert isinstance(error, Unknown), error
    assert memory < 40 << 20
    assert time.monotonic() - began < 12


@pytest.mark.parametrize("name", ["unsigned", "gzip_bomb", "redirect", "dtd"])
async def test_a_question_with_a_bad_reply_is_only_put_off(context, name):
    async with axis_that_says(assets.REPLIES[name]) as url, driver_to(url, context) as driver:
        with pytest.raises(Unreachable):
            await driver.pending(10)
