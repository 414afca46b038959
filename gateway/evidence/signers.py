"""Whose certificate is whose: the enclosed ones by their own word, the trust roots' for certain.

A signature is checked with the certificate it names. Only where that certificate is among the trust roots is its
signer known ("anchored"); a bundle made up from nothing has certificates too.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.trust import markup, signature
from gateway.trust.keys import Party, TrustStore, fingerprint
from gateway.trust.markup import DS, Element
from gateway.trust.revoked import RevocationList

LOCAL = "local"
"""Names this gateway on the road between two offices of its own."""


class Signers:
    def __init__(
        self,
        enclosed: Iterable[tuple[str, x509.Certificate]],
        trust: TrustStore | None,
        lists: Iterable[tuple[str, RevocationList]] = (),
    ) -> None:
        """`lists`: enclosed, by system id. They count beside those of the roots: nobody gains by what was revoked."""
        self._trust = trust
        self._owners: dict[str, str] = {}
        self._enclosed: dict[str, list[x509.Certificate]] = {}
        self.certificates: dict[str, x509.Certificate] = {}
        """By fingerprint."""
        parties: dict[str, list[x509.Certificate]] = {}
        for party in trust.parties.values() if trust else ():
            for certificate in party.certificates:
                self._owners[self._note(certificate)] = party.system_id
                parties.setdefault(party.system_id, []).append(certificate)
        for system_id, certificate in enclosed:
            self._enclosed.setdefault(system_id, []).append(certificate)
            if _fingerprint(certificate) not in self.certificates:
                self._note(certificate)
                parties.setdefault(system_id, []).append(certificate)
        known = {party.system_id: party.lists for party in (trust.parties.values() if trust else ())}
        for system_id, one in lists:
            known[system_id] = (*known.get(system_id, ()), one)
        self.store = TrustStore(
            tuple(Party(name, tuple(found), ("*",), known.get(name, ())) for name, found in parties.items())
        )

    def _note(self, certificate: x509.Certificate) -> str:
        digest = _fingerprint(certificate)
        self.certificates[digest] = certificate
        return digest

    def store_for(self, issuer: str) -> TrustStore:
        """Where to look for the issuer's certificate: on the road inside it is one of the gateway's own."""
        if issuer != LOCAL:
            return self.store
        found = {_fingerprint(each): each for each in self._enclosed.get(LOCAL, ())}
        return TrustStore((Party(LOCAL, tuple(found.values()), ("*",)),))

    def owner(self, digest: str | None, system_id: str | None = None) -> str | None:
        """The trusted party whose certificate has this fingerprint, if it is `system_id` where one is named."""
        found = self._owners.get(digest or "")
        return found if system_id in {None, LOCAL, found} else None

    def may_speak(self, system_id: str, organ: str) -> bool:
        return self._trust is not None and self._trust.may_speak(system_id, organ)

    def check_block(self, system_id: str, signed: bytes, value: bytes, digest: str) -> str:
        """`proven`, or the code of the reason why not."""
        certificate = self.certificates.get(digest)
        if certificate is None:
            return "signer-unknown"
        if not made_by(certificate, signed, value):
            return "block-forged"
        return "proven" if self.owner(digest, system_id) else "not-anchored"


def made_by(certificate: x509.Certificate, signed: bytes, value: bytes) -> bool:
    """RSA PKCS #1 v1.5, SHA-256."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(value, signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def named_by(root: Element) -> list[bytes]:
    """DER of the certificates that signatures anywhere in a file name; nothing is checked."""
    return [der for info in root.iter(f"{{{DS}}}KeyInfo") for der in signature.certificates(info)]


def named_in(data: bytes) -> list[bytes]:
    """As `named_by`. Raises `SignatureInvalid`."""
    return named_by(markup.parse(data))


def _fingerprint(certificate: x509.Certificate) -> str:
    return fingerprint(certificate.public_bytes(Encoding.DER))
