import asyncio
import json
import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from typer.testing import CliRunner

from gateway import cli
from gateway.journal import Journal
from tests import pki
from tests.contract.journals import Clock, accepted


@pytest.fixture
def configuration(tmp_path):
    """A gateway that has run: one message, one block, signed by its key."""
    member = pki.valid("gateway-h99")
    pki.write_keys(tmp_path / "keys", member)
    (tmp_path / "lienthong.toml").write_text('data_dir = "data"\nkeys = "keys"\n', encoding="utf-8")

    async def run():
        journal = await Journal.open(tmp_path / "data" / "journal.sqlite", now=Clock())
        await accepted(journal, message_id="m-1")
        await journal.blocks.close(lambda signed: member.key.sign(signed, PKCS1v15(), SHA256()))
        await journal.close()

    asyncio.run(run())
    return tmp_path / "lienthong.toml"


def verified(configuration, *more):
    done = CliRunner().invoke(cli.app, ["journal", "verify", "--config", str(configuration), *more])
    return done.exit_code, done.output


def test_an_intact_journal_ends_with_0_and_says_what_was_checked(configuration):
    code, output = verified(configuration, "--json")
    report = json.loads(output)
    assert (code, report["intact"], report["entries"], report["blocks"]) == (0, True, 1, 1)
    assert "1 entries, 1 blocks, 0 heads, 0 faults" in verified(configuration)[1]


def test_a_changed_entry_ends_with_1_and_is_named(configuration):
    connection = sqlite3.connect(configuration.parent / "data" / "journal.sqlite")
    connection.execute("UPDATE entry SET who = 'somebody else'")
    connection.commit()
    connection.close()
    code, output = verified(configuration, "--json")
    assert code == 1
    assert json.loads(output)["faults"] == [{"message_id": "m-1", "seq": 1, "what": "changed"}]
    assert "message m-1, entry 1: changed" in verified(configuration)[1]


def test_a_block_signed_by_a_retired_key_needs_its_certificate(configuration, tmp_path):
    keys = configuration.parent / "keys"
    [retired] = keys.glob("*.crt.pem")
    retired = retired.rename(tmp_path / "retired.crt.pem")
    for left in keys.iterdir():
        left.unlink()
    pki.write_keys(keys, pki.valid("gateway-new"))
    code, output = verified(configuration)
    assert code == 1
    assert "block 1: block-forged" in output
    assert verified(configuration, "--certificate", str(retired))[0] == 0


def test_no_journal_is_said_so(configuration):
    (configuration.parent / "data" / "journal.sqlite").rename(configuration.parent / "elsewhere")
    done = CliRunner().invoke(cli.app, ["journal", "verify", "--config", str(configuration)])
    assert done.exit_code != 0
    assert "no-journal" in str(done.exception)
