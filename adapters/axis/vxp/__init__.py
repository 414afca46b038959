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
from adapters.axis.vxp.secret import Secret
from adapters.axis.vxp.transport import Transport
from gateway.errors import Misconfigured
from gateway.model import Problem
from gateway.ports import Axis, AxisContext

SIGNS = False
"""Its axis signs nothing: none of its certificates is needed, and no signature inside a file can be required."""


def connect(options: Mapping[str, Any], context: AxisContext) -> Axis:
    """The axis `context.name`. Opens no connection yet. Raises `Misconfigured`."""
    return VxpAxis(read_options(options), context)


def check(options: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with the options, the secret and the TLS files included; fields are named within the options."""
    try:
        chosen = read_options(options)
        Secret(chosen.secret_file, chosen.secret_env)
        Transport(chosen)
    except Misconfigured as exc:
        return list(exc.problems)
    return []
