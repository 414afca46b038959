"""The journal that every store promises to be; a file whose tests need more of it has a fixture of its own."""

import pytest

from gateway.journal.journal import Journal
from tests.contract.journals import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite"])
async def journal(request, tmp_path, clock):
    opened = await Journal.open(tmp_path / "journal.db", now=clock)
    yield opened
    await opened.close()
