"""What an operator may say about a SOAP axis, beside its name and system ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.config import GIB, Seconds, faults, loopback
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
    behind_tls_proxy: bool = False
    """Plain HTTP off loopback is refused unless a proxy on the way speaks TLS."""
    ca: AbsolutePath | None = None
    """PEM of the authorities that may vouch for the server's TLS certificate; absent: the system's."""
    certificate: AbsolutePath | None = None
    """PEM of our TLS client certificate, where the axis asks for one."""
    key: AbsolutePath | None = None
    connect_seconds: Seconds = 10.0
    first_byte_seconds: Seconds = 60.0
    """From the end of the request to the head of the reply: the axis checks and stores in this time."""
    idle_seconds: Seconds = 30.0
    """Longest pause within a transfer, either way."""
    max_connections: int = Field(default=64, ge=1)
    edxml_bytes: int = Field(default=GIB, gt=0)
    """Largest file fetched."""
    send_together: int = Field(default=16, ge=1, le=32)
    """Small messages that may share a call when several wait; 1 for an axis that does not know SendTogether."""
    deduplicates: bool = True
    finds: Finds = Finds.BY_MESSAGE_ID
    signs_receipts: bool = True

    @field_validator("url")
    @classmethod
    def _speaks_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an http or https URL is needed")
        if parts.username or parts.password:
            raise ValueError("no user name or password in the URL")
        return url

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not self.behind_tls_proxy and not loopback(parts.hostname or ""):
            raise ValueError("plain HTTP off loopback: use https, or say behind_tls_proxy = true")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together")
        return self


def read_options(options: Mapping[str, Any]) -> Options:
    """Check the table `axis.options`. Raises `Misconfigured` with every problem, named within the table, values left out."""
    try:
        return Options.model_validate(dict(options))
    except ValidationError as exc:
        raise Misconfigured(faults(exc, Options)) from None
