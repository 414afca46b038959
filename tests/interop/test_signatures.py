"""Our signatures before verifiers that share no code with us, and theirs before ours: xmlsec1 and the JDK."""

import base64
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from gateway.trust import markup, policy, receipts, wssecurity
from gateway.trust.errors import SignatureInvalid
from schemas import EDXML_NAMESPACE
from tests import pki
from tests.system_tools import needs
from tests.unit.trust.signed import document_file, envelope, issued, receipt, secured, status_file

SOURCE = Path(__file__).parent / "java" / "Signatures.java"
MEMBER = pki.valid(pki.AXIS)
TRUST = pki.trust(MEMBER)

MADE = {
    "envelope": secured,
    "receipt": issued,
    "document": lambda: document_file(MEMBER),
    "status": lambda: status_file(MEMBER),
}
SPOILT = {
    "envelope": (b"RequestId>", b"RequestIx>"),
    "receipt": (b"<AxisId>A-77<", b"<AxisId>A-78<"),
    "document": (b'URI="cid:2"', b'URI="cid:3"'),
    "status": (b'URI="edxml:MessageHeader"', b'URI="edxml:MessageHeadex"'),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interop")
    (folder / "key.pem").write_bytes(MEMBER.key_pem)
    (folder / "cert.pem").write_bytes(MEMBER.certificate_pem)
    (folder / "ca.pem").write_bytes(pki.Member("ca", pki.certificate("Throw-away CA")).certificate_pem)
    for name, make in MADE.items():
        data = make()
        assert SPOILT[name][0] in data
        (folder / f"{name}.xml").write_bytes(data)
        (folder / f"{name}-spoilt.xml").write_bytes(data.replace(*SPOILT[name]))
    return folder


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)


def unsigned_receipt():
    data = issued()
    return data[: data.index(b"<ds:Signature")] + data[data.index(b"</ds:Signature>") + len(b"</ds:Signature>") :]


def unsigned_envelope(now=pki.NOW):
    """As another stack would build it: its own prefixes, ids and order."""
    text = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    security = etree.fromstring(
        f'<Security xmlns="{wssecurity.WSSE}" xmlns:util="{wssecurity.WSU}"><util:Timestamp util:Id="time">'
        f"<util:Created>{text}</util:Created><util:Expires>{text[:14]}59:00Z</util:Expires></util:Timestamp>"
        f'<BinarySecurityToken util:Id="token" ValueType="{wssecurity.X509V3}" EncodingType="{wssecurity.BASE64}">'
        f"{base64.encodebytes(MEMBER.pair().der).decode()}</BinarySecurityToken></Security>"
    )
    root = envelope()
    root[0].set(f"{{{wssecurity.WSU}}}Id", "the-body")
    header = etree.Element(f"{{{wssecurity.SOAP}}}Header")
    header.append(security)
    root.insert(0, header)
    return root


# --- xmlsec1 ----------------------------------------------------------------------------------------------------


def xmlsec(folder, name):
    """Core validation alone: the Manifest's own lines are ours to check, so its `cid:` URIs are not looked up."""
    trusted = (
        ["--pubkey-cert-pem", folder / "cert.pem"]  # a token reference is not for xmlsec1 to follow
        if name.startswith("envelope")
        else ["--trusted-pem", folder / "ca.pem", "--verification-gmt-time", pki.NOW.strftime("%Y-%m-%d %H:%M:%S")]
    )
    ids = [f"{wssecurity.SOAP}:Body", f"{wssecurity.WSU}:Timestamp", f"{markup.DS}:Manifest"]
    options = [part for node in ids for part in ("--id-attr:Id", node)]
    return run(needs("xmlsec1"), "--verify", "--ignore-manifests", *trusted, *options, folder / f"{name}.xml")


@pytest.mark.parametrize("name", MADE)
def test_xmlsec1_verifies_what_we_sign_and_refuses_it_spoilt(folder, name):
    done = xmlsec(folder, name)
    assert done.returncode == 0, done.stderr
    assert xmlsec(folder, f"{name}-spoilt").returncode != 0


def template(references, key_info):
    """What xmlsec1 fills in; with the line breaks that people leave in such files."""
    written = "".join(
        f'<Reference URI="{uri}"><Transforms>'
        + "".join(f'\n<Transform Algorithm="{transform}"/>' for transform in transforms)
        + f'</Transforms><DigestMethod Algorithm="{policy.SHA256}"/><DigestValue/></Reference>\n'
        for uri, transforms in references
    )
    return etree.fromstring(
        f'<Signature xmlns="{markup.DS}"><SignedInfo>\n<CanonicalizationMethod Algorithm="{markup.EXC_C14N}"/>'
        f'<SignatureMethod Algorithm="{policy.RSA_SHA256}"/>{written}</SignedInfo><SignatureValue/>'
        f"<KeyInfo>{key_info}</KeyInfo></Signature>"
    )


def xmlsec_signed(folder, root, *ids):
    (folder / "template.xml").write_bytes(etree.tostring(root))
    options = [part for node in ids for part in ("--id-attr:Id", node)]
    key = f"{folder / 'key.pem'},{folder / 'cert.pem'}"
    out = folder / "signed.xml"
    done = run(needs("xmlsec1"), "--sign", "--privkey-pem", key, *options, "--output", out, folder / "template.xml")
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


def test_we_accept_a_receipt_signed_by_xmlsec1(folder):
    root = etree.fromstring(unsigned_receipt())
    root.append(template([("", [policy.ENVELOPED, markup.EXC_C14N])], "<X509Data><X509Certificate/></X509Data>"))
    data = xmlsec_signed(folder, root)
    assert receipts.read(data, trust=TRUST, issuer=pki.AXIS, at=pki.NOW) == receipt()
    with pytest.raises(SignatureInvalid):
        receipts.read(data.replace(b"A-77", b"A-78"), trust=TRUST, issuer=pki.AXIS, at=pki.NOW)


def test_we_accept_an_envelope_signed_by_xmlsec1(folder):
    root = unsigned_envelope()
    pointer = (
        f'<w:SecurityTokenReference xmlns:w="{wssecurity.WSSE}"><w:Reference URI="#token"/></w:SecurityTokenReference>'
    )
    both = [("#the-body", [markup.EXC_C14N]), ("#time", [markup.EXC_C14N])]
    root[0][0].append(template(both, pointer))
    data = xmlsec_signed(folder, root, f"{wssecurity.SOAP}:Body", f"{wssecurity.WSU}:Timestamp")
    assert wssecurity.check(data, trust=TRUST, party=pki.AXIS, now=pki.NOW).body[0][0].text == "Kính gửi"
    with pytest.raises(SignatureInvalid):
        wssecurity.check(data.replace(b"Ask", b"Asx"), trust=TRUST, party=pki.AXIS, now=pki.NOW)


# --- Java -------------------------------------------------------------------------------------------------------


def java(*arguments):
    needs("javac")  # a runtime alone cannot take a source file
    return run(needs("java"), SOURCE, *arguments)


def test_java_verifies_what_we_sign_and_refuses_it_spoilt(folder):
    files = [folder / f"{name}{spoilt}.xml" for name in MADE for spoilt in ("", "-spoilt")]
    done = java("verify", folder / "cert.pem", *files)
    assert done.stdout.split() == ["valid", "invalid"] * len(MADE), done.stderr


def java_signed(folder, kind, data):
    (folder / "unsigned.xml").write_bytes(data)
    out = folder / f"java-{kind}.xml"
    done = java(kind, folder / "key.pem", folder / "cert.pem", folder / "unsigned.xml", out)
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


def test_we_accept_a_receipt_signed_by_java(folder):
    data = java_signed(folder, "receipt", unsigned_receipt())
    assert receipts.read(data, trust=TRUST, issuer=pki.AXIS, at=pki.NOW) == receipt()
    with pytest.raises(SignatureInvalid):
        receipts.read(data.replace(b"A-77", b"A-78"), trust=TRUST, issuer=pki.AXIS, at=pki.NOW)


def test_we_accept_an_envelope_signed_by_java(folder):
    data = java_signed(folder, "envelope", etree.tostring(unsigned_envelope()))
    assert wssecurity.check(data, trust=TRUST, party=pki.AXIS, now=pki.NOW).body[0][0].text == "Kính gửi"
    with pytest.raises(SignatureInvalid):
        wssecurity.check(data.replace(b"Ask", b"Asx"), trust=TRUST, party=pki.AXIS, now=pki.NOW)


def test_the_namespaces_a_file_puts_in_scope_do_not_reach_the_signature(folder):
    """An edXML file has QCVN 102 as its default namespace; exclusive C14N must leave it out of the core."""
    assert f'<edXML xmlns="{EDXML_NAMESPACE}"'.encode() in (folder / "document.xml").read_bytes()
    signature = etree.fromstring((folder / "document.xml").read_bytes()).find(f".//{{{markup.DS}}}Signature")
    assert EDXML_NAMESPACE.encode() not in markup.canonical(signature)
