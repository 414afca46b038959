"""`lienthong check-config FILE`: every problem of a configuration at once, before a start-up meets it.

Beside what the file itself says (`gateway.config`) this looks at what it names: keys, trusted parties, folders,
adapters and their options. It changes nothing and connects nowhere.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import inspect
import json
import os
import re
import ssl
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from gateway.config import (
    CANNOT_BE_REQUIRED,
    FileLimits,
    Limits,
    Settings,
    advice,
    examine,
    purge_folder,
    quarantine_folder,
)
from gateway.errors import GatewayError, Misconfigured, NeedsOperator
from gateway.model import Problem
from gateway.pipeline.limits import edxml_bytes
from gateway.trust.encrypted import Recipient
from gateway.trust.keys import KeyRing, TrustStore
from gateway.trust.pdf.trust_list import TrustList

OFFICER_ENDED = "officer-certificate-ended"
"""It still encrypts: no reason to stop a restart."""
PULL = "pull"
"""The office that fetches for itself: no adapter is needed."""


def check_config(
    file: Annotated[Path, typer.Argument(help="The configuration, a TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say everything that is wrong with a configuration, and what it leaves out that is seldom meant; exit 0 when nothing
    is wrong.
    """
    problems = check(file, dt.datetime.now(dt.UTC))
    settings, _ = examine(file)
    notes = [*advice(settings), *_own_name(settings)] if settings else []
    if as_json:
        found = {"problems": _told(problems), "notes": _told(notes)}
        print(json.dumps({"file": str(file), "ok": not problems, **found}, ensure_ascii=False))
    else:
        for note in notes:
            print(f"note: {note.field}: {note.message}")
        for problem in problems:
            print(f"{problem.field}: {problem.message}", file=sys.stderr)
        count = {0: "no problems found", 1: "1 problem"}.get(len(problems), f"{len(problems)} problems")
        print(f"{file}: {count}")
    if problems:
        raise typer.Exit(1)


def _told(found: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"field": each.field, "code": each.code, "message": each.message} for each in found]


def check(file: Path, now: dt.datetime) -> list[Problem]:
    settings, problems = examine(file)
    if settings is None:
        return problems
    told = {problem.field for problem in problems}
    named = [
        *_routes(settings),
        *_limits(settings),
        *_folders(settings),
        *_tls(settings),
        *_keys(settings, now),
        *_authority(settings),
        *_officer(settings, now),
        *_adapters(settings),
    ]
    return [*problems, *(found for found in named if found.field not in told)]


def _routes(settings: Settings) -> Iterator[Problem]:
    """Routes that hold on the same days for the same organs, so that one of them never counts."""
    owners = {organ: office.name for office in settings.office for organ in office.organs}
    for index, route in enumerate(settings.route):
        if office := owners.get(route.organ):
            yield Problem(f"route.{index}.organ", "never-used", f"{route.organ} belongs to the office {office!r}")
        begins, ends = route.from_ or dt.date.min, route.until or dt.date.max
        for before, other in enumerate(settings.route[:index]):
            same_days = begins <= (other.until or dt.date.max) and (other.from_ or dt.date.min) <= ends
            if other.organ == route.organ and same_days:
                message = f"route.{before} holds for {route.organ} on the same days: end one before the other begins"
                yield Problem(f"route.{index}.organ", "overlaps", message)


def _limits(settings: Settings) -> Iterator[Problem]:
    """Limits that another one keeps from ever counting."""
    ours = settings.limits
    if ours.submission_bytes < ours.attachment_bytes:
        yield Problem("limits.attachment_bytes", "never-reached", "limits.submission_bytes is lower")
    for kind in ("axis", "office"):
        for index, section in enumerate(getattr(settings, kind)):
            place = f"{kind}.{index}.limits"
            yield from _own_limits(place, section.limits, ours)


def _own_limits(place: str, limits: FileLimits, ours: Limits) -> Iterator[Problem]:
    for key in ("attachment_bytes", "submission_bytes", "attachments"):
        own, general = getattr(limits, key), getattr(ours, key)
        if own is not None and own > general:
            yield Problem(
                f"{place}.{key}", "never-reached", f"limits.{key} is lower, {general}: raise that, or lower this"
            )
    if limits.submission_bytes and limits.attachment_bytes and limits.submission_bytes < limits.attachment_bytes:
        yield Problem(f"{place}.attachment_bytes", "never-reached", "submission_bytes beside it is lower")
    largest = limits.attachment_bytes or ours.attachment_bytes
    if limits.edxml_bytes and limits.attachment_bytes and limits.edxml_bytes < edxml_bytes([largest]):
        message = f"one attachment of {largest} bytes makes an edXML file of up to {edxml_bytes([largest])}"
        yield Problem(f"{place}.edxml_bytes", "too-small", message)


def _folders(settings: Settings) -> Iterator[Problem]:
    for name, held in (
        ("keys", "NAME.key.pem and NAME.crt.pem belong"),
        ("trust", "the axis's certificates, SYSTEM_ID/*.pem, belong"),
    ):
        folder: Path = getattr(settings, name)
        if not folder.is_dir():
            yield Problem(
                name,
                "missing",
                f"{folder} is not a folder; make it, or mount it: {held} there (docs/how-to/install.md)",
            )
    needed = {"data_dir": settings.data_dir, "journal.purges": purge_folder(settings)}
    if settings.secrecy.officer_certificate:
        needed["secrecy.quarantine"] = quarantine_folder(settings)
    for name, wanted in needed.items():
        there = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            yield Problem(name, "not-writable", f"{there} cannot be written to by this user")


def _tls(settings: Settings) -> Iterator[Problem]:
    for name in ("office_api", "operators"):
        listener = getattr(settings, name)
        if listener.certificate and listener.key:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(listener.certificate, listener.key)
            except OSError as exc:
                why = "do not fit together" if isinstance(exc, ssl.SSLError) else exc.strerror or "cannot be read"
                yield Problem(f"{name}.certificate", "unusable", f"{listener.certificate} and {listener.key}: {why}")


def _keys(settings: Settings, now: dt.datetime) -> Iterator[Problem]:
    if not settings.axis:
        return
    try:
        if settings.keys.is_dir():
            KeyRing.load(settings.keys).signing(now, dt.timedelta(hours=settings.times.expires_hours))
    except Misconfigured as exc:
        yield from exc.problems
    except NeedsOperator as exc:
        yield Problem("keys", exc.code, exc.message)
    try:
        trust = TrustStore.load(settings.trust)
    except Misconfigured as exc:
        yield from exc.problems
        return
    for index, axis in enumerate(settings.axis):
        signs = _signs(axis.driver)
        if not signs and axis.edxml_signature == "required":
            yield Problem(f"axis.{index}.edxml_signature", "cannot-be-required", CANNOT_BE_REQUIRED)
        if signs and settings.trust.is_dir() and not trust.certificates(axis.axis_system_id, now):
            yield Problem(
                f"axis.{index}.axis_system_id",
                "not-trusted",
                f"{settings.trust / axis.axis_system_id} holds no certificate that is valid now",
            )


def _own_name(settings: Settings) -> Iterator[Problem]:
    """Where `trust` knows our certificate, and by another name than the axis is to know us by."""
    try:
        trust, pairs = TrustStore.load(settings.trust), KeyRing.load(settings.keys).pairs
    except GatewayError:
        return  # told as a problem
    names = {owner.system_id for pair in pairs if (owner := trust.owner(pair.der))}
    for index, axis in enumerate(settings.axis):
        if names and axis.system_id not in names:
            known = ", ".join(sorted(names))
            message = f"{settings.trust} knows the certificate in {settings.keys} as {known}, not as {axis.system_id}"
            yield Problem(f"axis.{index}.system_id", "another-name", f"{message}: the axis may refuse what it signs")


def _authority(settings: Settings) -> Iterator[Problem]:
    """Without a certificate every answer of the time-stamping authority would be refused."""
    section = settings.timestamps
    if section.url is not None and not TrustList(section.trust, section.trust).known().anchors:
        yield Problem("timestamps.trust", "empty", f"{section.trust} holds no CA certificate, *.pem")
    for index, host in enumerate(settings.pdf.revocation_hosts):
        if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?", host):
            yield Problem(f"pdf.revocation_hosts.{index}", "not-host", "give a host, or host:port, and nothing else")


def _officer(settings: Settings, now: dt.datetime) -> Iterator[Problem]:
    """Whom suspected state secrets are encrypted to."""
    path = settings.secrecy.officer_certificate
    if path is None:
        return
    try:
        pem = path.read_bytes()
        Recipient.load(pem)
        ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except OSError as exc:
        yield Problem("secrecy.officer_certificate", "unreadable", f"{path}: {exc.strerror}")
    except ValueError:
        yield Problem("secrecy.officer_certificate", "unusable", f"{path} is not the PEM of an RSA certificate")
    else:
        if ends < now:
            yield Problem("secrecy.officer_certificate", OFFICER_ENDED, f"{path} ended on {ends:%Y-%m-%d}")


def _signs(driver: str) -> bool:
    """False where the driver says of its axis that it signs nothing; an unknown driver is told of elsewhere."""
    for point in entry_points(group="gateway.adapters.axis", name=driver):
        with contextlib.suppress(ImportError):
            return bool(getattr(inspect.getmodule(point.load()), "SIGNS", True))
    return True


def _adapters(settings: Settings) -> Iterator[Problem]:
    for index, axis in enumerate(settings.axis):
        yield from _adapter("axis", axis.driver, f"axis.{index}", "driver", axis.options)
    for index, office in enumerate(settings.office):
        if office.adapter != PULL:
            yield from _adapter("office", office.adapter, f"office.{index}", "adapter", office.options)
        elif office.options:
            yield Problem(f"office.{index}.options", "unknown-key", "an office that pulls takes no options")


def _adapter(kind: str, name: str, place: str, key: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=f"gateway.adapters.{kind}")}
    if name not in points:
        known = sorted([*points, PULL] if kind == "office" else points)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(known)}"
        yield Problem(f"{place}.{key}", "unknown", f"no adapter is called {name!r}; {hint}")
        return
    try:
        module = inspect.getmodule(points[name].load())
    except ImportError as exc:
        yield Problem(f"{place}.{key}", "not-importable", f"{points[name].value}: {type(exc).__name__}")
        return
    if examine_options := getattr(module, "check", None):
        for found in examine_options(options):
            yield Problem(f"{place}.options.{found.field}".removesuffix("."), found.code, found.message)
