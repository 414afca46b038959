"""How often a key may ask: a bucket of tokens for each key, filled at a steady rate up to a burst.

In memory of one process, and forgotten with it: it keeps one office's runaway script from taking the others' turn, and
is no accounting. Only keys that are known have a bucket, so strangers cannot fill the memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.errors import Busy


class Rates:
    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, and never back."""
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """Key → tokens left, and when that was so."""

    def take(self, key: str) -> None:
        """One request of this key. Raises `Busy` with the seconds until the next one is due."""
        now = self._clock()
        left, then = self._buckets.get(key, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        if left < 1:
            self._buckets[key] = (left, now)
            raise Busy("too-many-requests", after=(1 - left) / self._per_second)
        self._buckets[key] = (left - 1, now)
