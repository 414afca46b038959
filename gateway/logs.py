"""JSON logs: one line per event, with the message id, and never a body, a key or a subject.

What may not be written is kept out in three places, because each can be forgotten alone: forbidden keys are dropped,
bytes are never rendered, and of an exception that is not ours only its type and the places it passed are told, because
its text may quote what it choked on. Bind the message id with `structlog.contextvars.bound_contextvars(message_id=…)`.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.errors import GatewayError

PINNED: Final = (
    "aiohttp.access",
    "alembic.runtime.plugins",
    "asyncio",
    "signxml",
    "zeep",
    "pyhanko",
    "pyhanko_certvalidator",
)
"""Loggers that at DEBUG write whole documents, bodies or requests, or more than anybody reads: at WARNING always."""

FORBIDDEN: Final = frozenset(
    {
        "authorization", "body", "content", "cookie", "envelope", "headers", "idempotency_key", "key", "notation",
        "password", "payload", "private_key", "record", "secret", "signature", "subject", "summary", "text", "token",
    }
)  # fmt: skip
LONGEST: Final = 500
"""Characters of one value: what is longer is most likely something that should not be here."""


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log, ours and the libraries', to `stream` (standard error) as JSON lines."""
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_places,
        keep_out,
    ]
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in PINNED:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _unhandled


def _unhandled(_kind: type[BaseException], exc: BaseException, _trace: TracebackType | None) -> None:
    """What ends the process is told like everything else: a traceback of Python's own would print the text."""
    structlog.get_logger().critical("unhandled", exc_info=exc)


def keep_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what a log may never hold, and say that something was dropped."""
    dropped: list[str] = []
    clean = _clean(event, dropped)
    # asyncio shows the task below its sentence, and the task shows what its exception says.
    clean["event"] = str(clean.get("event", "")).partition("\n")[0]
    if dropped:
        clean["dropped"] = sorted(set(dropped))
    return clean


def _clean(table: Mapping[str, Any], dropped: list[str]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for key, value in table.items():
        if key.lower() in FORBIDDEN or isinstance(value, bytes | bytearray | memoryview):
            dropped.append(key)
        elif isinstance(value, Mapping):
            clean[key] = _clean(value, dropped)
        elif isinstance(value, str) and len(value) > LONGEST:
            clean[key] = value[:LONGEST] + "…"
        else:
            clean[key] = value
    return clean


def tell_places(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by type and places; the text only of our own errors, which by rule hold no content."""
    given = event.pop("exc_info", None)
    exc = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else None
    if given and exc is None:
        exc = sys.exception()
    if exc is not None:
        event["error"] = type(exc).__qualname__
        event["places"] = places(exc.__traceback__)
        if isinstance(exc, GatewayError):
            event["error_code"] = exc.code
            event["error_message"] = exc.message
        if (cause := exc.__cause__) is not None:
            event["caused_by"] = type(cause).__qualname__
            event["caused_at"] = places(cause.__traceback__)
    return event


def places(trace: TracebackType | None) -> list[str]:
    """`file:line function` of each step, outermost first; no values and no source lines."""
    return [
        f"{Path(*Path(frame.f_code.co_filename).parts[-2:])}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(trace)
    ]
