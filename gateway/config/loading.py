"""Reads the file: TOML under the environment, every problem of it at once, and its paths made absolute."""

from __future__ import annotations

import copy
import difflib
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from gateway.config.contradictions import contradictions
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
    except ValueError as exc:  # TOML's own, another encoding than UTF-8, or a number of thousands of digits
        return None, [Problem(str(path), "not-toml", str(exc))]
    problems: list[Problem] = []
    try:
        settings = Settings(**table)
    except SettingsError as exc:
        return None, [Problem("environment", "unreadable", str(exc))]
    except ValidationError as exc:
        problems, whole = _problems(exc), copy.deepcopy(table)
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


def _problems(exc: ValidationError) -> list[Problem]:
    # The input is left out: a misplaced secret must not be printed back.
    problems = []
    for error in exc.errors(include_input=False, include_url=False):
        place, code, message = error["loc"], error["type"].replace("_", "-"), error["msg"]
        if error["type"] == "extra_forbidden":
            code, message = "unknown-key", "no such key"
            if near := difflib.get_close_matches(str(place[-1]), _known(place[:-1]), n=1):
                message += f"; did you mean {near[0]!r}?"
        problems.append(Problem(".".join(map(str, place)), code, message))
    return problems


def _known(place: tuple[int | str, ...]) -> list[str]:
    """The keys that exist in the section at `place`."""
    section: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = next(kind for kind in (*get_args(annotation), annotation) if isinstance(kind, type))
    return [field.alias or name for name, field in section.model_fields.items()]


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
