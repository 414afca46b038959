"""Which axis carries a message to an organ, and which of our offices owns one.

A table with effective dates: organs of our own offices go by the road inside (`local`), all others by the most
specific route that holds on the day. Codes are compared as they stand: old and new forms are never computed from each
other (QĐ 20/2020/QĐ-TTg gives no rule for it).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from gateway.config import OfficeSection, RouteSection
from gateway.model import LOCAL_AXIS


class Router:
    def __init__(self, offices: Iterable[OfficeSection], routes: Iterable[RouteSection]) -> None:
        self._owner = {organ: office.name for office in offices for organ in office.organs}
        # The longest pattern is the most specific; an exact code beats any pattern.
        self._routes = sorted(routes, key=lambda route: ("*" in route.organ, -len(route.organ)))

    def route(self, organ: str, on: dt.date) -> str | None:
        """Name of the axis that reaches `organ` on that day, or None where no route holds."""
        if organ in self._owner:
            return LOCAL_AXIS
        for route in self._routes:
            if (route.from_ or on) <= on <= (route.until or on) and _matches(route.organ, organ):
                return route.axis
        return None

    def office_of(self, organ: str) -> str | None:
        return self._owner.get(organ)

    def organs_of(self, office: str) -> tuple[str, ...]:
        return tuple(organ for organ, owner in self._owner.items() if owner == office)


def _matches(pattern: str, organ: str) -> bool:
    if pattern.startswith("*"):
        return organ.endswith(pattern[1:])
    if pattern.endswith("*"):
        return organ.startswith(pattern[:-1])
    return organ == pattern
