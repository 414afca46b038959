"""Statements on entries, which make each message's chain, and on the blocks that are signed over all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam, exists, func, select, update

from gateway.journal.query import Query, inserting
from gateway.journal.tables import block, entry, message

_id: BindParameter[Any] = bindparam("id")
_now: BindParameter[Any] = bindparam("now")
_limit: BindParameter[Any] = bindparam("limit")

CHAIN_HEAD = Query(select(message.c.last_seq, message.c.last_digest).where(message.c.message_id == _id))
NEW_ENTRY = inserting(entry, "number")
MOVE_HEAD = Query(update(message).where(message.c.message_id == _id), "last_seq", "last_digest")
TIMELINE = Query(
    select(entry.c.seq, entry.c.at, entry.c.code, entry.c.who, entry.c.facts, entry.c.detail, entry.c.digest)
    .where(entry.c.message_id == _id)
    .order_by(entry.c.seq)
)
CHAINS = Query(
    select(*entry.columns, message.c.last_seq, message.c.last_digest)
    .join_from(entry, message, entry.c.message_id == message.c.message_id, isouter=True)
    .order_by(entry.c.message_id, entry.c.seq)
)
CHAINLESS = Query(
    select(message.c.message_id, message.c.last_seq).where(
        message.c.last_seq > 0, ~exists().where(entry.c.message_id == message.c.message_id)
    )
)
LEAVES = Query(
    select(entry.c.number, entry.c.message_id, entry.c.seq, entry.c.digest)
    .where(entry.c.number > bindparam("after"), entry.c.number <= bindparam("upto"))
    .order_by(entry.c.number)
)
NEXT_LEAVES = Query(
    select(entry.c.number, entry.c.message_id, entry.c.seq, entry.c.digest)
    .where(entry.c.number > bindparam("after"))
    .order_by(entry.c.number)
    .limit(_limit)
)
NEW_BLOCK = inserting(block)
LAST_BLOCK = Query(select(block.c.number, block.c.last_entry, block.c.digest).order_by(block.c.number.desc()).limit(1))
COVERED = Query(select(func.coalesce(func.sum(block.c.count), 0)))
OLDEST_UNBLOCKED = Query(
    select(func.min(entry.c.at)).where(
        entry.c.number > select(func.coalesce(func.max(block.c.last_entry), 0)).scalar_subquery()
    )
)
BLOCKS = Query(select(*block.columns).order_by(block.c.number))
CHAIN = Query(
    select(*(entry.c[name] for name in ("number", "seq", "at", "code", "who", "facts", "commitment", "prev", "digest")))
    .where(entry.c.message_id == _id)
    .order_by(entry.c.seq)
)
BLOCKS_FROM = Query(
    select(*(each for each in block.columns if each.name not in {"digest", "leaves"}))
    .where(block.c.last_entry >= bindparam("entry"))
    .order_by(block.c.number)
)
LEAVES_OF_BLOCK = Query(select(block.c.leaves).where(block.c.number == bindparam("number")))
