"""What an RFC 3161 token proves, and what it does not."""

import datetime as dt

import pytest
from asn1crypto import crl, tsp

from gateway.trust import timestamps
from gateway.trust.errors import SignatureInvalid
from gateway.trust.pdf.trust_list import Known
from tests.authority import Authority
from tests.unit.trust_pdf.pki import DAY, NOW

DATA = b"a head, or a manifest"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def token(authority):
    return authority.token(DATA)


def code(token, data, known, now=NOW):
    with pytest.raises(SignatureInvalid) as raised:
        timestamps.checked(token, data, known, now)
    return raised.value.code


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_a_token_tells_when_the_data_existed_and_who_says_so(authority, digest):
    stamp = timestamps.checked(authority.token(DATA, digest), DATA, authority.known(), NOW)
    assert stamp == timestamps.Stamp(NOW, "TSA thử nghiệm")


def test_a_token_over_other_data_is_refused(authority, token):
    assert code(token, DATA + b".", authority.known()) == "timestamp-imprint"


def test_the_answer_to_another_request_is_refused(authority):
    asked, nonce = timestamps.request(DATA)
    with pytest.raises(SignatureInvalid, match="timestamp-nonce"):
        timestamps.token(authority.answer(asked), nonce ^ 2)


def test_a_refusal_of_the_authority_is_told_with_its_reason():
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {"bad_alg"}}).dump()
    refused = bytes([0x30, len(status)]) + status  # as RFC 3161 has it: no token
    with pytest.raises(SignatureInvalid, match=r"timestamp-refused: .* bad_alg"):
        timestamps.token(refused, 1)


def test_a_changed_token_is_refused_or_says_the_same(authority, token):
    """Some bytes say nothing, like the parameters of an algorithm that has none."""
    whole, seen = timestamps.checked(token, DATA, authority.known(), NOW), set()
    for at in range(0, len(token), 9):
        try:
            assert timestamps.checked(spoilt(token, at), DATA, authority.known(), NOW) == whole
        except SignatureInvalid as error:
            seen.add(error.code)
    assert seen >= {"timestamp-bad", "timestamp-form", "timestamp-imprint"}


def spoilt(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x80" * 40_000])
def test_junk_is_no_timestamp(authority, junk):
    assert code(junk, DATA, authority.known()) == "timestamp-form"
    with pytest.raises(SignatureInvalid, match="timestamp-form"):
        timestamps.token(junk, 1)


def test_an_authority_that_no_certificate_leads_to_is_not_believed(token):
    assert code(token, DATA, Known()) == "timestamp-untrusted"


def test_a_certificate_that_is_not_meant_for_timestamps_is_not_believed(authority, token, monkeypatch):
    """The very certificate, pinned as an anchor of its own, still has to be an authority's."""
    known = Known(anchors=(authority.pki.certificate("ca"),))
    assert code(token, DATA, known) == "timestamp-untrusted"


def test_a_token_outlives_the_certificate_of_its_authority(authority, token):
    assert timestamps.checked(token, DATA, authority.known(), NOW + 3000 * DAY).at == NOW


def test_a_token_from_the_future_is_refused(authority, token):
    assert code(token, DATA, authority.known(), NOW - dt.timedelta(minutes=6)) == "timestamp-early"


def test_a_revoked_authority_takes_its_tokens_down_with_it(tmp_path):
    revoked = Authority(tmp_path, revoked=True)
    token = revoked.token(DATA)
    timestamps.checked(token, DATA, revoked.known(), NOW)
    (revoked.trust / "root.crl").write_bytes(revoked.pki.crl("root", NOW + 40 * DAY))
    assert code(token, DATA, revoked.known(), NOW + 40 * DAY) == "timestamp-revoked"


def test_a_list_from_after_the_end_of_the_authority_s_certificate_says_nothing(authority, token):
    late = authority.pki.crl("root", dt.datetime(2048, 2, 1, tzinfo=dt.UTC))
    known = Known(authority.known().anchors, (crl.CertificateList.load(late),))
    assert timestamps.checked(token, DATA, known, NOW + 9000 * DAY).at == NOW
