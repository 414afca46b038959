"""`lienthong journal verify`: whether the journal still says what it said when it was written."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from rich.console import Console

from gateway.config import load
from gateway.errors import GatewayError
from gateway.journal import Fault, Journal, VerifyReport
from gateway.trust.keys import KeyRing

app = typer.Typer(no_args_is_help=True, help="Look after the journal.")


@app.callback()
def _group() -> None:
    """Make `verify` a command of a group, although it is the only one."""


@app.command()
def verify(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = Path("lienthong.toml"),
    certificate: Annotated[
        list[Path] | None, typer.Option(help="A retired certificate of ours that signed blocks; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check every hash chain and every signed block; exit 1 when anything was changed, removed or forged."""
    settings = load(config)
    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        raise GatewayError("no-journal", f"{path} does not exist: has the gateway run with this configuration?")
    signers = [pair.certificate for pair in KeyRing.load(settings.keys).pairs]
    signers += [x509.load_pem_x509_certificate(each.read_bytes()) for each in certificate or []]
    report = asyncio.run(_verified(path, signers))
    if as_json:
        print(json.dumps(_plain(report), ensure_ascii=False))
    else:
        _tell(report)
    if not report.intact:
        raise typer.Exit(1)


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


async def _verified(path: Path, signers: list[x509.Certificate]) -> VerifyReport:
    journal = await Journal.open(path, now=lambda: dt.datetime.now(dt.UTC))
    try:
        return await journal.verify(lambda signed, signature: signed_by(signers, signed, signature))
    finally:
        await journal.close()


def _plain(report: VerifyReport) -> dict[str, object]:
    return {
        "intact": report.intact,
        "entries": report.entries,
        "blocks": report.blocks,
        "last_block": report.last_block,
        "faults": [{"message_id": each.message_id, "seq": each.seq, "what": each.what} for each in report.faults],
    }


def _tell(report: VerifyReport) -> None:
    console = Console()
    for fault in report.faults:
        console.print(f"[red]{_place(fault)}: {fault.what}[/red]")
    console.print(f"{report.entries} entries, {report.blocks} blocks, {len(report.faults)} faults")
    if report.last_block:
        console.print(f"last block {report.last_block}: compare it with the copy kept elsewhere")


def _place(fault: Fault) -> str:
    return f"block {fault.seq}" if fault.message_id is None else f"message {fault.message_id}, entry {fault.seq}"
