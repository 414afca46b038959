"""`lienthong purge`, `quarantine`, `journal replay-purges`, and who acts."""

import asyncio
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands import person
from gateway.commands.secrecy import _decrypted
from gateway.config import load
from gateway.errors import GatewayError, Misconfigured, Refused
from gateway.journal import Journal
from gateway.states import Entry, Message, Outcome, State
from tests.contract.journals import Clock, accepted

MESSAGE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "lienthong.toml"
    path.write_text('[[office]]\nname = "so-thu-nghiem"\nadapter = "pull"\norgans = ["000.00.05.H99"]\n')
    (tmp_path / "data").mkdir()
    return path


def fill(config, *outcomes):
    async def run():
        journal = await Journal.open(config.parent / "data" / "journal.sqlite", now=Clock())
        await accepted(journal, message_id=MESSAGE, sha256="ab" * 32)
        for outcome in outcomes:
            await journal.apply(MESSAGE, outcome, who="runner")
        await journal.close()

    asyncio.run(run())


def run(config, *words):
    return CliRunner().invoke(app, [*words, "--config", str(config)], catch_exceptions=False).stdout


REJECTED = Outcome(Entry("rejected"), state=State.REJECTED)


def test_purge_asks_for_a_reason_and_shows(config):
    fill(config, REJECTED)
    with pytest.raises(GatewayError, match="--why must give a reason"):
        run(config, "purge", MESSAGE, "--why", "  ")
    assert run(config, "purge", MESSAGE, "--why", "thu hồi", "--who", "Lan") == f"{MESSAGE} purged\n"
    shown = json.loads(run(config, "show", MESSAGE, "--json"))
    assert shown["purged_at"]
    assert [(each["act"], each["who"], each["why"]) for each in shown["timeline"]][-2:] == [
        ("purged", "Lan", None),
        ("purge-ordered", "Lan", "thu hồi"),
    ]
    assert (config.parent / "data-purges" / "00000001.json").exists()


def test_what_is_under_way_or_unknown_is_not_purged(config):
    fill(config)
    with pytest.raises(Refused, match='cannot take "purge"'):
        run(config, "purge", MESSAGE, "--why", "thu hồi")
    with pytest.raises(GatewayError, match="no message has the id"):
        run(config, "purge", "nobody", "--why", "thu hồi")


def test_replaying_tells_of_a_damaged_ledger(config):
    fill(config, REJECTED)
    run(config, "purge", MESSAGE, "--why", "thu hồi")
    assert run(config, "journal", "replay-purges") == "0 messages purged again, 0 faults in the ledger\n"
    ledger = config.parent / "data-purges"
    (ledger / "00000001.json").rename(ledger / "00000002.json")
    result = CliRunner().invoke(app, ["journal", "replay-purges", "--config", str(config)])
    assert result.exit_code == 1
    assert "00000001.json: missing" in result.stdout


def test_an_empty_quarantine_says_so_and_an_unreadable_file_is_listed_as_one(config):
    fill(config)
    assert run(config, "quarantine", "list") == "nothing is in quarantine\n"
    folder = config.parent / "data-quarantine"
    folder.mkdir()
    (folder / f"{MESSAGE}.encrypted").write_bytes(b"{not ours")
    (folder / "notes.txt").write_bytes(b"not ours either")
    [row] = json.loads(run(config, "quarantine", "list", "--json"))["quarantined"]
    assert (row["message_id"], row["officer"]) == (MESSAGE, "unreadable")


def test_a_login_is_the_kernels_word_whatever_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody-else")
    audit = tmp_path / "loginuid"
    audit.write_text("0")
    assert person.login(audit) == "0:root"
    audit.write_text(str(0xFFFFFFFF))  # nobody logged in: a service, a container
    assert person.login(audit).startswith(f"{os.getuid()}:")
    assert person.login(tmp_path / "no-such-file").startswith(f"{os.getuid()}:")
    assert "somebody-else" not in person.login()
    assert person.person(" Lan ").name == "Lan"


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ('[journal]\npurges = "data/purges"\n', "journal.purges"),
        ('[secrecy]\nquarantine = "data/q"\n', "secrecy.quarantine"),
        ("[[secrecy.pattern]]\ncode = 'x'\ndegree = 'mat'\nexpression = '('\n", "secrecy.pattern.0.expression"),
        ("[[secrecy.pattern]]\ncode = 'x'\ndegree = 'top'\nexpression = 'a'\n", "secrecy.pattern.0.degree"),
        ("[secrecy]\nofficer = 'x'\n", "secrecy.officer"),
    ],
)
def test_a_wrong_secrecy_section_is_told_by_its_place(config, section, where):
    config.write_text(config.read_text() + section)
    with pytest.raises(Misconfigured) as caught:
        load(config)
    assert [problem.field for problem in caught.value.problems] == [where]


def test_an_officers_certificate_that_is_none_is_told_by_check_config(config, tmp_path):
    for folder in ("keys", "trust"):
        (tmp_path / folder).mkdir()
    config.write_text(config.read_text() + '[secrecy]\nofficer_certificate = "officer.pem"\n')

    def told():
        result = CliRunner().invoke(app, ["check-config", str(config), "--json"])
        return [(each["field"], each["code"]) for each in json.loads(result.stdout)["problems"]]

    assert told() == [("secrecy.officer_certificate", "unreadable")]
    (tmp_path / "officer.pem").write_bytes(b"nothing")
    assert told() == [("secrecy.officer_certificate", "unusable")]


class Interrupted:
    def read(self, message_id, key):
        yield b"plain text"
        raise KeyboardInterrupt


async def test_an_interrupted_decryption_leaves_no_plain_text(tmp_path):
    message = Message(
        message_id=MESSAGE,
        direction="in",
        kind="document",
        state=State.CONFIRMED,
        axis="a",
        endpoint="a",
        submission_id="s",
    )
    with pytest.raises(KeyboardInterrupt):
        _decrypted(Interrupted(), message, None, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_opening_is_an_entry_before_anything_is_decrypted(config, tmp_path):
    fill(config, Outcome(Entry("held"), held="secret-quarantined"))
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*form))
    with pytest.raises(GatewayError, match="holds nothing"):
        run(config, "quarantine", "open", MESSAGE, "--key", str(tmp_path / "key.pem"), "--out", str(tmp_path / "out"))
    shown = json.loads(run(config, "show", MESSAGE, "--json"))
    assert "quarantine-opened" in [each["act"] for each in shown["timeline"]]
    assert list((tmp_path / "out").iterdir()) == []
