"""WS-Security 1.0 as `axis.wsdl` asks for it: X.509 token, Timestamp, one Signature over Body and Timestamp.

`check` says who spoke and hands back the only Body that may be used; replays are the mailbox's business.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass

from cryptography import x509
from lxml import etree

from mock_axis import xmlsig
from mock_axis.keys import Key, Trust, valid_at
from mock_axis.xmlsig import DS, BadSignature, Target

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
X509V3 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
WSU_ID = f"{{{WSU}}}Id"
_ID_NAMES = {WSU_ID, "Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"}
WINDOW = dt.timedelta(minutes=5)
SKEW = dt.timedelta(minutes=1)


class Stale(Exception):
    """The signature holds, but the Timestamp lies outside the window."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A Body, and who vouches for it."""

    system: str
    body: etree._Element
    """The soap:Body element."""
    signature_digest: bytes
    """SHA-256 of the SignatureValue octets."""


def secure(body: str, key: Key, now: dt.datetime, life: dt.timedelta = WINDOW) -> tuple[bytes, bytes]:
    """A whole signed envelope around `body` (canonical XML), and the raw octets of its SignatureValue."""
    ids = secrets.token_hex(8)
    body_xml = f'<soap:Body xmlns:soap="{SOAP}" xmlns:wsu="{WSU}" wsu:Id="B-{ids}">{body}</soap:Body>'
    stamp = (
        f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="T-{ids}"><wsu:Created>{zulu(now)}</wsu:Created>'
        f"<wsu:Expires>{zulu(now + life)}</wsu:Expires></wsu:Timestamp>"
    )
    targets = [
        Target(f"#{name}-{ids}", hashlib.sha256(part.encode()).digest())
        for name, part in (("B", body_xml), ("T", stamp))
    ]
    token = f'<wsse:SecurityTokenReference><wsse:Reference URI="#X-{ids}" ValueType="{X509V3}"/></wsse:SecurityTokenReference>'
    signature, value = xmlsig.signature(key, targets, token)
    envelope = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="{SOAP}"><soap:Header>'
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" soap:mustUnderstand="1">'
        f'<wsse:BinarySecurityToken EncodingType="{BASE64}" ValueType="{X509V3}" wsu:Id="X-{ids}">{xmlsig.b64(key.der)}'
        f"</wsse:BinarySecurityToken>{stamp}{signature}</wsse:Security></soap:Header>{body_xml}</soap:Envelope>"
    )
    return envelope.encode(), value


def check(envelope: bytes, trust: Trust, now: dt.datetime) -> Spoken:
    """Raises `xmlsig.NotXml`, `BadSignature`, and `Stale` only after the signature held."""
    root = xmlsig.parse(envelope)
    if root.tag != f"{{{SOAP}}}Envelope":
        raise xmlsig.NotXml("not a SOAP 1.1 envelope")
    # 1. One Body, one Security header, no id twice: what is checked is what is used.
    body = xmlsig.only(root, f"{{{SOAP}}}Body")
    security = xmlsig.only(xmlsig.only(root, f"{{{SOAP}}}Header"), f"{{{WSSE}}}Security")
    ids = Counter(value for element in root.iter(etree.Element) for value in _ids(element))
    if any(count > 1 for count in ids.values()):
        raise BadSignature("an id is used twice")
    stamp = xmlsig.only(security, f"{{{WSU}}}Timestamp")
    signature = xmlsig.only(security, f"{{{DS}}}Signature")
    token = xmlsig.only(security, f"{{{WSSE}}}BinarySecurityToken")
    # 2. The signature names that token, and its certificate is one we know.
    path = f"{{{DS}}}KeyInfo/{{{WSSE}}}SecurityTokenReference/{{{WSSE}}}Reference"
    named = signature.find(path)
    if named is None or named.get("URI") != f"#{token.get(WSU_ID)}":
        raise BadSignature("the signature does not name the token")
    if token.get("ValueType") != X509V3:
        raise BadSignature("token type")
    der = xmlsig.decode(token)
    party = trust.owner(der)
    if party is None:
        raise BadSignature("the signer is not known")
    certificate = party.certificates[der]
    value = _check_coverage(signature, certificate, body, stamp)
    # 4. The certificate is valid now, and so is the moment of speaking.
    if not valid_at(certificate, now):
        raise BadSignature("the signer's certificate is not valid now")
    created = _time(stamp, "Created")
    expires = _time(stamp, "Expires")
    if not (created - SKEW <= now <= min(expires, created + WINDOW) + SKEW):
        raise Stale
    return Spoken(party.system, body, hashlib.sha256(value).digest())


def _check_coverage(
    signature: etree._Element, certificate: x509.Certificate, body: etree._Element, stamp: etree._Element
) -> bytes:
    # 3. The value holds, and exactly Body and Timestamp are covered.
    references, value = xmlsig.check_value(signature, certificate)
    wanted = {f"#{element.get(WSU_ID)}": element for element in (body, stamp) if element.get(WSU_ID)}
    if len(references) != 2 or {reference.uri for reference in references} != set(wanted):
        raise BadSignature("Body and Timestamp must be signed, and nothing else")
    for reference in references:
        if reference.transforms != (xmlsig.EXC_C14N,) or not reference.fits(wanted[reference.uri]):
            raise BadSignature("a signed part was changed")
    return value


def zulu(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _ids(element: etree._Element) -> list[str | bytes]:
    return [value for name, value in element.items() if name in _ID_NAMES]


def _time(stamp: etree._Element, name: str) -> dt.datetime:
    raw = (xmlsig.only(stamp, f"{{{WSU}}}{name}").text or "").strip()
    try:
        moment = dt.datetime.fromisoformat(raw)
    except ValueError:
        raise BadSignature("the Timestamp cannot be read") from None
    if moment.tzinfo is None:
        raise BadSignature("the Timestamp has no zone")
    return moment
