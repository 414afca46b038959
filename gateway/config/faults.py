"""What pydantic finds wrong with a table of the configuration, as our `Problem`s."""

from __future__ import annotations

import difflib
from typing import get_args

from pydantic import BaseModel, ValidationError

from gateway.model import Problem


def faults(exc: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Each with its place within the table that `model` describes; an unknown key with the nearest known one."""
    # The input is left out: a misplaced secret must not be printed back.
    problems = []
    for error in exc.errors(include_input=False, include_url=False, include_context=False):
        place, code = error["loc"], error["type"].replace("_", "-")
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            code, message = "unknown-key", "no such key"
            if near := difflib.get_close_matches(str(place[-1]), _known(model, place[:-1]), n=1):
                message += f"; did you mean {near[0]!r}?"
        problems.append(Problem(".".join(map(str, place)), code, message))
    return problems


def _known(section: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that exist in the part of the section at `place`."""
    for part in place:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = next(kind for kind in (*get_args(annotation), annotation) if isinstance(kind, type))
    return [field.alias or name for name, field in section.model_fields.items()]
