import asyncio
import json
import re

import pytest
from typer.testing import CliRunner

from gateway.commands.keys import app
from gateway.errors import Refused
from gateway.journal import Journal
from gateway.web.keys import digest
from tests.doors import NOW


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "lienthong.toml"
    path.write_text('[[office]]\nname = "so-thu-nghiem"\nadapter = "pull"\norgans = ["000.00.05.H99"]\n')
    (tmp_path / "data").mkdir()
    return path


def run(config, *arguments):
    result = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def office_of(config, key):
    async def ask():
        journal = await Journal.open(config.parent / "data" / "journal.sqlite", now=lambda: NOW)
        try:
            return await journal.partners.office_of_key(digest(key))
        finally:
            await journal.close()

    return asyncio.run(ask())


def test_a_new_key_is_shown_once_and_opens_the_api_for_its_office(config):
    key = run(config, "add", "--office", "so-thu-nghiem", "--label", "máy chủ 1").stdout.strip()
    assert re.fullmatch(r"lt_[A-Za-z0-9_-]{43}", key)
    assert office_of(config, key) == "so-thu-nghiem"
    listed = run(config, "list").stdout
    assert "máy chủ 1" in listed
    assert key not in listed
    assert digest(key) not in listed
    stored = b"".join(path.read_bytes() for path in (config.parent / "data").iterdir())
    assert key.encode() not in stored


def test_a_revoked_key_opens_nothing_and_stays_listed(config):
    made = json.loads(run(config, "add", "--office", "so-thu-nghiem", "--json").stdout)
    run(config, "revoke", made["id"])
    assert office_of(config, made["key"]) is None
    [row] = json.loads(run(config, "list", "--json").stdout)
    assert row["id"] == made["id"]
    assert row["revoked_at"]
    with pytest.raises(Refused, match="no valid key"):
        run(config, "revoke", made["id"])


def test_a_key_for_an_unknown_office_names_those_there_are(config):
    with pytest.raises(Refused, match="so-thu-nghiem"):
        run(config, "add", "--office", "so-la")


def test_a_list_without_keys_says_so(config):
    assert run(config, "list").stdout == "no keys yet\n"
