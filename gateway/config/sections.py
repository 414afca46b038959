"""The sections of the file, their keys, and under each key what it means: `docs/reference/configuration.md` is made of it.

A section checks the form of its own values; what they say together is judged in `contradictions`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

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
    """Between two looks at what waits for us, at most: after something came it looks again soon, then ever less often."""
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
    unwrap_zips: bool = True
    """Whether it gets the one file in a zip that some products wrap around an attachment, instead of that zip."""
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
    unwrap_zips: bool = True
    """Whether it gets the one file in a zip that some products wrap around an attachment, instead of that zip."""
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
    """For its answer, once it has all of an attachment, and for each piece on the way. In all an attachment has twice
    this, and a second more for each MiB."""
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

    @property
    def as_they_came(self) -> frozenset[str]:
        """Offices that want a zip around one file as it is."""
        return frozenset(office.name for office in self.office if not office.unwrap_zips)

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


def purge_folder(settings: Settings) -> Path:
    return settings.journal.purges or _beside(settings.data_dir, "purges")


def quarantine_folder(settings: Settings) -> Path:
    return settings.secrecy.quarantine or _beside(settings.data_dir, "quarantine")


def _beside(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}-{name}")
