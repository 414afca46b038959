import base64
import copy
import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from gateway.trust import markup, wssecurity
from gateway.trust.errors import SignatureInvalid
from tests import pki
from tests.unit.trust.signed import envelope, secured

MINUTE = dt.timedelta(minutes=1)
NS = {"s": wssecurity.SOAP, "o": wssecurity.WSSE, "u": wssecurity.WSU, "d": markup.DS}
TRUST = pki.trust(pki.valid(pki.AXIS), pki.valid(pki.OTHER))
ID = f"{{{wssecurity.WSU}}}Id"


def check(data, *, party=pki.AXIS, now=pki.NOW, trust=TRUST, **options):
    return wssecurity.check(data, trust=trust, party=party, now=now, **options)


def refused(data, **options):
    with pytest.raises(SignatureInvalid) as caught:
        check(data, **options)
    return caught.value.code


def one(root, path):
    (found,) = root.xpath(path, namespaces=NS)
    return found


def resigned(root, *, digest=hashlib.sha256, sign=None):
    """The attacker's or the stranger's turn: every digest and the value made again with the axis's own key."""
    for reference in root.iterfind(".//d:Reference", NS):
        target = one(root, f"//*[@u:Id='{reference.get('URI')[1:]}']")
        one(reference, "d:DigestValue").text = base64.b64encode(digest(markup.canonical(target)).digest()).decode()
    octets = markup.canonical(one(root, "//d:SignedInfo"))
    sign = sign or (lambda data: pki.valid(pki.AXIS).key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    one(root, "//d:SignatureValue").text = base64.b64encode(sign(octets)).decode()
    return etree.tostring(root)


def test_what_was_signed_is_what_comes_back():
    root = envelope("Tờ trình số 15")
    value = wssecurity.secure(root, pki.valid(pki.AXIS).pair(), pki.NOW)
    found = check(etree.tostring(root))
    assert found.body[0][0].text == "Tờ trình số 15"
    assert (found.signer, found.signature_value, found.created) == (pki.AXIS, value, pki.NOW)
    assert found.certificate == pki.valid(pki.AXIS).certificate


def test_an_element_already_parsed_is_checked_like_its_bytes():
    assert check(markup.parse(secured())).signer == pki.AXIS


def test_signing_again_does_not_disturb_a_header_that_was_there():
    root = envelope()
    header = etree.Element(f"{{{wssecurity.SOAP}}}Header")
    etree.SubElement(header, "{urn:test}Hop")
    root.insert(0, header)
    wssecurity.secure(root, pki.valid(pki.AXIS).pair(), pki.NOW)
    assert check(etree.tostring(root)).signer == pki.AXIS
    assert one(root, "s:Header/*[1]").tag == "{urn:test}Hop"


def test_reindenting_the_header_does_not_break_the_signature():
    data = secured().replace(b"<ds:KeyInfo>", b"\n  <ds:KeyInfo>\n")
    assert check(data).signer == pki.AXIS


def test_a_changed_body_is_refused():
    assert refused(secured().replace("Kính".encode("ascii", "xmlcharrefreplace"), b"Kinh")) == "signature-bad"


def test_a_changed_timestamp_is_refused():
    assert refused(secured().replace(b"08:05:00.000Z</wsu:Expires>", b"09:05:00.000Z</wsu:Expires>")) == "signature-bad"


def test_a_comment_hidden_in_signed_text_is_not_in_what_comes_back():
    root = etree.fromstring(secured())
    asked = one(root, "//*[local-name()='RequestId']")
    asked.text, text = "Kính", asked.text
    comment = etree.Comment("x")
    asked.append(comment)
    comment.tail = text.removeprefix("Kính")
    assert check(etree.tostring(root)).body[0][0].text == text


def test_an_envelope_without_a_signature_is_told_apart_from_a_bad_one():
    assert refused(etree.tostring(envelope())) == "signature-missing"
    for path in ("//d:Signature", "//o:Security"):
        root = etree.fromstring(secured())
        found = one(root, path)
        found.getparent().remove(found)
        assert refused(etree.tostring(root)) == "signature-missing"


def test_a_body_moved_into_the_header_does_not_vouch_for_another():
    root = etree.fromstring(secured())
    body = one(root, "s:Body")
    forged = copy.deepcopy(body)
    forged[0][0].text = "forged"
    forged.attrib.pop(ID)
    root.replace(body, forged)
    etree.SubElement(root[0], "{urn:test}Wrapper").append(body)
    assert refused(etree.tostring(root)) == "not-covered"
    forged.set(ID, "other")
    assert refused(etree.tostring(root)) == "not-covered"


def test_two_elements_with_one_id_are_refused():
    root = etree.fromstring(secured())
    body = one(root, "s:Body")
    forged = copy.deepcopy(body)
    forged[0][0].text = "forged"
    root.replace(body, forged)
    etree.SubElement(root[0], "{urn:test}Wrapper").append(body)
    assert refused(etree.tostring(root)) == "form"


@pytest.mark.parametrize("name", ["Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_an_id_of_another_kind_may_not_repeat_one_either(name):
    root = etree.fromstring(secured())
    etree.SubElement(root[0], "{urn:test}Wrapper").set(name, "body")
    assert refused(etree.tostring(root)) == "form"


@pytest.mark.parametrize("path", ["s:Body", "s:Header", "//o:Security", "//d:Signature", "//u:Timestamp"])
def test_a_doubled_part_is_refused(path):
    root = etree.fromstring(secured())
    part = one(root, path)
    twin = copy.deepcopy(part)
    for element in twin.iter():
        element.attrib.pop(ID, None)
    part.addnext(twin)
    assert refused(etree.tostring(root)) == "form"


@pytest.mark.parametrize("tag", [f"{{{wssecurity.WSSE}}}Security", f"{{{markup.DS}}}Signature"])
def test_a_further_one_hidden_in_another_header_is_refused(tag):
    root = etree.fromstring(secured())
    etree.SubElement(etree.SubElement(root[0], "{urn:test}Wrapper"), tag)
    assert refused(etree.tostring(root)) == "form"


def test_a_comment_in_signed_info_is_not_part_of_what_is_signed():
    root = etree.fromstring(secured())
    value = root.find(".//d:DigestValue", NS)
    comment = etree.Comment("x")
    value.append(comment)
    comment.tail, value.text = value.text[8:], value.text[:8]
    assert check(etree.tostring(root)).signer == pki.AXIS


def test_a_signature_outside_the_security_header_is_refused():
    root = etree.fromstring(secured())
    root[0].append(one(root, "//d:Signature"))
    assert refused(etree.tostring(root)) == "form"


@pytest.mark.parametrize("left_out", ["#body", "#timestamp"])
def test_a_signature_must_cover_body_and_timestamp(left_out):
    root = etree.fromstring(secured())
    reference = one(root, f"//d:Reference[@URI='{left_out}']")
    reference.getparent().remove(reference)
    assert refused(resigned(root)) == "not-covered"


def test_a_further_reference_is_refused():
    root = etree.fromstring(secured())
    reference = copy.deepcopy(one(root, "//d:Reference[@URI='#body']"))
    one(root, "//d:SignedInfo").append(reference)
    assert refused(resigned(root)) == "not-covered"


def test_a_stranger_is_refused():
    assert refused(secured(pki.stranger())) == "signer-unknown"


def test_another_party_we_trust_is_refused_where_this_one_must_sign():
    assert refused(secured(pki.valid(pki.OTHER))) == "signer-unknown"
    assert check(secured(pki.valid(pki.OTHER)), party=pki.OTHER).signer == pki.OTHER


def test_a_token_swapped_for_a_trusted_one_is_refused():
    root = etree.fromstring(secured(pki.stranger()))
    one(root, "//o:BinarySecurityToken").text = base64.b64encode(pki.valid(pki.AXIS).pair().der).decode()
    assert refused(etree.tostring(root)) == "signature-bad"


def test_key_info_must_point_at_the_token():
    root = etree.fromstring(secured())
    one(root, "//o:SecurityTokenReference/o:Reference").set("URI", "#elsewhere")
    assert refused(etree.tostring(root)) == "form"
    root = etree.fromstring(secured())
    etree.SubElement(one(root, "//d:KeyInfo"), f"{{{markup.DS}}}KeyName").text = "x"
    assert refused(etree.tostring(root)) == "form"


@pytest.mark.parametrize(
    ("member", "code"),
    [(pki.expired, "certificate-expired"), (pki.not_yet_valid, "certificate-not-yet-valid")],
)
def test_a_certificate_outside_its_dates_is_refused(member, code):
    member = member(pki.AXIS)
    assert refused(secured(member), trust=pki.trust(member)) == code


def test_of_several_certificates_of_a_party_each_valid_one_signs():
    both = pki.trust(pki.expired(pki.AXIS), pki.valid(pki.AXIS))
    assert check(secured(pki.valid(pki.AXIS)), trust=both).signer == pki.AXIS


def test_an_old_and_a_future_envelope_are_stale():
    for made in (pki.NOW - 6 * MINUTE, pki.NOW + 6 * MINUTE):
        assert refused(secured(now=made, seconds=3600)) == "stale"
    for made in (pki.NOW - 4 * MINUTE, pki.NOW + 4 * MINUTE):
        assert check(secured(now=made)).created == made


def test_an_envelope_past_its_own_end_is_stale_even_within_the_window():
    assert refused(secured(now=pki.NOW - MINUTE, seconds=30)) == "stale"


@pytest.mark.parametrize("created", ["gestern", "", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_refused(created):
    root = etree.fromstring(secured())
    one(root, "//u:Created").text = created
    assert refused(resigned(root)) == "form"


def test_sha1_is_refused_even_if_the_right_key_made_it():
    root = etree.fromstring(secured())
    for method in root.iterfind(".//d:DigestMethod", NS):
        method.set("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")
    assert refused(resigned(root, digest=hashlib.sha1)) == "algorithm"
    root = etree.fromstring(secured())
    one(root, "//d:SignatureMethod").set("Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")
    assert refused(resigned(root)) == "algorithm"


def test_an_hmac_keyed_with_the_public_certificate_is_refused():
    def sign(data):
        made = hmac.HMAC(pki.valid(pki.AXIS).pair().der, hashes.SHA256())
        made.update(data)
        return made.finalize()

    root = etree.fromstring(secured())
    one(root, "//d:SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    assert refused(resigned(root, sign=sign)) == "algorithm"


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "urn:unheard-of",
        "",
    ],
)
def test_any_other_transform_is_refused(algorithm):
    for add in (True, False):
        root = etree.fromstring(secured())
        transform = one(root, "//d:Reference[@URI='#body']//d:Transform")
        if add:
            etree.SubElement(transform.getparent(), transform.tag).set("Algorithm", algorithm)
        else:
            transform.set("Algorithm", algorithm)
        assert refused(resigned(root)) == "algorithm"


def test_inclusive_prefixes_as_other_stacks_write_them_are_understood():
    root = envelope()
    one(root, "s:Body").append(etree.fromstring('<x xmlns:q="urn:q" kind="q:name"/>'))
    wssecurity.secure(root, pki.valid(pki.AXIS).pair(), pki.NOW)
    transform = one(root, "//d:Reference[@URI='#body']//d:Transform")
    etree.SubElement(transform, f"{{{markup.EXC_C14N}}}InclusiveNamespaces").set("PrefixList", "q s")
    octets = markup.canonical(one(root, "s:Body"), ("q", "s"))
    value = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    one(root, "//d:Reference[@URI='#body']/d:DigestValue").text = value
    signed = markup.canonical(one(root, "//d:SignedInfo"))
    made = pki.valid(pki.AXIS).key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    one(root, "//d:SignatureValue").text = base64.b64encode(made).decode()
    assert check(etree.tostring(root)).signer == pki.AXIS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"<a",
        b"not xml",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-<a/>',
        b"<a>" * 100_000,
    ],
)
def test_hostile_bytes_are_an_answer_not_a_crash(data):
    assert refused(data) == "not-xml"


def test_an_envelope_over_the_limit_is_not_even_parsed():
    assert refused(b"<a>" + b" " * 17_000_000 + b"</a>") == "not-xml"


@pytest.mark.parametrize("data", [b"<a/>", b'<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"/>'])
def test_what_is_no_soap_envelope_is_refused(data):
    assert refused(data) == "form"


@pytest.mark.parametrize("path", ["//d:SignatureValue", "//d:DigestValue", "//o:BinarySecurityToken"])
def test_base64_that_is_none_is_refused(path):
    root = etree.fromstring(secured())
    root.xpath(path, namespaces=NS)[0].text = "%%%"
    assert refused(etree.tostring(root)) == "form"


def test_the_words_of_a_refusal_never_quote_the_body():
    for data in (secured(pki.stranger()), secured().replace(b"RequestId", b"RequestIx")):
        with pytest.raises(SignatureInvalid) as caught:
            check(data)
        assert "gửi" not in str(caught.value)


def test_threads_checking_at_once_never_take_one_party_for_another():
    mine, forged = secured(), secured(pki.valid(pki.OTHER))
    changed = mine.replace(b"RequestId>", b"RequestIx>")

    def once(number):
        data = (mine, forged, changed)[number % 3]
        try:
            return number % 3, check(data).signer
        except SignatureInvalid as exc:
            return number % 3, exc.code

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(once, range(600)))
    assert found == {(0, pki.AXIS), (1, "signer-unknown"), (2, "signature-bad")}
