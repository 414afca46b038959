"""Driver `vxp`: the HTTP protocol that the national axis speaks today, through the adapter that stands in the province.

Parameters travel as `XroadVnpt-` headers vouched for by an HMAC (`signing`), under a secret re-read when it changes
(`secret`); `transport` carries files both ways as streams, `answers` says what a reply means, `encoded` finds the file
inside a JSON answer; `service` has one typed method per operation, and `driver` is the port.

The axis signs nothing and knows no id of ours: what it says is kept as it came (proof grade `acknowledged`), and
whether it took a message is asked of its list of sent messages. Why, and what that costs: `docs/decisions/0003-vxp.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.axis.vxp.driver import VxpAxis
from adapters.axis.vxp.options import read_options
from gateway.ports import Axis, AxisContext


def connect(options: Mapping[str, Any], context: AxisContext) -> Axis:
    """The axis `context.name`. Opens no connection yet. Raises `Misconfigured`."""
    return VxpAxis(read_options(context.name, options), context)
