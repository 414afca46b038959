"""Clients that take their time, on a listener as the gateway opens it."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from gateway import app
from gateway.config import Listener

WHOLE = b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture
async def port(monkeypatch):
    async def slow(_):
        await asyncio.sleep(0.8)
        return web.Response(text="done")

    monkeypatch.setattr(app, "HEADER_SECONDS", 0.4)
    application = web.Application()
    application.router.add_get("/slow", slow)
    async with contextlib.AsyncExitStack() as stack:
        url = await app._listen(stack, application, Listener(), "office_api")
        yield int(url.rpartition(":")[2])


async def drip(port, data, pause):
    """Send octet by octet until the other side hangs up: the seconds that took, or None."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        for octet in data:
            writer.write(bytes([octet]))
            await asyncio.sleep(pause)
            if reader.at_eof():
                return loop.time() - began
        return None
    except ConnectionError:
        return loop.time() - began
    finally:
        writer.close()


async def test_headers_that_drip_are_cut_off(port):
    took = await drip(port, b"GET /slow HTTP/1.1\r\nX-Long: " + b"x" * 200, 0.02)
    assert took is not None
    assert 0.3 < took < 2


async def test_a_connection_that_says_nothing_is_let_go(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    writer.close()


async def test_a_request_that_takes_longer_is_answered_and_the_connection_waits_anew(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(WHOLE)
        async with asyncio.timeout(5):
            assert b"200 OK" in await reader.readuntil(b"done")
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    writer.close()
