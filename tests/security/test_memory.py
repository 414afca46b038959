"""What a hostile input may cost the gateway's process: bounded memory, bounded time, and no other caller waits."""

import asyncio
import contextlib
import time
import zlib

from tests.assets import make_edxml as assets
from tests.security.house import to_here

MIB = 1 << 20


def squeezed(*pieces):
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(piece) for piece in pieces) + packer.flush()


async def test_hostile_inputs_cost_little_memory_and_keep_nobody_waiting(house):
    good = assets.sound()
    before = house.memory()
    head, tail = good.split(assets.GOOD64.encode())
    hostile = [
        assets.sound(attachments="".join(assets.attachment(b"x", cid=str(i), name=f"{i}") for i in range(8000))),
        assets.with_header("V/v", "<!--" + "x" * (17 * MIB) + "-->V/v"),
        head + b"QUJD" * (12 * MIB) + b"*" + tail,
    ]
    small = [squeezed(head, *[b"A" * MIB] * 200), squeezed(*[b"<x>" * (MIB // 3)] * 50), squeezed(*[b" " * MIB] * 200)]
    slowest = 0.0

    async def others():
        nonlocal slowest
        while True:
            began = time.monotonic()
            assert (await house.call("GET", "/v1/documents?limit=1")).status == 200
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(others())
    for data in hostile:
        began = time.monotonic()
        assert (await house.post_edxml(data)).status in {413, 422}
        assert time.monotonic() - began < 15
    for data in small:
        headers = {"Content-Type": "application/xml", "Content-Encoding": "gzip"}
        assert (await house.call("POST", "/v1/documents", data=data, headers=headers)).status in {400, 413, 422}
    await declare_a_gibibyte(house)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert house.highest_memory() - before < 96 * MIB
    assert slowest < 2
    assert house.nothing_entered()
    assert (await house.post_edxml(good)).status == 202
    axis_id = await house.announce(to_here(hostile[0]))
    assert (await house.arrived(axis_id))[0] == "rejected"


async def declare_a_gibibyte(house):
    """And send ten bytes of it, fifty times at once."""
    lines = (
        f"Host: here\r\nAuthorization: Bearer {house.key}\r\nContent-Type: application/xml\r\nContent-Length: {1 << 30}"
    )
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", house.scene.api_port)
        writer.write(f"POST /v1/documents HTTP/1.1\r\n{lines}\r\n\r\n<?xml vers".encode())
        await writer.drain()
        writer.close()
