import pytest

from gateway import app
from gateway.config import Settings
from gateway.errors import Misconfigured
from tests import pki


async def test_a_second_gateway_on_the_same_folder_is_refused_and_disturbs_nothing(tmp_path):
    keys = pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY))
    settings = Settings(data_dir=tmp_path / "data", keys=keys, trust=tmp_path / "trust")
    async with app.built(settings):
        spool = settings.data_dir / "pdf-spool"
        waiting = set(spool.iterdir())
        with pytest.raises(Misconfigured, match="another gateway runs on this folder"):
            async with app.built(settings):
                pass
        assert set(spool.iterdir()) == waiting
    async with app.built(settings):
        assert spool.is_dir()
