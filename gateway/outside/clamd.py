r"""The client of ClamAV's daemon: one command, INSTREAM, over a Unix socket or loopback.

A connection per attachment, as clamd expects without sessions: `zINSTREAM\0`, pieces of a four-byte length and their
bytes, an empty piece; then one line ending in `\0`. What clamd says of a file becomes a verdict here; what follows from
it is `gateway.pipeline.scanning`'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from pathlib import Path

from gateway.config import AntivirusSection
from gateway.errors import Unreachable
from gateway.model import Content
from gateway.ports import Chunks, Scanned, ScanVerdict

_LONGEST_REPLY = 4096
_SLOWEST = 1 << 20
"""Bytes in a second. A file that goes more slowly, piece by piece in time, would keep a connection from the others."""
_CODE = re.compile(r"[A-Za-z0-9.:_/-]{1,100}")
_LIMITS = re.compile(r"Heuristics\.(Limits|Encrypted)\.")
"""Alerts that tell of no virus, but that clamd did not look at all of it (AlertExceedsMax, AlertEncrypted)."""
TOO_LARGE = Scanned(ScanVerdict.NOT_EXAMINED, "too-large")


class Clamd:
    """Implements `gateway.ports.Antivirus`."""

    def __init__(self, section: AntivirusSection) -> None:
        self._address, self._largest = section.address, section.largest_bytes
        self._timeout = section.timeout_seconds
        self._room = asyncio.Semaphore(section.at_once)

    async def scan(self, content: Content, chunks: Chunks) -> Scanned:
        if content.size > self._largest:
            return TOO_LARGE
        try:
            async with self._room, asyncio.timeout(2 * self._timeout + content.size / _SLOWEST):
                with await self._connected() as connection:
                    # It may answer, and close, before it has all: what it said is read all the same.
                    with contextlib.suppress(ConnectionError):
                        await self._show(connection, chunks)
                    return _verdict(await self._answer(connection))
        except (OSError, TimeoutError) as error:
            raise Unreachable("antivirus-unreachable", f"clamd: {type(error).__name__}") from None

    async def _connected(self) -> socket.socket:
        address: str | tuple[str, int]
        if isinstance(self._address, Path):
            family, address = socket.AF_UNIX, str(self._address)
        else:
            family, address = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET, self._address
        connection = socket.socket(family)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().sock_connect(connection, address)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _show(self, connection: socket.socket, chunks: Chunks) -> None:
        await self._send(connection, b"zINSTREAM\0")
        async for chunk in chunks:
            if chunk:  # an empty piece would end it
                await self._send(connection, struct.pack(">L", len(chunk)) + chunk)
        await self._send(connection, bytes(4))

    async def _send(self, connection: socket.socket, data: bytes) -> None:
        async with asyncio.timeout(self._timeout):
            await asyncio.get_running_loop().sock_sendall(connection, data)

    async def _answer(self, connection: socket.socket) -> str:
        said = b""
        async with asyncio.timeout(self._timeout):
            while len(said) < _LONGEST_REPLY and (more := await asyncio.get_running_loop().sock_recv(connection, 1024)):
                said += more
                if b"\0" in said:
                    break
        return said.partition(b"\0")[0].decode("ascii", "replace").strip()


def _verdict(line: str) -> Scanned:
    """Raises `Unreachable` for what is no word on the file."""
    said = line.removeprefix("stream: ")
    if said == "OK":
        return Scanned(ScanVerdict.CLEAN)
    if said.endswith(" FOUND"):
        name = said.removesuffix(" FOUND")
        code = name if _CODE.fullmatch(name) else "unnamed"
        return Scanned(ScanVerdict.NOT_EXAMINED if _LIMITS.match(name) else ScanVerdict.INFECTED, code)
    if "size limit exceeded" in said:
        return TOO_LARGE
    raise Unreachable("antivirus-unreachable", "clamd answered with an error")
