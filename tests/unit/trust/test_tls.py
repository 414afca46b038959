import datetime as dt

import pytest

from adapters.axis.soap import connect as soap
from adapters.axis.vxp import connect as vxp
from gateway.config import Listener, Settings
from gateway.ports import AxisContext
from gateway.trust.tls import chain_ends
from gateway.web.watching import listener_certificates
from tests import pki

SOON = pki.NOW + dt.timedelta(days=9)


def pem(name, ends):
    member = pki.Member(name, pki.certificate(name, ends=ends))
    return member.certificate_pem, member.key_pem


def test_a_chain_lasts_as_long_as_its_first_certificate_to_end(tmp_path):
    file = tmp_path / "chain.pem"
    file.write_bytes(pem("leaf", pki.NOW + pki.YEAR)[0] + pem("between", SOON)[0])
    assert chain_ends(file) == SOON


def test_only_listeners_that_speak_tls_have_a_certificate_to_watch(tmp_path):
    file = tmp_path / "listener.pem"
    file.write_bytes(pem("listener", SOON)[0])
    settings = Settings(office_api=Listener(certificate=file, key=file))
    assert listener_certificates(settings) == {"tls:office_api": SOON}


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_of_an_unreadable_file_nothing_is_known(tmp_path, content):
    file = tmp_path / "chain.pem"
    if content is not None:
        file.write_bytes(content)
    assert chain_ends(file) is None


@pytest.mark.parametrize("driver", ["soap", "vxp"])
async def test_a_driver_tells_until_when_its_client_certificate_lasts_once_it_uses_it(tmp_path, driver):
    files = {"certificate": tmp_path / "client.crt.pem", "key": tmp_path / "client.key.pem"}
    secret = tmp_path / "secret"
    secret.write_text("a secret of some length")
    secret.chmod(0o600)

    def put(ends):
        for path, data in zip(files.values(), pem("client", ends), strict=True):
            path.write_bytes(data)

    put(SOON)
    pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY))
    pki.write_trust(tmp_path / "trust", pki.valid(pki.AXIS), organs=())
    context = AxisContext(
        name="national",
        system_id=pki.GATEWAY,
        keys=tmp_path / "keys",
        trust=tmp_path / "trust",
        now=lambda: pki.NOW,
        axis_system_id=pki.AXIS,
    )
    options = {"url": "https://axis.example/axis", **{name: str(path) for name, path in files.items()}}
    axis = soap(options, context) if driver == "soap" else vxp({**options, "secret_file": str(secret)}, context)
    try:
        assert axis.certificates()["tls:national"] == SOON
        put(pki.NOW + pki.YEAR)
        assert axis.certificates()["tls:national"] == SOON
        await axis.reload()
        assert axis.certificates()["tls:national"] == pki.NOW + pki.YEAR
    finally:
        await axis.close()
