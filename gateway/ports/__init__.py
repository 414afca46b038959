"""Where the gateway meets the world: one protocol per kind of partner, and the data that crosses.

A port exists only where there is I/O. Each one's promises are written once as a contract test and run on every
implementation.
"""

from gateway.ports.axis import (
    Acceptance,
    Announced,
    Axis,
    AxisContext,
    AxisOrgan,
    Capabilities,
    Fetched,
    Finds,
    ListsSent,
    Parcel,
    SentLine,
    TakesRefusals,
)
from gateway.ports.contents import Chunks, Contents
from gateway.ports.judges import (
    Antivirus,
    RevocationAnswers,
    RevocationAsked,
    RevocationFound,
    Scanned,
    ScanVerdict,
    Timestamper,
)
from gateway.ports.office import (
    Asked,
    AttachmentSource,
    ChangeDoor,
    Door,
    Event,
    Handover,
    Office,
    OfficeContext,
    StatusDoor,
    Submitted,
    Upload,
)

__all__ = [
    "Acceptance",
    "Announced",
    "Antivirus",
    "Asked",
    "AttachmentSource",
    "Axis",
    "AxisContext",
    "AxisOrgan",
    "Capabilities",
    "ChangeDoor",
    "Chunks",
    "Contents",
    "Door",
    "Event",
    "Fetched",
    "Finds",
    "Handover",
    "ListsSent",
    "Office",
    "OfficeContext",
    "Parcel",
    "RevocationAnswers",
    "RevocationAsked",
    "RevocationFound",
    "ScanVerdict",
    "Scanned",
    "SentLine",
    "StatusDoor",
    "Submitted",
    "TakesRefusals",
    "Timestamper",
    "Upload",
]
