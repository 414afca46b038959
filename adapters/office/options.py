"""An adapter's options: read from the configuration's plain table, all problems at once.

Each adapter says in a pydantic model what it takes; this module only turns what pydantic says into our `Problem`s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from gateway.errors import Misconfigured
from gateway.model import Problem


def _absolute(path: Path) -> Path:
    # An adapter does not know where the configuration lies, and where the process was started says nothing.
    if not path.is_absolute():
        raise ValueError("an absolute path is needed")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


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
