import pytest

from mock_axis import pki
from tests.security.house import open_house


@pytest.fixture(scope="session")
def made_pki(tmp_path_factory):
    """Keys take seconds to make: once for all tests."""
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.make(folder)
    return folder


@pytest.fixture
async def house(tmp_path, made_pki):
    async with open_house(tmp_path, made_pki) as opened:
        yield opened
