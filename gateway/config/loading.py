"""Reads the file: TOML under the environment, every problem of it at once, and its paths made absolute."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from gateway.config.contradictions import contradictions
from gateway.config.faults import faults
from gateway.config.sections import Listener, Settings, purge_folder, quarantine_folder
from gateway.errors import Misconfigured
from gateway.model import Problem
from gateway.salvage import salvage


def load(path: Path) -> Settings:
    """Read and check the file at `path`. Raises `Misconfigured` with every problem found."""
    settings, problems = examine(path)
    if problems or settings is None:
        raise Misconfigured(problems)
    return settings


def examine(path: Path) -> tuple[Settings | None, list[Problem]]:
    """Every problem of the file, and what it says apart from them; None where it cannot be read as TOML at all."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        return None, [Problem(str(path), "unreadable", exc.strerror or "cannot be read")]
    except RecursionError:
        return None, [Problem(str(path), "not-toml", "nests too deep")]
    except UnicodeDecodeError:
        return None, [Problem(str(path), "not-utf-8", "is not UTF-8: save it as UTF-8")]
    except ValueError as exc:  # TOML's own, or a number of thousands of digits
        return None, [Problem(str(path), "not-toml", str(exc))]
    problems: list[Problem] = []
    try:
        settings = Settings(**table)
    except SettingsError as exc:
        return None, [Problem("environment", "unreadable", str(exc))]
    except ValidationError as exc:
        problems, whole = faults(exc, Settings), copy.deepcopy(table)
        for error in exc.errors(include_input=False, include_url=False):
            _prune(table, error["loc"])
        # Without its faulty values the rest can still be examined, and everything be told at once.
        try:
            settings = Settings(**table)
        except ValidationError:
            settings = salvage(Settings, whole)
    told = {problem.field for problem in problems}
    clashes = [found for found in contradictions(settings) if found.field not in told]
    return _rooted(settings, path.resolve().parent), problems + clashes


def _prune(table: Any, place: tuple[int | str, ...]) -> None:
    for part in place[:-1]:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(table, dict):
        table.pop(place[-1], None)


def _rooted(settings: Settings, root: Path) -> Settings:
    def rooted(listener: Listener) -> Listener:
        return listener.model_copy(
            update={name: root / value for name in ("certificate", "key") if (value := getattr(listener, name))}
        )

    return settings.model_copy(
        update={
            "data_dir": root / settings.data_dir,
            "keys": root / settings.keys,
            "trust": root / settings.trust,
            "pdf": settings.pdf.model_copy(
                update={
                    name: root / value
                    for name in ("trust", "revocation_answers")
                    if (value := getattr(settings.pdf, name))
                }
            ),
            "journal": settings.journal.model_copy(
                update={
                    "heads": root / (settings.journal.heads or settings.data_dir / "heads"),
                    "purges": root / purge_folder(settings),
                }
            ),
            "secrecy": settings.secrecy.model_copy(
                update={
                    "officer_certificate": (given := settings.secrecy.officer_certificate) and root / given,
                    "quarantine": root / quarantine_folder(settings),
                }
            ),
            "timestamps": settings.timestamps.model_copy(update={"trust": root / settings.timestamps.trust}),
            "office_api": rooted(settings.office_api),
            "operators": rooted(settings.operators),
        }
    )
