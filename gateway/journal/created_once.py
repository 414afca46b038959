"""Files that are created once and never touched again, in a folder that may be a WORM share."""

from __future__ import annotations

import os
from pathlib import Path


def put(folder: Path, name: str, data: bytes) -> bool:
    """Durable on return; False where the name is taken. Nothing is renamed, linked or removed. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)
    return True


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
