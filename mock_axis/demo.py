"""`lienthong demo`: the main job shown on one command, with an axis that misbehaves, and the proof at the end.

A sample office sends really signed PDFs, some to two agencies and to another office of the same gateway; the agencies
send some back. Meanwhile the axis loses replies, answers 503 and Busy, and delivers twice, and the office loses
webhooks. What is counted at the end is what the axis and the offices really hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mock_axis import account, demo_changes, demo_evidence, demo_shown, pki
from mock_axis.account import Account
from mock_axis.office import Faults, SampleOffice
from mock_axis.office_client import NotTaken
from mock_axis.office_letters import letter
from mock_axis.pdf import SignedPdfs
from mock_axis.recount import looking_at
from mock_axis.scene import DEPARTMENT, DEPARTMENT_ORGAN, OFFICE, OFFICE_ORGAN, DidNotStart, Scene, command

FAULTS = (
    "reply-lost:SendDocument:0.2",
    "reply-lost:ConfirmReceived:0.15",
    "busy:SendDocument:0.1",
    "disk-full:*:0.08:status=503",
    "delivered-twice:Deliver:0.3",
    "broken-signature:GetDocument:0.1",
)
SETTINGS: dict[str, dict[str, Any]] = {"times": {"retry_first_seconds": 0.2, "block_seconds": 2.0}}
SECRETS: tuple[tuple[str, dict[str, str]], ...] = (("UBND-VP", {"secrecy": "Mật"}), ("M-UBND", {}))
"""(notation, the record's degree of secrecy): one that says so, and one whose notation does."""
PATIENCE_SECONDS = 240.0
SEED = 2019
SHOWN = 40


@dataclass(slots=True)
class Stage:
    """The scene with its two offices."""

    scene: Scene
    office: SampleOffice
    department: SampleOffice

    @property
    def offices(self) -> dict[str, SampleOffice]:
        return {OFFICE_ORGAN: self.office, DEPARTMENT_ORGAN: self.department}


def demo(
    documents: Annotated[int, typer.Option(min=1, help="How many documents the office sends.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where everything is kept; a temporary folder if not given.")
    ] = None,
) -> None:
    """Show the main job: documents there, documents back, proven, with an axis that misbehaves."""
    with contextlib.ExitStack() as stack:
        place = (folder or Path(tempfile.mkdtemp(prefix="lienthong-demo-"))).resolve()
        if folder is None:
            stack.callback(shutil.rmtree, place, ignore_errors=True)
        try:
            kept = asyncio.run(_demo(place, documents, as_json=as_json))
        except DidNotStart as exc:
            stack.pop_all()  # the folder stays: the log that is named lies in it
            typer.echo(f"lienthong: {exc}", err=True)
            kept = False
        if not kept:
            raise typer.Exit(1)


async def _demo(folder: Path, documents: int, *, as_json: bool) -> bool:
    console = Console(stderr=True)
    began = time.monotonic()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as bar:
        async with _set_up(folder, bar) as stage:
            pdf = await _exchange(stage, documents, bar)
            secrets = await _try_secrets(stage)
            made = await demo_changes.make(
                stage.office, stage.scene.control_url, documents, pdf, patience=PATIENCE_SECONDS
            )
            drawn = await _wait_for_all(stage, bar)
            changes = await demo_changes.completed(stage.office, stage.scene.control_url, made, PATIENCE_SECONDS)
            proven = await demo_evidence.verified(stage.scene, stage.office, patience=PATIENCE_SECONDS)
            result = await _result(stage, drawn, secrets, changes, made.whole, proven, time.monotonic() - began)
            journeys = await _journeys(stage)
            bar.stop()
            if as_json:
                print(json.dumps(result, ensure_ascii=False))
            else:
                demo_shown.show(Console(), result, journeys)
            if sys.stdout.isatty() and not as_json:
                await _stay(stage)
    return bool(result["kept"])


@contextlib.asynccontextmanager
async def _set_up(folder: Path, bar: Progress) -> AsyncIterator[Stage]:
    task = bar.add_task("Keys, mock axis, gateway, offices", total=4)
    scene = Scene(folder, faults=FAULTS, seed=SEED, settings=SETTINGS, axis_options={"section": {"poll_seconds": 0.3}})
    async with contextlib.AsyncExitStack() as stack:
        office = SampleOffice(
            folder / "office",
            gateway=scene.api_url,
            secrets=[scene.webhook_secret],
            faults=Faults(lose=0.1, lose_answer=0.1),
            seed=SEED,
        )
        scene.office_url = await office.start()
        stack.push_async_callback(office.close)
        await asyncio.to_thread(scene.lay_out)
        bar.advance(task)
        stack.push_async_callback(scene.stop)
        await scene.start_axis()
        bar.advance(task)
        await scene.start_gateway()
        bar.advance(task)
        office.client.key = await scene.new_key(OFFICE)
        department = SampleOffice(
            folder / "department", gateway=scene.api_url, key=await scene.new_key(DEPARTMENT), seed=SEED
        )
        await department.start()
        stack.push_async_callback(department.close)
        clerks = [
            asyncio.create_task(office.run(interval=0.1)),
            asyncio.create_task(department.run(pulls=True, interval=0.1)),
        ]
        bar.advance(task)
        try:
            yield Stage(scene, office, department)
        finally:
            for clerk in clerks:
                clerk.cancel()
            await asyncio.gather(*clerks, return_exceptions=True)


async def _exchange(stage: Stage, documents: int, bar: Progress) -> bytes:
    """The office sends `documents`, the agencies half as many. Another signed PDF, for what comes next."""
    pdfs = await asyncio.to_thread(lambda: SignedPdfs().pool(min(documents, 8), size=20_000))
    agencies = list(pki.AGENCIES)
    outgoing = bar.add_task("The office hands in signed documents", total=documents)
    incoming = bar.add_task("Agencies send documents", total=(documents + 1) // 2)

    async def hand_in(number: int) -> None:
        to = [agencies[number % 3], *([agencies[(number + 1) % 3], DEPARTMENT_ORGAN] if number % 4 == 0 else [])]
        record, files = letter(number, OFFICE_ORGAN, to, [pdfs.deal() for _ in range(1 + number % 2)], seed=SEED)
        await stage.office.send(f"demo-{number}", record, files)
        bar.advance(outgoing)

    async def write(number: int, session: aiohttp.ClientSession) -> None:
        form = aiohttp.FormData(quote_fields=False, charset="utf-8")
        told = {
            "to": [OFFICE_ORGAN],
            "subject": f"V/v thông báo kết luận cuộc họp số {number}",
            "number": f"{900 + number}",
        }
        form.add_field("letter", json.dumps(told), content_type="application/json")
        form.add_field("file", pdfs.deal(), filename=f"Thông báo {number}.pdf", content_type="application/pdf")
        async with session.post(f"{stage.scene.control_url}/agencies/{agencies[number % 3]}/send", data=form) as answer:
            answer.raise_for_status()
        bar.advance(incoming)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for number in range(1, documents + 1):
            group.create_task(hand_in(number))
            if number % 2:
                group.create_task(write(number, session))
            await asyncio.sleep(0.01)
    return pdfs.deal()


async def _try_secrets(stage: Stage) -> list[str]:
    """Hand in what must never travel; the DocumentIds that the door refused as state secrets."""
    refused = []
    for number, (notation, degree) in enumerate(SECRETS, 1):
        made, files = letter(8000 + number, OFFICE_ORGAN, [next(iter(pki.AGENCIES))], [b"%PDF-1.7 secret"], seed=SEED)
        record = {**made, "notation": notation, "document_id": f"{OFFICE_ORGAN},2026/03/01,{number}/{notation}"}
        try:
            await stage.office.client.submit(f"secret-{number}", {**record, **degree}, files)
        except NotTaken as error:
            if error.problem.get("type") == "urn:lienthong:problem:state-secret":
                refused.append(str(record["document_id"]))
    return refused


def _not_at_the_axis(folder: Path, document_ids: list[str]) -> list[str]:
    with looking_at(folder / "axis" / "axis.sqlite3") as axis:
        there = {row[0] for row in axis.execute("select document_id from messages")}
    return [each for each in document_ids if each not in there]


async def _wait_for_all(stage: Stage, bar: Progress) -> Account:
    """Until every document is where it belongs and every status is back, or patience ends."""
    drawn = await account.draw_up(stage.scene.folder, stage.offices)
    total = sum(drawn.out.values()) + sum(drawn.incoming.values())
    task = bar.add_task("Delivered, with receipt and status", total=total)
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        drawn = await account.draw_up(stage.scene.folder, stage.offices)
        bar.update(task, completed=total - len(drawn.lost))
        if not drawn.lost and await _settled(stage):
            break
        await asyncio.sleep(0.3)
    return drawn


async def _settled(stage: Stage) -> bool:
    status = json.loads(await stage.scene.run_command("status", "--json"))
    return all(line["state"] == "closed" for line in status["messages"])


async def _result(
    stage: Stage,
    drawn: Account,
    secrets: list[str],
    changes: tuple[int, int],
    asked: tuple[int, int],
    proven: Mapping[str, Any] | None,
    seconds: float,
) -> dict[str, Any]:
    recounted = await _recount(stage.scene.folder)
    verified = await _chain_holds(stage.scene)
    office = await stage.office.state()
    async with aiohttp.ClientSession() as session, session.get(f"{stage.scene.control_url}/faults") as answer:
        faults = {str(fault["rule"]): fault["struck"] for fault in (await answer.json())["faults"]}
    refused = _not_at_the_axis(stage.scene.folder, secrets)
    result = {
        "sent": sum(drawn.out.values()),
        "received": sum(drawn.incoming_here.values()),
        "lost": len(drawn.lost),
        "doubled": len(drawn.doubled),
        "statuses": sum(len(heard) for heard in office["statuses"].values()),
        "receipts_verified": recounted["verified"] + recounted["inside"],
        "receipts_bad": len(recounted["bad"]),
        "receipts_missing": len(recounted["missing"]),
        "recalls": changes[0],
        "updates": changes[1],
        "settled": await _settled(stage),
        "secrets_rejected": len(refused),
        "evidence_verified": int(proven is not None),
        "evidence": proven or {},
        "journal_verified": verified,
        "faults_struck": faults,
        "webhooks_lost": office["lost"],
        "seconds": round(seconds, 1),
    }
    bad = ("lost", "doubled", "receipts_bad", "receipts_missing")
    result["kept"] = (
        result["settled"]
        and verified
        and len(refused) == len(SECRETS)
        and changes == asked
        and proven is not None
        and not any(result[name] for name in bad)
    )
    return result


async def _recount(folder: Path) -> dict[str, Any]:
    """Every stored receipt verified again, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mock_axis.recount", str(folder), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    found: dict[str, Any] = json.loads(output)
    return found


async def _chain_holds(scene: Scene) -> bool:
    try:
        await scene.run_command("journal", "verify")
    except RuntimeError:
        return False
    return True


async def _journeys(stage: Stage) -> list[Mapping[str, Any]]:
    """Each handed-in document as the gateway tells it to its office."""
    found: list[Mapping[str, Any]] = []
    for sent in (await stage.office.store.submissions())[:SHOWN]:
        for message in (sent["answer"] or {}).get("messages", ()):
            found.append(await stage.office.client.document(message["message_id"]))  # noqa: PERF401 - one at a time
    return found


async def _stay(stage: Stage) -> None:
    scene = stage.scene
    lienthong = shlex.join(command())
    print(
        f"\nStill running; Ctrl-C ends it.\n"
        f"  office API      {scene.api_url}/v1/openapi.json\n"
        f"  metrics         {scene.operators_url}/metrics  (also /ready, /live)\n"
        f"  what the axis holds  {scene.control_url}/state\n"
        f"  commands        {lienthong} status --config {scene.config}\n"
        f"  an API key      {lienthong} keys add --office {OFFICE} --config {scene.config}"
    )
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
