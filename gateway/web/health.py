"""The operators' listener: `/metrics`, `/live`, `/ready`. It tells numbers, codes and names, and changes nothing.

Gauges are brought up to date when they are asked for, so what Prometheus stores is never older than its question; if
that fails the scrape fails, and Prometheus' own `up` says so. Where the listener is bound, and by what, is
`gateway.app`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gateway.errors import GatewayError
from gateway.metrics import Metrics

Watch = Callable[[], Awaitable[None]]
"""Brings some gauges up to date."""

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else a sentence for the operator."""

PATIENCE = 5.0
"""Seconds a check may take before it counts as failed."""

log = structlog.get_logger(__name__)


def operators_app(metrics: Metrics, *, watch: Sequence[Watch] = (), ready: Mapping[str, Check]) -> web.Application:
    """`ready`: what must hold for traffic to be sent here, by the name operators know it by."""

    async def show_metrics(_request: web.Request) -> web.Response:
        for bring_up_to_date in watch:
            await bring_up_to_date()
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def show_ready(_request: web.Request) -> web.Response:
        said = await asyncio.gather(*(_ask(name, check) for name, check in ready.items()))
        checks = dict(zip(ready, said, strict=True))
        well = not any(checks.values())
        body = {"ready": well, "checks": {name: trouble or "ok" for name, trouble in checks.items()}}
        return web.json_response(body, status=200 if well else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", show_metrics), web.get("/live", live), web.get("/ready", show_ready)])
    return app


async def _ask(name: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except TimeoutError:
        return f"no answer in {PATIENCE:.0f} s"
    except GatewayError as exc:
        # Our own errors are written for operators; foreign texts may hold anything.
        log.error("readiness check failed", check=name, code=exc.code)  # noqa: TRY400 - the code says all
        return f"{exc.code}: {exc.message}"
    except Exception as exc:
        # The probe must answer whatever breaks; what broke is in the log.
        log.exception("readiness check failed", check=name)
        return f"check failed: {type(exc).__name__}"
