"""A `ds:Signature` of the only shape we take: read strictly, and written from a template.

Exclusive C14N, RSA-SHA256, SHA-256, nothing else. Reading looks at the canonical SignedInfo, the bytes that are
signed, and at nothing beside it. Whether the references are the right ones is for the caller to say: each kind of
signature covers something else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from gateway.trust import markup, policy
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyPair
from gateway.trust.markup import DS, EXC_C14N, Element

_DS = f"{{{DS}}}"
TAG = _DS + "Signature"


@dataclass(frozen=True, slots=True)
class Reference:
    uri: str
    digest: bytes
    transforms: tuple[str, ...] = ()
    type: str = ""
    prefixes: tuple[str, ...] = ()
    """Of the exclusive C14N among the transforms."""


@dataclass(frozen=True, slots=True)
class Signature:
    signed_info: bytes
    """Canonical: the bytes the value is made over."""
    references: tuple[Reference, ...]
    value: bytes
    key_info: Element


def read(element: Element) -> Signature:
    """Raises `SignatureInvalid`: `form`, or `algorithm` for anything not on our lists."""
    given = markup.only(element, _DS + "SignedInfo")
    method = markup.only(given, _DS + "CanonicalizationMethod")
    policy.demand(method.get("Algorithm"), policy.CANONICALIZATION, "CanonicalizationMethod")
    signed_info = markup.canonical(given, _prefixes(method))
    signed = markup.parse(signed_info)
    policy.demand(
        markup.only(signed, _DS + "SignatureMethod").get("Algorithm"), policy.SIGNATURE_METHODS, "SignatureMethod"
    )
    references = tuple(read_reference(child) for child in markup.elements(signed)[2:])
    if [markup.name(child.tag) for child in markup.elements(signed)[:2]] != [
        "CanonicalizationMethod",
        "SignatureMethod",
    ]:
        raise SignatureInvalid("form", "SignedInfo is not in the standard's order")
    return Signature(
        signed_info,
        references,
        markup.octets(markup.only(element, _DS + "SignatureValue")),
        markup.only(element, _DS + "KeyInfo"),
    )


def read_reference(element: Element) -> Reference:
    """A `ds:Reference` of a SignedInfo or a Manifest. Raises `SignatureInvalid`: `form`, `algorithm`."""
    if element.tag != _DS + "Reference":
        raise SignatureInvalid("form", f"{markup.name(element.tag)} where a Reference should be")
    policy.demand(markup.only(element, _DS + "DigestMethod").get("Algorithm"), policy.DIGEST_METHODS, "DigestMethod")
    transforms: list[str] = []
    prefixes: tuple[str, ...] = ()
    for holder in element.findall(_DS + "Transforms"):
        for transform in markup.elements(holder):
            algorithm = transform.get("Algorithm") if transform.tag == _DS + "Transform" else None
            policy.demand(algorithm, policy.TRANSFORMS, "Transform")
            transforms.append(algorithm or "")
            prefixes = prefixes or _prefixes(transform)
    return Reference(
        uri=element.get("URI", ""),
        digest=markup.octets(markup.only(element, _DS + "DigestValue")),
        transforms=tuple(transforms),
        type=element.get("Type", ""),
        prefixes=prefixes,
    )


def _prefixes(method: Element) -> tuple[str, ...]:
    prefixes: tuple[str, ...] = ()
    for child in markup.elements(method):
        if child.tag != f"{{{EXC_C14N}}}InclusiveNamespaces":
            raise SignatureInvalid("algorithm", "a parameter of an algorithm is not one of those taken")
        prefixes = tuple(child.get("PrefixList", "").split())
    return prefixes


def certificates(key_info: Element) -> list[bytes]:
    """DER of every X509Data/X509Certificate in KeyInfo, as claimed: nothing is checked yet."""
    return [markup.octets(found) for found in key_info.findall(f"{_DS}X509Data/{_DS}X509Certificate")]


def verify_value(signature: Signature, certificate: x509.Certificate) -> None:
    """Raises `SignatureInvalid("signature-bad")` unless the certificate's key made the value."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise SignatureInvalid("algorithm", "the certificate's key is not RSA")
    try:
        key.verify(signature.value, signature.signed_info, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise SignatureInvalid("signature-bad", "the signature value does not match") from None


def covered(reference: Reference, element: Element) -> Element:
    """`element` read again from the very bytes that `reference` digests. Raises `SignatureInvalid("signature-bad")`."""
    octets = markup.canonical(element, reference.prefixes)
    if markup.sha256(octets) != reference.digest:
        raise SignatureInvalid("signature-bad", f"the {markup.name(element.tag)} was changed")
    return markup.parse(octets)


def second_opinion(document: bytes, certificate: x509.Certificate, at: dt.datetime) -> None:
    """Ask signxml too about the signature that is a child of the root or a whole one.

    Call `read` first: signxml passes over transforms it does not know. Raises `SignatureInvalid("signature-bad")`.
    """
    wanted = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=at,
    )
    try:
        # Made anew for every call: one verifier shared by threads accepts forgeries.
        XMLVerifier().verify(document, x509_cert=certificate, expect_config=wanted)
    except Exception:  # noqa: BLE001  whatever a verifier stumbles over in hostile XML, it did not verify
        raise SignatureInvalid("signature-bad", "signxml does not find the signature to match") from None


# --- writing: every byte is already in exclusive C14N form ------------------------------------------------------


def write_reference(reference: Reference) -> str:
    transforms = "".join(f'<ds:Transform Algorithm="{name}"></ds:Transform>' for name in reference.transforms)
    return (
        "<ds:Reference"
        + (f' Type="{markup.attribute(reference.type)}"' if reference.type else "")
        + f' URI="{markup.attribute(reference.uri)}">'
        + (f"<ds:Transforms>{transforms}</ds:Transforms>" if transforms else "")
        + f'<ds:DigestMethod Algorithm="{policy.SHA256}"></ds:DigestMethod>'
        + f"<ds:DigestValue>{markup.base64(reference.digest)}</ds:DigestValue></ds:Reference>"
    )


def write_signed_info(references: Sequence[Reference], *, declare: bool) -> str:
    """Canonical as it stands when it declares its prefix itself; else when its parent does."""
    return (
        ("<ds:SignedInfo" + (f' xmlns:ds="{DS}">' if declare else ">"))
        + f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{policy.RSA_SHA256}"></ds:SignatureMethod>'
        + "".join(write_reference(reference) for reference in references)
        + "</ds:SignedInfo>"
    )


def value(key: KeyPair, signed_info: bytes) -> bytes:
    return key.private_key.sign(signed_info, padding.PKCS1v15(), hashes.SHA256())


def write(references: Sequence[Reference], key: KeyPair, *, objects: str = "") -> bytes:
    """The whole element, prefix `ds`, declaring it itself, so that it stays valid wherever it is embedded."""
    made = value(key, write_signed_info(references, declare=True).encode())
    return (
        f'<ds:Signature xmlns:ds="{DS}">{write_signed_info(references, declare=False)}'
        f"<ds:SignatureValue>{markup.base64(made)}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{markup.base64(key.der)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        f"{objects}</ds:Signature>"
    ).encode()
