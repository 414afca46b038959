"""The secret shared with the axis: from a file or the environment, never from the configuration itself."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import Misconfigured, NeedsOperator
from gateway.model import Problem

_LIMIT = 4096


class Secret:
    """Gives the secret as it is now: a file that changed is read again. Blocks for one `stat` of a small file."""

    def __init__(self, file: Path | None, variable: str | None) -> None:
        self._file, self._variable = file, variable
        self._seen: tuple[int, int, int] | None = None
        self._value = b""
        try:
            self.now()
        except NeedsOperator as exc:
            raise Misconfigured([Problem("secret_file" if file else "secret_env", exc.code, exc.message)]) from exc

    def now(self) -> bytes:
        """Raises `NeedsOperator` where there is none, or no longer one."""
        if self._file is None:
            return _proper(os.environ.get(self._variable or "", "").encode(), f"environment variable {self._variable}")
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                with self._file.open("rb") as opened:
                    value = opened.read(_LIMIT + 1)
                self._value, self._seen = _proper(value, self._file.name), seen
        except OSError as exc:
            raise NeedsOperator("axis-secret-missing", f"{self._file.name}: {exc.strerror}") from exc
        return self._value


def _proper(value: bytes, where: str) -> bytes:
    # The key is the text as it stands, not what it might be the base64 of; editors end a file with a line break.
    value = value.rstrip(b"\r\n")
    if not value:
        raise NeedsOperator("axis-secret-missing", f"{where} holds no secret")
    if len(value) > _LIMIT:
        raise NeedsOperator("axis-secret-missing", f"{where} is too long for a secret")
    return value
