"""Faults by name: what the axis does wrong on purpose, where, how often, and from which seed.

A rule is text, `NAME[:OPERATION[:PROBABILITY[:COUNT]]][:KEY=VALUE…]`, for example `reply-lost:SendDocument:0.2` or
`cut:GetDocument:1:3:bytes=1000`. OPERATION is a shell pattern; COUNT limits how many times it strikes, `for=SECONDS`
how long it lasts; what is said of SendDocument and UpdateTraces holds for SendTogether too. Beside the operations of `axis.wsdl` there are `Deliver`, when a message enters a mailbox, and `Fault`,
the reply to a request that is refused. The server asks for a fault by its name at the place where it would strike.
"""

from __future__ import annotations

import fnmatch
import json
import random
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = {
    "reply-lost": "the act is done, and the connection ends without a reply",
    "cut": "the connection ends after `bytes` of the reply (1000)",
    "busy": "fault Busy with RetryAfter `seconds` (1), nothing done",
    "fail": "vxp: an answer FAIL with ErrorCode `code` (20), nothing done",
    "slow": "`seconds` (2) before the act",
    "slow-reply": "`seconds` (2) between the act and its reply",
    "disk-full": "HTTP `status` (507) without an envelope, nothing done",
    "unsigned-fault": "a SOAP fault that nobody signed (`code`, BadForm), nothing done",
    "wrong-digest": "GetDocument: a byte of the part is changed; otherwise: the receipt tells another digest",
    "broken-signature": "one bit of the reply's SignatureValue is changed",
    "foreign-signature": "the reply is signed by a key that nobody trusts",
    "foreign-receipt": "the receipt is signed by a key that nobody trusts",
    "expired-certificate": "the reply is signed under a certificate of the axis that has ended",
    "replayed-older-reply": "an earlier reply to the same operation comes again, once there is one",
    "clock-skew": "the reply's Timestamp lies `seconds` (7200) ahead",
    "delivered-twice": "a delivery is listed under two axis ids (operation Deliver)",
    "delivered-again": "an item stays listed after its first receipt (operation ConfirmReceived)",
    "late": "a delivery is listed only after `seconds` (5) (operation Deliver)",
    "out-of-order": "the list comes in no order (operation GetPendingDocumentIds)",
}


class BadRule(ValueError):
    """A fault rule that cannot be read."""


_ALSO = {"SendTogether": ("SendDocument", "UpdateTraces")}
"""An operation that does the work of others is struck by their faults too."""


@dataclass(slots=True)
class Rule:
    name: str
    operation: str = "*"
    probability: float = 1.0
    count: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    struck: int = 0
    until: float | None = None
    """On the monotonic clock."""

    def strikes(self, operation: str) -> bool:
        names = (operation, *_ALSO.get(operation, ()))
        return any(fnmatch.fnmatchcase(name, self.operation) for name in names)

    def number(self, option: str, default: float) -> float:
        return float(self.options.get(option, default))

    def text(self) -> str:
        count = "" if self.count is None else f":{self.count}"
        options = "".join(f":{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{self.operation}:{self.probability:g}{count}{options}"


class Faults:
    """The rules in force. Draws are repeatable for one seed and one order of requests."""

    def __init__(self, rules: Iterable[str] = (), *, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self.rules: list[Rule] = []
        self.replace(rules)

    def replace(self, rules: Iterable[str], *, seed: int | None = None) -> None:
        """Put these rules in force instead. Raises `BadRule`, and changes nothing then."""
        self.rules = [read_rule(rule) for rule in rules]
        if seed is not None:
            self._random.seed(seed)

    def add(self, rule: str) -> None:
        self.rules.append(read_rule(rule))

    def clear(self) -> None:
        self.rules = []

    def strikes(self, name: str, operation: str) -> Rule | None:
        """Whether this fault strikes here and now; counts it."""
        for rule in self.rules:
            if rule.name != name or not rule.strikes(operation):
                continue
            if rule.count is not None and rule.struck >= rule.count:
                continue
            if rule.until is not None and time.monotonic() > rule.until:
                continue
            if self._random.random() < rule.probability:
                rule.struck += 1
                return rule
        return None

    def shuffle(self, things: list[Any]) -> None:
        self._random.shuffle(things)

    def state(self) -> list[dict[str, object]]:
        return [{"rule": rule.text(), "struck": rule.struck} for rule in self.rules]


def read_rule(text: str) -> Rule:
    """Raises `BadRule`."""
    plain = [part for part in text.split(":") if "=" not in part]
    options = dict(part.split("=", 1) for part in text.split(":") if "=" in part)
    if not plain or plain[0] not in NAMES:
        raise BadRule(f"no fault is called {text.partition(':')[0]!r}; there are: {', '.join(NAMES)}")
    if len(plain) > 4:
        raise BadRule(f"{text!r}: NAME:OPERATION:PROBABILITY:COUNT at most")
    rule = Rule(plain[0], options=options)
    try:
        if len(plain) > 1:
            rule.operation = plain[1] or "*"
        if len(plain) > 2:
            rule.probability = float(plain[2])
        if len(plain) > 3:
            rule.count = int(plain[3])
        if "for" in options:
            rule.until = time.monotonic() + float(options["for"])
    except ValueError:
        raise BadRule(f"{text!r}: not a number") from None
    if not 0 <= rule.probability <= 1:
        raise BadRule(f"{text!r}: a probability lies between 0 and 1")
    return rule


def load(path: Path) -> tuple[list[str], int]:
    """(rules, seed) from a TOML or JSON file: `seed = 7`, `faults = ["reply-lost:SendDocument:0.2"]`.

    Raises `BadRule`.
    """
    raw = path.read_text(encoding="utf-8")
    try:
        table = json.loads(raw) if path.suffix == ".json" else tomllib.loads(raw)
        rules, seed = [str(rule) for rule in table["faults"]], int(table.get("seed", 0))
    except (ValueError, KeyError, TypeError):
        raise BadRule(f"{path.name}: a table with a list `faults`, and a number `seed`, is expected") from None
    for rule in rules:
        read_rule(rule)
    return rules, seed
