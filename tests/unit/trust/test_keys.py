import datetime as dt

import pytest

from gateway.errors import Misconfigured, NeedsOperator
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyRing, Keys, OwnKeys, Party, TrustStore
from tests import pki

DAY = dt.timedelta(days=1)


def test_the_newest_valid_key_signs(tmp_path):
    older = pki.Member(pki.GATEWAY, pki.certificate(pki.GATEWAY, pki.NOW - 300 * DAY, pki.NOW + 60 * DAY))
    newer = pki.Member(pki.GATEWAY, pki.certificate(pki.GATEWAY, pki.NOW - 10 * DAY, pki.NOW + 30 * DAY))
    future = pki.not_yet_valid(pki.GATEWAY)
    ring = KeyRing.load(pki.write_keys(tmp_path, older, newer, future, pki.expired(pki.GATEWAY)))
    assert ring.signing(pki.NOW).certificate == newer.certificate
    assert ring.signing(pki.NOW, 45 * DAY).certificate == older.certificate
    assert ring.signing(pki.NOW + 2 * DAY).certificate == future.certificate


def test_a_key_that_ends_before_the_longest_wait_does_not_sign(tmp_path):
    soon = pki.Member(pki.GATEWAY, pki.certificate(pki.GATEWAY, pki.NOW - DAY, pki.NOW + DAY))
    with pytest.raises(NeedsOperator) as caught:
        KeyRing.load(pki.write_keys(tmp_path, soon)).signing(pki.NOW, 3 * DAY)
    assert caught.value.code == "key-ends-soon"


def test_without_a_valid_key_nothing_is_signed(tmp_path):
    for ring in (KeyRing(()), KeyRing.load(pki.write_keys(tmp_path, pki.expired(pki.GATEWAY)))):
        with pytest.raises(NeedsOperator) as caught:
            ring.signing(pki.NOW)
        assert caught.value.code == "key-missing"


def test_every_unusable_key_file_is_named_at_once(tmp_path):
    pki.write_keys(tmp_path, pki.valid(pki.GATEWAY))
    (tmp_path / "lonely.key.pem").write_bytes(pki.valid(pki.GATEWAY).key_pem)
    (tmp_path / "broken.key.pem").write_text("no key")
    (tmp_path / "swapped.key.pem").write_bytes(pki.valid(pki.GATEWAY).key_pem)
    (tmp_path / "swapped.crt.pem").write_bytes(pki.valid(pki.AXIS).certificate_pem)
    with pytest.raises(Misconfigured) as caught:
        KeyRing.load(tmp_path)
    names = [problem.field.rpartition("/")[2] for problem in caught.value.problems]
    assert names == ["broken.key.pem", "lonely.key.pem", "swapped.key.pem"]


def test_a_private_key_never_shows_in_its_repr():
    assert "PRIVATE" not in repr(pki.valid(pki.AXIS).pair())
    assert "private_key" not in repr(pki.valid(pki.AXIS).pair())


def test_a_party_is_known_by_its_folder_and_its_certificates(tmp_path):
    store = TrustStore.load(pki.write_trust(tmp_path, pki.valid(pki.AXIS), pki.expired(pki.AXIS), pki.valid(pki.OTHER)))
    assert set(store.parties) == {pki.AXIS, pki.OTHER}
    assert store.certificates(pki.AXIS, pki.NOW) == (pki.valid(pki.AXIS).certificate,)
    assert store.certificates("nobody", pki.NOW) == ()
    assert store.owner(pki.expired(pki.AXIS).pair().der).system_id == pki.AXIS
    assert store.owner(pki.stranger().pair().der) is None
    with pytest.raises(SignatureInvalid) as caught:
        store.pinned(pki.expired(pki.AXIS).pair().der, pki.AXIS, pki.NOW)
    assert caught.value.code == "certificate-expired"


@pytest.mark.parametrize(
    ("pattern", "organ", "may"),
    [
        ("000.00.00.H99", "000.00.00.H99", True),
        ("000.00.00.H99", "000.00.00.H98", False),
        ("000.00.00.H99", "000.00.00.H99.1", False),
        ("*.G22", "000.00.00.G22", True),
        ("*.G22", "000.00.00.G221", False),
        ("*.G22", "G22", False),
        ("H08.*", "H08.12", True),
        ("H08.*", "H081.12", False),
        ("*", "anyone", True),
        ("*", "", False),
        ("# *", "anyone", False),
    ],
)
def test_a_party_speaks_only_for_the_organs_listed(tmp_path, pattern, organ, may):
    store = TrustStore.load(pki.write_trust(tmp_path, pki.valid(pki.AXIS), organs=(pattern,)))
    assert store.may_speak(pki.AXIS, organ) is may
    assert not store.may_speak("nobody", organ)


def test_a_party_without_a_list_speaks_for_nobody(tmp_path):
    pki.write_trust(tmp_path, pki.valid(pki.AXIS))
    (tmp_path / pki.AXIS / "organs.txt").unlink()
    assert not TrustStore.load(tmp_path).may_speak(pki.AXIS, "000.00.00.H99")


def test_a_certificate_pinned_for_two_parties_is_refused():
    shared = pki.valid(pki.AXIS).certificate
    with pytest.raises(Misconfigured):
        TrustStore((Party("one", (shared,)), Party("two", (shared,))))


def test_every_unusable_certificate_is_named_at_once(tmp_path):
    pki.write_trust(tmp_path, pki.valid(pki.AXIS))
    (tmp_path / pki.AXIS / "bad.pem").write_text("none")
    (tmp_path / pki.AXIS / "chain.pem").write_bytes(pki.valid(pki.AXIS).certificate_pem * 2)
    with pytest.raises(Misconfigured) as caught:
        TrustStore.load(tmp_path)
    assert len(caught.value.problems) == 2


@pytest.fixture
def keys(tmp_path):
    pki.write_keys(tmp_path / "keys", pki.valid(pki.GATEWAY))
    pki.write_trust(tmp_path / "trust", pki.valid(pki.AXIS))
    keys = Keys(tmp_path / "keys", tmp_path / "trust")
    keys.look_every = 0
    return keys


def test_a_party_added_or_removed_counts_without_a_restart(keys, tmp_path):
    assert set(keys.trust.parties) == {pki.AXIS}
    pki.write_trust(tmp_path / "trust", pki.valid(pki.OTHER))
    assert set(keys.trust.parties) == {pki.AXIS, pki.OTHER}
    (tmp_path / "trust" / pki.AXIS / "0.pem").unlink()
    assert keys.trust.owner(pki.valid(pki.AXIS).pair().der) is None


def test_a_new_key_signs_without_a_restart(keys, tmp_path):
    renewed = pki.Member("renewed", pki.certificate("renewed", pki.NOW - DAY, pki.NOW + DAY))
    pki.write_keys(tmp_path / "keys", renewed)
    assert keys.ring.signing(pki.NOW).certificate == renewed.certificate


def test_nothing_is_read_again_while_nothing_changed(keys):
    assert keys.trust is keys.trust
    assert keys.ring is keys.ring


def test_a_half_copied_file_leaves_the_last_good_set_in_use(keys, tmp_path):
    before = keys.trust
    half = tmp_path / "trust" / pki.AXIS / "new.pem"
    half.write_bytes(pki.valid(pki.AXIS).certificate_pem[:100])
    assert keys.trust is before
    half.write_bytes(pki.expired(pki.AXIS).certificate_pem)
    assert len(keys.trust.parties[pki.AXIS].certificates) == 2


def test_an_explicit_reload_says_what_is_wrong(keys, tmp_path):
    (tmp_path / "trust" / pki.AXIS / "bad.pem").write_text("none")
    with pytest.raises(Misconfigured):
        keys.reload()


def test_on_the_road_inside_our_own_keys_are_the_only_party(tmp_path):
    keys = OwnKeys(pki.write_keys(tmp_path, pki.valid(pki.GATEWAY)), "inside")
    keys.look_every = 0
    assert set(keys.trust.parties) == {"inside"}
    assert keys.trust.owner(pki.valid(pki.GATEWAY).pair().der).system_id == "inside"
    assert keys.trust.owner(pki.valid(pki.AXIS).pair().der) is None
    pki.write_keys(tmp_path, pki.valid("renewed"))
    assert keys.trust.owner(pki.valid("renewed").pair().der).system_id == "inside"
