"""The configuration: one TOML file, overridden by `LIENTHONG_…` environment variables.

Paths are relative to the file; paths in adapter options must be absolute. Unknown keys are refused by name; all problems are reported at once
(`Misconfigured`). Adapter options stay a plain table here and are checked by the adapter itself, which alone knows
them. Secrets are never values: an option names a file or an environment variable.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from gateway.errors import Misconfigured
from gateway.model import LOCAL_AXIS, Problem
from gateway.salvage import salvage

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
OrganCode = Annotated[str, Field(pattern=r"^[0-9A-Za-z]+(\.[0-9A-Za-z]+)*$", max_length=35)]
Seconds = Annotated[float, Field(gt=0, le=366 * 86_400)]
Hours = Annotated[float, Field(gt=0, le=10 * 366 * 24)]

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

CANNOT_BE_REQUIRED = "this axis writes every file anew, and no signature survives: say if-present-report or ignore"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listener(_Section):
    host: str = "127.0.0.1"
    """Where to listen; off loopback only with TLS."""
    port: int = Field(default=0, ge=0, le=65535)
    """0: any free one, told in the log."""
    certificate: Path | None = None
    """PEM of the TLS certificate with its chain."""
    key: Path | None = None
    """PEM of its key."""
    behind_tls_proxy: bool = False
    """Plain HTTP off loopback is refused unless a proxy in front speaks TLS."""


class FileLimits(_Section):
    """What this axis, or this office, takes less of than `[limits]` allows. What is left out has no limit of its own."""

    attachment_bytes: int | None = Field(default=None, gt=0, le=TIB)
    """Of one attachment, e.g. 52428800 for the 50 MB of many a province's rules."""
    submission_bytes: int | None = Field(default=None, gt=0, le=TIB)
    """Of all attachments of one document."""
    edxml_bytes: int | None = Field(default=None, gt=0, le=TIB)
    """Of the edXML file, in which attachments take a third more: estimated at the door, a little too high."""
    attachments: int | None = Field(default=None, gt=0)
    """In one document."""
    name_length: int | None = Field(default=None, gt=0)
    """Characters of an attachment's name."""
    name_characters: Literal["any", "plain"] = "any"
    """`plain`: letters and digits without marks, spaces and `.-_()` in an attachment's name."""


class AxisSection(_Section):
    name: Name
    """What routes, logs and metrics call it."""
    driver: str
    """Name of an installed axis driver: `soap`, `vxp`."""
    system_id: str
    """Ours, on that axis."""
    axis_system_id: str
    """Theirs: whose receipts and replies count."""
    poll_seconds: Seconds = 5.0
    """Between two looks at what waits for us."""
    edxml_signature: Literal["required", "if-present-report", "ignore"] = "required"
    """What to demand of the signature inside a document: `if-present-report` never rejects, it tells."""
    edxml_form: Literal["qcvn102", "e-doc"] = "qcvn102"
    """What we write for it: today's form, or the older one of e-doc.vn, which bears no signature. Both are read."""
    fetch_attempts: int = Field(default=10, ge=1)
    """After so many failed fetches of one item it is held."""
    start_at: AwareDatetime | None = None
    """Taking over from another gateway: items that the axis took before this time, with its zone, are shown as held
    (`before-start`), and fetched and confirmed only when an operator releases them."""
    directory: Literal["enforce", "warn", "off"] = "warn"
    """Receivers that the axis's organ directory does not list, or lists as closed: refuse them, warn of them, or do not
    copy the directory at all. Nothing is judged before it was copied the first time."""
    limits: FileLimits = FileLimits()
    options: Mapping[str, Any] = Field(default_factory=dict)
    """As the driver wants them, see below."""


class OfficeSection(_Section):
    name: Name
    """What keys, logs and metrics call it."""
    adapter: str
    """`webhook`, `folder`, `database`, or `pull` for an office that cannot listen."""
    organs: tuple[OrganCode, ...] = Field(min_length=1)
    """Codes of the organs it owns; each belongs to one office."""
    language: Literal["vi", "en"] = "vi"
    """Of what it is told."""
    pdf_signatures: Literal["require", "warn", "off"] = "warn"
    """What it asks of signatures in PDFs, sent and received: `require` a person's and then the organisation's, `warn` of
    what is missing, or `off`: do not look."""
    limits: FileLimits = FileLimits()
    options: Mapping[str, Any] = Field(default_factory=dict)
    """As the adapter wants them, see below."""


class RouteSection(_Section):
    """Organ code or prefix → axis. Organs of our own offices need no route."""

    organ: str
    """A code, or a pattern with one leading `*` (`*.G22`) or trailing `*` (`H08.*`), or `*` alone."""
    axis: Name
    """The axis that takes it."""
    from_: dt.date | None = Field(default=None, alias="from")
    """First day it holds, in Asia/Ho_Chi_Minh."""
    until: dt.date | None = None
    """Last day."""
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Limits(_Section):
    attachment_bytes: int = Field(default=512 * MIB, gt=0, le=TIB)
    """Of one attachment."""
    submission_bytes: int = Field(default=GIB, gt=0, le=TIB)
    """Of all attachments of one submission."""
    edxml_bytes: int = Field(default=GIB, gt=0, le=TIB)
    """Of one edXML file, ready-made or fetched."""
    record_bytes: int = Field(default=MIB, gt=0, le=TIB)
    """The JSON part."""
    attachments: int = Field(default=200, gt=0)
    """In one document."""
    disk_reserve_bytes: int = Field(default=512 * MIB, ge=0, le=1024 * TIB)
    """Below this much free space the door answers 503 and fetching pauses."""
    uploads_at_once: int = Field(default=64, gt=0)
    """At once, by one API key; a further one is told to come back later."""
    requests_per_second: float = Field(default=500, gt=0, le=1_000_000)
    """By one API key, for as long as it likes; more are told to come back later."""
    requests_burst: int = Field(default=1000, gt=0, le=1_000_000)
    """So many at once, after a pause."""


class Times(_Section):
    expires_hours: Hours = 72
    """How long a message may wait for its receipt."""
    chase_hours: Hours = 24
    """How long after `sent` a document may stay unanswered before it is closed as unanswered."""
    recall_hours: Hours = 72
    """How long an organ may leave a recall unanswered before its sender is told so; the law sets no time."""
    lease_seconds: Seconds = 120.0
    """How long claimed work is ours; after a crash it is taken up again after this time."""
    longest_call_seconds: Seconds = 90.0
    """No call to an axis lasts longer without a sign of life; less than the lease."""
    retry_first_seconds: Seconds = 1.0
    """First pause after a failure of a partner."""
    retry_longest_seconds: Seconds = 900.0
    """Pauses double up to this."""
    block_seconds: Seconds = 60.0
    """Between two signed blocks of the journal."""


class WorkingTimeSection(_Section):
    """Vietnam's calendar is built in, Tết included; the year's own decisions go here."""

    days_off: tuple[dt.date, ...] = ()
    """Further days off, e.g. those swapped for a working Saturday."""
    working_days: tuple[dt.date, ...] = ()
    """Days worked although the calendar says otherwise, e.g. a swapped Saturday."""
    morning_ends: dt.time = dt.time(11, 30)
    """Until when the next working morning lasts, in Vietnam."""
    urgent_minutes: float = Field(default=5, gt=0)
    """An urgent document unconfirmed by the axis for so long is told to its office."""


class Runner(_Section):
    claim: int = Field(default=32, ge=1, le=1000)
    """Messages claimed at once."""
    in_flight: int = Field(default=32, ge=1, le=1000)
    """Stages running at once."""
    idle_seconds: Seconds = 0.5
    """Between two looks for work when nothing announced any."""
    ask_before_repeating: bool = True
    """Only a test of what asking is good for turns this off."""


class PdfSection(_Section):
    """How the signatures in PDFs are checked."""

    trust: Path = Path("pdf-trust")
    """CA certificates they may lead to, `*.pem`; each is an anchor. Empty: no signer is known."""
    revocation_answers: Path | None = None
    """Folder of revocation lists and OCSP answers at hand, `*.crl` and `*.ocsp`."""
    revocation_hosts: tuple[str, ...] = ()
    """Hosts that may be asked where certificates of trusted issuers name them, `host` or `host:port`; no others ever."""
    revocation: Literal["soft", "hard", "off"] = "soft"
    """Where no answer is at hand: `soft` says so, `hard` confirms nothing."""
    unexamined: Literal["refuse", "warn"] = "refuse"
    """What becomes of a PDF that could not be examined, for an office that requires signatures."""
    workers: int = Field(default=2, ge=1, le=64)
    """Processes that examine PDFs; they start with the first one."""


class AntivirusSection(_Section):
    """A virus scanner that looks at every attachment, sent and received: clamd. None when `clamd` is left out."""

    clamd: str | None = None
    """Where it listens: `/run/clamav/clamd.ctl`, or `127.0.0.1:3310`. What is sent there is neither encrypted nor signed,
    so it must be on this machine."""
    largest_bytes: int = Field(default=100 * MIB, gt=0, le=TIB)
    """Larger attachments are not shown to it: no more than its own StreamMaxLength, MaxFileSize and MaxScanSize."""
    unreachable: Literal["hold", "pass"] = "hold"
    """When it cannot be asked: `hold` has offices come again (503) and holds what was received after `attempts`; `pass`
    lets both go on, with a warning."""
    unexamined: Literal["hold", "pass"] = "pass"
    """What it cannot examine, too large or sealed by a password: hold it for an operator, or let it go on with a warning."""
    attempts: int = Field(default=10, ge=1, le=1000)
    """So many tries for what was received, further and further apart, before `unreachable` decides."""
    timeout_seconds: Seconds = 60.0
    """For its answer, once it has all of an attachment, and for each piece on the way."""
    at_once: int = Field(default=4, ge=1, le=256)
    """Connections to it; fewer than its MaxThreads."""

    @property
    def address(self) -> Path | tuple[str, int]:
        """A Unix socket, or host and port. Raises `ValueError`."""
        assert self.clamd is not None
        if self.clamd.startswith("/"):
            return Path(self.clamd)
        parts = urlsplit(f"//{self.clamd}")
        if not parts.hostname or not parts.port or parts.netloc != self.clamd or "@" in parts.netloc:
            raise ValueError("not-an-address")
        return parts.hostname, parts.port


class JournalSection(_Section):
    heads: Path | None = None
    """Folder of the journal's daily heads, best on another disk or a WORM share; `heads` in `data_dir` when left out."""
    purges: Path | None = None
    """Folder of the purge ledger, which a restored backup of `data_dir` is held against: keep it outside, and never
    restore it with the rest. `data_dir` with `-purges` added when left out."""


class SecrecyPattern(_Section):
    """A marking of state secrets to look for in subject, notation and the text of PDFs."""

    code: str = Field(pattern=r"^[a-z][a-z-]{0,39}$")
    """What a finding calls it; the words that matched are never shown."""
    degree: Literal["mat", "toi-mat", "tuyet-mat"]
    """Mật, tối mật, tuyệt mật."""
    expression: str = Field(max_length=1000)
    """A regular expression; say `{0,12}`, never `*`: the text it searches is a stranger's."""
    where: Literal["line", "text"] = "line"
    """`line`: all of a line, without its spaces and frame; `text`: anywhere."""
    plain: bool = False
    """Compare without diacritics and capitals."""

    @field_validator("expression")
    @classmethod
    def _compiles(cls, expression: str) -> str:
        try:
            re.compile(expression)
        except re.error as exc:
            raise ValueError(f"not a regular expression: {exc}") from None
        return expression


class SecrecySection(_Section):
    """State secrets never travel: what is looked for, and what becomes of what looks like one."""

    builtin_patterns: bool = True
    """Look for the markings of the law's three degrees, and for notations marked mật."""
    pattern: tuple[SecrecyPattern, ...] = ()
    """Further ones; or, without the built-in ones, all."""
    officer_certificate: Path | None = None
    """PEM of the security officer's RSA certificate: suspects that come in are encrypted to it. Without one they are
    held in the ordinary store, and shown to nobody."""
    quarantine: Path | None = None
    """Folder of what was encrypted to the officer; outside `data_dir`, and out of its backup. `data_dir` with
    `-quarantine` added when left out."""
    release_by: Literal["logins", "names"] = "logins"
    """What must differ between the two persons who release a suspect: their logins on this machine, or, where all
    commands run under one account, the names they give."""


class TimestampsSection(_Section):
    """A time-stamping authority (RFC 3161): it vouches for when the journal's heads and evidence existed."""

    url: str | None = None
    """Where it answers; https, or plain http on loopback. None is asked when left out."""
    trust: Path = Path("timestamp-trust")
    """CA certificates it may lead to, `*.pem`, and revocation lists, `*.crl`."""
    digest: Literal["sha256", "sha384", "sha512"] = "sha256"
    """What it stamps."""
    timeout_seconds: Seconds = 10.0
    """For one answer."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="LIENTHONG_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Path("data")
    """The journal and the contents; on a local disk that keeps what it says it has written."""
    node: Name = "node-1"
    """This process, among several on one journal."""
    language: Literal["vi", "en"] = "vi"
    """Of what people read where no office's language is known."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Bodies, keys and subjects are in no log at any level."""
    keys: Path = Path("keys")
    """Our key pairs, `NAME.key.pem` beside `NAME.crt.pem`; several may be valid at once."""
    trust: Path = Path("trust")
    """Parties we trust: `<system id>/*.pem`, `organs.txt` for whom each may speak, `*.crl.pem` for what was revoked."""
    office_api: Listener = Listener(port=8080)
    operators: Listener = Listener(port=8081)
    limits: Limits = Limits()
    times: Times = Times()
    runner: Runner = Runner()
    working_time: WorkingTimeSection = WorkingTimeSection()
    pdf: PdfSection = PdfSection()
    antivirus: AntivirusSection = AntivirusSection()
    journal: JournalSection = JournalSection()
    secrecy: SecrecySection = SecrecySection()
    timestamps: TimestampsSection = TimestampsSection()
    axis: tuple[AxisSection, ...] = ()
    office: tuple[OfficeSection, ...] = ()
    route: tuple[RouteSection, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)


def load(path: Path) -> Settings:
    """Read and check the file at `path`. Raises `Misconfigured` with every problem found."""
    settings, problems = examine(path)
    if problems or settings is None:
        raise Misconfigured(problems)
    return settings


def examine(path: Path) -> tuple[Settings | None, list[Problem]]:
    """Every problem of the file, and what it says apart from them; None where it cannot be read as TOML at all."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        return None, [Problem(str(path), "unreadable", exc.strerror or "cannot be read")]
    except RecursionError:
        return None, [Problem(str(path), "not-toml", "nests too deep")]
    except ValueError as exc:  # TOML's own, another encoding than UTF-8, or a number of thousands of digits
        return None, [Problem(str(path), "not-toml", str(exc))]
    problems: list[Problem] = []
    try:
        settings = Settings(**table)
    except SettingsError as exc:
        return None, [Problem("environment", "unreadable", str(exc))]
    except ValidationError as exc:
        problems, whole = _problems(exc), copy.deepcopy(table)
        for error in exc.errors(include_input=False, include_url=False):
            _prune(table, error["loc"])
        # Without its faulty values the rest can still be examined, and everything be told at once.
        try:
            settings = Settings(**table)
        except ValidationError:
            settings = salvage(Settings, whole)
    told = {problem.field for problem in problems}
    contradictions = [found for found in _contradictions(settings) if found.field not in told]
    return _rooted(settings, path.resolve().parent), problems + contradictions


def _prune(table: Any, place: tuple[int | str, ...]) -> None:
    for part in place[:-1]:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(table, dict):
        table.pop(place[-1], None)


def _problems(exc: ValidationError) -> list[Problem]:
    # The input is left out: a misplaced secret must not be printed back.
    problems = []
    for error in exc.errors(include_input=False, include_url=False):
        place, code, message = error["loc"], error["type"].replace("_", "-"), error["msg"]
        if error["type"] == "extra_forbidden":
            code, message = "unknown-key", "no such key"
            if near := difflib.get_close_matches(str(place[-1]), _known(place[:-1]), n=1):
                message += f"; did you mean {near[0]!r}?"
        problems.append(Problem(".".join(map(str, place)), code, message))
    return problems


def _known(place: tuple[int | str, ...]) -> list[str]:
    """The keys that exist in the section at `place`."""
    section: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = next(kind for kind in (*get_args(annotation), annotation) if isinstance(kind, type))
    return [field.alias or name for name, field in section.model_fields.items()]


def _contradictions(settings: Settings) -> list[Problem]:
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


def purge_folder(settings: Settings) -> Path:
    return settings.journal.purges or _beside(settings.data_dir, "purges")


def quarantine_folder(settings: Settings) -> Path:
    return settings.secrecy.quarantine or _beside(settings.data_dir, "quarantine")


def _beside(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}-{name}")


def _rooted(settings: Settings, root: Path) -> Settings:
    def rooted(listener: Listener) -> Listener:
        return listener.model_copy(
            update={name: root / value for name in ("certificate", "key") if (value := getattr(listener, name))}
        )

    return settings.model_copy(
        update={
            "data_dir": root / settings.data_dir,
            "keys": root / settings.keys,
            "trust": root / settings.trust,
            "pdf": settings.pdf.model_copy(
                update={
                    name: root / value
                    for name in ("trust", "revocation_answers")
                    if (value := getattr(settings.pdf, name))
                }
            ),
            "journal": settings.journal.model_copy(
                update={
                    "heads": root / (settings.journal.heads or settings.data_dir / "heads"),
                    "purges": root / purge_folder(settings),
                }
            ),
            "secrecy": settings.secrecy.model_copy(
                update={
                    "officer_certificate": (given := settings.secrecy.officer_certificate) and root / given,
                    "quarantine": root / quarantine_folder(settings),
                }
            ),
            "timestamps": settings.timestamps.model_copy(update={"trust": root / settings.timestamps.trust}),
            "office_api": rooted(settings.office_api),
            "operators": rooted(settings.operators),
        }
    )
