"""Taking a message's chain out of the journal, with what ties it to the signed blocks.

A proof holds the entries of one message, for each the Merkle path to its block's root, and the blocks from the first
of these to the newest. It says nothing about the entries of other messages but their digests.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.journal import entry_queries
from gateway.journal.blocks import Block
from gateway.journal.sqlite import Transaction

Step = tuple[Literal["left", "right"], str]
"""Where the neighbour stands, and its digest in hex."""


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """Everything an entry's digest covers, as stored."""

    seq: int
    at: int
    """Microseconds since 1970."""
    code: str
    who: str
    facts: str
    commitment: str | None
    prev: str
    digest: str


@dataclass(frozen=True, slots=True)
class Proof:
    entries: tuple[ChainedEntry, ...]
    paths: dict[int, tuple[int, tuple[Step, ...]]]
    """Sequence number → block and path; the newest entries may wait for a block still."""
    blocks: tuple[tuple[Block, bytes], ...]
    """With their signatures, up to the newest."""


def merkle_path(leaves: Sequence[str], index: int) -> tuple[Step, ...]:
    """The neighbours on the way from a leaf to `blocks.merkle_root` of the leaves."""
    level = [hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in leaves]
    path: list[Step] = []
    while len(level) > 1:
        if index % 2:
            path.append(("left", level[index - 1].hex()))
        elif index + 1 < len(level):
            path.append(("right", level[index + 1].hex()))
        pairs = [
            hashlib.sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level, index = pairs + level[len(pairs) * 2 :], index // 2
    return tuple(path)


def root_by(leaf: str, path: Sequence[Step]) -> str:
    """The root that a leaf and its path lead to. Raises `ValueError` for what is not hex."""
    node = hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest()
    for side, neighbour in path:
        other = bytes.fromhex(neighbour)
        node = hashlib.sha256(b"\1" + (other + node if side == "left" else node + other)).digest()
    return node.hex()


def proof(tx: Transaction, message_id: str) -> Proof:
    rows = tx.all(entry_queries.CHAIN, {"id": message_id})
    numbers = [row[0] for row in rows]
    entries = tuple(ChainedEntry(*row[1:]) for row in rows)
    paths: dict[int, tuple[int, tuple[Step, ...]]] = {}
    blocks: list[tuple[Block, bytes]] = []
    for *fields, signature in tx.stream(entry_queries.BLOCKS_FROM, {"entry": numbers[0] if numbers else 0}):
        block = Block(*fields)
        blocks.append((block, signature))
        here = bisect_left(numbers, block.first_entry)
        if here == len(numbers) or numbers[here] > block.last_entry:
            continue
        held = tx.one(entry_queries.LEAVES_OF_BLOCK, {"number": block.number})
        leaves = json.loads(held[0]) if held else []
        digests = [digest for _, _, digest in leaves]
        for index, (owner, seq, _) in enumerate(leaves):
            if owner == message_id:
                paths[seq] = (block.number, merkle_path(digests, index))
    return Proof(entries, paths, tuple(blocks))
