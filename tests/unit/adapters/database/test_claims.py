"""Claims on rows of the office's database, apart from any database."""

import asyncio
import datetime as dt
from types import SimpleNamespace

import pytest

from adapters.office.database.claims import Claim, Claims
from adapters.office.database.tables import OUT_DOCUMENT


async def test_who_is_cancelled_while_the_renewing_ends_is_cancelled():
    claims = Claims(None, OUT_DOCUMENT, SimpleNamespace(at_once=1, lease_seconds=60), lambda: dt.datetime.now(dt.UTC))
    went_on = False

    async def work():
        nonlocal went_on
        async with claims.held([Claim("1", "token")]):
            pass
        went_on = True

    task = asyncio.create_task(work())
    await asyncio.sleep(0)  # now it waits for the renewing to end
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not went_on
