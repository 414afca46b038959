"""The floor of the benchmark: what any gateway must at least do for one document, done as plainly as can be.

Per document, as constants: one SHA-256 and one base64 of the payload, the payload appended to a segment, 4 rows, 3
RSA-2048 signatures and 3 verifications, 2 keep-alive HTTP exchanges (payload out, 2 kB back); one fdatasync and one
commit for each group of at most 32 documents. No gateway code.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pybase64
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

GROUP, ROWS, SIGNATURES, EXCHANGES = 32, 4, 3, 2
READY = bytes(2048)


def payloads(count: int, size: int, seed: int) -> Iterator[bytes]:
    source = random.Random(seed)
    for _ in range(count):
        yield source.randbytes(size)


class Store:
    """Payloads to a segment, rows to SQLite; whoever waits shares one fdatasync and one commit."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._segment = os.open(folder / "segment", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._database = sqlite3.connect(folder / "floor.sqlite", isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")
        self._database.execute("create table if not exists row (id integer primary key, digest text, step integer)")
        self._waiting: asyncio.Queue[tuple[bytes, str, asyncio.Future[None]]] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    async def keep(self, payload: bytes, digest: str) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((payload, digest, done))
        await done

    async def _write(self) -> None:
        while True:
            group = [await self._waiting.get()]
            while len(group) < GROUP and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            await asyncio.to_thread(self._commit, [(payload, digest) for payload, digest, _ in group])
            for _, _, done in group:
                done.set_result(None)

    def _commit(self, group: list[tuple[bytes, str]]) -> None:
        for payload, _ in group:
            os.write(self._segment, payload)
        os.fdatasync(self._segment)
        self._database.execute("begin immediate")
        for _, digest in group:
            for step in range(ROWS):
                self._database.execute("insert into row (digest, step) values (?, ?)", (digest, step))
        self._database.execute("commit")


async def carry(payload: bytes, store: Store, key: rsa.RSAPrivateKey, session: aiohttp.ClientSession, url: str) -> None:
    digest = hashlib.sha256(payload).hexdigest()
    pybase64.b64encode(payload)
    await store.keep(payload, digest)
    for _ in range(SIGNATURES):
        signature = key.sign(digest.encode(), padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signature, digest.encode(), padding.PKCS1v15(), hashes.SHA256())
    for _ in range(EXCHANGES):
        async with session.post(url, data=payload) as answer:
            await answer.read()


def cpu_seconds() -> float:
    """User and system time of this process and its children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


async def run(
    *, documents: int, size: int, folder: Path, url: str, warm_up: int, in_flight: int, seed: int
) -> dict[str, float]:
    store = Store(folder)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    places = asyncio.Semaphore(in_flight)
    async with aiohttp.ClientSession() as session:

        async def one(payload: bytes) -> None:
            await carry(payload, store, key, session, url)
            places.release()

        async def all_of(count: int, first: int) -> None:
            async with asyncio.TaskGroup() as group:
                for payload in payloads(count, size, first):
                    await places.acquire()
                    group.create_task(one(payload))

        await all_of(warm_up, seed + 1)
        began, used = time.perf_counter(), cpu_seconds()
        await all_of(documents, seed)
        return {"documents": documents, "seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - used}


async def sink() -> None:
    """Answer every request with the same ready bytes; prints the port, ends when standard input does."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=READY)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sink", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url", default="")
    for name, default in {"documents": 1000, "size": 100_000, "warm-up": 200, "in-flight": 16, "seed": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = vars(parser.parse_args())
    if given.pop("sink"):
        asyncio.run(sink())
    else:
        print(json.dumps(asyncio.run(run(**given))))


if __name__ == "__main__":
    main()
