"""Who is on the other side: the axes and offices the stages may call, and how each is trusted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.errors import NeedsOperator
from gateway.ports import Axis, Finds, Office
from gateway.trust.keys import Keys


@dataclass(frozen=True, slots=True)
class AxisPartner:
    driver: Axis
    system_id: str
    """Ours, on that axis."""
    axis_system_id: str
    """Theirs: whose receipts count."""
    keys: Keys
    edxml_signature: Literal["required", "if-present-report", "ignore"]
    fetch_attempts: int
    edxml_form: Literal["qcvn102", "e-doc"] = "qcvn102"
    """What we write for it."""
    start_at: dt.datetime | None = None
    """What it took before waits for an operator: another gateway may have had it."""

    @property
    def must_ask_first(self) -> bool:
        """Whether repeating in doubt could make a second message there."""
        return not self.driver.can.deduplicates

    @property
    def can_find(self) -> bool:
        return self.driver.can.finds is not Finds.NO


@dataclass(frozen=True, slots=True)
class Partners:
    axes: Mapping[str, AxisPartner]
    offices: Mapping[str, Office]

    def axis(self, name: str) -> AxisPartner:
        """Raises `NeedsOperator` where the configuration no longer has it: its messages wait for a person."""
        if name not in self.axes:
            raise NeedsOperator("axis-unknown", f"no axis is called {name!r}")
        return self.axes[name]

    def office(self, name: str) -> Office:
        """As `axis`."""
        if name not in self.offices:
            raise NeedsOperator("office-unknown", f"no office is called {name!r}")
        return self.offices[name]

    def first_pushed(self, offices: Iterable[str]) -> str:
        """The endpoint that a message for these offices waits for. As `office`, raises `NeedsOperator`."""
        return next((f"office:{name}" for name in offices if not self.office(name).pulls), "inside")

    def must_ask_first(self, axis: str) -> bool:
        return axis in self.axes and self.axes[axis].must_ask_first
