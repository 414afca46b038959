import dataclasses
import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from gateway.trust import receipts
from gateway.trust.errors import SignatureInvalid
from tests import pki
from tests.unit.trust.signed import issued, receipt

TRUST = pki.trust(pki.valid(pki.AXIS), pki.valid(pki.OTHER))
NS = {"r": "urn:lienthong:receipt:1", "d": "http://www.w3.org/2000/09/xmldsig#"}
OTHERWISE = {
    "receipt_id": "r-2",
    "kind": "gateway-received",
    "issued_by": pki.OTHER,
    "addressed_to": "lienthong-h01",
    "message_id": "f" * 32,
    "axis_id": "A-78",
    "document_id": "another",
    "sender": "000.00.00.H01",
    "to": ("000.00.00.G77",),
    "size": 4097,
    "sha256": "ac" * 32,
    "attachments": (("209", "cd" * 32), ("210", "ee" * 32)),
    "time": pki.NOW + dt.timedelta(seconds=1),
}


def read(body, *, issuer=pki.AXIS, at=pki.NOW, trust=TRUST):
    return receipts.read(body, trust=trust, issuer=issuer, at=at)


def refused(body, **options):
    with pytest.raises(SignatureInvalid) as caught:
        read(body, **options)
    return caught.value.code


def test_a_receipt_reads_back_as_it_was_issued():
    assert read(issued()) == receipt()


def test_signxml_agrees_with_what_is_read():
    assert receipts.read(issued(), trust=TRUST, issuer=pki.AXIS, at=pki.NOW, twice=True) == receipt()


def test_text_after_the_signature_is_covered_too():
    assert refused(issued().replace(b"</ds:Signature>", b"</ds:Signature> ")) == "signature-bad"


def test_texts_that_xml_must_escape_read_back_unchanged():
    odd = {"document_id": 'a<b>&"c"\r\n\t]]>', "attachments": (('<"&\t\n\r>', "cd" * 32),), "to": (), "sender": ""}
    assert read(issued(**odd)) == receipt(**odd)


def test_a_text_that_xml_cannot_carry_is_not_signed():
    for bad in ("\x00", "\x1f", "\ud800", "\uffff"):
        with pytest.raises(ValueError, match="cannot stand in XML"):
            issued(document_id=bad)


@pytest.mark.parametrize("field", OTHERWISE)
def test_a_receipt_with_any_single_field_altered_is_refused(field):
    own = issued()
    other = issued(**{field: OTHERWISE[field]})
    signature = own[own.index(b"<ds:Signature") : own.index(b"</ds:Signature>")]
    its = other[other.index(b"<ds:Signature") : other.index(b"</ds:Signature>")]
    assert refused(other.replace(its, signature)) == "signature-bad"


@pytest.mark.parametrize("field", OTHERWISE)
def test_a_mismatch_is_named_in_every_field_but_the_receipt_s_own(field):
    found = receipts.mismatches(receipt(**{field: OTHERWISE[field]}), receipt())
    assert found == ([] if field in {"receipt_id", "time"} else [field])


def test_every_field_of_a_receipt_is_tried_here():
    assert set(OTHERWISE) == {field.name for field in dataclasses.fields(receipts.Receipt)}


def test_an_unsigned_receipt_is_refused():
    body = issued()
    start, end = body.index(b"<ds:Signature"), body.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    assert refused(body[:start] + body[end:]) == "signature-missing"


def test_a_receipt_signed_by_another_party_or_a_stranger_is_refused():
    assert refused(issued(pki.valid(pki.OTHER))) == "signer-unknown"
    assert refused(issued(pki.stranger())) == "signer-unknown"


def test_a_party_cannot_issue_in_another_s_name():
    assert refused(issued(issued_by=pki.OTHER)) == "signer-unknown"


def test_a_certificate_swapped_for_a_trusted_one_is_refused():
    root = etree.fromstring(issued(pki.stranger()))
    own = etree.fromstring(issued())
    path = ".//d:X509Certificate"
    root.find(path, NS).text = own.find(path, NS).text
    assert refused(etree.tostring(root)) == "signature-bad"


def test_validity_is_judged_at_the_time_given():
    later = pki.NOW + 2 * pki.YEAR
    assert refused(issued(), at=later) == "certificate-expired"
    assert read(issued(time=later)).time == later


def test_a_second_receipt_hung_beside_the_signed_one_is_refused():
    inner = issued().decode()
    outer = inner.replace("<ReceiptId>", f"<ReceiptId>{inner}</ReceiptId><ReceiptId>", 1)
    assert refused(outer.encode()) == "form"


def test_a_second_signature_is_refused():
    body = issued()
    signature = body[body.index(b"<ds:Signature") : body.index(b"</Receipt>")]
    assert refused(body.replace(b"</Receipt>", signature + b"</Receipt>")) == "form"


def test_a_signature_within_the_signature_is_refused():
    body = issued()
    signature = body[body.index(b"<ds:Signature") : body.index(b"</Receipt>")]
    nested = body.replace(b"</ds:Signature>", b"<ds:Object>" + signature + b"</ds:Object></ds:Signature>")
    assert refused(nested) == "form"


def test_a_second_certificate_beside_the_signer_s_is_refused():
    body, other = issued(), issued(pki.stranger())
    start, end = other.index(b"<ds:X509Certificate>"), other.index(b"</ds:X509Data>")
    assert refused(body.replace(b"</ds:X509Data>", other[start:end] + b"</ds:X509Data>")) == "form"


def test_a_receipt_over_the_limit_is_not_even_parsed():
    assert refused(b"<a>" + b"<b/>" * 300_000 + b"</a>") == "not-xml"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"xmldsig-more#rsa-sha256", b"xmldsig-more#hmac-sha256", "algorithm"),
        (b"2001/04/xmldsig-more#rsa-sha256", b"2000/09/xmldsig#rsa-sha1", "algorithm"),
        (b"2001/04/xmlenc#sha256", b"2000/09/xmldsig#sha1", "algorithm"),
        (b"2000/09/xmldsig#enveloped-signature", b"TR/1999/REC-xslt-19991116", "algorithm"),
        (b'URI=""', b'URI="#x"', "not-covered"),
    ],
)
def test_foreign_algorithms_and_targets_are_refused_before_any_key_is_used(old, new, code):
    assert old in issued()
    assert refused(issued().replace(old, new, 1)) == code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Kind>axis-accepted</Kind>", b"<Kind>axis-refused</Kind>"),
        (b"<AxisId>A-77</AxisId>", b""),
        (b"</Time>", b"</Time><Time>2026-03-02T08:00:00Z</Time>"),
        (b'Size="4096"', b'Size="-1"'),
        (b'Size="4096"', b'Size="x"'),
    ],
)
def test_what_is_not_of_the_schema_is_refused(old, new):
    assert old in issued()
    assert refused(issued().replace(old, new)) == "form"


def test_a_signed_number_beyond_what_we_can_hold_is_refused():
    assert refused(issued(size="9" * 5000)) == "form"


@pytest.mark.parametrize("body", [b"", b"<", b"<!DOCTYPE a><a/>", b"\xff\xfe<\x00", b"<a/>", b"<Receipt/>"])
def test_hostile_bytes_are_an_answer_not_a_crash(body):
    assert refused(body) in {"not-xml", "form"}


def test_threads_reading_at_once_never_take_one_issuer_for_another():
    cases = {
        0: issued(),
        1: issued(pki.valid(pki.OTHER)),
        2: issued().replace(b"A-77", b"A-78"),
        3: issued(pki.stranger()),
    }

    def once(number):
        try:
            return number % 4, read(cases[number % 4]).axis_id
        except SignatureInvalid as exc:
            return number % 4, exc.code

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(once, range(400)))
    assert found == {(0, "A-77"), (1, "signer-unknown"), (2, "signature-bad"), (3, "signer-unknown")}
