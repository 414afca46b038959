"""Who acts on a command line: the name they give, and the login that the machine knows them by.

The login is the kernel's audit login (`/proc/self/loginuid`), set once when somebody logs in and kept through `su` and
`sudo`; where there is none (containers, services) it is the account the command runs under. Neither the environment nor
`--who` changes it. Whoever is root on the machine can be anybody.
"""

from __future__ import annotations

import getpass
import os
import pwd
from pathlib import Path

from gateway.pipeline.secret_acts import Person

_NOBODY = 0xFFFFFFFF


def person(who: str) -> Person:
    return Person(who.strip() or getpass.getuser(), login())


def login(loginuid: Path = Path("/proc/self/loginuid")) -> str:
    """`uid:name`."""
    uid = _audited(loginuid)
    uid = os.getuid() if uid is None else uid
    try:
        return f"{uid}:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"{uid}:"


def _audited(path: Path) -> int | None:
    try:
        uid = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY else uid
