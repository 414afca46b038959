"""Driver `soap`: the axis service of `schemas/axis/axis.wsdl`, spoken with WS-Security over one pooled HTTP session.

A call takes this way: `wire` builds the typed Body with zeep; `gateway.trust` signs it; `mime` puts the edXML file
beside it; `transport` carries both; `replies` verifies the reply, binds it to the request and says what a fault
means; `driver` is the port. Receipts are handed on unread: the road checks them against its own books.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.axis.soap.driver import SoapAxis
from adapters.axis.soap.options import read_options
from adapters.axis.soap.transport import Transport
from gateway.errors import Misconfigured
from gateway.model import Problem
from gateway.ports import Axis, AxisContext


def connect(options: Mapping[str, Any], context: AxisContext) -> Axis:
    """The axis `context.name`. Opens no connection yet. Raises `Misconfigured`."""
    return SoapAxis(read_options(options), context)


def check(options: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with the options, the TLS files included; fields are named within the options."""
    try:
        Transport(read_options(options))
    except Misconfigured as exc:
        return list(exc.problems)
    return []
