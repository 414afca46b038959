"""How long to wait before the next try.

The journal keeps a back-off per endpoint, which holds all of its messages; this module says how long one message
waits by itself. What could not be asked at all waits for its endpoint only, so that a sign of life sets everything
moving again at once.
"""

from __future__ import annotations

import datetime as dt
import random

from gateway.config import Times
from gateway.errors import Busy, Retryable, Unreachable

_jitter = random.SystemRandom()
AT_ENDPOINT_SECONDS = 30.0
"""The longest that a message waits beside its endpoint's back-off."""


def wait(error: Retryable, attempts: int, times: Times, *, must_ask_first: bool) -> dt.timedelta:
    """Time until the next try after `attempts` tries in this state.

    `must_ask_first`: the axis takes a repeat for a new message, so the earlier call must surely have ended before it
    is asked: the longest call is waited out.
    """
    if error.after is not None:
        return dt.timedelta(seconds=min(error.after, times.retry_longest_seconds))
    seconds = min(times.retry_first_seconds * 2 ** min(attempts, 30), times.retry_longest_seconds)
    if isinstance(error, Unreachable):
        seconds = min(seconds, AT_ENDPOINT_SECONDS)
    seconds *= _jitter.uniform(0.8, 1.4)
    if must_ask_first and not isinstance(error, Unreachable | Busy):
        seconds = max(seconds, times.longest_call_seconds)
    return dt.timedelta(seconds=seconds)
