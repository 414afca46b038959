"""Received documents that look like state secrets, encrypted to the security officer in a folder of their own.

`ID.encrypted` holds the edXML file as it came, which has everything else in it. The folder lies outside the data that is
backed up; nothing here can read a file again: that takes the officer's key (`lienthong quarantine open`, `release --key`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway.config import Settings, quarantine_folder
from gateway.errors import GatewayError, NeedsOperator, Retryable
from gateway.journal.created_once import sync_folder
from gateway.ports import Chunks
from gateway.trust import encrypted

SUSPECTED, QUARANTINED = "secret-suspected", "secret-quarantined"
"""Why a message is held: its contents are in the ordinary store, or in quarantine."""
_NAME = re.compile(r"([0-9a-f]{32})\.encrypted")


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the folder."""

    message_id: str
    path: Path
    head: encrypted.Head | None
    """None: it cannot be read."""


class Quarantine:
    def __init__(self, settings: Settings) -> None:
        self.folder = quarantine_folder(settings)
        self._certificate = settings.secrecy.officer_certificate

    @property
    def possible(self) -> bool:
        return self._certificate is not None

    async def keep(self, message_id: str, chunks: Chunks, about: Mapping[str, object]) -> dict[str, str | int | None]:
        """Durable on return; the facts for the entry. Raises `NeedsOperator` without a usable certificate, `Retryable`."""
        try:
            recipient = await asyncio.to_thread(self._recipient)
            digest = await self._write(message_id, encrypted.encrypt(chunks, recipient, about))
        except OSError as error:
            # No endpoint is to blame, least of all our own: the document alone is put off.
            raise Retryable("quarantine-unwritable", f"{self.folder}: {error.strerror}", after=60.0) from None
        return {"officer": recipient.fingerprint, "encrypted_sha256": digest}

    def _recipient(self) -> encrypted.Recipient:
        assert self._certificate is not None
        try:
            return encrypted.Recipient.load(self._certificate.read_bytes())
        except (OSError, ValueError):
            raise NeedsOperator("officer-certificate", f"{self._certificate} cannot be used") from None

    async def _write(self, message_id: str, chunks: AsyncIterator[bytes]) -> str:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part, digest = self.folder / encrypted.new_name(), hashlib.sha256()
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                async for data in chunks:
                    digest.update(data)
                    await asyncio.to_thread(file.write, data)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            part.replace(self._path(message_id))
        finally:
            part.unlink(missing_ok=True)
        await asyncio.to_thread(sync_folder, self.folder)
        return digest.hexdigest()

    def listed(self) -> Iterator[Kept]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if name := _NAME.fullmatch(path.name):
                head = None
                with suppress(encrypted.CannotDecrypt), path.open("rb") as file:
                    head = encrypted.read_head(file)
                yield Kept(name[1], path, head)

    def read(self, message_id: str, key: RSAPrivateKey) -> Iterator[bytes]:
        """The edXML file again. Raises `GatewayError` where there is none, it is damaged, or the key is another."""
        path = self._path(message_id)
        if not path.exists():
            raise GatewayError("not-quarantined", f"{self.folder} holds nothing of {message_id}")
        with path.open("rb") as file:
            yield from encrypted.decrypt(file, key)

    def remove(self, message_id: str) -> None:
        """Repeating is harmless. Blocks."""
        path = self._path(message_id)
        if path.exists():
            path.unlink()
            sync_folder(self.folder)

    def _path(self, message_id: str) -> Path:
        return self.folder / f"{message_id}.encrypted"
