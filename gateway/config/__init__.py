"""The configuration: one TOML file, overridden by `LIENTHONG_…` environment variables.

Paths are relative to the file; paths in adapter options must be absolute. Unknown keys are refused by name; all problems are reported at once
(`Misconfigured`). Adapter options stay a plain table here and are checked by the adapter itself, which alone knows
them. Secrets are never values: an option names a file or an environment variable.
"""

from gateway.config.advice import advice
from gateway.config.contradictions import loopback
from gateway.config.faults import faults
from gateway.config.loading import examine, load
from gateway.config.sections import (
    CANNOT_BE_REQUIRED,
    GIB,
    MIB,
    AntivirusSection,
    AxisSection,
    FileLimits,
    Limits,
    Listener,
    OfficeSection,
    OrganCode,
    RouteSection,
    Runner,
    Seconds,
    SecrecySection,
    Settings,
    Times,
    TimestampsSection,
    WorkingTimeSection,
    purge_folder,
    quarantine_folder,
)

__all__ = [
    "CANNOT_BE_REQUIRED",
    "GIB",
    "MIB",
    "AntivirusSection",
    "AxisSection",
    "FileLimits",
    "Limits",
    "Listener",
    "OfficeSection",
    "OrganCode",
    "RouteSection",
    "Runner",
    "Seconds",
    "SecrecySection",
    "Settings",
    "Times",
    "TimestampsSection",
    "WorkingTimeSection",
    "advice",
    "examine",
    "faults",
    "load",
    "loopback",
    "purge_folder",
    "quarantine_folder",
]
