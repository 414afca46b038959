"""Virus scanners for tests: Debian's clamd with a hand-made signature, and a simulator of its protocol for faults.

The EICAR test string is put together here from pieces, so that no file of the repository sets a scanner off.
"""

import asyncio
import contextlib
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from gateway.config import AntivirusSection
from tests.system_tools import needs

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"-".join([b"EICAR", b"STANDARD", b"ANTIVIRUS", b"TEST"]) + b"-FILE!$H+H*"
NAME = "Lienthong.Test.EICAR"
STREAM_MAX = 1 << 20


class Simulated:
    """Speaks INSTREAM on loopback or a Unix socket, finds EICAR, and misbehaves as `fault` says.

    `dead` (closes at once), `slow` (never answers), `mid-stream` (closes within the first piece), `error`, `nonsense`.
    """

    def __init__(self):
        self.fault = None
        self.port = None
        self.scanned = 0
        self.open = self.most_open = 0
        self.limit = STREAM_MAX
        self.answer = None

    async def _serve(self, reader, writer):
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader, writer):
        if self.fault == "dead":
            return
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        data = bytearray()
        while size := struct.unpack(">L", await reader.readexactly(4))[0]:
            if self.fault == "mid-stream":
                return
            data += await reader.readexactly(size)
            if len(data) > self.limit:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                await writer.drain()
                return
        if self.fault == "slow":
            await asyncio.sleep(60)
        self.scanned += 1
        found = f"stream: {NAME} FOUND".encode() if EICAR in data else b"stream: OK"
        said = {"error": b"Can't allocate memory ERROR", "nonsense": b"<html>"}.get(self.fault, self.answer or found)
        writer.write(said + b"\0")
        await writer.drain()

    def section(self, **more):
        return AntivirusSection(clamd=f"127.0.0.1:{self.port}", **{"timeout_seconds": 5.0, **more})


@contextlib.asynccontextmanager
async def simulated():
    scanner = Simulated()
    server = await asyncio.start_server(scanner._serve, "127.0.0.1", 0)
    scanner.port = server.sockets[0].getsockname()[1]
    try:
        yield scanner
    finally:
        server.close()


@contextlib.contextmanager
def clamd():
    """Debian's daemon on a Unix socket; gives the section to reach it. Its only signature is the one made here."""
    program = needs("clamd")
    folder = Path(tempfile.mkdtemp(prefix="clamd"))  # a short path: sockets have short names
    process = None
    try:
        (folder / "db").mkdir()
        (folder / "db" / "made.ndb").write_text(f"{NAME}:0:*:{EICAR.hex()}\n")
        socket, options = folder / "clamd.ctl", folder / "clamd.conf"
        options.write_text(
            f"Foreground yes\nLocalSocket {socket}\nDatabaseDirectory {folder / 'db'}\nTemporaryDirectory {folder}\n"
            f"StreamMaxLength {STREAM_MAX}\nAlertExceedsMax yes\nMaxFiles 3\nAlertEncryptedArchive yes\n"
        )
        process = subprocess.Popen(
            [program, "--config-file", options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        until = time.monotonic() + 60
        while not socket.exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < until, "clamd does not come up"
            time.sleep(0.05)
        yield AntivirusSection(clamd=str(socket), timeout_seconds=30.0)
    finally:
        if process:
            process.terminate()
            process.communicate(timeout=30)
        shutil.rmtree(folder)
