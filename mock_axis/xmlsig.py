"""The one kind of XML signature this axis speaks: RSA-SHA256 over SHA-256 digests, exclusive C14N.

Signing writes bytes that are already canonical; checking accepts only the algorithms named here. Who may sign, and
what must be covered, is for the caller to say.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from mock_axis.keys import Key

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ENVELOPED = f"{DS}enveloped-signature"
MANIFEST = f"{DS}Manifest"
XML_LIMIT = 8 << 20


class BadSignature(Exception):
    """A signature is absent, malformed, of another algorithm, or wrong; the text says which."""


class NotXml(Exception):
    """Bytes that are not XML we are willing to read."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of SignedInfo to be written."""

    uri: str
    digest: bytes
    transforms: tuple[str, ...] = (EXC_C14N,)
    type: str = ""


def parse(data: bytes) -> etree._Element:
    """A parsed document; no DTD, no entities, no network, limited in size and depth. Raises `NotXml`."""
    if len(data) > XML_LIMIT:
        raise NotXml("too large")
    if b"<!DOCTYPE" in data:
        raise NotXml("a document type is not allowed")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise NotXml("not well-formed") from None
    # In another encoding it is found only now; what it declared was limited by the parser, and is not used.
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # the stubs allow for a tree without a document
        raise NotXml("a document type is not allowed")
    return root


def text(value: str) -> str:
    """Character data as canonical XML writes it."""
    return escape(value, {"\r": "&#xD;"})


def attribute(value: str) -> str:
    return (
        value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        .replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
    )  # fmt: skip


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def canonical(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    if prefixes:
        # lxml finds the prefixes' namespaces on the element itself only: serialised alone, it has its ancestors'.
        element = etree.fromstring(etree.tostring(element, with_tail=False))
    return etree.tostring(
        element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=list(prefixes) or None
    )


def signature(key: Key, targets: Sequence[Target], key_info: str, objects: str = "") -> tuple[str, bytes]:
    """A `ds:Signature` element, and the raw octets of its SignatureValue."""
    references = "".join(_reference(target) for target in targets)
    inside = (
        f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
    )
    value = key.sign(f'<ds:SignedInfo xmlns:ds="{DS}">{inside}'.encode())
    return (
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{inside}'
        f"<ds:SignatureValue>{b64(value)}</ds:SignatureValue>"
        f"<ds:KeyInfo>{key_info}</ds:KeyInfo>{objects}</ds:Signature>"
    ), value


def x509_data(key: Key) -> str:
    return f"<ds:X509Data><ds:X509Certificate>{b64(key.der)}</ds:X509Certificate></ds:X509Data>"


def reference_xml(target: Target) -> str:
    """A `ds:Reference` as canonical XML inside a scope where `ds` is declared."""
    return _reference(target)


def _reference(target: Target) -> str:
    steps = "".join(f'<ds:Transform Algorithm="{name}"></ds:Transform>' for name in target.transforms)
    transforms = f"<ds:Transforms>{steps}</ds:Transforms>" if steps else ""
    kind = f' Type="{attribute(target.type)}"' if target.type else ""
    return (
        f'<ds:Reference{kind} URI="{attribute(target.uri)}">{transforms}'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{b64(target.digest)}</ds:DigestValue></ds:Reference>"
    )


# --- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    uri: str
    digest: bytes
    transforms: tuple[str, ...]
    prefixes: tuple[str, ...]
    """InclusiveNamespaces of the exclusive C14N, where the signer asked for some."""

    def fits(self, element: etree._Element) -> bool:
        return hashlib.sha256(canonical(element, self.prefixes)).digest() == self.digest


def check_value(element: etree._Element, certificate: x509.Certificate) -> tuple[tuple[Reference, ...], bytes]:
    """Verify SignatureValue over SignedInfo; the caller compares every Reference. Raises `BadSignature`."""
    info = only(element, f"{{{DS}}}SignedInfo")
    method = only(info, f"{{{DS}}}CanonicalizationMethod")
    if method.get("Algorithm") != EXC_C14N:
        raise BadSignature("canonicalization algorithm")
    if only(info, f"{{{DS}}}SignatureMethod").get("Algorithm") != RSA_SHA256:
        raise BadSignature("signature algorithm")
    value = decode(only(element, f"{{{DS}}}SignatureValue"))
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < 2048:
        raise BadSignature("key type or size")
    try:
        public.verify(value, canonical(info, _prefixes(method)), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise BadSignature("signature value") from None
    return references(info), value


def references(parent: etree._Element) -> tuple[Reference, ...]:
    """The References under SignedInfo or Manifest. Raises `BadSignature` on any unknown algorithm."""
    return tuple(_read_reference(element) for element in parent.findall(f"{{{DS}}}Reference"))


def _read_reference(element: etree._Element) -> Reference:
    uri = element.get("URI")
    if uri is None:
        raise BadSignature("a reference without URI")
    if only(element, f"{{{DS}}}DigestMethod").get("Algorithm") != SHA256:
        raise BadSignature("digest algorithm")
    steps = element.findall(f"{{{DS}}}Transforms/{{{DS}}}Transform")
    names = tuple(step.get("Algorithm", "") for step in steps)
    if not set(names) <= {EXC_C14N, ENVELOPED}:
        raise BadSignature("transform algorithm")
    prefixes = tuple(prefix for step in steps for prefix in _prefixes(step))
    return Reference(uri, decode(only(element, f"{{{DS}}}DigestValue")), names, prefixes)


def _prefixes(method: etree._Element) -> tuple[str, ...]:
    found = method.find(f"{{{EXC_C14N}}}InclusiveNamespaces")
    return () if found is None else tuple(found.get("PrefixList", "").split())


def only(parent: etree._Element, tag: str) -> etree._Element:
    """The single child of that name. Raises `BadSignature`."""
    found = parent.findall(tag)
    if len(found) != 1:
        raise BadSignature(f"{len(found)} of {etree.QName(tag).localname}, one expected")
    return found[0]


def decode(element: etree._Element) -> bytes:
    """The base64 content of an element. Raises `BadSignature`."""
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except ValueError:
        raise BadSignature("not base64") from None
