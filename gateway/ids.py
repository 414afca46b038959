"""Names of messages and receipts: 32 hexadecimal digits that nobody can guess, and that sort by the time they were given.

What is written together then stands together in every index of the journal: with random ones a commit writes a page of
each index for each message.
"""

from __future__ import annotations

import os
import time

_MICROSECOND = 1_000


def new_id() -> str:
    """56 bits of microseconds since 1970, then 72 random ones."""
    return f"{time.time_ns() // _MICROSECOND:014x}{os.urandom(9).hex()}"
