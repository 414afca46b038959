"""What a route of the office API is: its handler, and all that the published OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from gateway.web import cursors

Model = type[BaseModel]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    description: str
    where: str = "query"
    schema: Mapping[str, Any] | None = None
    """Text where none is given."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    name: str
    """The operation's id."""
    summary: str
    handler: Handler
    answers: Mapping[int, Model | str | None]
    """Status → JSON model, media type of a stream, or None for no body."""
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Mapping[str, Any]] | Model | None = None
    """A JSON model, or OpenAPI media types."""
    refusals: tuple[int, ...] = ()
    """Statuses of problem details beside those any route can give."""
    public: bool = False

    def add_to(self, app: web.Application) -> None:
        app.router.add_route(self.method, self.path, self.handler, name=self.name)


MULTIPART: dict[str, dict[str, Any]] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["record"],
            "properties": {
                "record": {"$ref": "#/components/schemas/Record", "description": "The document; it comes first."},
                "attachment": {
                    "type": "array",
                    "items": {"type": "string", "format": "binary"},
                    "description": "Its files, in the record's order.",
                },
            },
        },
        "encoding": {"record": {"contentType": "application/json"}},
    },
}

PAGING = (
    Parameter("cursor", "`next` of the page before."),
    Parameter(
        "limit",
        "Lines per page.",
        schema={"type": "integer", "minimum": 1, "maximum": cursors.LIMIT_MAX, "default": cursors.LIMIT_DEFAULT},
    ),
)


def json_answer(model: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        text=model.model_dump_json(),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
