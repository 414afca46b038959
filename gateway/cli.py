"""The command `lienthong`: finds each command when it is asked for, and says failures in one line.

What a command does is in `gateway.commands`, or in another package that names an entry point of the group
`lienthong.commands`: a typer application, or one function. Nothing is imported for a command that is not run.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import entry_points, version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from gateway.errors import GatewayError

COMMANDS: Final = {
    "serve": "gateway.commands.serve:serve",
    "check-config": "gateway.commands.config:check_config",
    "status": "gateway.commands.operate:status",
    "show": "gateway.commands.operate:show",
    "resend": "gateway.commands.operate:resend",
    "release": "gateway.commands.operate:release",
    "reject": "gateway.commands.operate:reject",
    "purge": "gateway.commands.secrecy:purge",
    "quarantine": "gateway.commands.secrecy:app",
    "keys": "gateway.commands.keys:app",
    "organs": "gateway.commands.organs:app",
    "reconcile": "gateway.commands.reconcile:reconcile",
    "adopt": "gateway.commands.adopt:adopt_file",
    "journal": "gateway.commands.journal:app",
    "evidence": "gateway.commands.evidence:app",
    "inspect": "gateway.commands.inspect:inspect",
    "verify": "gateway.commands.verify:verify",
}


class Commands(TyperGroup):
    """Our own commands in the order of the table, then what other packages bring."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        brought = {point.name for point in entry_points(group="lienthong.commands")}
        return [*COMMANDS, *sorted(brought - COMMANDS.keys())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if place := COMMANDS.get(cmd_name):
            module, _, name = place.partition(":")
            found = getattr(importlib.import_module(module), name)
        else:
            points = entry_points(group="lienthong.commands", name=cmd_name)
            if not points:
                return None
            found = next(iter(points)).load()
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(cmd_name)(function)
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"lienthong {version('lienthong-gateway')}")
        raise typer.Exit


@app.callback()
def _lienthong(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Gateway between an e-office and the national document interconnection axis."""


def main() -> None:
    """Run one command. Exit 0: done; 1: it failed, and one line says why; 2: the command line is wrong."""
    try:
        app()
    except GatewayError as exc:
        _fail(exc.message)
    except OSError as exc:
        _fail(f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror or type(exc).__name__)


def _fail(message: str) -> None:
    print(f"lienthong: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
