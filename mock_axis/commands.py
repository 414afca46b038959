"""`lienthong mock-axis`: run the axis, or make its throw-away certificates.

Other commands of this package live in modules of their own and are only named here, for the entry points.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mock_axis import faults as fault_rules
from mock_axis import pki as throw_away
from mock_axis.agencies import Habits
from mock_axis.bench import bench
from mock_axis.calls import Switches
from mock_axis.demo import demo
from mock_axis.simulator import MockAxis

__all__ = ["bench", "demo", "mock_axis"]

mock_axis = typer.Typer(help="A national axis to try everything on. Never for real documents.", no_args_is_help=False)


def _owners(given: list[str]) -> dict[str, list[str]]:
    """`SYSTEM=PATTERN,PATTERN`; a list without system belongs to the default gateway."""
    owners: dict[str, list[str]] = {}
    for text in given:
        system, equals, patterns = text.rpartition("=")
        owners.setdefault(system if equals else throw_away.GATEWAY, []).extend(patterns.split(","))
    return owners


GatewayOrgans = Annotated[
    list[str] | None,
    typer.Option("--gateway-organs", help="SYSTEM=PATTERN,… of a gateway, when the PKI is made; repeatable."),
]


@mock_axis.command("pki")
def make_pki(folder: Path, gateway_organs: GatewayOrgans = None) -> None:
    """Make keys, certificates and trust folders for gateways, axis and agencies under FOLDER."""
    made = throw_away.make(folder, gateways=_owners(gateway_organs or []) or None)
    for system in made.gateways:
        typer.echo(f"gateway {system}: keys {made.gateway_keys(system)}, trust {made.gateway_trust(system)}")
    typer.echo(f"axis {throw_away.AXIS}: keys {made.axis_keys}, trust {made.axis_trust}")


@mock_axis.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Keeps everything; may be opened again.")] = Path("mock-axis"),
    port: Annotated[int, typer.Option(help="0: any free one.")] = 9000,
    control_port: Annotated[int, typer.Option(help="0: any free one.")] = 9001,
    pki: Annotated[Path | None, typer.Option(help="Folder of `pki`; made as FOLDER/pki when left out.")] = None,
    deduplicates: Annotated[bool, typer.Option(help="One message per sending system and message id.")] = True,
    finds: Annotated[bool, typer.Option(help="Answer FindMessage.")] = True,
    fault: Annotated[list[str] | None, typer.Option(help="NAME[:OPERATION[:PROBABILITY[:COUNT]]][:KEY=VALUE…]")] = None,
    fault_file: Annotated[Path | None, typer.Option(help="TOML or JSON with `faults` and `seed`.")] = None,
    gateway_organs: GatewayOrgans = None,
    answers: Annotated[str, typer.Option(help="Statuses that agencies give to each document.")] = "01",
    every_seconds: Annotated[float, typer.Option(help="Between two of them.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the faults' draws.")] = 0,
    tls: Annotated[bool, typer.Option("--tls", help="HTTPS, and a client certificate is required.")] = False,
) -> None:
    """Run the axis until SIGTERM or SIGINT."""
    if context.invoked_subcommand is not None:
        return
    rules = list(fault or [])
    try:
        if fault_file is not None:
            from_file, seed = fault_rules.load(fault_file)
            rules = from_file + rules
        for rule in rules:
            fault_rules.read_rule(rule)
    except fault_rules.BadRule as exc:
        raise typer.BadParameter(str(exc)) from None
    pki_folder = pki or folder / "pki"
    mock = MockAxis(
        folder,
        port=port,
        control_port=control_port,
        pki_folder=pki_folder,
        faults=rules,
        seed=seed,
        switches=Switches(deduplicates=deduplicates, finds=finds),
        habits=Habits(answers=tuple(code for code in answers.split(",") if code), every_seconds=every_seconds),
        tls=tls,
    )
    with _alone(folder):
        if gateway_organs:
            _make_once(pki_folder, gateway_organs)
        asyncio.run(_serve(mock))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One mock axis to a folder. The lock is the kernel's and ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            typer.echo(
                f"lienthong: {folder}: another mock axis runs on it: end that, or give another --folder", err=True
            )
            raise typer.Exit(1) from None
        yield


def _make_once(pki_folder: Path, gateway_organs: list[str]) -> None:
    if pki_folder.exists():
        raise typer.BadParameter(
            f"{pki_folder} is there already and keeps the gateways it was made for. Leave the option out; or remove that"
            " folder, and its keys are made anew",
            param_hint="--gateway-organs",
        )
    throw_away.make(pki_folder, gateways=_owners(gateway_organs))


async def _serve(mock: MockAxis) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with mock:
        print(f"axis {mock.url}", flush=True)
        print(f"control {mock.control_url}", flush=True)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, mock.answering}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
