"""The whole mock axis in one object, for a process of its own or for a test to hold and edit between calls.

async with MockAxis(folder) as mock:
    mock.url, mock.vxp_url, mock.control_url, mock.pki, mock.faults, mock.switches, mock.habits
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from mock_axis import pki, vxp, wssecurity
from mock_axis.agencies import Agencies, Habits
from mock_axis.calls import Desk, Switches
from mock_axis.control import Control
from mock_axis.faults import Faults
from mock_axis.keys import Key, KeyRing, Trust, load_key
from mock_axis.mailbox import Mailbox
from mock_axis.operations import Operations
from mock_axis.pki import Pki
from mock_axis.server import Server
from mock_axis.vxp import Vxp

HOST = "127.0.0.1"


class MockAxis:
    """`folder` keeps everything, and may be opened again; the PKI in `folder/pki` is made where there is none."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        control_port: int = 0,
        pki_folder: Path | None = None,
        faults: Iterable[str] = (),
        seed: int = 0,
        switches: Switches | None = None,
        habits: Habits | None = None,
        tls: bool = False,
    ) -> None:
        self._folder, self._ports, self._tls = folder, (port, control_port), tls
        self.pki = Pki(pki_folder or folder / "pki")
        self.faults = Faults(faults, seed=seed)
        self.switches = switches or Switches()
        self.habits = habits or Habits()
        self.clock_offset = dt.timedelta()
        self.url = self.vxp_url = self.control_url = ""
        self._runners: list[web.AppRunner] = []

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.clock_offset

    async def __aenter__(self) -> Self:
        if not self.pki.axis_keys.is_dir():
            await asyncio.to_thread(pki.make, self.pki.root)
        ring, trust = KeyRing(self.pki.axis_keys), Trust(self.pki.axis_trust)
        remember = (wssecurity.WINDOW + 2 * wssecurity.SKEW).total_seconds()
        self.mailbox = Mailbox(self._folder, remember_seconds=remember)
        self.agencies = Agencies(
            pki.AGENCIES, self.pki.agency_keys, trust, self.mailbox, self.habits, self.now, self._delivery
        )
        self.operations = Operations(
            Desk(
                pki.AXIS, self.mailbox, ring, trust, self.agencies, self.faults, self.switches, self.now,
                self._stranger,
            )
        )  # fmt: skip
        server = Server(self.operations, ring, trust, self.faults, self.pki.strangers, self.now)
        port, control_port = self._ports
        application = server.application()
        Vxp(self.operations, self.mailbox, self.agencies, self.faults, self.pki, trust, self.now).mount(application)
        here = await self._listen(application, port, self._ssl())
        self.url, self.vxp_url = here + "/axis", here + vxp.ROOT
        self.control_url = await self._listen(Control(self).application(), control_port, None)
        self.answering = asyncio.create_task(self.agencies.run())
        """Ends only by an error, which leaving the context raises."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answering.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self.answering
        finally:
            for runner in self._runners:
                await runner.cleanup()
            await self.mailbox.close()

    def _stranger(self) -> Key:
        return load_key(self.pki.strangers / "stranger.key.pem")

    def _delivery(self, now: dt.datetime) -> tuple[float, int]:
        return self.operations.taking.delivery(now)

    async def _listen(self, app: web.Application, port: int, context: ssl.SSLContext | None) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, HOST, port, ssl_context=context).start()
        return f"{'https' if context else 'http'}://{HOST}:{runner.addresses[0][1]}"

    def _ssl(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.pki.tls / "ca.crt.pem")
        context.load_cert_chain(self.pki.tls / "server.crt.pem", self.pki.tls / "server.key.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        return context
