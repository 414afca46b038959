"""The PDFs of one document, at the door and on the way in: examined in a worker, judged by each office's policy.

Only what its first bytes show to be a PDF is examined. The text layer is searched for markings of state secrets, whatever
an office's policy on signatures is, and forgotten: what is kept is codes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.edxml.sniff import PDF, sniff
from gateway.errors import Retryable
from gateway.evidence.pdfs import commitment
from gateway.model import Content, Problem
from gateway.ports import Contents, RevocationAnswers
from gateway.rules import secrets_in_text
from gateway.rules.signatures import Judgement, Policy, judge
from gateway.trust.pdf import PdfExaminer, PdfReport
from gateway.trust.pdf.examiner import WorkerBroken
from gateway.trust.pdf.report import as_detail

_HEAD = 1024
RETRY_SECONDS = 60.0
_UNREAD = {
    "none": "the PDF has no text layer: it was not searched for markings of state secrets",
    "partly": "the PDF could be searched for markings of state secrets only in part",
    "could-not-be-examined": "the PDF could not be searched for markings of state secrets",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What became known of a document's PDFs."""

    refused: tuple[Problem, ...] = ()
    """Where every office concerned would refuse it."""
    warned: tuple[Problem, ...] = ()
    suspected: tuple[Problem, ...] = ()
    """Markings of state secrets: the field, and the degree among the facts; never the words."""
    detail: tuple[Mapping[str, Any], ...] = ()
    """Per PDF, for people: `field` and its report, without its text."""
    at: dt.datetime | None = None
    """When they were judged."""
    salt: str = field(default_factory=lambda: secrets.token_hex(16), compare=False)

    @property
    def told(self) -> tuple[Problem, ...]:
        return (*self.warned, *self.suspected)

    @property
    def more(self) -> dict[str, object]:
        """For the message's erasable detail."""
        if self.at is None or not self.detail:
            return {}
        return {"pdfs": list(self.detail), "pdfs_at": self.at.isoformat(), "pdfs_salt": self.salt}

    @property
    def facts(self) -> dict[str, str]:
        """For a journal entry, which stays for ever: verdicts, and what ties the erasable reports to it."""
        if self.at is None or not self.detail:
            return {}
        verdicts = " ".join(str(each["verdict"]) for each in self.detail)
        return {"pdfs": verdicts, "pdf_reports": commitment(self.detail, self.at, self.salt)}


@dataclass(frozen=True, slots=True)
class Revocation:
    """Whom to ask about revocation."""

    source: RevocationAnswers
    demanded: bool
    """Whether a signature confirms nothing without an answer."""


class Pdfs:
    def __init__(
        self,
        contents: Contents,
        examiner: PdfExaminer,
        policies: Mapping[str, Policy],
        now: Callable[[], dt.datetime],
        patterns: Sequence[secrets_in_text.Pattern] = secrets_in_text.DEFAULT,
        revocation: Revocation | None = None,
    ) -> None:
        self._contents = contents
        self._examiner = examiner
        self._policies = policies
        self._now = now
        self._patterns = patterns
        self._revocation = revocation

    async def look(self, attachments: Iterable[Content | None], offices: Iterable[str]) -> Looked:
        """At all of them, for the offices concerned: the one that sends, or those that receive.

        Raises `Retryable` where no worker can be started, or where what an office requires hangs on a revocation answer
        that cannot be had now; neither is the fault of whoever sent it.
        """
        policies = [policy for name in offices if (policy := self._policies.get(name, Policy())).mode != "off"]
        if not policies and not self._patterns:
            return Looked()
        held = [(f"attachments[{index}]", content) for index, content in enumerate(attachments) if content]
        pdfs = [(field, content) for field, content in held if await self._is_pdf(content)]
        try:
            required = any(policy.mode == "require" for policy in policies)
            reports = await asyncio.gather(*(self._examined(content, required=required) for _, content in pdfs))
        except WorkerBroken as error:  # our fault, not the document's: no verdict on it
            raise Retryable(error.code, "PDFs cannot be examined at the moment", after=RETRY_SECONDS) from error
        found = [(field, report) for (field, _), report in zip(pdfs, reports, strict=True)]
        judgements = [judge(policy, found) for policy in policies]
        return Looked(
            *_told(judgements, _unread(found)),
            suspected=tuple(await asyncio.to_thread(self._suspected, found)) if found else (),
            # Where no office concerned wants to know of signatures, nothing is told of them.
            detail=tuple({"field": field, **as_detail(report)} for field, report in found) if policies else (),
            at=self._now() if policies else None,
        )

    async def _examined(self, content: Content, *, required: bool) -> PdfReport:
        """With what can be learnt of revocation: first what is small, then what is left."""
        report, files, failed = await self._examine(content), dict[Path, None](), False
        for second in (False, True):
            asks = [each for each in report.asks if each.second is second]
            if self._revocation is None or not asks:
                continue
            found = await self._revocation.source.answers(asks)
            failed = failed or found.failed
            if not found.files:
                continue
            files.update(dict.fromkeys(found.files))
            again = await self._examine(content, tuple(files))
            if not again.signatures:
                break  # it was too much with the answers: then without
            report = replace(again, answers=tuple(each.name for each in files))
            self._revocation.source.useless([each for each in report.asks if each in asks])
        if failed and report.asks and required and self._revocation and self._revocation.demanded:
            raise Retryable("revocation-unreachable", "revocation cannot be asked about now", after=RETRY_SECONDS)
        return report

    async def _examine(self, content: Content, answers: Sequence[Path] = ()) -> PdfReport:
        return await self._examiner.examine(self._contents.open(content), now=self._now(), text=True, answers=answers)

    async def _is_pdf(self, content: Content) -> bool:
        head = bytearray()
        async for chunk in self._contents.open(content, 0, min(_HEAD, content.size)):
            head += chunk
        return sniff(bytes(head)) == PDF

    def _suspected(self, found: Sequence[tuple[str, PdfReport]]) -> list[Problem]:
        return [
            problem
            for field, report in found
            if report.text
            for problem in secrets_in_text.problems(field, secrets_in_text.search(report.text.content, self._patterns))
        ]


def _told(
    judgements: Sequence[Judgement], unread: Sequence[Problem]
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Refused where all refuse; else everything is told once."""
    said = {(each.field, each.code): each for one in judgements for each in (*one.refused, *one.warned)}
    if judgements and all(one.refused for one in judgements):
        refused = {(each.field, each.code): each for one in judgements for each in one.refused}
        rest = [each for key, each in said.items() if key not in refused]
        return tuple(refused.values()), (*rest, *unread)
    return (), (*said.values(), *unread)


def _unread(found: Sequence[tuple[str, PdfReport]]) -> list[Problem]:
    return [
        Problem(field, "pdf-text-not-examined", _UNREAD[report.text.verdict])
        for field, report in found
        if report.text and report.text.verdict in _UNREAD
    ]
