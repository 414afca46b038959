"""When it existed, by others' word: the timestamp over the manifest, the journal's head over the blocks, and its timestamp.

The manifest names every file by its digest, so a token over it is over the whole bundle. The head was written outside
the database on the day; its token says since when the entries cannot have been made up.
"""

from __future__ import annotations

import datetime as dt

from gateway.evidence import chain
from gateway.evidence.bundle import BLOCKS, HEAD, HEAD_STAMP, MANIFEST, TIMESTAMP, WHOLE_BLOCKS, Bundle
from gateway.evidence.claim import Claim
from gateway.evidence.facts import Verdict
from gateway.evidence.signers import Signers
from gateway.journal import heads
from gateway.trust import timestamps
from gateway.trust.errors import SignatureInvalid
from gateway.trust.pdf.trust_list import Known

CANNOT_TELL = {"timestamp-untrusted", "timestamp-revoked"}


def timestamp(bundle: Bundle, authorities: Known, now: dt.datetime) -> Claim:
    """Over the manifest."""
    return _token(bundle, "timestamp", TIMESTAMP, MANIFEST, authorities, now)


def head_and_stamp(bundle: Bundle, signers: Signers, authorities: Known, now: dt.datetime) -> tuple[Claim, Claim]:
    head = _head(bundle, signers)
    stamp = _token(bundle, "head-timestamp", HEAD_STAMP, HEAD, authorities, now)
    if stamp.verdict == "proven" and head.verdict != "proven":
        stamp = Claim("head-timestamp", "not-proven", "head-not-proven", stamp.signer, stamp.detail)
    return head, stamp


def _token(bundle: Bundle, name: str, token: str, over: str, authorities: Known, now: dt.datetime) -> Claim:
    if not {token, over} <= bundle.names:
        return Claim(name, "not-proven", "missing")
    try:
        stamp = timestamps.checked(bundle.read(token, timestamps.LARGEST), bundle.read(over), authorities, now)
    except SignatureInvalid as error:
        return Claim(name, "not-proven" if error.code in CANNOT_TELL else "false", error.code)
    return Claim(name, "proven", signer=stamp.authority, detail=stamp.at.isoformat())


def _head(bundle: Bundle, signers: Signers) -> Claim:
    """Signed by us, of this chain of blocks, and no earlier than the message's entries."""
    if not {HEAD, BLOCKS} <= bundle.names:
        return Claim("head", "not-proven", "missing")
    try:
        head = heads.read(bundle.read(HEAD, heads.LARGEST))
    except ValueError:
        return Claim("head", "false", "form")
    reason = signers.check_block(bundle.manifest.about.system_id, head.signed, head.signature, head.certificate)
    if reason == "block-forged":
        return Claim("head", "false", "head-forged")
    verdict, why = _covers(bundle, head)
    if why or reason != "proven":
        return Claim("head", verdict, why or reason)
    return Claim("head", "proven", detail=f"{head.file} {head.at.isoformat()}")


def _covers(bundle: Bundle, head: heads.Head) -> tuple[Verdict, str]:
    """Whether it is a head of these blocks, behind the last entry; else why it is none."""
    try:
        blocks, last = chain.reach(bundle.read(BLOCKS, WHOLE_BLOCKS))
    except chain.Broken as error:
        return "not-proven", str(error)
    block = blocks.get(head.position.block)
    if block is None or not 0 < last <= block.number:
        return "not-proven", "head-of-earlier-blocks"
    return ("not-proven", "") if block.digest == head.position.digest else ("false", "head-of-other-blocks")
