"""Purging, and what looks like a state secret: `purge`, `quarantine`, and what `release` and `reject` do about one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway.app import made_purging, utc_now
from gateway.commands import columns
from gateway.commands.person import login, person
from gateway.config import Settings, load
from gateway.errors import GatewayError
from gateway.journal import DiskContents, Journal
from gateway.model import Content
from gateway.pipeline.acts import Acts
from gateway.pipeline.quarantine import QUARANTINED, Kept, Quarantine
from gateway.pipeline.routing import Router
from gateway.pipeline.secret_acts import Person, SecretActs
from gateway.states import Entry, Message, Outcome, withheld
from gateway.trust import encrypted

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
MessageId = Annotated[str, typer.Argument(help="The message id.")]
Why = Annotated[str, typer.Option("--why", prompt="Why", help="The reason, kept in the journal.")]
Who = Annotated[str, typer.Option("--who", help="Who acts; the account's name when left out.")]
KeyFile = Annotated[Path, typer.Option("--key", help="The security officer's private key, PEM.")]

DEFAULT_CONFIG = Path("lienthong.toml")
T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True, help="What came in, looks like a state secret, and is encrypted to the officer."
)


@dataclass(frozen=True, slots=True)
class _Opened:
    settings: Settings
    journal: Journal
    contents: DiskContents
    acts: Acts
    secrets: SecretActs
    quarantine: Quarantine


@asynccontextmanager
async def _opened(config: Path) -> AsyncIterator[_Opened]:
    settings = load(config)
    path = settings.data_dir / "journal.sqlite"
    if not path.exists():
        raise GatewayError("no-journal", f"{path} does not exist: has the gateway run with this configuration?")
    journal = await Journal.open(path, now=utc_now)
    contents = DiskContents(settings.data_dir / "contents")
    try:
        office_of = Router(settings.office, settings.route).office_of
        finish = made_purging(settings, journal, contents).finish
        acts = Acts(journal, utc_now, lambda: None, office_of, tell=lambda *_: None, purged=finish)
        unexamined = settings.antivirus.unexamined
        secrets = SecretActs(acts, journal, utc_now, office_of, settings.secrecy.release_by, unexamined)
        yield _Opened(settings, journal, contents, acts, secrets, Quarantine(settings))
    finally:
        await contents.close()
        await journal.close()


def _run(config: Path, ask: Callable[[_Opened], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with _opened(config) as gateway:
            return await ask(gateway)

    return asyncio.run(opened())


def reason(why: str) -> str:
    if not why.strip():
        raise GatewayError("why-missing", "--why must give a reason: it is kept in the journal")
    return why


# --- purge ------------------------------------------------------------------------------------------------------


def purge(message_id: MessageId, why: Why, who: Who = "", config: Config = DEFAULT_CONFIG) -> None:
    """Erase for good what people read of a message that has come to its end, and its contents.

    Ids, organs, times, digests and receipts stay, and the journal still verifies. Nothing brings the content back: a
    restored backup is purged again before it serves.
    """

    async def ask(gateway: _Opened) -> None:
        await _message(gateway, message_id)
        await gateway.acts.purge(message_id, person(who).name, reason(why))

    _run(config, ask)
    print(f"{message_id} purged")


# --- suspected state secrets ------------------------------------------------------------------------------------


def is_withheld(config: Path, message_id: str) -> bool:
    async def ask(gateway: _Opened) -> bool:
        return withheld((await _message(gateway, message_id)).held)

    return _run(config, ask)


def release(config: Path, message_id: str, who: Person, why: str, key_file: Path | None) -> str:
    """What to tell: whether a second person's word is needed still."""
    key = _key(key_file) if key_file else None

    async def ask(gateway: _Opened) -> tuple[bool, str | None]:
        async with _bringing_back(gateway, key) as bring_back:
            released = await gateway.secrets.release(message_id, who, reason(why), bring_back if key else None)
        if released:
            await asyncio.to_thread(gateway.quarantine.remove, message_id)
        return released, (await _message(gateway, message_id)).held

    released, held = _run(config, ask)
    if released and held:
        return f"{message_id} stays held as {held}: two persons say that it is no state secret, and that is another question"
    if released:
        return f"{message_id} goes on: two persons say that it is no state secret"
    return f"{message_id} stays held: {who.name} ({who.login}) says that it is no state secret; a second person must say so too"


def reject(config: Path, message_id: str, who: Person, why: str) -> str:
    async def ask(gateway: _Opened) -> int:
        return len(await gateway.secrets.reject(message_id, who, reason(why)))

    count = _run(config, ask)
    more = f", with {count - 1} more of the same document" if count > 1 else ""
    return f"{message_id} rejected and purged{more}"


@asynccontextmanager
async def _bringing_back(
    gateway: _Opened, key: RSAPrivateKey | None
) -> AsyncIterator[Callable[[Message], Awaitable[Content]]]:
    """What is brought back and in the end not needed is erased at once."""
    stored: list[Content] = []

    async def bring_back(message: Message) -> Content:
        assert key is not None
        pieces = gateway.quarantine.read(message.message_id, key)
        content = await gateway.contents.store(_chunks(pieces), limit=gateway.settings.limits.edxml_bytes)
        stored.append(content)
        if content.sha256 != message.sha256:
            raise GatewayError("digest", "what was decrypted is not the file that came in")
        return content

    needed: list[Content] = []
    try:
        yield bring_back
        needed = stored[-1:]
    finally:
        for content in stored:
            if content not in needed:
                await gateway.contents.erase(content)


async def _chunks(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


async def _message(gateway: _Opened, message_id: str) -> Message:
    message = await gateway.journal.message(message_id)
    if message is None:
        raise GatewayError("not-found", f"no message has the id {message_id}")
    return message


# --- quarantine -------------------------------------------------------------------------------------------------


@app.command("list")
def list_kept(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """What is in quarantine: from whom, since when, of what degree. Nothing of what it says."""
    rows = [_row(kept) for kept in Quarantine(load(config)).listed()]
    if as_json:
        print(json.dumps({"quarantined": rows}, ensure_ascii=False))
        return
    if not rows:
        print("nothing is in quarantine")
        return
    heads = ("message_id", "sender", "at", "degrees", "fields", "size", "officer")
    columns.show("In quarantine", heads, [[columns.printable(row[head]) for head in heads] for row in rows])


def _row(kept: Kept) -> dict[str, Any]:
    about = kept.head.about if kept.head else {}
    said = {name: about.get(name) for name in ("sender", "at", "degrees", "fields", "size", "sha256")}
    return {"message_id": kept.message_id, **said, "officer": kept.head.to[:16] if kept.head else "unreadable"}


@app.command("open")
def open_kept(
    message_id: MessageId,
    key: KeyFile,
    out: Annotated[Path, typer.Option(help="Folder for the file; on a machine that is on no network.")],
    who: Who = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Decrypt one for the security officer, with his key: the edXML file as it came, for `lienthong inspect`.

    That it was opened becomes an entry of the message.
    """
    officer = _key(key)

    async def ask(gateway: _Opened) -> tuple[Quarantine, Message]:
        message = await _message(gateway, message_id)
        if message.held != QUARANTINED:
            raise GatewayError("not-quarantined", f"{message_id} is not in quarantine")
        entry = Entry("quarantine-opened", {"login": login()})
        await gateway.journal.apply(message_id, Outcome(entry), who=person(who).name)
        return gateway.quarantine, message

    # The entry stands before anything can be read. No thread: an interruption ends the decrypting itself.
    quarantine, message = _run(config, ask)
    print(f"{_decrypted(quarantine, message, officer, out)}: decrypted")


def _decrypted(quarantine: Quarantine, message: Message, key: RSAPrivateKey, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, digest = out / f"{message.message_id}.edxml", hashlib.sha256()
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # what is there already is not ours to remove
    try:
        with os.fdopen(opened, "wb") as file:
            for piece in quarantine.read(message.message_id, key):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != message.sha256:
            raise GatewayError("digest", "what was decrypted is not the file that came in")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _key(file: Path) -> RSAPrivateKey:
    pem = file.read_bytes()
    password = typer.prompt("Password of the key", hide_input=True).encode() if b"ENCRYPTED" in pem else None
    return encrypted.load_key(pem, password)
