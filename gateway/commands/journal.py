"""`lienthong journal`: whether the journal still says what it said when it was written, and its heads outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from rich.console import Console

from gateway.app import made_purging, utc_now, written_heads
from gateway.config import Settings, load, purge_folder
from gateway.errors import GatewayError
from gateway.journal import DiskContents, Fault, HeadFolder, Journal, LedgerFault, VerifyReport
from gateway.journal.heads import CheckStamp, Head, HeadFault, HeadsReport
from gateway.trust import timestamps
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyRing, Keys
from gateway.trust.pdf.trust_list import TrustList

app = typer.Typer(no_args_is_help=True, help="Look after the journal.")

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@dataclass(frozen=True, slots=True)
class _Report:
    journal: VerifyReport
    heads: HeadsReport
    stamps_checked: bool
    """Timestamps were looked at."""

    @property
    def intact(self) -> bool:
        return self.journal.intact and not self.heads.faults


@app.command()
def verify(
    config: Config = Path("lienthong.toml"),
    certificate: Annotated[
        list[Path] | None,
        typer.Option(help="A retired certificate of ours that signed blocks or heads; may be repeated."),
    ] = None,
    heads: Annotated[
        Path | None,
        typer.Option(help="Folder of the heads; the configured one when left out, e.g. a copy kept elsewhere."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every hash chain, every signed block, and the blocks against the heads kept outside the database.

    Exit 1 when anything was changed, removed, cut off or forged.
    """
    settings = load(config)
    signers = [pair.certificate for pair in KeyRing.load(settings.keys).pairs]
    signers += [x509.load_pem_x509_certificate(each.read_bytes()) for each in certificate or []]
    folder = heads or settings.journal.heads or settings.data_dir / "heads"
    report = asyncio.run(_verified(settings, signers, folder))
    if as_json:
        print(json.dumps(_plain(report), ensure_ascii=False))
    else:
        _tell(report, folder)
    if not report.intact:
        raise typer.Exit(1)


@app.command()
def head(config: Config = Path("lienthong.toml"), as_json: AsJson = False) -> None:
    """Write a head of the journal now, and have it stamped where a time-stamping authority is configured.

    Exit 1 where none could be written, or the authority gave no timestamp: the gateway asks again for its newest head.
    """
    settings = load(config)
    written, timestamp = asyncio.run(_written(settings))
    file = str((settings.journal.heads or settings.data_dir / "heads") / written.file)
    if as_json:
        print(json.dumps({"file": file, "block": written.position.block, "entries": written.position.entries, "timestamp": timestamp}))  # fmt: skip
    else:
        print(f"{file}: block {written.position.block}, timestamp {timestamp}")
    if timestamp not in {"stamped", "not-configured"}:
        raise typer.Exit(1)


@app.command("replay-purges")
def replay_purges(config: Config = Path("lienthong.toml"), as_json: AsJson = False) -> None:
    """Purge again what a restored backup brought back, by the ledger. The gateway does it itself before it serves.

    Exit 1 where the ledger is damaged: what its missing lines named may be back.
    """
    settings = load(config)
    again, faults = asyncio.run(_replayed(settings))
    if as_json:
        told = [{"file": fault.file, "what": fault.what} for fault in faults]
        print(json.dumps({"purged_again": again, "faults": told}))
    else:
        for fault in faults:
            print(f"{purge_folder(settings) / fault.file}: {fault.what}")
        print(f"{again} messages purged again, {len(faults)} faults in the ledger")
    if faults:
        raise typer.Exit(1)


async def _replayed(settings: Settings) -> tuple[int, Sequence[LedgerFault]]:
    async with _opened(settings) as journal:
        contents = DiskContents(settings.data_dir / "contents")
        try:
            return await made_purging(settings, journal, contents).replay()
        finally:
            await contents.close()


def signed_by(signers: list[x509.Certificate], signed: bytes, signature: bytes) -> bool:
    """Whether one of the certificates made this signature (RSA PKCS #1 v1.5, SHA-256)."""
    for certificate in signers:
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            continue
        try:
            key.verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return True
    return False


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Journal]:
    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        raise GatewayError("no-journal", f"{path} does not exist: has the gateway run with this configuration?")
    journal = await Journal.open(path, now=utc_now)
    try:
        yield journal
    finally:
        await journal.close()


async def _verified(settings: Settings, signers: list[x509.Certificate], folder: Path) -> _Report:
    check_stamp = _stamps(settings)

    def check(signed: bytes, signature: bytes) -> bool:
        return signed_by(signers, signed, signature)

    async with _opened(settings) as journal:
        # Heads first: what is written meanwhile lies behind them.
        found = await asyncio.to_thread(HeadFolder(folder).examine, check, check_stamp)
        return _Report(await journal.blocks.verify(check, found.heads), found, check_stamp is not None)


def _stamps(settings: Settings) -> CheckStamp | None:
    known = TrustList(settings.timestamps.trust, settings.timestamps.trust).known()
    if not known.anchors:
        return None

    def check(token: bytes, data: bytes) -> str:
        try:
            timestamps.checked(token, data, known, utc_now())
        except SignatureInvalid as error:
            return error.code
        return ""

    return check


async def _written(settings: Settings) -> tuple[Head, str]:
    async with _opened(settings) as journal:
        keys = Keys(settings.keys, settings.trust)
        await journal.blocks.close(lambda signed: keys.ring.signing(utc_now()).sign(signed))
        heads = written_heads(settings, journal, keys, utc_now)
        written = await heads.write()
        if written is None:
            raise GatewayError("no-head", "the journal has no block yet, or another head was written this moment")
        return written, await heads.stamp(written)


# --- telling ----------------------------------------------------------------------------------------------------


def _plain(report: _Report) -> dict[str, object]:
    journal, heads = report.journal, report.heads
    newest = heads.heads[-1] if heads.heads else None
    return {
        "intact": report.intact,
        "entries": journal.entries,
        "blocks": journal.blocks,
        "last_block": journal.last_block,
        "faults": [
            {"message_id": each.message_id, "seq": each.seq, "what": each.what, **({"head": each.head} if each.head else {})}
            for each in journal.faults
        ],
        "heads": {
            "believed": len(heads.heads),
            "stamped": heads.stamped if report.stamps_checked else None,
            "newest": newest and {"file": newest.file, "at": newest.at.isoformat(), "block": newest.position.block},
            "faults": [{"file": each.file, "what": each.what} for each in heads.faults],
        },
    }  # fmt: skip


def _tell(report: _Report, folder: Path) -> None:
    console = Console(soft_wrap=True)
    journal, heads = report.journal, report.heads
    every: list[Fault | HeadFault] = [*journal.faults, *heads.faults]
    for fault in every:
        console.print(f"[red]{_place(fault)}: {fault.what}{_shown_by(fault)}[/red]")
    console.print(f"{journal.entries} entries, {journal.blocks} blocks, {len(heads.heads)} heads, {len(every)} faults")
    if not heads.heads:
        console.print(f"no head in {folder}: nothing shows whether the newest blocks were cut off")
        return
    newest = heads.heads[-1]
    console.print(
        f"the newest head, {newest.file} of {newest.at:%Y-%m-%d %H:%M} UTC, vouches for block {newest.position.block}"
    )
    if report.stamps_checked:
        console.print(f"{heads.stamped} heads are timestamped")
    else:
        console.print("timestamps not checked: timestamps.trust holds no certificate")


def _place(fault: Fault | HeadFault) -> str:
    if isinstance(fault, HeadFault):
        return f"head {fault.file}"
    return f"block {fault.seq}" if fault.message_id is None else f"message {fault.message_id}, entry {fault.seq}"


def _shown_by(fault: Fault | HeadFault) -> str:
    return f", as head {fault.head} shows" if isinstance(fault, Fault) and fault.head else ""
