"""`lienthong organs` over a directory that was copied before; organs are invented."""

import asyncio
import datetime as dt
import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import GatewayError
from gateway.journal import Journal, OrganLine

LONG_AGO = dt.date(2020, 1, 1)
LINES = [
    OrganLine("H9.01", "Sở Nội vụ Thử Nghiệm", LONG_AGO, None, "000.00.01.H9", ("H9.77",)),
    OrganLine("H9.77", "Ban Thi đua cũ", LONG_AGO, dt.date(2025, 6, 30)),
]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "lienthong.toml"
    path.write_text(
        '[[axis]]\nname = "national"\ndriver = "soap"\nsystem_id = "a"\naxis_system_id = "b"\n', encoding="utf-8"
    )
    return path


def fill(config, lines):
    async def run():
        journal = await Journal.open(config.parent / "data" / "journal.sqlite", now=lambda: dt.datetime.now(dt.UTC))
        await journal.directory.keep("national", lines)
        await journal.close()

    asyncio.run(run())


def told(config, *words):
    result = CliRunner().invoke(app, ["organs", *words, "--json", "--config", str(config)], catch_exceptions=False)
    return json.loads(result.stdout)


def test_find_searches_names_without_marks_and_leaves_closed_organs_out(config):
    fill(config, LINES)
    assert [row["code"] for row in told(config, "find", "so noi vu")] == ["H9.01"]
    assert told(config, "find", "thi dua") == []


def test_show_tells_all_that_was_ever_said_and_what_became_of_a_closed_organ(config):
    fill(config, LINES)
    shown = told(config, "show", "H9.77")
    assert [(row["code"], row["until"]) for row in shown["lines"]] == [("H9.77", "2025-06-30")]
    assert [row["code"] for row in shown["nearest"]] == ["H9.01"]
    assert told(config, "show", "000.00.01.H9")["lines"][0]["code"] == "H9.01"


def test_show_of_a_code_like_nothing_known_fails_and_says_so(config):
    fill(config, LINES)
    with pytest.raises(GatewayError, match="no directory lists ZZ"):
        told(config, "show", "ZZ")


def test_without_a_copied_directory_or_a_journal_the_command_says_what_to_do(config):
    with pytest.raises(GatewayError, match="has the gateway run"):
        told(config, "find", "x")
    fill(config, [])
    with pytest.raises(GatewayError, match="organs sync"):
        told(config, "find", "x")


def test_an_axis_that_is_not_configured_is_named_with_those_that_are(config):
    fill(config, LINES)
    with pytest.raises(GatewayError, match="no axis is called 'other'; there are: national"):
        told(config, "find", "x", "--axis", "other")


def test_the_table_cuts_no_code_however_narrow_the_screen(config, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    fill(config, LINES)
    printed = CliRunner().invoke(app, ["organs", "show", "000.00.01.H9", "--config", str(config)]).stdout
    assert "H9.01  000.00.01.H9  Sở Nội vụ Thử Nghiệm  2020-01-01" in printed
