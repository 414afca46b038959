"""The sample office as a client of the gateway's office API: hands in, asks, fetches, reports.

Written from the API's published description, as any e-office's maker would. A submission whose answer got lost is
repeated under the same Idempotency-Key until it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

PIECE = 256 << 10
TRY_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


class NotTaken(Exception):
    """The gateway said no, and why."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        super().__init__(f"{status} {problem.get('type', '')}")


class NoAnswer(Exception):
    """The gateway was not there for as long as we were ready to wait."""


@dataclass(frozen=True, slots=True)
class File:
    name: str
    data: bytes | Path
    content_type: str = "application/pdf"

    def sha256(self) -> str:
        """Blocking for a `Path`."""
        if isinstance(self.data, bytes):
            return hashlib.sha256(self.data).hexdigest()
        with self.data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Got:
    """Something downloaded and not kept."""

    sha256: str
    size: int


class OfficeClient:
    """`patience`: seconds for which a request is repeated when the gateway does not answer it."""

    def __init__(self, gateway: str, key: str, *, patience: float = 60.0, seed: int = 0) -> None:
        self._gateway = gateway.rstrip("/")
        self.key = key
        self._patience = patience
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def submit(self, key: str, record: Mapping[str, Any], files: Sequence[File]) -> dict[str, Any]:
        """Hand in once, however many tries it takes. Raises `NotTaken`, `NoAnswer`."""
        return await self._json("POST", "/v1/documents", headers={"Idempotency-Key": key}, form=(record, files))

    async def change(
        self, act: str, message_id: str, key: str, record: Mapping[str, Any], files: Sequence[File]
    ) -> dict[str, Any]:
        """`update` or `replace` a document that we sent."""
        path = f"/v1/documents/{message_id}/{act}"
        return await self._json("POST", path, headers={"Idempotency-Key": key}, form=(record, files))

    async def recall(self, message_id: str, key: str, reason: str) -> dict[str, Any]:
        """Ask everybody who has it for a document that we sent."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        body = json.dumps({"reason": reason}).encode()
        return await self._json("POST", f"/v1/documents/{message_id}/recall", data=body, headers=headers)

    async def submit_edxml(self, data: bytes) -> dict[str, Any]:
        return await self._json("POST", "/v1/documents", data=data, headers={"Content-Type": "application/xml"})

    async def document(self, message_id: str) -> dict[str, Any]:
        """What became of a document that we sent."""
        return await self._json("GET", f"/v1/documents/{message_id}")

    async def inbox(self, limit: int = 100) -> list[dict[str, Any]]:
        """The first lines of what waits for us."""
        page = await self._json("GET", f"/v1/inbox?limit={limit}")
        return list(page["items"])

    async def item(self, message_id: str) -> dict[str, Any]:
        return await self._json("GET", f"/v1/inbox/{message_id}")

    async def acknowledge(self, message_id: str) -> None:
        await self._json("POST", f"/v1/inbox/{message_id}/ack")

    async def report(self, message_id: str, code: str, reason: str = "", organ: str | None = None) -> dict[str, Any]:
        body = json.dumps({"code": code, "reason": reason, **({"organ": organ} if organ else {})}).encode()
        headers = {"Content-Type": "application/json"}
        return await self._json("POST", f"/v1/inbox/{message_id}/status", data=body, headers=headers)

    async def content(self, message_id: str) -> Got:
        return await self._download(f"/v1/inbox/{message_id}/content")

    async def attachment(self, message_id: str, n: int) -> Got:
        return await self._download(f"/v1/inbox/{message_id}/attachments/{n}")

    async def _download(self, path: str) -> Got:
        async def read(answer: aiohttp.ClientResponse) -> Got:
            digest, size = hashlib.sha256(), 0
            async for piece in answer.content.iter_chunked(PIECE):
                digest.update(piece)
                size += len(piece)
            return Got(digest.hexdigest(), size)

        got: Got = await self._until_answered("GET", path, read)
        return got

    async def _json(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        async def read(answer: aiohttp.ClientResponse) -> dict[str, Any]:
            return {} if answer.status == 204 else dict(await answer.json())

        got: dict[str, Any] = await self._until_answered(method, path, read, **more)
        return got

    async def _until_answered(self, method: str, path: str, read: Any, **more: Any) -> Any:
        """Repeat until there is an answer that settles it."""
        deadline = asyncio.get_running_loop().time() + self._patience
        pause = FIRST_PAUSE
        while True:
            wait = pause * self._random.uniform(0.8, 1.4)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._ask(method, path, **more) as answer:
                    if answer.status < 300:
                        return await read(answer)
                    if answer.status not in TRY_AGAIN:
                        raise NotTaken(answer.status, await _problem(answer))
                    wait = max(wait, float(answer.headers.get("Retry-After", "0")))
            if asyncio.get_running_loop().time() + wait > deadline:
                raise NoAnswer(f"{method} {path.partition('?')[0]}")
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    @contextlib.asynccontextmanager
    async def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        form: tuple[Mapping[str, Any], Sequence[File]] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self.key}"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30),
            )
        with contextlib.ExitStack() as opened:
            body = data if form is None else _multipart(*form, opened)
            async with self._session.request(method, self._gateway + path, data=body, headers=headers) as answer:
                yield answer


async def _problem(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        return dict(await answer.json(content_type=None))
    except (ValueError, TypeError):
        return {}


def _multipart(record: Mapping[str, Any], files: Sequence[File], opened: contextlib.ExitStack) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False, charset="utf-8")
    form.add_field("record", json.dumps(record, ensure_ascii=False), content_type="application/json")
    for file in files:
        data = file.data if isinstance(file.data, bytes) else opened.enter_context(file.data.open("rb"))
        form.add_field("attachment", data, filename=file.name, content_type=file.content_type)
    return form
