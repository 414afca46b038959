"""Bytes encrypted to one person's certificate, as a stream: nobody but the holder of its key can read them again.

    {"format": "lienthong-encrypted/1", "to": SHA-256 of the certificate, "key": base64, "about": {…}}, one line
    pieces of 64 kB, each AES-256-GCM with its tag; the last one is marked in its nonce

`key` is the content's own key, encrypted by RSA-OAEP (SHA-256). Each piece's nonce is its number and whether it is the
last; the whole first line is authenticated with each piece. So pieces can be neither changed, reordered nor cut off.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import GatewayError
from gateway.trust.keys import fingerprint

FORMAT = "lienthong-encrypted/1"
PIECE = 64 << 10
_TAG = 16
_LONGEST_HEAD = 64 << 10
_OAEP = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)


class CannotDecrypt(GatewayError):
    """It is damaged, or the key is not the one it was encrypted to."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to encrypt to."""

    key: RSAPublicKey
    fingerprint: str

    @classmethod
    def load(cls, pem: bytes) -> Recipient:
        """Raises `ValueError` for what is no RSA certificate."""
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise ValueError("not an RSA certificate")  # noqa: TRY004  # a file's content, not a caller's mistake
        return cls(key, fingerprint(certificate.public_bytes(serialization.Encoding.DER)))


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: readable without a key."""

    to: str
    about: Mapping[str, object]
    key: bytes
    line: bytes


async def encrypt(
    chunks: AsyncIterator[bytes], recipient: Recipient, about: Mapping[str, object]
) -> AsyncIterator[bytes]:
    """`about` stays readable: ids, digests, times."""
    key = AESGCM.generate_key(256)
    said = {
        "format": FORMAT,
        "to": recipient.fingerprint,
        "key": b64encode(recipient.key.encrypt(key, _OAEP)).decode(),
        "about": dict(about),
    }
    head = json.dumps(said, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    yield head
    cipher, number, waiting = AESGCM(key), 0, bytearray()
    async for chunk in chunks:
        waiting += chunk
        while len(waiting) > PIECE:  # the last piece is never sent before it is known to be the last
            yield cipher.encrypt(_nonce(number, last=False), bytes(waiting[:PIECE]), head)
            del waiting[:PIECE]
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), bytes(waiting), head)


def read_head(file: BinaryIO) -> Head:
    """Raises `CannotDecrypt`."""
    line = file.readline(_LONGEST_HEAD)
    try:
        said = json.loads(line)
        if said["format"] != FORMAT or not isinstance(said["about"], dict):
            raise ValueError
        return Head(str(said["to"]), said["about"], b64decode(said["key"], validate=True), line)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise CannotDecrypt("not-encrypted", "not a file of this form") from None


def decrypt(file: BinaryIO, key: RSAPrivateKey) -> Iterator[bytes]:
    """Nothing of it is to be believed before the last piece has come. Raises `CannotDecrypt`."""
    head = read_head(file)
    try:
        cipher = AESGCM(key.decrypt(head.key, _OAEP))
    except ValueError:
        raise CannotDecrypt("other-key", "it was encrypted to another certificate") from None
    piece, number = file.read(PIECE + _TAG), 0
    while True:
        following = file.read(PIECE + _TAG)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), piece, head.line)
        except InvalidTag:
            raise CannotDecrypt("damaged", "it was changed or cut short") from None
        if not following:
            return
        piece, number = following, number + 1


def load_key(pem: bytes, password: bytes | None = None) -> RSAPrivateKey:
    """Raises `CannotDecrypt`."""
    try:
        key = serialization.load_pem_private_key(pem, password)
    except (ValueError, TypeError):
        raise CannotDecrypt("key-unreadable", "the key cannot be read, or its password is another") from None
    if not isinstance(key, RSAPrivateKey):
        raise CannotDecrypt("key-unreadable", "not an RSA key")
    return key


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def new_name() -> str:
    """Of a file in the making."""
    return f".{os.urandom(8).hex()}.part"
