"""Errors that carry their consequence: the one who met the trouble decides what becomes of the message.

    GatewayError
    ├─ Retryable            put off, and try again later
    │  ├─ Unreachable       nothing was asked of the other side: no doubt
    │  ├─ Busy              they asked for patience (`after` seconds)
    │  └─ Unknown           it may have happened: in doubt
    ├─ Rejection            will never be taken: reject, and tell the office
    ├─ NeedsOperator        hold until a person acts
    ├─ Refused              the door does not take what an office handed in (a list of problems)
    ├─ Misconfigured        start-up cannot go on (all problems at once)
    └─ StorageBroken        the disk broke its word: end the process, repeat nothing

Anything else is a bug: the message is held, never lost. Texts may reach logs and screens: they hold ids, codes and
digests, never a body, a key or a subject.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model import Problem


class GatewayError(Exception):
    """Something went wrong, with a machine-readable code."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code = code
        self.message = message or (type(self).__doc__ or code).splitlines()[0]
        super().__init__(f"{code}: {self.message}")


class Retryable(GatewayError):
    """Try again later."""

    def __init__(self, code: str, message: str = "", *, after: float | None = None) -> None:
        super().__init__(code, message)
        self.after = after
        """Seconds the other side asked us to wait, where it did."""


class Unreachable(Retryable):
    """The other side could not be asked."""


class Busy(Retryable):
    """The other side asked for patience."""


class Unknown(Retryable):
    """The other side may or may not have done what was asked."""


class Rejection(GatewayError):
    """The other side, or a rule, will never take this."""


class NeedsOperator(GatewayError):
    """A person must decide."""


class Refused(GatewayError):
    """What was handed in cannot be taken."""

    def __init__(self, problems: Sequence[Problem], *, code: str = "invalid", status: int = 422) -> None:
        super().__init__(code, "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems))
        self.problems = tuple(problems)
        self.status = status
        """The HTTP status that says the same."""


class Misconfigured(GatewayError):
    """The configuration cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("misconfigured", "\n".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = tuple(problems)


class StorageBroken(GatewayError):
    """A write or an fsync failed so that nobody knows what the disk holds: the process must end."""
