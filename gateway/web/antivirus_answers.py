"""What an office reads of the virus scanner's verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.web.shown import Shown


class AntivirusAnswer(Shown):
    field: str
    """Which attachment, e.g. `attachments[0]`."""
    verdict: str
    """`clean`, `infected`, `not-examined`, or `unreachable` where it went on without a scan."""
    code: str
    """The virus's name in the scanner's signatures, or why it was not examined; else empty."""


def antivirus(detail: Mapping[str, Any] | None) -> list[AntivirusAnswer]:
    """From a message's detail; none where nothing was scanned, or it was purged."""
    return [AntivirusAnswer(**one) for one in (detail or {}).get("antivirus", ())]
