"""`lienthong serve`: run the gateway until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from gateway import logs
from gateway.app import running, utc_now
from gateway.commands.config import OFFICER_ENDED, check
from gateway.config import Settings, load
from gateway.errors import Misconfigured

log = structlog.get_logger(__name__)

COLLECT_AFTER = (10_000, 20, 50)
"""New objects before the collector looks at them: a look takes some milliseconds."""


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = Path("lienthong.toml"),
) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    settings = load(config)
    # What would fail later in the dark is told now; a key near its end is no reason to stop a restart.
    if problems := [
        problem for problem in check(config, utc_now()) if problem.code not in {"key-ends-soon", OFFICER_ENDED}
    ]:
        raise Misconfigured(problems)
    logs.configure(settings.log_level, sys.stderr)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings) as gateway:
        # What start-up made lives as long as the process: the collector need not look at it again and again. And a
        # message makes a thousand objects that die by themselves: seldom looked for, the few cycles among them cost little.
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        log.info("serving", office_api=gateway.office_url, operators=gateway.operators_url, node=settings.node)
        stopping = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(gateway.ended())
        await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        ended.cancel()
        if ended.done() and not ended.cancelled():
            ended.result()
        log.info("stopping")
