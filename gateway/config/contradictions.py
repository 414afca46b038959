"""What a configuration says that cannot hold: names that clash, routes to nowhere, plain text off loopback, folders that
must lie apart.

Judged on the sections alone, each of which was found well-formed; whether the keys, folders and partners it names are
there is for `lienthong check-config`.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config.sections import AntivirusSection, Listener, Settings
from gateway.model import LOCAL_AXIS, Problem


def contradictions(settings: Settings) -> list[Problem]:
    problems: list[Problem] = []
    axes = [section.name for section in settings.axis]
    for kind, names in (("axis", axes), ("office", [section.name for section in settings.office])):
        problems += [Problem(kind, "doubled", f"{name!r} is defined twice") for name in _doubled(names)]
    if LOCAL_AXIS in axes:
        problems.append(
            Problem("axis", "reserved", f"the name {LOCAL_AXIS!r} is taken by the road between own offices")
        )
    for code in _doubled([code for section in settings.office for code in section.organs]):
        problems.append(Problem("office.organs", "doubled", f"organ {code} belongs to two offices"))
    for index, route in enumerate(settings.route):
        if route.axis not in axes and "" not in axes:
            problems.append(Problem(f"route.{index}.axis", "unknown", f"no axis is called {route.axis!r}"))
        if route.from_ and route.until and route.until < route.from_:
            problems.append(Problem(f"route.{index}.until", "order", "lies before `from`"))
        if route.organ.strip("*").count("*") or (
            route.organ.startswith("*") and route.organ.endswith("*") and route.organ != "*"
        ):
            problems.append(Problem(f"route.{index}.organ", "pattern", "one * only, at the start or the end"))
    if settings.times.longest_call_seconds >= settings.times.lease_seconds:
        problems.append(
            Problem(
                "times.longest_call_seconds",
                "too-long",
                "a lease must outlive the longest call: lower it, or raise times.lease_seconds",
            )
        )
    return [
        *problems,
        *_apart(settings),
        *_listeners(settings),
        *_timestamps(settings.timestamps.url),
        *_antivirus(settings.antivirus),
    ]


def _apart(settings: Settings) -> Iterator[Problem]:
    """What a backup of the data must not hold."""
    for name, folder in (
        ("journal.purges", settings.journal.purges),
        ("secrecy.quarantine", settings.secrecy.quarantine),
    ):
        if folder is not None and folder.is_relative_to(settings.data_dir):
            yield Problem(name, "inside", "lies in data_dir: a restored backup of it would bring back an old one")


def _listeners(settings: Settings) -> Iterator[Problem]:
    for name in ("office_api", "operators"):
        listener: Listener = getattr(settings, name)
        if bool(listener.certificate) != bool(listener.key):
            yield Problem(name, "half-tls", "certificate and key belong together")
        if not loopback(listener.host) and not listener.certificate and not listener.behind_tls_proxy:
            yield Problem(name, "plain-http", "off loopback give certificate and key, or say behind_tls_proxy = true")


def _timestamps(url: str | None) -> Iterator[Problem]:
    host: str | None = None
    with contextlib.suppress(ValueError):  # no number for a port, or half an IPv6 address
        parts = urlsplit(url or "")
        host = parts.hostname if parts.port != 0 and parts.username is None else None
    if url and (not host or not url.startswith(("http://", "https://"))):
        yield Problem("timestamps.url", "not-url", "give https://host/path, without a name and a password")
    elif url and host and url.startswith("http:") and not loopback(host):
        yield Problem("timestamps.url", "plain-http", "off loopback say https")


def _antivirus(section: AntivirusSection) -> Iterator[Problem]:
    if section.clamd is None:
        return
    try:
        address = section.address
    except ValueError:
        yield Problem("antivirus.clamd", "not-an-address", "give the path of its socket, or host:port")
        return
    if not isinstance(address, Path) and not loopback(address[0]):
        yield Problem("antivirus.clamd", "plain", "clamd speaks plain text: let it listen on this machine")


def loopback(host: str) -> bool:
    """Whether traffic to this host stays on this machine. A name may only look like an address: `127.example.com`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _doubled(names: list[str]) -> list[str]:
    return sorted({name for name in names if name and names.count(name) > 1})
