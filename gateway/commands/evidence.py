"""`lienthong evidence`: everything about one message in one file, and what such a file proves, with no server."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import made_purging, time_stamping_authority, utc_now
from gateway.commands.evidence_export import Exported
from gateway.commands.evidence_export import export as gather
from gateway.config import Settings, load
from gateway.errors import GatewayError, Misconfigured
from gateway.evidence import bundle, words
from gateway.evidence.bundle import Unreadable
from gateway.evidence.facts import Manifest
from gateway.evidence.verifier import Report
from gateway.evidence.verifier import verify as examine
from gateway.journal import Journal
from gateway.journal.contents import DiskContents
from gateway.model import Problem
from gateway.trust.keys import TrustStore
from gateway.trust.pdf.trust_list import Known, TrustList

app = typer.Typer(no_args_is_help=True, help="Prove what became of a message.")


class Language(StrEnum):
    VI = "vi"
    EN = "en"


@app.command()
def export(
    message_id: Annotated[str, typer.Argument(help="The message id.")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; MESSAGE_ID.zip when left out.")] = None,
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = Path("lienthong.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Write one zip: the bytes, receipts, statuses, certificates, journal entries with their proofs, a summary."""
    target = out or Path(f"{message_id}.zip")
    made = asyncio.run(_export(message_id, target, load(config)))
    report, stamp = made.report, made.timestamp
    if as_json:
        print(json.dumps({"file": str(target), "delivery": report.delivery, "grade": report.grade, "timestamp": stamp}))
    else:
        print(f"{target}: delivery {report.delivery}, {report.grade}, timestamp {stamp}")


async def _export(message_id: str, out: Path, settings: Settings) -> Exported:
    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        raise GatewayError("no-journal", f"{path} does not exist: has the gateway run with this configuration?")
    async with AsyncExitStack() as stack:
        journal = await Journal.open(path, now=utc_now)
        stack.push_async_callback(journal.close)
        contents = DiskContents(settings.data_dir / "contents")
        stack.push_async_callback(contents.close)
        await made_purging(settings, journal, contents).replay()  # a restored backup may hold what was purged
        authority = time_stamping_authority(settings, utc_now)
        return await gather(message_id, out, settings, journal, contents, authority, utc_now())


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An evidence bundle.")],
    trust: Annotated[
        Path | None, typer.Option("--trust", help="Trust roots: `<system id>/*.pem`; without them nobody is known.")
    ] = None,
    timestamp_trust: Annotated[
        Path | None,
        typer.Option(help="CA certificates of time-stamping authorities, `*.pem`; lists of revoked ones, `*.crl`."),
    ] = None,
    pdf_trust: Annotated[
        Path | None, typer.Option(help="CA certificates of PDF signers, `*.pem`: examine the PDFs again.")
    ] = None,
    language: Annotated[Language, typer.Option(help="Language of the answer.")] = Language.VI,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say of each claim: proven, not proven, or false.

    Exit 0: nothing is false, and the delivery is proven; 1: something is false or the delivery is not proven; 2: unreadable.
    """
    missing = [
        Problem(option, "missing", f"{folder} is not a folder")
        for option, folder in (("--trust", trust), ("--timestamp-trust", timestamp_trust), ("--pdf-trust", pdf_trust))
        if folder is not None and not folder.is_dir()
    ]
    if missing:
        raise Misconfigured(missing)
    store = TrustStore.load(trust) if trust else None
    authorities = TrustList(timestamp_trust, timestamp_trust).known() if timestamp_trust else Known()
    try:
        with bundle.opened(file) as opened:
            manifest, report = opened.manifest, examine(opened, store, authorities, pdf_trust)
    except Unreadable as error:
        why = error.message if language is Language.EN else words.UNREADABLE.get(error.code, error.message)
        print(f"{file}: {why} [{error.code}]", file=sys.stderr)
        raise typer.Exit(2) from None
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(_as_json(file, manifest, report), ensure_ascii=False))
    else:
        print("\n".join(_lines(file, manifest, report, language)))
    if not report.holds:
        raise typer.Exit(1)


def _as_json(file: Path, manifest: Manifest, report: Report) -> dict[str, object]:
    return {
        "file": str(file),
        "message_id": manifest.about.message_id,
        "verified": report.holds,
        "delivery": report.delivery,
        "grade": report.grade,
        "purged": manifest.about.purged,
        "claims": [
            {
                "claim": claim.name,
                "verdict": claim.verdict,
                "reason": claim.reason or None,
                "signer": claim.signer,
                "detail": claim.detail or None,
            }
            for claim in report.claims
        ],
    }


def _lines(file: Path, manifest: Manifest, report: Report, language: Language) -> list[str]:
    vi = language is Language.VI
    lines = [f"{file}: {'gói tin' if vi else 'message'} {manifest.about.message_id}"]
    for claim in report.claims:
        title, _, part = claim.name.partition(":")
        what = words.pick(words.CLAIMS, title, language) + (f" ({part})" if part else "")
        line = f"{words.pick(words.VERDICTS, claim.verdict, language):15} {what}"
        if claim.reason:
            line += f": {words.pick(words.REASONS, claim.reason, language)}"
        if claim.verdict != "proven" and claim.detail:
            line += f" [{claim.detail}]"
        if claim.signer:
            line += f"; {'người ký' if vi else 'signed by'} {claim.signer}"
        lines.append(line)
    delivery = words.pick(words.VERDICTS, report.delivery, language)
    grade = words.pick(words.GRADES, report.grade, language)
    lines.append(
        f"{delivery:15} {'Việc giao nhận; mức chứng cứ' if vi else 'The delivery; grade of the proof'}: {grade}"
    )
    # Names come from the file: none may steer the terminal.
    return ["".join(char if char.isprintable() else "?" for char in line) for line in lines]
