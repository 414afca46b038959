"""Files that survive a power cut: written under a hidden name, flushed to the disk, and shown by one rename.

Blocking, but for `write_chunks` and `chunks`; callers on an event loop use a thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from gateway.ports import Chunks

_CHUNK = 256 << 10


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def close(file: BinaryIO) -> None:
    """Make a file's bytes last, and close it."""
    with file:
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Put a new JSON file in place of whatever was there, whole or not at all."""
    hidden = path.with_name(f".{path.name}.part")
    file = hidden.open("wb")
    file.write(json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")
    close(file)
    hidden.replace(path)
    sync_folder(path.parent)


async def write_chunks(path: Path, chunks: Chunks) -> None:
    """Write a file that is not there yet. Its folder is the caller's to sync."""
    file = await asyncio.to_thread(path.open, "xb")
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(close, file)


def move(source: Path, target: Path) -> None:
    """Rename, durably. Both must be on one file system."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def open_regular(path: Path) -> BufferedReader:
    """Open for reading what is a file and nothing that only points at one. Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path.name} is not a regular file")
    return os.fdopen(handle, "rb")


def plain_name(name: str) -> bool:
    """Whether a name from outside is fit to stand for one visible file in a folder that we choose."""
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= 240
        and not name.startswith(".")
        and not any(letter in "/\\" or not letter.isprintable() for letter in name)
    )


async def chunks(path: Path) -> Chunks:
    """The bytes of a regular file, in pieces of 256 KiB. Raises what `open_regular` does."""
    file = await asyncio.to_thread(open_regular, path)
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    finally:
        file.close()
