"""One byte changed anywhere: refused in so many words, or without any effect on what is believed. Never a crash."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.trust import edxml_signature, markup, receipts, wssecurity
from gateway.trust.errors import SignatureInvalid
from tests import pki
from tests.unit.trust.signed import digests, document_file, issued, secured

TRUST = pki.trust(pki.valid(pki.AXIS), pki.valid(pki.GATEWAY))

envelope = functools.cache(secured)
receipt = functools.cache(issued)
document = functools.cache(document_file)


def of_envelope(data):
    found = wssecurity.check(data, trust=TRUST, party=pki.AXIS, now=pki.NOW)
    return markup.canonical(found.body), found.signer, found.created


def of_receipt(data):
    return receipts.read(data, trust=TRUST, issuer=pki.AXIS, at=pki.NOW)


def of_document(data):
    report = edxml_signature.check(data, digests(), trust=TRUST, now=pki.NOW)
    if report.verdict != "valid":
        raise SignatureInvalid(report.verdict)
    root = markup.parse(data)
    covered = ("MessageHeader", "edXMLManifest")
    return report.signer, [markup.canonical(element) for name in covered for element in root.iter(f"{{*}}{name}")]


@pytest.mark.parametrize(("make", "read"), [(envelope, of_envelope), (receipt, of_receipt), (document, of_document)])
@settings(max_examples=250, deadline=None)
@given(draw=st.data())
def test_a_byte_changed_anywhere_is_refused_or_changes_nothing(make, read, draw):
    data = bytearray(make())
    place = draw.draw(st.integers(0, len(data) - 1))
    length = draw.draw(st.sampled_from([0, 1, 1, 1, 8]))
    data[place : place + length] = draw.draw(st.binary(max_size=8) | st.sampled_from([b"<!---->", b"<?x?>", b"&#65;"]))
    try:
        found = read(bytes(data))
    except SignatureInvalid:
        return
    assert found == read(make())


@pytest.mark.parametrize("tag", [b"SignatureValue", b"DigestValue", b"X509Certificate"])
def test_an_emptied_value_is_refused_not_stumbled_over(tag):
    for make, read in ((receipt, of_receipt), (document, of_document)):
        data = make()
        start = data.index(b"<ds:" + tag) + len(tag) + 5
        with pytest.raises(SignatureInvalid):
            read(data[:start] + data[data.index(b"</ds:" + tag, start) :])


def test_a_relative_namespace_has_no_canonical_form_and_is_refused():
    with pytest.raises(SignatureInvalid) as caught:
        of_envelope(envelope().replace(b'"urn:test"', b'"test"'))
    assert caught.value.code == "form"
