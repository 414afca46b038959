"""What a reply means: verified, bound to its request, then read; a fault becomes an error with its consequence.

Everything doubtful is raised as `Unknown`; the driver narrows that to `Unreachable` or `Busy` for calls that only
read, where nothing can have happened.
"""

from __future__ import annotations

import datetime as dt
import hmac
from dataclasses import dataclass
from typing import Any

from adapters.axis.soap.transport import Answer
from adapters.axis.soap.wire import Wire
from gateway.errors import Busy, GatewayError, NeedsOperator, Rejection, Unknown, Unreachable
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import TrustStore
from gateway.trust.wssecurity import check

_LONGEST_WAIT = 3600


@dataclass(frozen=True, slots=True)
class Question:
    """What a reply must repeat to be the answer."""

    operation: str
    request_id: str
    signature_digest: bytes
    """SHA-256 of the request's SignatureValue octets."""

    @property
    def hands_over(self) -> bool:
        return self.operation in {"SendDocument", "UpdateTraces"}


def read_reply(
    answer: Answer, question: Question, *, wire: Wire, trust: TrustStore, party: str, now: dt.datetime
) -> Any:
    """The typed reply, after these checks:

    1. There is an envelope; without one the HTTP status is all that is known, and it is nobody's word.
    2. The axis signed its Body and Timestamp, and the Timestamp is fresh.
    3. The signed Body holds the reply or the axis's fault, in the schema's form.
    4. It answers this very request: RequestId and the digest of its SignatureValue are repeated.
    5. Only then a fault counts.
    """
    if not answer.envelope:
        raise Unknown(f"axis-http-{answer.status}", "no SOAP reply", after=answer.after)
    try:
        secured = check(answer.envelope, trust=trust, party=party, now=now)
    except SignatureInvalid as exc:
        if answer.status != 200:
            raise Unknown(f"axis-http-{answer.status}", f"unsigned reply ({exc.code})", after=answer.after) from exc
        raise Unknown(f"axis-reply-{exc.code}", exc.message) from exc
    try:
        fault = wire.fault(secured.body)
        said = fault if fault is not None else wire.reply(question.operation, secured.body)
    except ValueError as exc:
        raise Unknown("axis-reply-form", str(exc)) from exc
    if not _answers(said, question, party):
        raise Unknown("axis-reply-foreign", "the reply belongs to another request")
    if fault is not None:
        raise consequence(fault, hands_over=question.hands_over)
    return said


def _answers(said: Any, question: Question, party: str) -> bool:
    return (
        hmac.compare_digest((said.RequestId or "").encode(), question.request_id.encode())
        and hmac.compare_digest(said.RequestSignatureDigest or b"", question.signature_digest)
        and hmac.compare_digest(said.SystemId.encode(), party.encode())
    )


def consequence(fault: Any, *, hands_over: bool) -> GatewayError:
    """What a verified fault leads to. The axis's free text stays out: it may quote what was sent."""
    code = "axis-" + _KEBAB[fault.Code]
    match fault.Code:
        case "UnknownOrgan" | "TooLarge" | "BadForm" if hands_over:
            return Rejection(code, f"organ {fault.OrganId}" if fault.OrganId else "the axis will never take it")
        case "WrongDigest" | "BadSignature":
            # Corrupted on the way, or our certificate is not known there (yet): nothing was done.
            return Unreachable(code, "the axis did not take the request as it arrived")
        case "Clock":
            return Unreachable(code, f"our clock and the axis's differ; its time is {fault.ServerTime}")
        case "Replayed":
            # Ids are fresh, so something between us repeated this request: its first copy may have been carried out.
            return Unknown(code, "the axis saw this very request before")
        case "Busy":
            wait = None if fault.RetryAfter is None else float(min(fault.RetryAfter, _LONGEST_WAIT))
            return Busy(code, "the axis asks for patience", after=wait)
        case _:
            # IdReused, NotYours, BadReceipt, NotFound; and a refusal of form where only we can be at fault.
            return NeedsOperator(code, "the axis refuses, and waiting will not change that")


def refused_parcel(result: Any) -> GatewayError:
    """What it means that the axis refuses one parcel out of several: what a fault about it alone would mean."""
    if result.Code in {"Clock", "Replayed"}:
        return Unknown("axis-reply-form", "a refusal that can only concern the whole call")
    return consequence(result, hands_over=True)


def refusal(code: str) -> GatewayError:
    """What it means that the axis refuses one confirmation out of several."""
    if code in {"BadSignature", "Busy"}:
        # Our new certificate may not be known there yet; nothing else is wrong with axis or connection.
        return Unknown("axis-" + _KEBAB[code], "the axis cannot verify this receipt now")
    return NeedsOperator("axis-" + _KEBAB[code], "the axis refuses this receipt")


_KEBAB = {
    "BadSignature": "bad-signature",
    "Clock": "clock",
    "Replayed": "replayed",
    "NotYours": "not-yours",
    "UnknownOrgan": "unknown-organ",
    "WrongDigest": "wrong-digest",
    "IdReused": "id-reused",
    "NotFound": "not-found",
    "TooLarge": "too-large",
    "BadForm": "bad-form",
    "BadReceipt": "bad-receipt",
    "Busy": "busy",
}
