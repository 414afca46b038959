"""A process that accepts and settles until it is killed, telling each thing once it is durable."""

import asyncio
import datetime as dt
import sys
import uuid
from pathlib import Path

from gateway.journal import DiskContents, Journal
from gateway.states import State
from tests.contract.journals import LEASE, message, new, submission, to


def now():
    return dt.datetime.now(dt.UTC)


async def work(journal, contents):
    async def accepting():
        while True:
            made = message(uuid.uuid4().hex)
            kept = await contents.store_bytes(made.message_id.encode() * 50)
            await journal.accept(submission(new(made, contents=[kept]), key=made.message_id))
            print("accepted", made.message_id, flush=True)

    async def settling(holder):
        while True:
            for claimed in await journal.claim(holder, 5, LEASE):
                if await journal.settle(claimed, to(State.PACKED)):
                    print("packed", claimed.message.message_id, flush=True)
            await asyncio.sleep(0)

    async def notary():
        while True:
            await journal.blocks.close(lambda _: b"")
            await asyncio.sleep(0.02)

    await asyncio.gather(*(accepting() for _ in range(4)), settling("a"), settling("b"), notary())


async def main(folder):
    await work(await Journal.open(folder / "journal.db", now=now), DiskContents(folder / "contents"))


asyncio.run(main(Path(sys.argv[1])))
