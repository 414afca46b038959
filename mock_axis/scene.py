"""A whole scene in one folder: mock axis, gateway and sample office, each a process or part of this one.

The demo, the benchmark and the tests set it up, start and stop its parts, kill the gateway, and count afterwards. The
gateway is run as its users run it: by the command `lienthong`, from a configuration file.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from mock_axis import pki, vxp

OFFICE, OFFICE_ORGAN = "van-phong", "000.00.00.H08"
DEPARTMENT, DEPARTMENT_ORGAN = "so-noi-vu", "000.00.13.H08"
START_SECONDS, STOP_SECONDS = 60.0, 20.0


class DidNotStart(RuntimeError):
    """A process of the scene ended, or never answered."""


def command() -> list[str]:
    """The command `lienthong`: the one named by LIENTHONG_COMMAND, else the one beside this Python."""
    if given := os.environ.get("LIENTHONG_COMMAND"):
        return [given]
    return [str(Path(sys.executable).with_name("lienthong"))]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Scene:
    folder: Path
    faults: Sequence[str] = ()
    seed: int = 0
    deduplicates: bool = True
    answers: str = "01"
    driver: str = "soap"
    """`soap` or `vxp`: which face of the axis the gateway speaks to."""
    every_seconds: float = 1.0
    """Between two answers of an agency."""
    tls: bool = False
    """The axis speaks HTTPS and demands the gateway's client certificate."""
    office_url: str = ""
    """Where the sample office listens for webhooks; empty: it pulls."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tables of the gateway's configuration to add to or change, e.g. {"times": {"lease_seconds": 5}}."""
    axis_options: Mapping[str, Any] = field(default_factory=dict)
    more: str = ""
    """Further tables of the gateway's configuration, as TOML: another axis, office or route."""
    axis_port: int = field(default_factory=free_port)
    control_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    operators_port: int = field(default_factory=free_port)
    axis: asyncio.subprocess.Process | None = None
    gateway: asyncio.subprocess.Process | None = None

    @property
    def axis_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.axis_port}/axis"

    @property
    def vxp_url(self) -> str:
        return self.axis_url.removesuffix("/axis") + vxp.ROOT

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def operators_url(self) -> str:
        return f"http://127.0.0.1:{self.operators_port}"

    @property
    def config(self) -> Path:
        return self.folder / "lienthong.toml"

    @property
    def journal(self) -> Path:
        return self.folder / "data" / "journal.sqlite"

    @property
    def webhook_secret(self) -> str:
        """What the gateway signs webhooks with; made at the first question."""
        path = self.folder / "webhook.secret"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), encoding="ascii")
        return path.read_text(encoding="ascii")

    @property
    def pki(self) -> pki.Pki:
        return pki.Pki(self.folder / "pki")

    def lay_out(self) -> None:
        """Make folder, throw-away PKI, secret and configuration; what is there already stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.pki.root.exists():
            pki.make(self.pki.root)
        assert self.webhook_secret
        self.config.write_text(self._toml(), encoding="utf-8")

    def _toml(self) -> str:
        tables: dict[str, dict[str, Any]] = {
            "office_api": {"port": self.api_port},
            "operators": {"port": self.operators_port},
        }
        for name, table in self.settings.items():
            tables[name] = tables.get(name, {}) | dict(table)
        keys, trust = self.pki.gateway_keys(), self.pki.gateway_trust()
        lines = [f"keys = {_value(str(keys))}", f"trust = {_value(str(trust))}"]
        lines += [f"{name} = {_value(value)}" for name, value in tables.pop("", {}).items()]
        for name, table in tables.items():
            lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
        axis: dict[str, Any] = {"poll_seconds": 5.0} | dict(self.axis_options.get("section", {}))
        options = {"url": self.axis_url, "deduplicates": self.deduplicates}
        if self.tls:
            files = {"ca": "ca.crt.pem", "certificate": "client.crt.pem", "key": "client.key.pem"}
            options |= {name: str(self.pki.tls / file) for name, file in files.items()}
        options |= dict(self.axis_options.get("options", {}))
        if self.driver == "vxp":
            # It signs nothing, deduplicates nothing, and writes every file anew.
            axis = {"edxml_signature": "if-present-report"} | axis
            secret = {"url": self.vxp_url, "secret_file": str(vxp.secret_file(self.pki, pki.GATEWAY).resolve())}
            options = secret | {name: value for name, value in options.items() if name not in {"url", "deduplicates"}}
        lines += ["", "[[axis]]", 'name = "quoc-gia"', f"driver = {_value(self.driver)}"]
        lines += [f"system_id = {_value(pki.GATEWAY)}", f"axis_system_id = {_value(pki.AXIS)}"]
        lines += [f"{key} = {_value(value)}" for key, value in axis.items()]
        lines += ["", "[axis.options]", *(f"{key} = {_value(value)}" for key, value in options.items())]
        lines += ["", "[[office]]", f"name = {_value(OFFICE)}", f"organs = {_value([OFFICE_ORGAN])}"]
        if self.office_url:
            webhook = {"url": self.office_url, "secret_files": [str(self.folder / "webhook.secret")]}
            lines += ['adapter = "webhook"', "", "[office.options]"]
            lines += [f"{key} = {_value(value)}" for key, value in webhook.items()]
        else:
            lines.append('adapter = "pull"')
        lines += ["", "[[office]]", f"name = {_value(DEPARTMENT)}", 'adapter = "pull"']
        lines += [f"organs = {_value([DEPARTMENT_ORGAN])}", "", "[[route]]", 'organ = "*"', 'axis = "quoc-gia"', ""]
        lines.append(self.more)
        return "\n".join(lines)

    # --- processes ------------------------------------------------------------------------------------------------

    async def start_axis(self) -> None:
        arguments = [
            "mock-axis",
            *("--folder", str(self.folder / "axis"), "--pki", str(self.pki.root)),
            *("--port", str(self.axis_port), "--control-port", str(self.control_port)),
            *("--answers", self.answers, "--every-seconds", str(self.every_seconds), "--seed", str(self.seed)),
            *(["--tls"] if self.tls else []),
            "--deduplicates" if self.deduplicates else "--no-deduplicates",
            *(word for fault in self.faults for word in ("--fault", fault)),
        ]
        self.axis = await self._start("axis", arguments)
        await self._answers("axis", self.axis, f"{self.control_url}/counts")

    async def start_gateway(self, *, wait: bool = True) -> None:
        self.gateway = await self._start("gateway", ["serve", "--config", str(self.config)])
        if wait:
            await self._answers("gateway", self.gateway, f"{self.operators_url}/live")

    async def kill_gateway(self) -> None:
        """SIGKILL: no farewell."""
        assert self.gateway is not None
        with contextlib.suppress(ProcessLookupError):
            self.gateway.kill()
        await self.gateway.wait()

    async def stop(self) -> None:
        """End both processes, politely first."""
        for process in (self.gateway, self.axis):
            if process is None or process.returncode is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _start(self, name: str, arguments: Sequence[str]) -> asyncio.subprocess.Process:
        with (self.folder / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command(),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )

    async def _answers(self, name: str, process: asyncio.subprocess.Process, url: str) -> None:
        ends = asyncio.get_running_loop().time() + START_SECONDS
        async with aiohttp.ClientSession() as session:
            while asyncio.get_running_loop().time() < ends and process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        log = self.folder / f"{name}.log"
        said = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next(
            (line.strip().removeprefix("lienthong: ") for line in reversed(said) if line.strip()), "it said nothing"
        )
        raise DidNotStart(f"the {name} did not start: {last}; see {log}")

    async def run_command(self, *arguments: str) -> str:
        """Run `lienthong …` with the scene's configuration; its standard output. Raises `RuntimeError`."""
        process = await asyncio.create_subprocess_exec(
            *command(),
            *arguments,
            "--config",
            str(self.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, trouble = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"lienthong {' '.join(arguments)}: {trouble.decode().strip()}")
        return output.decode()

    async def new_key(self, office: str) -> str:
        """A fresh API key for an office."""
        key = json.loads(await self.run_command("keys", "add", "--office", office, "--json"))["key"]
        return str(key)


def _value(value: Any) -> str:
    """As TOML writes it; JSON's strings, lists, numbers and truth values are TOML's too."""
    return json.dumps(value, ensure_ascii=False)
