"""An adapter's options: read from the configuration's plain table, all problems at once.

Each adapter says in a pydantic model what it takes; this module only turns what pydantic says into our `Problem`s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.errors import Misconfigured
from gateway.model import Problem


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


AnyOptions = TypeVar("AnyOptions", bound=Options)


def read(model: type[AnyOptions], options: Mapping[str, Any]) -> AnyOptions:
    """The options as `model` has them. Raises `Misconfigured` with every problem found."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as exc:
        # The input is left out: a misplaced secret must not be printed back.
        raise Misconfigured(
            [
                Problem(".".join(str(part) for part in error["loc"]), error["type"].replace("_", "-"), error["msg"])
                for error in exc.errors(include_input=False, include_url=False, include_context=False)
            ]
        ) from None
