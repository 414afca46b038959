"""What the configuration says of an office's database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from adapters.office.options import AbsolutePath, Options, read
from gateway.errors import Misconfigured
from gateway.model import Problem


class DatabaseOptions(Options):
    url_file: AbsolutePath | None = None
    """File with the database's URL, password included: `postgresql+psycopg://user:password@host/name`, `sqlite:////path`."""
    url_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable with the URL, instead of a file."""
    schema_name: str | None = None
    """Where the tables are, if not where the user's names are looked up."""
    files: AbsolutePath | None = None
    """A folder that office and gateway share: attachments then lie in its `in` and `out`, not in the database."""
    interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """Between two looks at what the office has made ready."""
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How long claimed rows are ours without a sign of life; after a crash they are taken up again after this time."""
    at_once: Annotated[int, Field(ge=1, le=64)] = 8
    """Rows claimed at once."""
    connections: Annotated[int, Field(ge=1, le=32)] = 4
    piece_bytes: Annotated[int, Field(ge=4 << 10, le=8 << 20)] = 1 << 20
    """Of an attachment, in one row of lt_in_piece."""


def read_options(options: Mapping[str, Any]) -> DatabaseOptions:
    """Raises `Misconfigured`."""
    settings = read(DatabaseOptions, options)
    if bool(settings.url_file) == bool(settings.url_env):
        raise Misconfigured([Problem("url_file", "missing", "name either a file (url_file) or a variable (url_env)")])
    return settings
