"""An adapter's options: read from the configuration's plain table, all problems at once.

Each adapter says in a pydantic model what it takes; this module only reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from gateway.config import faults
from gateway.errors import Misconfigured


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
        raise Misconfigured(faults(exc, model)) from None
