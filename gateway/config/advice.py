"""What a configuration leaves out that an office would hardly want left out: nothing of it is wrong, and all of it is a
decision that somebody should have made.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.sections import Settings
from gateway.model import Problem


def advice(settings: Settings) -> Iterator[Problem]:
    """`field` says what to set, `message` what it is good for."""
    yield from _unfinished(settings)
    secrecy = settings.secrecy
    if not secrecy.builtin_patterns and not secrecy.pattern:
        yield Problem("secrecy.pattern", "nothing-looked-for", "no document is searched for markings of state secrets")
    elif secrecy.officer_certificate is None:
        message = "suspected state secrets that come in are held in the ordinary store, not encrypted to an officer"
        yield Problem("secrecy.officer_certificate", "left-out", message)
    if settings.antivirus.clamd is None:
        yield Problem("antivirus.clamd", "left-out", "no attachment is scanned for viruses")
    if settings.timestamps.url is None:
        message = "nobody outside vouches for when the journal's heads and evidence existed"
        yield Problem("timestamps.url", "left-out", message)
    heads = settings.journal.heads
    if heads is None or heads.is_relative_to(settings.data_dir):
        message = "the journal's heads lie beside it: who can cut off its end can remove them too"
        yield Problem("journal.heads", "left-out", message)
    for index, axis in enumerate(settings.axis):
        if axis.edxml_signature == "ignore":
            message = "whoever the axis lets in may write in any organ's name"
            yield Problem(f"axis.{index}.edxml_signature", "unchecked", message)
    if not settings.runner.ask_before_repeating:
        yield Problem("runner.ask_before_repeating", "doubles", "a document may be sent twice; for tests only")


def _unfinished(settings: Settings) -> Iterator[Problem]:
    """What a gateway that carries documents cannot do without, and one that is being set up may not have yet."""
    if not settings.axis:
        yield Problem("axis", "none", "no [[axis]]: nothing goes to organs outside, and nothing comes from them")
    if not settings.office:
        yield Problem("office", "none", "no [[office]]: nobody can hand in documents, and none are handed over")
    if not settings.route:
        yield Problem("route", "none", "no [[route]]: documents to organs outside are refused")
    # Where there is an axis, to have none is a problem and told as such.
    if not settings.axis and settings.keys.is_dir() and not any(settings.keys.glob("*.key.pem")):
        message = f"{settings.keys} holds no key pair, NAME.key.pem and NAME.crt.pem: an axis needs one to sign with"
        yield Problem("keys", "none", message)
