"""What an operator may say about a vxp axis, beside its name and system ids: where it is, and in what its server differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.config import GIB, MIB, Seconds, faults, loopback
from gateway.errors import Misconfigured
from gateway.ports import Finds

Url = Annotated[str, Field(max_length=2000)]


def _absolute(path: Path) -> Path:
    # A driver does not know where the configuration file lies.
    if not path.is_absolute():
        raise ValueError("an absolute path is needed")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    """Of the adapter; operations are appended: `http://10.0.0.5/XrdAdapter/adapter`."""
    secret_file: AbsolutePath | None = None
    """Holds the secret that vouches for our parameters; read again when it changes."""
    secret_env: str | None = None
    """Name of the environment variable that holds it instead."""
    private_network: bool = False
    """Plain HTTP off loopback is refused unless the way to the adapter is a network of its own."""
    ca: AbsolutePath | None = None
    """PEM of the authorities that may vouch for the server's TLS certificate; absent: the system's."""
    certificate: AbsolutePath | None = None
    """PEM of our TLS client certificate, where the adapter asks for one."""
    key: AbsolutePath | None = None
    connect_seconds: Seconds = 10.0
    first_byte_seconds: Seconds = 60.0
    """From the end of the request to the head of the reply: the axis checks and stores in this time."""
    idle_seconds: Seconds = 30.0
    """Longest pause within a transfer, either way."""
    max_connections: int = Field(default=16, ge=1)
    edxml_bytes: int = Field(default=GIB, gt=0)
    """Largest file fetched."""
    list_bytes: int = Field(default=64 * MIB, gt=0)
    """Largest list read; the directory of organs had 111,000 lines in 2025."""
    finds: Literal[Finds.BY_LISTING, Finds.NO] = Finds.BY_LISTING
    """`no` where the list of sent messages cannot be relied on: every doubt is then held for a person."""
    list_cap: int = Field(default=0, ge=0)
    """Lines after which the server cuts a list short; 0: it never does. A list so long settles no doubt, and
    what waits is asked for by shorter windows."""
    lookback_days: float = Field(default=7.0, gt=0)
    """How far back a full look at what waits for us goes."""
    overlap_hours: float = Field(default=24.0, ge=0)
    """How far a look reaches back before the newest item seen."""
    full_look_seconds: Seconds = 3600.0
    """Between two full looks."""
    clock_margin_seconds: float = Field(default=600.0, ge=0)
    """How far our clock and the axis's may differ when a sent message is looked for."""
    organs: Literal["getAgenciesList", "getAgenciesListQD20", "getSynchronizeUnit"] = "getAgenciesList"
    """Which list of organs the directory is copied from: by old codes, by those of QĐ 20/2020, or with what was deleted."""
    organ_levels: tuple[int, ...] = (1, 2, 3, 4)
    """Levels asked for by getAgenciesListQD20, which wants one."""
    list_dates: Literal["dd/MM/yyyy HH:mm:ss", "yyyy/MM/dd", "none"] = "dd/MM/yyyy HH:mm:ss"
    """Form of fromDate and toDate; `none`: lists are asked for without a window."""
    download: Literal["stream", "base64"] = "stream"
    """By GET downloadEdoc, or by POST getEdoc, the only one that older adapters know."""
    says_processing: bool = False
    """Tell the axis `processing` before each download."""
    to_header: bool = True
    """Name the receivers of a document in a header too, not only within the file."""
    ends_with_crlf: bool = True
    """Append CRLF to the file sent, as the usual SDK does."""
    hash_file: Literal["padded", "unpadded"] = "padded"
    """Hex of the file's SHA-256; `unpadded` leaves the first zero of a byte out, as the usual Java SDK does."""
    timestamp: Literal["milliseconds", "zone"] = "milliseconds"
    """What stands behind the `+` of a timestamp: four digits of milliseconds, or +0700."""

    @field_validator("url")
    @classmethod
    def _speaks_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an http or https URL is needed")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("no user name, password, query or fragment in the URL")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not self.private_network and not loopback(parts.hostname or ""):
            raise ValueError("plain HTTP off loopback: use https, or say private_network = true")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together")
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("name secret_file or secret_env, one of them")
        return self


def read_options(options: Mapping[str, Any]) -> Options:
    """Check the table `axis.options`. Raises `Misconfigured` with every problem, named within the table, values left out."""
    try:
        return Options.model_validate(dict(options))
    except ValidationError as exc:
        raise Misconfigured(faults(exc, Options)) from None
