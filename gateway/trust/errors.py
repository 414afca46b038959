"""The one error of every signature check."""

from __future__ import annotations

from gateway.errors import GatewayError


class SignatureInvalid(GatewayError):
    """A signature does not prove what it should.

    Codes: `not-xml`, `signature-missing`, `signature-bad`, `signer-unknown`, `certificate-expired`,
    `certificate-not-yet-valid`, `certificate-revoked`, `stale`, `not-covered`, `algorithm`, `form`. What it means for a message is decided by whoever asked: for a reply it is a
    failed call, never a rejection.
    """
