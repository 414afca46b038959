"""A small sample e-office for the demo, the bench, the storm and the tests: a clerk's desk at the other end of a cable.

It listens for webhooks, whose signature it checks by code of its own, keeps what it heard before it answers, fetches
the contents afterwards and compares every digest; it hands in documents and keeps the answers. `state` is the account
that is held against the axis's at the end. Faults: it can lose webhooks before it has kept them, or lose its answers.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from mock_axis.office_client import File, NoAnswer, NotTaken, OfficeClient
from mock_axis.office_store import SCHEMA, OfficeStore
from mock_axis.store import Store

LARGEST_WEBHOOK = 256 << 10
OLDEST_WEBHOOK = 300
"""Seconds between the signature's time and ours, either way."""
AT_ONCE = 8


@dataclass(slots=True)
class Faults:
    """Shares of the webhooks, from 0 to 1."""

    lose: float = 0.0
    """Answered 500 and not kept."""
    lose_answer: float = 0.0
    """Kept, and answered 500."""


class SampleOffice:
    """Use as an async context manager, or `start` and `close`.

    `gateway` is the base URL of the office API and `key` ours there; `connect` tells them later, when the gateway
    that needs our URL first is running. `secrets` are the `whsec_…` that the gateway may sign with.
    """

    def __init__(
        self,
        folder: Path,
        *,
        gateway: str = "http://127.0.0.1:8080",
        key: str = "",
        secrets: Sequence[str] = (),
        faults: Faults | None = None,
        seed: int = 0,
        patience: float = 60.0,
    ) -> None:
        self._folder = folder
        self._secrets = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
        self.faults = faults or Faults()
        self._random = random.Random(seed)
        self._patience, self._seed = patience, seed
        self.client = OfficeClient(gateway, key, patience=patience, seed=seed)
        self.url = ""
        """Where webhooks go, once started."""
        self.lost = 0
        self.forged = 0
        self._store: OfficeStore | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the URL for the gateway's configuration."""
        self._store = OfficeStore(Store(self._folder, SCHEMA))
        app = web.Application(client_max_size=LARGEST_WEBHOOK)
        app.router.add_post("/webhook", self._webhook)
        app.router.add_get("/state", self._state)
        app.router.add_put("/faults", self._put_faults)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}/webhook"
        return self.url

    async def connect(self, gateway: str, key: str) -> None:
        """Speak to this gateway from now on."""
        await self.client.close()
        self.client = OfficeClient(gateway, key, patience=self._patience, seed=self._seed)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self.client.close()
        if self._store is not None:
            await self._store.close()
            self._store = None

    @property
    def store(self) -> OfficeStore:
        assert self._store is not None, "the office is not started"
        return self._store

    # --- handing in ---

    async def send(
        self, key: str, record: Mapping[str, Any], files: Sequence[File] = (), *, act: str = "", earlier: str = ""
    ) -> dict[str, Any]:
        """Hand in under `key`, as an update or replacement (`act`) of an `earlier` message where so asked.

        After a restart the same call goes on where it was. Raises `NotTaken`, `NoAnswer`.
        """
        digests = await asyncio.to_thread(lambda: [file.sha256() for file in files])
        known = await self.store.begin(key, str(record.get("document_id", "")), digests)
        if known is not None:
            if known["status"] != 202:
                raise NotTaken(known["status"], known)
            return known
        try:
            if act:
                answer = await self.client.change(act, earlier, key, record, files)
            else:
                answer = await self.client.submit(key, record, files)
        except NotTaken as exc:
            await self.store.answered(key, exc.status, exc.problem)
            raise
        await self.store.answered(key, 202, answer)
        return answer

    # --- receiving ---

    async def fetch(self, message_id: str) -> bool:
        """Download a document and compare it with what the gateway says of it; False where it does not match."""
        item = await self.client.item(message_id)
        spoiled: list[str] = []
        digests: list[str] = []
        for line in item["attachments"]:
            got = await self.client.attachment(message_id, line["n"])
            digests.append(got.sha256)
            if (got.sha256, got.size) != (line["sha256"], line["size"]):
                spoiled.append(f"attachment {line['n']}")
        whole = await self.client.content(message_id)
        if item["sha256"] and (whole.sha256, whole.size) != (item["sha256"], item["size"]):
            spoiled.append("content")
        await self.store.keep_fetched(message_id, digests, ", ".join(spoiled))
        return not spoiled

    async def work_off(self, reports: Sequence[str] = ("03",)) -> int:
        """Fetch what was heard of and not fetched, then report each of the codes, in rising order; returns how much."""
        done = await self._for_each(await self.store.not_fetched(1000), self.fetch)
        for code in reports:

            async def report(message_id: str, code: str = code) -> None:
                await self.client.report(message_id, code, "Sai thẩm quyền" if code == "02" else "")
                await self.store.keep_reported(message_id, code)

            done += await self._for_each(await self.store.not_reported(code, 1000), report)
        return done + await self._for_each(await self.store.not_answered(1000), self._give_back)

    async def _give_back(self, message_id: str) -> None:
        """A document is asked back: destroy it, and say so (15)."""
        await self.client.report(message_id, "15", "Đã hủy")
        await self.store.keep_answered(message_id)

    async def pull(self, limit: int = 100) -> int:
        """Take what waits in the inbox, as an office that cannot listen does; returns how much there was."""
        items = await self.client.inbox(limit)
        for item in items:
            message_id, kind = item["message_id"], item["kind"]
            detail = (await self.client.item(message_id))["detail"]
            told = {
                "message_id": message_id,
                "document_id": item["document_id"],
                "from": item["sender"],
                "status": detail.get("status", {}).get("code") if kind == "status" else None,
                "code": detail.get("code", ""),
                "about": detail.get("about", ""),
            }
            event = detail.get("event", "message.notice") if kind == "notice" else f"{kind}.received"
            if kind == "status" and detail.get("act") == "recall":
                event, told["about"] = "recall.asked", detail["concerns"][0]
            await self.store.hear(f"{message_id}_pulled", {"type": event, "data": told})
            await self.client.acknowledge(message_id)
        return len(items)

    async def run(self, *, pulls: bool = False, reports: Sequence[str] = ("03",), interval: float = 0.2) -> None:
        """Be a clerk until cancelled: take, fetch, report."""
        while True:
            with contextlib.suppress(NoAnswer, NotTaken):
                if pulls:
                    await self.pull()
                await self.work_off(reports)
            await asyncio.sleep(interval)

    async def _for_each(self, message_ids: Sequence[str], act: Any) -> int:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(message_id: str) -> int:
            async with places:
                with contextlib.suppress(NoAnswer, NotTaken):  # it comes again at the next round
                    await act(message_id)
                    return 1
                return 0

        return sum(await asyncio.gather(*(one(message_id) for message_id in message_ids)))

    # --- listening ---

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._genuine(request, body):
            self.forged += 1
            return web.Response(status=401)
        drawn = self._random.random()
        if drawn < self.faults.lose:
            self.lost += 1
            return web.Response(status=500)
        await self.store.hear(request.headers["webhook-id"], json.loads(body))
        if drawn < self.faults.lose + self.faults.lose_answer:
            self.lost += 1
            return web.Response(status=500)
        return web.Response(status=204)

    def _genuine(self, request: web.Request, body: bytes) -> bool:
        """Whether one of our secrets made one of the signatures, and not long ago (Standard Webhooks)."""
        named = [request.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")]
        webhook_id, timestamp, signatures = named
        if not webhook_id or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > OLDEST_WEBHOOK:
            return False
        signed = f"{webhook_id}.{timestamp}.".encode() + body
        right = [
            "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in self._secrets
        ]
        return any(hmac.compare_digest(ours, theirs) for ours in right for theirs in signatures.split(" "))

    # --- looking ---

    async def state(self) -> dict[str, Any]:
        return {**await self.store.state(), "lost": self.lost, "forged": self.forged}

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(await self.state())

    async def _put_faults(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.faults = Faults(float(asked.get("lose", 0)), float(asked.get("lose_answer", 0)))
        if "seed" in asked:
            self._random.seed(asked["seed"])
        return web.json_response({"lose": self.faults.lose, "lose_answer": self.faults.lose_answer})
