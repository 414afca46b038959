"""What every test may count on. The gateway's own fixtures are beside the tests that use them."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """A configuration variable of whoever runs the tests must not change them."""
    for name in list(os.environ):
        if name.startswith("LIENTHONG_") and name != "LIENTHONG_COMMAND":
            monkeypatch.delenv(name)
