"""Offline revocation lists in the trust folder."""

import datetime as dt

import pytest

from gateway.errors import Misconfigured
from gateway.trust import receipts
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import Keys, TrustStore
from tests import pki

HOUR = dt.timedelta(hours=1)
AXIS = pki.valid(pki.AXIS)


def pinned(folder, at, member=AXIS):
    return TrustStore.load(folder).pinned(member.pair().der, member.name, at)


@pytest.fixture
def folder(tmp_path):
    return pki.write_trust(tmp_path / "trust", AXIS, pki.valid(pki.OTHER))


def refused(folder, at, member=AXIS):
    with pytest.raises(SignatureInvalid) as raised:
        pinned(folder, at, member)
    return raised.value.code


def test_a_revoked_certificate_holds_for_what_it_signed_before(folder):
    (folder / pki.AXIS / "ca.crl.pem").write_bytes(pki.revocation_list(AXIS))
    assert pinned(folder, pki.NOW - HOUR) == AXIS.certificate
    assert refused(folder, pki.NOW) == "certificate-revoked"
    store = TrustStore.load(folder)
    assert store.certificates(pki.AXIS, pki.NOW - HOUR) == (AXIS.certificate,)
    assert store.certificates(pki.AXIS, pki.NOW) == ()
    assert store.owner(AXIS.pair().der).system_id == pki.AXIS


def test_it_holds_only_until_its_key_may_have_been_lost(folder):
    (folder / pki.AXIS / "ca.crl.pem").write_bytes(pki.revocation_list(AXIS, lost=pki.NOW - 48 * HOUR))
    assert pinned(folder, pki.NOW - 49 * HOUR)
    assert refused(folder, pki.NOW - 47 * HOUR) == "certificate-revoked"


def test_a_list_in_a_party_s_folder_speaks_of_that_party_and_one_above_of_all(folder):
    both = pki.revocation_list(AXIS, pki.valid(pki.OTHER))
    (folder / pki.OTHER / "ca.crl.pem").write_bytes(both)
    assert pinned(folder, pki.NOW)
    (folder / "ca.crl.pem").write_bytes(both)
    assert refused(folder, pki.NOW) == refused(folder, pki.NOW, pki.valid(pki.OTHER)) == "certificate-revoked"


def test_a_list_of_another_issuer_says_nothing_of_the_same_number(folder, monkeypatch):
    from gateway.trust import revoked

    stranger = pki.revocation_list(AXIS)
    monkeypatch.setattr(pki, "_named", lambda _: AXIS.certificate.subject)
    other = pki.revocation_list(AXIS)
    for data, found in ((stranger, pki.NOW), (other, None)):
        path = folder / "x.crl.pem"
        path.write_bytes(data)
        assert revoked.since(AXIS.certificate, [revoked.load(path)]) == found


def test_a_list_that_cannot_be_read_is_named(folder):
    (folder / pki.AXIS / "ca.crl.pem").write_text("no list")
    with pytest.raises(Misconfigured) as raised:
        TrustStore.load(folder)
    (problem,) = raised.value.problems
    assert (problem.field.endswith("ca.crl.pem"), problem.code) == (True, "revocation-list")


def test_a_new_list_is_seen_without_a_restart(folder, tmp_path):
    keys = Keys(pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY)), folder)
    keys.look_every = 0
    assert keys.trust.certificates(pki.AXIS, pki.NOW)
    (folder / "ca.crl.pem").write_bytes(pki.revocation_list(AXIS))
    assert not keys.trust.certificates(pki.AXIS, pki.NOW)


def test_a_receipt_signed_with_a_revoked_certificate_settles_nothing(folder):
    receipt = receipts.Receipt(
        "r", "axis-accepted", pki.AXIS, "us", "m", "a", "d", "s", ("t",), 1, "ab" * 32, (), pki.NOW
    )
    body = receipts.issue(receipt, AXIS.pair())
    (folder / "ca.crl.pem").write_bytes(pki.revocation_list(AXIS))
    store = TrustStore.load(folder)
    assert receipts.read(body, trust=store, issuer=pki.AXIS, at=pki.NOW - HOUR) == receipt
    with pytest.raises(SignatureInvalid, match="certificate-revoked"):
        receipts.read(body, trust=store, issuer=pki.AXIS, at=pki.NOW)
