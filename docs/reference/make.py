"""Write the reference pages of this folder from the code, so that they cannot differ from it.

configuration.md comes from `gateway/config/sections.py` and the sentences under its keys, metrics.md from `gateway.metrics`,
command-line.md from the commands themselves, office-api.md from the OpenAPI document, and of the SOAP face
`schemas/office/` from its models. `python docs/reference/make.py` writes them; a test compares.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import schemas
from adapters.axis.soap.options import Options as SoapOptions
from adapters.axis.vxp.options import Options as VxpOptions
from adapters.office.database.options import DatabaseOptions
from adapters.office.folder import FolderOptions
from adapters.office.webhook import WebhookOptions
from gateway import cli, config
from gateway.metrics import Metrics
from gateway.web import openapi, soap_schema
from gateway.web.inbox import Inbox
from gateway.web.office_api import Documents

HERE = Path(__file__).resolve().parent
OPTIONS = {
    '[axis.options] of driver = "soap"': SoapOptions,
    '[axis.options] of driver = "vxp"': VxpOptions,
    '[office.options] of adapter = "webhook"': WebhookOptions,
    '[office.options] of adapter = "folder"': FolderOptions,
    '[office.options] of adapter = "database"': DatabaseOptions,
}
MADE = "<!-- Written by docs/reference/make.py from the code: change it there. -->\n"


def configuration() -> str:
    lines = [
        "# Configuration\n",
        MADE,
        "One TOML file, `lienthong.toml` unless a command is told otherwise; an example is `deploy/lienthong.toml`. Paths are relative to",
        "the file. Unknown keys are refused by name, and `lienthong check-config FILE` reports all problems at once.\n",
        "Every key can be overridden by the environment: `LIENTHONG_LOG_LEVEL=DEBUG`, `LIENTHONG_OFFICE_API__PORT=9000` (two underscores for",
        "a section). Secrets are never values: an option names a file or an environment variable. Paths in adapter options must be",
        "absolute. The drivers are `soap` and `vxp`; the office adapters `webhook`, `folder`, `database`, and `pull`, which takes no options.\n",
    ]
    lines += _section("Top level", config.Settings)
    for name, field in config.Settings.model_fields.items():
        if kind := _model(field.annotation):
            given = field.default if isinstance(field.default, BaseModel) else None
            lines += _section(f"[{name}]" if given else f"[[{name}]]", kind, given)
            for key, inner in kind.model_fields.items():
                if nested := _model(inner.annotation):
                    lines += _section(f"[{name}.{key}]", nested, inner.default)
    for title, options in OPTIONS.items():
        lines += _section(title, options)
    return "\n".join(lines)


def _section(title: str, section: type[BaseModel], given: BaseModel | None = None) -> Iterator[str]:
    said = _sentences(section)
    yield f"## {title}\n"
    if text := section.__dict__.get("__doc__"):
        yield f"{inspect.cleandoc(text)}\n"
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for name, field in section.model_fields.items():
        if _model(field.annotation):
            continue
        default = getattr(given, name) if given else field.get_default(call_default_factory=True)
        shown = "**required**" if default is PydanticUndefined else f"`{_toml(default)}`" if default is not None else ""
        choices = ", ".join(f"`{choice}`" for choice in _choices(field.annotation))
        meaning = " ".join(part for part in (said.get(name), choices and f"One of {choices}.") if part)
        yield f"| `{field.alias or name}` | {shown} | {meaning} |"
    yield ""


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return tuple(annotation)
    return ()


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case dict():
            return "{}"
        case tuple():
            return "[]"
        case _:
            return f'"{value}"'


def _model(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _sentences(section: type[BaseModel]) -> dict[str, str]:
    """The string under each key of the class, as one line."""
    (definition,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for before, after in zip(definition.body, definition.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split()).replace("|", "\\|")
    return found


def metrics() -> str:
    lines = [
        "# Metrics\n",
        MADE,
        "`/metrics` of the operators' listener (loopback unless configured otherwise), in Prometheus' text format. Beside these there are the",
        "`process_…` metrics of prometheus-client. Alerts on them: `deploy/prometheus/alerts.yml`, a page for each in `deploy/runbook/`.\n",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    made = Metrics()
    for collector in vars(made).values():
        described = collector.describe() if collector is not made.registry else []
        for metric in described:
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)  # noqa: SLF001 - told nowhere else
            lines.append(f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |")
    return "\n".join([*lines, ""])


def command_line() -> str:
    lines = [
        "# Command line\n",
        MADE,
        "Every command says more with `--help`. Exit 0: done, readable or verified; 1: it failed, and one line on standard error says why;",
        "2: the command line itself is wrong.\n",
    ]
    group = typer.main.get_command(cli.app)
    assert isinstance(group, cli.Commands)
    for name in group.list_commands(None):
        lines += _command(f"lienthong {name}", group.get_command(None, name))
    return "\n".join(lines)


def _command(path: str, command: Any) -> Iterator[str]:
    yield f"## {path}\n"
    if text := inspect.cleandoc(command.help or ""):
        yield f"{text}\n"
    rows = [row for parameter in command.params if (row := _parameter(parameter))]
    if rows:
        yield from ("| argument or option | meaning |", "|---|---|", *rows, "")
    for name, sub in getattr(command, "commands", {}).items():
        yield from _command(f"{path} {name}", sub)


def _parameter(parameter: Any) -> str | None:
    if parameter.name in {"help", "install_completion", "show_completion"}:
        return None
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [parameter.name.upper()]
    shown = ", ".join(f"`{name}`" for name in names)
    meaning = getattr(parameter, "help", None) or ""
    if parameter.required:
        meaning += " (required)"
    elif parameter.default not in {None, False, ""} and not callable(parameter.default):
        meaning += f" (default `{parameter.default}`)"
    return f"| {shown} | {meaning.strip()} |"


def office_api() -> str:
    nothing: Any = None  # the routes are asked what they are, and never served
    described = openapi.build(
        [*Documents(nothing, nothing, config.Settings()).routes(), *Inbox(nothing, nothing, nothing, 0).routes()]
    )
    lines = [
        "# Office API\n",
        MADE,
        "For e-office systems. The gateway serves the same as an OpenAPI document at `GET /v1/openapi.json`. Every request carries",
        "`Authorization: Bearer KEY`, a key made with `lienthong keys add --office NAME`; it belongs to one office, and what is another's is 404.",
        "Errors are problem details (RFC 9457), in Vietnamese or English by `Accept-Language`. 409, 429 and 503 come with `Retry-After`.\n",
    ]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += _operation(f"{method.upper()} {path}", operation)
    lines.append("## Objects\n")
    for name, schema in described["components"]["schemas"].items():
        lines += _object(name, schema)
    return "\n".join(lines)


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{operation['summary']}\n"
    if parameters := operation.get("parameters"):
        yield from ("| parameter | in | meaning |", "|---|---|---|")
        for parameter in parameters:
            meaning = parameter.get("description", "") + (" (required)" if parameter.get("required") else "")
            yield f"| `{parameter['name']}` | {parameter['in']} | {meaning} |"
        yield ""
    if body := operation.get("requestBody"):
        yield f"Body: {', '.join(_media(body))}.\n"
    yield from ("| answer | with |", "|---|---|")
    statuses: dict[str, list[str]] = {}
    for status, answer in operation["responses"].items():
        statuses.setdefault(", ".join(_media(answer)) or answer.get("description", ""), []).append(status)
    for text, same in statuses.items():
        yield f"| {', '.join(same)} | {text} |"
    yield ""


def _media(holder: dict[str, Any]) -> list[str]:
    return [
        f"`{media}` {_kind(shape.get('schema', {}), plain=False)}".strip()
        for media, shape in holder.get("content", {}).items()
    ]


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if text := schema.get("description"):
        yield f"{inspect.cleandoc(text)}\n"
    if values := schema.get("enum"):
        yield f"One of {', '.join(f'`{value}`' for value in values)}.\n"
    if not schema.get("properties"):
        return
    yield from ("| field | type | meaning |", "|---|---|---|")
    for field, shape in schema["properties"].items():
        meaning = " ".join(shape.get("description", "").split()) + (
            " (required)" if field in schema.get("required", ()) else ""
        )
        yield f"| `{field}` | {_kind(shape)} | {meaning.strip()} |"
    yield ""


def _kind(shape: dict[str, Any], *, plain: bool = True) -> str:
    if reference := shape.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in shape:
            return " or ".join(dict.fromkeys(_kind(one) for one in shape[several]))
    if shape.get("type") == "array":
        return f"list of {_kind(shape.get('items', {}))}"
    return str(shape.get("format") or shape.get("type") or "any") if plain else ""


PAGES = {
    "office-api.md": office_api,
    "configuration.md": configuration,
    "metrics.md": metrics,
    "command-line.md": command_line,
}

if __name__ == "__main__":
    for page, text in PAGES.items():
        (HERE / page).write_text(text(), encoding="utf-8")
    for file, written in {"office.xsd": soap_schema.xsd, "office.wsdl": soap_schema.wsdl}.items():
        (Path(schemas.__path__[0]) / "office" / file).write_text(written(), encoding="utf-8")
