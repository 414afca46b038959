"""The OpenAPI 3.1 document of the office API, built from its routes and models, so that it cannot fall behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.pipeline.changes import RecallRequest
from gateway.pipeline.record import Record
from gateway.web.problems import CONTENT_TYPE, ProblemDetails
from gateway.web.routes import Model, Parameter, Route

_ALWAYS = (400, 500, 503)
_WITH_KEY = (401, 429)
_WITH_ID = (404,)
_IN_PATH = {"message_id": "The message id.", "n": "The attachment's place in the document, from 0."}
_COME_BACK = (429, 503)
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_EXAMPLES: Mapping[str, list[dict[str, Any]]] = {
    "Record": [
        {
            "from": {"code": "000.00.05.H99", "name": "Sở Thử nghiệm"},
            "to": ["000.00.00.G98"],
            "number": "15",
            "notation": "STN-VP",
            "promulgation": {"place": "Thử nghiệm", "date": "2026-03-02"},
            "type": {"code": 2, "name": "Công văn"},
            "subject": "V/v thử nghiệm liên thông",
            "signer": {"competence": "KT", "position": "Phó Giám đốc", "full_name": "Nguyễn Văn Thử"},
            "priority": 1,
            "attachments": [{"name": "15-STN-VP.pdf", "content_type": "application/pdf"}],
        }
    ],
    "RecallRequest": [
        {"reason": "Gửi nhầm nơi nhận"},
        {
            "reason": "Gửi nhầm nơi nhận",
            "by": "document",
            "receivers": ["000.00.00.G98"],
            "record": {
                "number": "16",
                "notation": "STN-VP",
                "promulgation": {"date": "2026-03-03"},
                "subject": "V/v thu hồi văn bản số 15/STN-VP",
            },
        },
    ],
    "StatusReport": [{"code": "03", "staff": {"staff": "Trần Thị Mẫu"}}, {"code": "02", "reason": "Thiếu phụ lục"}],
}
_REF = "#/components/schemas/{model}"


def build(routes: Iterable[Route]) -> dict[str, Any]:
    routes = list(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Liên Thông Gateway: office API",
            "version": version("lienthong-gateway"),
            "description": "For e-office systems: hand in documents, follow them, read the inbox.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "lt_…"}},
        },
    }


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    answered = {model for route in routes for model in route.answers.values() if isinstance(model, type)}
    taken: set[Model] = {route.body for route in routes if isinstance(route.body, type)} | {Record, RecallRequest}
    _, schemas = models_json_schema(
        [(model, "serialization") for model in sorted(answered | {ProblemDetails}, key=lambda model: model.__name__)]
        + [(model, "validation") for model in sorted(taken, key=lambda model: model.__name__)],
        by_alias=True,
        ref_template=_REF,
    )
    found: dict[str, Any] = schemas["$defs"]
    for name, examples in _EXAMPLES.items():
        found[name]["examples"] = examples
    return found


def _operation(route: Route) -> dict[str, Any]:
    named = re.findall(r"{(\w+)}", route.path)
    in_path = [Parameter(name, _IN_PATH[name], "path", {"type": "string"}, required=True) for name in named]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {str(status): _response(model) for status, model in route.answers.items()},
    }
    if parameters := [_parameter(one) for one in (*in_path, *route.parameters)]:
        operation["parameters"] = parameters
    if route.body:
        operation["requestBody"] = {"required": True, "content": _body(route.body)}
    refusals = {*_ALWAYS, *route.refusals, *(() if route.public else _WITH_KEY), *(_WITH_ID if named else ())}
    for status in sorted(refusals):
        operation["responses"][str(status)] = {
            "description": "problem details",
            "content": {CONTENT_TYPE: {"schema": _reference(ProblemDetails)}},
        }
        if status in _COME_BACK:
            operation["responses"][str(status)]["headers"] = _RETRY_AFTER
    if route.public:
        operation["security"] = []
    return operation


def _reference(model: Model) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _response(model: Model | str | None) -> dict[str, Any]:
    if model is None:
        return {"description": "done"}
    if isinstance(model, str):
        return {"description": "the bytes", "content": {model: {"schema": {"type": "string", "format": "binary"}}}}
    return {"description": "as asked", "content": {"application/json": {"schema": _reference(model)}}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": dict(parameter.schema or {"type": "string"}),
    }


def _body(body: Mapping[str, Mapping[str, Any]] | type[BaseModel]) -> Mapping[str, Any]:
    if isinstance(body, type):
        return {"application/json": {"schema": _reference(body)}}
    return body
