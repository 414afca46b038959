"""A packed file as a recipe: literal bytes and references to contents, from which it is made again byte for byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pybase64

from gateway.model import Content


@dataclass(frozen=True, slots=True)
class Literal:
    data: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """The content in base64, in one line."""

    content: Content


Piece = Literal | Encoded


def recipe_size(pieces: Sequence[Piece]) -> int:
    """Of the whole file, in bytes."""
    return sum(len(p.data) if isinstance(p, Literal) else (p.content.size + 2) // 3 * 4 for p in pieces)


def recipe_table(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """As it is kept, ready for JSON."""
    return [
        {"text": p.data.decode()}
        if isinstance(p, Literal)
        else {"content": [p.content.sha256, p.content.size, p.content.place]}
        for p in pieces
    ]


def recipe_from(table: Sequence[Mapping[str, Any]]) -> tuple[Piece, ...]:
    return tuple(
        Literal(item["text"].encode()) if "text" in item else Encoded(Content(*item["content"])) for item in table
    )


def recipe_from_json(text: str) -> tuple[Piece, ...]:
    """As it was kept at first: literals in base64, contents by name."""
    return tuple(
        Literal(pybase64.b64decode(item["literal"], validate=True))
        if "literal" in item
        else Encoded(Content(**item["content"]))
        for item in json.loads(text)
    )


async def base64_chunks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The base64 of a stream of any chunk sizes, without line breaks."""
    left = b""
    async for chunk in chunks:
        data = left + chunk if left else chunk
        whole = len(data) - len(data) % 3
        left = bytes(data[whole:])
        if whole:
            yield pybase64.b64encode(memoryview(data)[:whole])
    if left:
        yield pybase64.b64encode(left)
