import pytest

from tests.pipeline.road import open_road


@pytest.fixture
async def road(tmp_path):
    async with open_road(tmp_path) as opened:
        yield opened
