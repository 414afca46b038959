import pytest

from gateway import app
from gateway.config import Listener, Settings
from gateway.errors import Misconfigured
from gateway.journal import heads
from tests import pki
from tests.contract.journals import accepted


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


async def test_a_clean_stop_leaves_a_head_of_all_that_was_written(tmp_path):
    keys = pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY))
    local = Listener(port=0)
    settings = Settings(
        data_dir=tmp_path / "data", keys=keys, trust=tmp_path / "trust", office_api=local, operators=local
    )
    async with app.running(settings) as running:
        await accepted(running.gateway.journal, message_id="m-1")
    (file,) = (tmp_path / "data" / "heads").glob("*.json")
    assert heads.read(file.read_bytes()).position.entries == 1
    async with app.running(settings):
        pass
    assert len(list((tmp_path / "data" / "heads").iterdir())) == 1
