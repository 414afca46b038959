"""What every test may count on. The gateway's own fixtures are beside the tests that use them."""

import os
import shutil
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.journal import journal, segments, sqlite


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """A configuration variable of whoever runs the tests must not change them."""
    for name in list(os.environ):
        if name.startswith("LIENTHONG_") and name != "LIENTHONG_COMMAND":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _each_key_is_proved_once():
    """OpenSSL proves that an RSA key's numbers belong together whenever it is read: 40 ms, the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "load_pem_private_key", lru_cache(maxsize=256)(serialization.load_pem_private_key))
        yield


@pytest.fixture(scope="session", autouse=True)
def _nobody_lingers_for_company():
    """A test's units of work have none to wait for, and would wait two milliseconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "_LINGER_SECONDS", 0)
        patch.setattr(segments, "_LINGER_SECONDS", 0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _new_journals_are_copies(tmp_path_factory):
    """The steps from nothing to the newest schema are walked once a session; `prepare` itself has tests of its own."""
    migrated = tmp_path_factory.mktemp("journal") / "migrated.sqlite"

    def prepare(path):
        if not path.exists():
            if not migrated.exists():
                sqlite.prepare(migrated)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(migrated, path)
        sqlite.prepare(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "prepare", prepare)
        yield
