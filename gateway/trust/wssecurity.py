"""WS-Security 1.0 on SOAP 1.1: an X.509 token, a Timestamp, one Signature over Body and Timestamp.

Made and checked by hand on lxml's canonical form and cryptography's RSA, because this runs for every call on the axis
(docs/decisions/0002). `check` takes exactly the shape of the service's WSDL: whatever is doubled, moved, missing or
not on the lists is refused. Binding replies to requests, and refusing replays, is the driver's part.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from lxml import etree

from gateway.trust import markup, signature
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyPair, TrustStore
from gateway.trust.markup import DS, EXC_C14N, Element
from gateway.trust.signature import Reference

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
X509V3 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

_ID = f"{{{WSU}}}Id"
_ENVELOPE, _HEADER, _BODY = (f"{{{SOAP}}}{name}" for name in ("Envelope", "Header", "Body"))
_SECURITY, _TOKEN = f"{{{WSSE}}}Security", f"{{{WSSE}}}BinarySecurityToken"
_TIMESTAMP = f"{{{WSU}}}Timestamp"


@dataclass(frozen=True, slots=True)
class Secured:
    """What a checked envelope says. Nothing else of it may be used."""

    body: Element
    """Read again from the very bytes that were digested."""
    signer: str
    """System id."""
    certificate: x509.Certificate
    signature_value: bytes
    created: dt.datetime


def secure(envelope: Element, key: KeyPair, now: dt.datetime, seconds: float = 300) -> bytes:
    """Adds the Security header in place, for `seconds` of life, and returns the raw octets of its SignatureValue.

    Nothing may be changed in the Body afterwards. Sign inside the repeated call: each HTTP request needs its own.
    """
    body = markup.only(envelope, _BODY)
    body.set(_ID, "body")
    header = envelope.find(_HEADER)
    if header is None:
        header = etree.Element(_HEADER)
        envelope.insert(0, header)
    header.append(etree.fromstring(_security(key, now, seconds)))
    security = header[-1]
    timestamp = markup.only(security, _TIMESTAMP)
    references = [
        Reference(f"#{element.get(_ID)}", markup.sha256(markup.canonical(element)), (EXC_C14N,))
        for element in (body, timestamp)
    ]
    holder = markup.only(security, signature.TAG)
    signed_info = etree.fromstring(signature.write_signed_info(references, declare=True))
    holder.insert(0, signed_info)
    value = signature.value(key, markup.canonical(signed_info))
    markup.only(holder, f"{{{DS}}}SignatureValue").text = markup.base64(value)
    return value


def _security(key: KeyPair, now: dt.datetime, seconds: float) -> str:
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" xmlns:soap="{SOAP}" soap:mustUnderstand="1">'
        f'<wsse:BinarySecurityToken EncodingType="{BASE64}" ValueType="{X509V3}" wsu:Id="token">'
        f"{markup.base64(key.der)}</wsse:BinarySecurityToken>"
        f'<wsu:Timestamp wsu:Id="timestamp"><wsu:Created>{_instant(now)}</wsu:Created>'
        f"<wsu:Expires>{_instant(now + dt.timedelta(seconds=seconds))}</wsu:Expires></wsu:Timestamp>"
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignatureValue/><ds:KeyInfo><wsse:SecurityTokenReference>'
        f'<wsse:Reference URI="#token" ValueType="{X509V3}"/></wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>'
        "</wsse:Security>"
    )


def check(
    envelope: bytes | Element, *, trust: TrustStore, party: str, now: dt.datetime, window: float = 300
) -> Secured:
    """Raises `SignatureInvalid` unless `party` signed this Body less than `window` seconds ago.

    The clocks may differ by as much as the window. An element must come from `markup.parse`, which takes no DTD.
    """
    root = markup.parse(envelope) if isinstance(envelope, bytes) else envelope
    body, security = _parts(root)
    timestamp, token = markup.only(security, _TIMESTAMP), markup.only(security, _TOKEN)
    signed = signature.read(markup.only(security, signature.TAG))
    certificate = _signer(token, signed, trust, party, now)
    signature.verify_value(signed, certificate)
    covered = _covered(signed, {"body": body, "timestamp": timestamp})
    created = _fresh(covered["timestamp"], now, dt.timedelta(seconds=window))
    return Secured(covered["body"], party, certificate, signed.value, created)


def claimed(root: Element) -> bytes:
    """DER of the certificate in the security token: nothing is checked yet. Raises `SignatureInvalid`."""
    return markup.octets(markup.only(_parts(root)[1], _TOKEN))


def _parts(root: Element) -> tuple[Element, Element]:
    """Body and Security, each where it belongs and nowhere else: a moved Body is how signatures are wrapped."""
    if [child.tag for child in markup.elements(root)] == [_BODY] and root.tag == _ENVELOPE:
        raise SignatureInvalid("signature-missing", "the envelope has no header")
    if root.tag != _ENVELOPE or [child.tag for child in markup.elements(root)] != [_HEADER, _BODY]:
        raise SignatureInvalid("form", "not a SOAP 1.1 envelope of one Header and one Body")
    for tag in (_SECURITY, signature.TAG):
        found = len(list(root.iter(tag)))
        if not found:
            raise SignatureInvalid("signature-missing", f"no {markup.name(tag)}")
        if found > 1:
            raise SignatureInvalid("form", f"{found} {markup.name(tag)} elements")
    if markup.repeated_ids(root):
        raise SignatureInvalid("form", "two elements carry the same Id")
    header, body = markup.elements(root)
    return body, markup.only(header, _SECURITY)


def _signer(
    token: Element, signed: signature.Signature, trust: TrustStore, party: str, now: dt.datetime
) -> x509.Certificate:
    if token.get("ValueType") != X509V3 or token.get("EncodingType", BASE64) != BASE64:
        raise SignatureInvalid("form", "the security token is not an X.509 certificate in base64")
    pointers = [found.get("URI") for found in signed.key_info.iter(f"{{{WSSE}}}Reference")]
    if len(markup.elements(signed.key_info)) != 1 or pointers != [f"#{token.get(_ID)}"]:
        raise SignatureInvalid("form", "KeyInfo does not point at the security token alone")
    return trust.pinned(markup.octets(token), party, now)


def _covered(signed: signature.Signature, wanted: dict[str, Element]) -> dict[str, Element]:
    """The wanted elements, read again from the digested bytes; the references must be exactly theirs."""
    by_uri = {f"#{element.get(_ID)}": name for name, element in wanted.items() if element.get(_ID)}
    if len(signed.references) != len(wanted) or {reference.uri for reference in signed.references} != set(by_uri):
        raise SignatureInvalid("not-covered", "the signature is not over Body and Timestamp")
    covered = {}
    for reference in signed.references:
        if reference.transforms != (EXC_C14N,):
            raise SignatureInvalid("algorithm", "a Reference is not in exclusive C14N")
        name = by_uri[reference.uri]
        covered[name] = signature.covered(reference, wanted[name])
    return covered


def _fresh(timestamp: Element, now: dt.datetime, window: dt.timedelta) -> dt.datetime:
    created, expires = (_read_instant(timestamp, f"{{{WSU}}}{name}") for name in ("Created", "Expires"))
    if not created - window <= now <= created + window or now > expires:
        raise SignatureInvalid("stale", f"created {created.isoformat()}, expires {expires.isoformat()}")
    return created


def _read_instant(timestamp: Element, tag: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(markup.only(timestamp, tag).text or "")
        return instant.astimezone(dt.UTC) if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise SignatureInvalid("form", f"{markup.name(tag)} is not a time") from None


def _instant(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
