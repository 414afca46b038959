"""The message's journal entries and the blocks that vouch for them, as two files: written, and checked again.

A block's `prev` is not written down: it is the digest of the block before it, so the newest signature vouches for all
of them. Signatures are kept of the newest block and of those that hold an entry of the message, each with the
fingerprint of the certificate that made it.
"""

from __future__ import annotations

import datetime as dt
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.evidence.facts import About, Sha256
from gateway.journal.blocks import Block
from gateway.journal.chain import entry_digest
from gateway.journal.proofs import ChainedEntry, Proof, Step, root_by

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
CheckBlock = Callable[[bytes, bytes, str], str]
"""(what was signed, signature, fingerprint) → `proven`, or why not: the code of a reason."""


class Broken(Exception):
    """What the file says is false; the text is the code of a reason."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Path(_Strict):
    seq: int
    block: int
    path: Annotated[list[tuple[str, Sha256]], Field(max_length=64)]


class _Signed(_Strict):
    number: int
    signature: Base64Bytes
    certificate: str


class _Blocks(_Strict):
    before: str
    """Digest of the block before the first; empty before the very first."""
    blocks: list[tuple[int, int, int, int, Sha256, int]]
    """number, first entry, last entry, how many, root, closed at (microseconds since 1970)"""
    signatures: list[_Signed]
    paths: list[_Path]


@dataclass(frozen=True, slots=True)
class Chained:
    """An entry that was read, and its digest as it must be."""

    seq: int
    at: dt.datetime
    code: str
    facts: dict[str, object]
    digest: str


def entries_file(proof: Proof) -> bytes:
    rows = [{name: value for name, value in asdict(each).items() if name != "digest"} for each in proof.entries]
    return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()


def blocks_file(proof: Proof, signer_of: Callable[[bytes, bytes], str]) -> bytes:
    """`signer_of`: (what was signed, signature) → fingerprint of the certificate that made it, empty if unknown."""
    holding = {number for number, _ in proof.paths.values()}
    newest = proof.blocks[-1][0].number if proof.blocks else 0
    table = {
        "before": proof.blocks[0][0].prev if proof.blocks else "",
        "blocks": [
            (block.number, block.first_entry, block.last_entry, block.count, block.root, block.closed_at)
            for block, _ in proof.blocks
        ],
        "signatures": [
            {
                "number": block.number,
                "signature": b64encode(signature).decode(),
                "certificate": signer_of(block.signed, signature),
            }
            for block, signature in proof.blocks
            if block.number in holding or block.number == newest
        ],
        "paths": [{"seq": seq, "block": block, "path": path} for seq, (block, path) in sorted(proof.paths.items())],
    }
    return (json.dumps(table, separators=(",", ":")) + "\n").encode()


# --- checking ---------------------------------------------------------------------------------------------------

_ENTRIES = TypeAdapter(list[dict[str, Any]])
_FIELDS = set(ChainedEntry.__dataclass_fields__) - {"digest"}


def read_entries(data: bytes, about: About) -> tuple[Chained, ...]:
    """The chain from its first entry on, each carrying the digest of the one before. Raises `Broken`."""
    try:
        rows = _ENTRIES.validate_json(data)
        found: list[Chained] = []
        prev = ""
        for number, row in enumerate(rows, 1):
            if set(row) != _FIELDS or row["seq"] != number or row["prev"] != prev:
                raise Broken("chain-broken")
            prev = entry_digest(about.message_id, **row)
            at = _EPOCH + dt.timedelta(microseconds=row["at"])
            facts = json.loads(row["facts"])
            if not isinstance(facts, dict):
                raise Broken("form")
            found.append(Chained(number, at, row["code"], facts, prev))
    except (ValidationError, TypeError, ValueError, OverflowError, RecursionError, AttributeError):
        raise Broken("form") from None
    return tuple(found)


def agree(chained: tuple[Chained, ...], about: About) -> None:
    """What the entries say of the message must be what the bundle says of it. Raises `Broken`."""
    for each in chained:
        facts = each.facts
        if each.code in {"packed", "received"} and (facts.get("sha256"), facts.get("size"), each.at) != (
            about.sha256,
            about.size,
            about.frozen_at,
        ):
            raise Broken("entry-of-other-bytes")
        if each.code in {"sent", "sent-late"} and facts.get("axis_id") != about.axis_id:
            raise Broken("entry-of-other-message")


def check_blocks(data: bytes, chained: tuple[Chained, ...], check: CheckBlock) -> str:
    """`proven`, or why it is not: `no-block`, `newest-without-block`, or what `check` says. Raises `Broken`."""
    held = _held(data)
    blocks = _linked(held)
    paths = {each.seq: each for each in held.paths}
    if len(paths) != len(held.paths) or not paths.keys() <= {each.seq for each in chained}:
        raise Broken("path-of-no-entry")
    for each in chained:
        if path := paths.get(each.seq):
            block = blocks.get(path.block)
            if block is None or root_by(each.digest, _steps(path)) != block.root:
                raise Broken("path-broken")
    if not paths:
        return "no-block"
    verdict = _signatures(held, blocks, {each.block for each in held.paths}, check)
    if verdict != "proven":
        return verdict
    return "proven" if len(paths) == len(chained) else "newest-without-block"


def reach(data: bytes) -> tuple[dict[int, Block], int]:
    """The blocks by number, and the last one that holds an entry of the message (0: none does). Raises `Broken`."""
    held = _held(data)
    return _linked(held), max((each.block for each in held.paths), default=0)


def _held(data: bytes) -> _Blocks:
    try:
        return _Blocks.model_validate_json(data)
    except (ValidationError, RecursionError):
        raise Broken("form") from None


def _steps(path: _Path) -> tuple[Step, ...]:
    return tuple(("left" if side == "left" else "right", digest) for side, digest in path.path)


def _linked(held: _Blocks) -> dict[int, Block]:
    blocks: dict[int, Block] = {}
    prev, last = held.before, None
    for number, first_entry, last_entry, count, root, closed_at in held.blocks:
        if last is not None and number != last + 1:
            raise Broken("block-missing")
        block = Block(number, first_entry, last_entry, count, root, prev, closed_at)
        blocks[number], prev, last = block, block.digest, number
    return blocks


def _signatures(held: _Blocks, blocks: dict[int, Block], holding: set[int], check: CheckBlock) -> str:
    signed = {each.number: each for each in held.signatures}
    reasons: list[str] = []
    for number in sorted(holding | {max(blocks)}):
        if number not in signed:
            return "block-unsigned"
        each = signed[number]
        reasons.append(check(blocks[number].signed, each.signature, each.certificate))
    if "block-forged" in reasons:
        raise Broken("block-forged")
    return next((reason for reason in reasons if reason != "proven"), "proven")
