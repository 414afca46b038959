"""What can still be read of a faulty configuration, so that contradictions are told beside faults of form.

Values of the right type are kept even where they break a pattern, because other sections refer to them: a route to an
axis of an impossible name is no route to nowhere. Everything else becomes its default, or blank. Nothing runs on this.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

Model = TypeVar("Model", bound=BaseModel)


def salvage(section: type[Model], table: Mapping[str, Any]) -> Model:
    values = {name: _value(field, table.get(field.alias or name)) for name, field in section.model_fields.items()}
    return section.model_construct(**values)


def _value(field: FieldInfo, given: Any) -> Any:
    annotation: Any = field.annotation
    listed: Any = get_args(annotation)[0] if get_origin(annotation) is tuple else None
    if _is_model(annotation) and isinstance(given, Mapping):
        return salvage(annotation, given)
    if _is_model(listed) and isinstance(given, list):
        return tuple(salvage(listed, each) for each in given if isinstance(each, Mapping))
    for kind in _kinds(annotation, field.metadata, given):
        with contextlib.suppress(ValidationError):
            return TypeAdapter(kind).validate_python(given)
    if listed and isinstance(given, list):
        return tuple(each for each in given if isinstance(each, str))
    default = field.get_default(call_default_factory=True)
    blank: Any = () if listed else ""
    return blank if default is PydanticUndefined else default


def _kinds(annotation: Any, constraints: list[Any], given: Any) -> Iterator[Any]:
    """What it may be read as: with its constraints, and text without them. A number out of its range is worth nothing."""
    if given is None:
        return
    yield reduce(lambda kind, one: Annotated[kind, one], constraints, annotation)
    if isinstance(given, str):
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
