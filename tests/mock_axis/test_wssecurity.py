"""Requests that a real axis would not take, each with the fault that says why."""

import datetime as dt
import re

import pytest
import signxml
from lxml import etree

from mock_axis import pki, soap, wssecurity
from mock_axis.keys import load_key

from .client import OURS, Client, Fault, new_id


async def refused(client, envelope, value=b""):
    with pytest.raises(Fault) as caught:
        await client.post("CheckPermission", envelope, value)
    return caught.value


def ask(client, **more):
    return client.envelope("CheckPermission", soap.field("OrganId", OURS), **more)


async def test_a_request_in_order_is_answered(client):
    reply = await client.call("CheckPermission", soap.field("OrganId", OURS))
    assert reply["Allowed"] == "true"
    reply = await client.call("CheckPermission", soap.field("OrganId", "000.00.00.G22"))
    assert reply["Allowed"] == "false"


async def test_a_changed_body_is_a_bad_signature(client):
    envelope, value = ask(client)
    fault = await refused(client, envelope.replace(b"H08", b"H09"), value)
    assert fault.code == "BadSignature"


async def test_a_changed_signature_value_is_a_bad_signature(client):
    envelope, _ = ask(client)
    forged = re.sub(rb"<ds:SignatureValue>.", b"<ds:SignatureValue>" + b"+", envelope)
    assert (await refused(client, forged)).code == "BadSignature"


async def test_a_request_without_security_is_a_bad_signature(client):
    envelope, _ = ask(client)
    bare = re.sub(rb"<soap:Header>.*</soap:Header>", b"", envelope)
    assert (await refused(client, bare)).code == "BadSignature"


async def test_a_signer_that_nobody_knows_is_a_bad_signature(mock, client):
    client.key = load_key(mock.pki.strangers / "stranger.key.pem")
    envelope, value = ask(client)
    assert (await refused(client, envelope, value)).code == "BadSignature"


async def test_a_known_signer_may_not_name_another_system(client):
    envelope, value = ask(client, system="cong-h41")
    assert (await refused(client, envelope, value)).code == "BadSignature"


@pytest.mark.parametrize("span", [(-30, -1), (1, 30)], ids=["ended", "not-begun"])
async def test_a_certificate_out_of_its_time_is_a_bad_signature(mock, client, tmp_path, span):
    start, end = (dt.timedelta(days=days) for days in span)
    certificate = pki.issue(tmp_path, "odd", pki.GATEWAY, start=start, end=end)
    pki.vouch(mock.pki.axis_trust, pki.GATEWAY, certificate)
    client.key = load_key(tmp_path / "odd.key.pem")
    envelope, value = ask(client)
    assert (await refused(client, envelope, value)).code == "BadSignature"


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_stale_request_is_told_the_servers_time(client, minutes):
    client.offset = dt.timedelta(minutes=minutes)
    envelope, value = ask(client)
    client.offset = dt.timedelta()
    fault = await refused(client, envelope, value)
    assert fault.code == "Clock"
    told = dt.datetime.fromisoformat(fault.detail.findtext(f"{{{soap.AX}}}ServerTime"))
    assert abs(told - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=10)


async def test_the_same_request_again_is_replayed(client):
    envelope, value = ask(client)
    await client.post("CheckPermission", envelope, value)
    assert (await refused(client, envelope, value)).code == "Replayed"


async def test_a_request_id_used_again_under_a_new_signature_is_replayed(client):
    request_id = new_id()
    await client.post("CheckPermission", *ask(client, request_id=request_id))
    assert (await refused(client, *ask(client, request_id=request_id))).code == "Replayed"


async def test_a_refused_request_id_is_replayed_too(client):
    file, request_id = client.document(to=("000.00.00.X99",)), new_id()
    codes = []
    for _ in range(2):
        with pytest.raises(Fault) as caught:
            await client.send(file, request_id=request_id)
        codes.append(caught.value.code)
    assert codes == ["UnknownOrgan", "Replayed"]


async def test_another_system_may_use_the_same_request_id(mock, client):
    request_id = new_id()
    await client.post("CheckPermission", *ask(client, request_id=request_id))
    async with Client(mock, "cong-h41") as other:
        await other.post("CheckPermission", *ask(other, request_id=request_id))


async def test_a_signed_body_moved_aside_does_not_vouch_for_another(client):
    envelope, value = ask(client)
    body = re.search(rb"<soap:Body.*</soap:Body>", envelope)[0]
    evil = re.sub(rb'wsu:Id="[^"]*"', b'wsu:Id="evil"', body).replace(b"H08", b"H09")
    wrapped = envelope.replace(body, evil).replace(b"</soap:Header>", b"<x>" + body + b"</x></soap:Header>")
    assert (await refused(client, wrapped, value)).code == "BadSignature"
    same_id = envelope.replace(body, body.replace(b"H08", b"H09")).replace(
        b"</soap:Header>", b"<x>" + body + b"</x></soap:Header>"
    )
    assert (await refused(client, same_id, value)).code == "BadSignature"


async def test_two_bodies_are_refused(client):
    envelope, value = ask(client)
    body = re.search(rb"<soap:Body.*</soap:Body>", envelope)[0]
    twice = envelope.replace(body, body + body.replace(b"B-", b"C-"))
    assert (await refused(client, twice, value)).code == "BadSignature"


def test_body_without_timestamp_is_not_enough(folder):
    key = load_key(folder / "pki" / "gateway" / pki.GATEWAY / "keys" / "gateway.key.pem")
    from mock_axis.keys import Trust

    now = dt.datetime.now(dt.UTC)
    envelope, _ = wssecurity.secure("<a></a>", key, now)
    root = etree.fromstring(envelope)
    info = root.find(f".//{{{wssecurity.DS}}}SignedInfo")
    info.remove(info.findall(f"{{{wssecurity.DS}}}Reference")[1])
    value = key.sign(etree.tostring(info, method="c14n", exclusive=True))
    root.find(f".//{{{wssecurity.DS}}}SignatureValue").text = soap.xmlsig.b64(value)
    with pytest.raises(wssecurity.BadSignature, match="Body and Timestamp"):
        wssecurity.check(etree.tostring(root), Trust(folder / "pki" / "axis" / "trust"), now)


async def test_a_weak_algorithm_is_refused(client):
    envelope, value = ask(client)
    weak = envelope.replace(b"xmlenc#sha256", b"xmldsig#sha1").replace(
        b"http://www.w3.org/2001/04/xmldsig#sha1", b"http://www.w3.org/2000/09/xmldsig#sha1"
    )
    assert (await refused(client, weak, value)).code == "BadSignature"


async def test_a_document_type_is_never_read(client):
    envelope, value = ask(client)
    dtd = envelope.replace(b"?>\n", b'?>\n<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>\n', 1)
    assert (await refused(client, dtd, value)).code == "BadForm"


async def test_a_body_that_the_schema_does_not_know_is_bad_form(client):
    with pytest.raises(Fault) as caught:
        await client.call("CheckPermission", soap.field("Organ", OURS))
    assert caught.value.code == "BadForm"


async def test_an_envelope_without_end_is_too_large(client):
    envelope, value = ask(client)
    fault = await refused(client, envelope + b" " * (1 << 20), value)
    assert fault.code == "TooLarge"


async def test_a_fault_is_signed_and_bound_to_its_request(client):
    request_id = new_id()
    envelope, value = ask(client, request_id=request_id)
    fault = await refused(client, envelope.replace(b"H08", b"H09"), value)
    assert fault.detail.findtext(f"{{{soap.AX}}}RequestId") == request_id
    digest = fault.detail.findtext(f"{{{soap.AX}}}RequestSignatureDigest")
    assert digest == soap.xmlsig.b64(wssecurity.hashlib.sha256(value).digest())


async def test_a_new_certificate_counts_without_a_restart(mock, client):
    await client.call("CheckPermission", soap.field("OrganId", OURS))
    pki.roll_gateway_key(mock.pki)
    client.key = load_key(mock.pki.gateway_keys() / "next.key.pem")
    import asyncio

    await asyncio.sleep(0.6)
    await client.call("CheckPermission", soap.field("OrganId", OURS))


async def test_another_library_finds_replies_and_receipts_signed_well(mock, client):
    reply = await client.send(client.document())
    certificate = mock.operations._desk.keys.signing(client.now()).certificate
    root = etree.fromstring(reply.envelope)
    config = signxml.SignatureConfiguration(expect_references=2, location=".//")
    results = signxml.XMLVerifier().verify(
        root, x509_cert=certificate, expect_config=config, id_attribute="Id", validate_schema=False
    )
    assert {etree.QName(found.signed_xml).localname for found in results} == {"Body", "Timestamp"}
    found = signxml.XMLVerifier().verify(etree.fromstring(reply.receipt_bytes()), x509_cert=certificate)
    assert etree.QName(found.signed_xml).localname == "Receipt"


@pytest.mark.parametrize("text", ["không", "A", "====", ""])
async def test_a_token_that_is_no_certificate_is_a_bad_signature(client, text):
    envelope, value = ask(client)
    odd = re.sub(rb"(<wsse:BinarySecurityToken[^>]*>)[^<]*", rb"\g<1>" + text.encode(), envelope)
    assert (await refused(client, odd, value)).code == "BadSignature"
