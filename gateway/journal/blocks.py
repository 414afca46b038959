"""Blocks over the hash chains: what was written can be neither changed nor taken away unseen.

A block holds the Merkle root of the entries since the last one, that block's digest and a signature over both. The
list of the entries' digests is kept beside it, vouched for by the root, so that a check can say which entry is gone.
Taking away the newest blocks together with their entries shows only against the heads kept elsewhere (`heads`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.journal import entry_queries
from gateway.journal.chain import canonical, commit_to, entry_digest
from gateway.journal.heads import Head, Position
from gateway.journal.rows import dumps
from gateway.journal.sqlite import Row, SqliteStore, Transaction

Sign = Callable[[bytes], bytes]
Check = Callable[[bytes, bytes], bool]
"""(what was signed, signature) → whether one of ours signed it."""

MOST_ENTRIES = 50_000
"""In one block: bounds the memory that closing and checking one need."""

_BEFORE_ALL = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    first_entry: int
    last_entry: int
    count: int
    root: str
    prev: str
    closed_at: int
    """Microseconds since 1970."""

    @property
    def signed(self) -> bytes:
        """The bytes that are signed, and whose SHA-256 is the block's digest."""
        return canonical(
            {
                "closed_at": self.closed_at,
                "count": self.count,
                "first_entry": self.first_entry,
                "last_entry": self.last_entry,
                "number": self.number,
                "prev": self.prev,
                "root": self.root,
            }
        )

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.signed).hexdigest()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something the journal no longer vouches for."""

    message_id: str | None
    """None: about a block."""
    seq: int
    """Of the entry in its chain, or the block's number."""
    what: str
    """Of an entry: `changed`, `detail-changed`, `missing`, `reordered`, `cut-off`, `not-in-block`.
    Of a block: `block-changed`, `block-missing`, `block-forged`; against a head, `cut-off`, `head-differs`."""
    head: str | None = None
    """The file of the head that shows it."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    entries: int
    blocks: int
    faults: tuple[Fault, ...]
    last_block: str | None
    """Digest of the last block."""

    @property
    def intact(self) -> bool:
        return not self.faults


def merkle_root(leaves: Sequence[str]) -> str:
    """As in RFC 6962: leaves and nodes are hashed apart, so no node can pass for a leaf. `leaves` in hex."""
    level = [hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0].hex()


# --- closing ----------------------------------------------------------------------------------------------------


def next_block(tx: Transaction, now: int) -> tuple[Block, str] | None:
    """The block that is to be closed now, and its leaves; None where nothing was written since the last."""
    last = tx.one(entry_queries.LAST_BLOCK)
    number, after, prev = last or (0, 0, "")
    rows = tx.all(entry_queries.NEXT_LEAVES, {"after": after, "limit": MOST_ENTRIES})
    if not rows:
        return None
    leaves = [row[1:] for row in rows]
    root = merkle_root([digest for _, _, digest in leaves])
    return Block(number + 1, rows[0][0], rows[-1][0], len(rows), root, prev, now), dumps(leaves)


def keep_block(tx: Transaction, block: Block, leaves: str, signature: bytes) -> bool:
    """False: another node closed it first."""
    last = tx.one(entry_queries.LAST_BLOCK)
    if (last[0] if last else 0) != block.number - 1:
        return False
    values = {name: getattr(block, name) for name in Block.__dataclass_fields__}
    tx.run(entry_queries.NEW_BLOCK, {**values, "digest": block.digest, "signature": signature, "leaves": leaves})
    return True


# --- checking ---------------------------------------------------------------------------------------------------


def position(tx: Transaction) -> Position | None:
    """Where the chain of blocks ends; None before the first."""
    last, covered = tx.one(entry_queries.LAST_BLOCK), tx.one(entry_queries.COVERED)
    return Position(last[0], last[2], int(covered[0])) if last and covered else None


def verify(tx: Transaction, check: Check | None, heads: Sequence[Head] = ()) -> VerifyReport:
    """Go over everything, on one snapshot. Without `check` the signatures are not looked at.

    `heads`: believed, and what the blocks must agree with.
    """
    faults: list[Fault] = []
    entries = 0
    for fault in _chains(tx):
        if fault is None:
            entries += 1
        else:
            faults.append(fault)
    blocks, counted = 0, 0
    digest, covered = "", _BEFORE_ALL
    told: dict[int, Head] = {each.position.block: each for each in reversed(heads)}
    for row in tx.stream(entry_queries.BLOCKS):
        block, found = _block(row, blocks, digest, check)
        faults += found
        if block.number != blocks + 1:
            covered = block.first_entry - 1  # the entries of a missing block are not this one's
        faults += _leaves(tx, block, row[-1], covered)
        blocks, digest, covered = block.number, block.digest, max(covered, block.last_entry)
        counted += block.count
        head = told.pop(block.number, None)
        if head and head.position != Position(blocks, digest, counted):
            faults.append(Fault(None, block.number, "head-differs", head.file))
    faults += [Fault(None, number, "cut-off", told[number].file) for number in sorted(told) if number > blocks]
    unique = tuple(dict.fromkeys(faults))
    return VerifyReport(entries, blocks, unique, digest or None)


def _chains(tx: Transaction) -> Iterator[Fault | None]:
    """A None for each entry read, and the faults of the chains."""
    current, seq, digest, last_seq, last_digest = None, 0, "", 0, ""

    def end() -> Iterator[Fault]:
        if current is not None and (seq, digest) != (last_seq, last_digest):
            cut = seq < (last_seq or 0)
            yield Fault(current, seq + 1 if cut else seq, "cut-off" if cut else "changed")

    for row in tx.stream(entry_queries.CHAINS):
        yield None
        (_, message_id, number, at, code, who, facts, commitment, prev, written, detail, salt, *head) = row
        if message_id != current:
            yield from end()
            current, seq, digest = message_id, 0, ""
            last_seq, last_digest = head
        if entry_digest(message_id, number, at, code, who, facts, commitment, prev) != written:
            yield Fault(message_id, number, "changed")
        elif number == seq + 1 and prev != digest:
            yield Fault(message_id, number, "reordered")
        if detail is not None and commit_to(detail, salt or "") != commitment:
            yield Fault(message_id, number, "detail-changed")
        yield from (Fault(message_id, gone, "missing") for gone in range(seq + 1, number))
        seq, digest = number, written
    yield from end()
    yield from (Fault(message_id, 1, "cut-off") for message_id, _ in tx.stream(entry_queries.CHAINLESS))


def _block(row: Row, before: int, digest: str, check: Check | None) -> tuple[Block, list[Fault]]:
    *fields, written, signature, leaves = row
    block = Block(*fields)
    found = [Fault(None, gone, "block-missing") for gone in range(before + 1, block.number)]
    if (block.number == before + 1 and block.prev != digest) or block.digest != written:
        found.append(Fault(None, block.number, "block-changed"))
    elif check is not None and not check(block.signed, signature):
        found.append(Fault(None, block.number, "block-forged"))
    digests = [leaf for _, _, leaf in json.loads(leaves)]
    if len(digests) != block.count or merkle_root(digests) != block.root:
        found.append(Fault(None, block.number, "block-changed"))
    return block, found


def _leaves(tx: Transaction, block: Block, leaves: str, covered: int) -> Iterator[Fault]:
    """Compare what the block says was written with what is there now."""
    there = tx.all(entry_queries.LEAVES, {"after": covered, "upto": block.last_entry})
    written = [(message_id, seq, digest) for _, message_id, seq, digest in there]
    promised = [(message_id, seq, digest) for message_id, seq, digest in json.loads(leaves)]
    if written == promised:
        return
    now = {(message_id, seq): digest for message_id, seq, digest in written}
    then = {(message_id, seq): digest for message_id, seq, digest in promised}
    for (message_id, seq), digest in then.items():
        if (message_id, seq) not in now:
            yield Fault(message_id, seq, "missing")
        elif now[message_id, seq] != digest:
            yield Fault(message_id, seq, "changed")
    for message_id, seq in now.keys() - then.keys():
        yield Fault(message_id, seq, "not-in-block")
    if now == then:
        yield from (Fault(a[0], a[1], "reordered") for a, b in zip(written, promised, strict=True) if a != b)


class BlockRecords:
    """Closing blocks, and checking the journal against them."""

    def __init__(self, store: SqliteStore, stamp_now: Callable[..., int]) -> None:
        self._store = store
        self._stamp = stamp_now

    async def close(self, sign: Sign) -> Block | None:
        """Cover what was written since the last block; the newest block, None where there was nothing to cover.

        `sign` runs in a thread. Another node that closes blocks at the same time does no harm.
        """
        newest = None
        now = self._stamp()
        while found := await self._store.read(lambda tx: next_block(tx, now)):
            block, leaves = found
            signature = await asyncio.to_thread(sign, block.signed)
            keep = partial(keep_block, block=block, leaves=leaves, signature=signature)
            if not await self._store.write(keep, lengthy=True):
                break
            newest = block
            if block.count < MOST_ENTRIES:
                break
        return newest

    async def position(self) -> Position | None:
        """Where the chain of blocks ends; None before the first block."""
        return await self._store.read(position)

    async def verify(self, check: Check | None = None, heads: Sequence[Head] = ()) -> VerifyReport:
        """Check every chain and every block, and the blocks against `heads`. Takes time in proportion to the journal, on
        one snapshot.
        """
        return await self._store.read(lambda tx: verify(tx, check, heads))
