"""RFC 3161 timestamps: what a time-stamping authority is asked, and what its token proves.

A token proves that the data existed at its time, to whoever trusts the authority. It is judged at that time, so it
outlives the authority's certificate; a certificate known to be revoked takes every token of its down with it (RFC 3161, section 4).
Carrying requests is left to `gateway.outside`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from asn1crypto import cms, core, tsp
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import PathError, RevokedError, ValidationError
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.validate import async_validate_path

from gateway.trust.errors import SignatureInvalid
from gateway.trust.pdf.trust_list import Known

Digest = Literal["sha256", "sha384", "sha512"]

LARGEST = 256 << 10
"""No token with its certificates is larger, in bytes."""
SKEW = dt.timedelta(minutes=5)
"""A token may be so far ahead of our clock."""

_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_GRANTED = frozenset({"granted", "granted_with_mods"})
_SOFT = RevocationCheckingPolicy(
    RevocationCheckingRule.CHECK_IF_DECLARED_SOFT, RevocationCheckingRule.CHECK_IF_DECLARED_SOFT
)

logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # it logs what we answer with a code


class _Answer(core.Sequence):  # type: ignore[misc]  # asn1crypto ships no types
    """TimeStampResp; asn1crypto's own does not know that a refusal has no token."""

    _fields: ClassVar = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token that holds."""

    at: dt.datetime
    authority: str
    """The common name in its certificate."""


def request(data: bytes, digest: Digest = "sha256") -> tuple[bytes, int]:
    """A request for a token over `data`, in DER, and the nonce that its answer must repeat."""
    nonce = secrets.randbits(63) | 1 << 62
    made = tsp.TimeStampReq(
        {
            "version": 1,
            "message_imprint": {
                "hash_algorithm": {"algorithm": digest},
                "hashed_message": hashlib.new(digest, data).digest(),
            },
            "nonce": nonce,
            "cert_req": True,
        }
    )
    return bytes(made.dump()), nonce


def token(answer: bytes, nonce: int) -> bytes:
    """The token of an answer, in DER; what it proves is for `check`.

    Raises `SignatureInvalid`: `timestamp-form`, `timestamp-refused`, `timestamp-nonce`.
    """
    try:
        read = _Answer.load(answer, strict=True)
        status = read["status"]["status"].native
        if status not in _GRANTED:
            why = read["status"]["fail_info"].native
            code = ", ".join(sorted(why)) if why else status
            raise SignatureInvalid("timestamp-refused", f"the time-stamping authority refused: {code}")
        found = read["time_stamp_token"]
        repeated = _info(found)["nonce"].native
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _formless() from None
    if repeated != nonce:
        raise SignatureInvalid("timestamp-nonce", "the timestamp answers another request")
    return bytes(found.dump())


async def check(stamp: bytes, data: bytes, authorities: Known, now: dt.datetime) -> Stamp:
    """That the token is over `data`, by an authority that `authorities` leads to.

    Raises `SignatureInvalid`: `timestamp-form`, `timestamp-imprint` (over other data), `timestamp-bad` (its signature),
    `timestamp-untrusted`, `timestamp-revoked`, `timestamp-early` (ahead of `now`).
    """
    try:
        content = cms.ContentInfo.load(stamp, strict=True)
        info = _info(content)
        at = info["gen_time"].native
        imprint = info["message_imprint"]
        algorithm = imprint["hash_algorithm"]["algorithm"].native
        if algorithm not in _DIGESTS or hashlib.new(algorithm, data).digest() != imprint["hashed_message"].native:
            raise SignatureInvalid("timestamp-imprint", "the timestamp is over other data")
        context = _context(authorities, at, NO_REVOCATION)
        told = await validate_tst_signed_data(
            content["content"], context, lambda name: hashlib.new(name, data).digest()
        )
        status = TimestampSignatureStatus(**told)
    except SignatureInvalid:
        raise
    except (MemoryError, RecursionError):
        raise _formless() from None
    except Exception:  # noqa: BLE001  # a stranger's file can fail in every way there is
        raise _formless() from None
    if not (status.intact and status.valid):
        raise SignatureInvalid("timestamp-bad", "the timestamp's signature does not hold")
    if not status.trusted:
        raise SignatureInvalid("timestamp-untrusted", "its authority is not one we trust, or was not valid then")
    if at > now + SKEW:
        raise SignatureInvalid("timestamp-early", f"the timestamp is of {at.isoformat()}, which is yet to come")
    await _demand_unrevoked(status.validation_path, authorities, now)
    return Stamp(at, _name(status.signing_cert))


def checked(stamp: bytes, data: bytes, authorities: Known, now: dt.datetime) -> Stamp:
    """`check` for callers without an event loop."""
    return asyncio.run(check(stamp, data, authorities, now))


def _info(content: Any) -> Any:
    if content["content_type"].native != "signed_data":
        raise ValueError("no signed data")
    info = content["content"]["encap_content_info"]["content"].parsed
    if not isinstance(info, tsp.TSTInfo):
        raise TypeError("no timestamp")
    return info


def _context(authorities: Known, at: dt.datetime, rule: RevocationCheckingPolicy) -> ValidationContext:
    return ValidationContext(
        trust_roots=list(authorities.anchors),  # never None: that would mean the machine's own roots
        crls=list(authorities.crls),
        ocsps=list(authorities.ocsps),
        moment=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(rule),
    )


async def _demand_unrevoked(path: Any, authorities: Known, now: dt.datetime) -> None:
    """Each list is asked as of its own time: that a newer one is due does not make a revoked certificate good."""
    for each in authorities.crls:
        at = min(now, each["tbs_cert_list"]["this_update"].native)
        try:
            await async_validate_path(_context(replace(authorities, crls=(each,), ocsps=()), at, _SOFT), path)
        except RevokedError:
            raise SignatureInvalid("timestamp-revoked", "the certificate of its authority was revoked") from None
        except (ValidationError, PathError, ValueError, TypeError):
            continue  # another issuer's list, or one from after the certificate's end


def _name(certificate: Any) -> str:
    found = str(certificate.subject.native.get("common_name", ""))[:200]
    return "".join(char if char.isprintable() else "?" for char in found)


def _formless() -> SignatureInvalid:
    return SignatureInvalid("timestamp-form", "not a timestamp of RFC 3161")
