import socket

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


@pytest.mark.parametrize("section", ["office_api", "operators"])
async def test_a_port_that_is_taken_is_named_with_how_to_mend_it(tmp_path, section):
    keys = pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        listeners = {"office_api": Listener(port=0), "operators": Listener(port=0), section: Listener(port=port)}
        settings = Settings(data_dir=tmp_path / "data", keys=keys, trust=tmp_path / "trust", **listeners)
        with pytest.raises(Misconfigured) as raised:
            async with app.running(settings):
                pass
    said = f"{section}.port: 127.0.0.1:{port} is in use; stop what listens there, or choose another"
    assert raised.value.message == said


async def test_an_address_that_this_machine_does_not_have_is_named(tmp_path):
    keys = pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY))
    elsewhere = Listener(host="192.0.2.1", port=8080, behind_tls_proxy=True)
    settings = Settings(data_dir=tmp_path / "data", keys=keys, trust=tmp_path / "trust", office_api=elsewhere)
    with pytest.raises(Misconfigured, match=r"office_api.host: cannot listen at 192.0.2.1:8080: Cannot assign"):
        async with app.running(settings):
            pass
