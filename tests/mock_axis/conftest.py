import shutil

import pytest

from mock_axis import pki
from mock_axis.simulator import MockAxis

from .client import Client


@pytest.fixture(scope="session")
def made_pki(tmp_path_factory):
    """Keys take seconds to make: once for all tests, copied for each."""
    folder = tmp_path_factory.mktemp("pki")
    pki.make(folder, gateways={pki.GATEWAY: pki.GATEWAY_ORGANS, "cong-h41": ("*.H41",)})
    return folder


@pytest.fixture
def folder(tmp_path, made_pki):
    shutil.copytree(made_pki, tmp_path / "axis" / "pki")
    return tmp_path / "axis"


@pytest.fixture
async def mock(folder):
    async with MockAxis(folder) as running:
        yield running


@pytest.fixture
async def client(mock):
    async with Client(mock) as made:
        yield made
