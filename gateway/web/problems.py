"""Every error the office API answers with: RFC 9457 problem details, in the reader's language.

An answer holds codes, fields and limits; never what was sent, never a traceback.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway import texts
from gateway.errors import Busy, GatewayError, Refused, Rejection
from gateway.model import Problem
from gateway.web.shown import Shown

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
_BUSY_STATUS = {"key-running": 409, "too-many-uploads": 429, "too-many-requests": 429}
"""All other kinds of Busy are 503."""
_DEFAULT_WAIT_SECONDS = 5.0
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "media-type"}

Language = Literal["vi", "en"]
FALLBACK = web.AppKey("fallback-language", str)


class FieldError(Shown):
    field: str
    """Where: a path into the record such as `to[0].code`, a header or a parameter; empty for the whole."""
    code: str
    """What is wrong, for machines; it does not change."""
    message: str
    """The same for people, in the language asked for."""


class ProblemDetails(Shown):
    """RFC 9457."""

    type: str
    """`urn:lienthong:problem:` and the code of the problem."""
    title: str
    """What is wrong, in the language asked for."""
    status: int
    """The HTTP status again."""
    detail: str
    """The sentences of all `errors`, or the title where there are none."""
    errors: list[FieldError]
    """Every fault found, each with its place."""


def language_of(request: web.Request) -> Language:
    """The one of our two languages that `Accept-Language` prefers; else the gateway's own."""
    best: tuple[float, Language] | None = None
    for item in request.headers.get("Accept-Language", "")[:200].split(","):
        tag, _, quality = item.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _quality(quality)
        if primary in {"vi", "en"} and weight > 0 and (best is None or weight > best[0]):
            best = (weight, "en" if primary == "en" else "vi")
    if best:
        return best[1]
    return "en" if request.app[FALLBACK] == "en" else "vi"


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def told(problem: Problem, language: Language) -> dict[str, str]:
    """A problem as its field, code and sentence."""
    return {"field": problem.field, "code": problem.code, "message": texts.sentence(problem, language)}


def answer(
    request: web.Request,
    code: str,
    status: int,
    *,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
) -> web.Response:
    language = language_of(request)
    errors = [told(problem, language) for problem in problems]
    title = texts.say(code, language, **(facts or {})) if texts.knows(code) else code
    body: dict[str, Any] = {
        "type": f"urn:lienthong:problem:{code}",
        "title": title,
        "status": status,
        "detail": "; ".join(dict.fromkeys(_with_field(error) for error in errors)) or title,
        "errors": errors,
    }
    return web.Response(
        # A field's name may hold half a surrogate pair, which no UTF-8 can carry.
        body=json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        status=status,
        content_type=CONTENT_TYPE,
        charset="utf-8",
        headers={"Content-Language": language, "Cache-Control": "no-store", **(headers or {})},
    )


def _with_field(error: Mapping[str, str]) -> str:
    return f"{error['field']}: {error['message']}" if error["field"] else error["message"]


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into problem details."""
    try:
        return await handler(request)
    except GatewayError as error:
        said = verdict(error)
        headers = None if said.after is None else {"Retry-After": str(said.after)}
        return answer(request, said.code, said.status, problems=said.problems, headers=headers)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return answer(request, _HTTP_CODES.get(error.status, "bad-request"), error.status, headers=allow)
    except ConnectionError:
        raise  # the client went away: nobody is left to answer
    except Exception as error:  # noqa: BLE001 - a bug must not show its inside to a client
        log_bug(error)
        return answer(request, "internal", 500)


def log_bug(error: Exception) -> None:
    """Places only: the text of a foreign exception may hold what must not be logged."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames]
    log.error("bug", error=type(error).__name__, places=places)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a client is told of an error."""

    code: str
    status: int
    problems: tuple[Problem, ...] = ()
    after: int | None = None
    """Seconds to wait before the next try, where one makes sense."""


def verdict(error: GatewayError) -> Verdict:
    if isinstance(error, Refused):
        return Verdict(error.code, error.status, error.problems)
    if error.code == "not-found":
        return Verdict(error.code, 404)
    if isinstance(error, Rejection):
        return Verdict(error.code, 422)
    if not isinstance(error, Busy):
        error = Busy("try-again")
    wait = math.ceil(_DEFAULT_WAIT_SECONDS if error.after is None else error.after)
    return Verdict(error.code, _BUSY_STATUS.get(error.code, 503), after=max(wait, 1))


def not_found() -> Refused:
    return Refused([], code="not-found", status=404)
