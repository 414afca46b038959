"""One claim of a bundle, judged."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.evidence.facts import Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    name: str
    """Its kind, and after a colon the file it is about where there are several."""
    verdict: Verdict
    reason: str = ""
    """Code; empty where it is proven and nothing more is to be said."""
    signer: str | None = None
    """Who vouches for it: a trusted party's system id, or the name of a time-stamping authority."""
    detail: str = ""
    """Ids, digests, times, names of fields and files."""

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]
