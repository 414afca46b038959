"""`lienthong status`, `show` and the acts, over a journal of one message."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import GatewayError, Refused
from gateway.journal import Journal
from gateway.states import Act, ChangeAnswered, Entry, Outcome
from tests.contract.journals import ORGAN, Clock, accepted

LONG_ID = "lt-0123456789abcdef0123456789abcdef"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "lienthong.toml"
    path.write_text('[[office]]\nname = "so-thu-nghiem"\nadapter = "pull"\norgans = ["000.00.05.H99"]\n')
    (tmp_path / "data").mkdir()
    return path


def fill(config, outcome=None):
    async def run():
        journal = await Journal.open(config.parent / "data" / "journal.sqlite", now=Clock())
        if outcome:
            await accepted(journal, message_id=LONG_ID, sha256="ab" * 32)
            await journal.apply(LONG_ID, outcome, who="runner")
        await journal.close()

    asyncio.run(run())


def run(config, *words):
    return CliRunner().invoke(app, [*words, "--config", str(config)], catch_exceptions=False).stdout


DOUBTED = Outcome(Entry("held", {"reason": "odd"}, "why [red]not[/red]\x1b[2J"), held="odd", doubt=True)


def test_an_empty_journal_has_no_messages_yet(config):
    fill(config)
    assert "no messages yet" in run(config, "status")


def test_status_names_what_is_held_and_what_is_in_doubt(config):
    fill(config, DOUBTED)
    printed = run(config, "status")
    assert f"in doubt  {LONG_ID}" in printed
    assert [line.split() for line in printed.splitlines() if "document" in line] == [
        [LONG_ID, "out", "document", "odd"]
    ]
    assert json.loads(run(config, "status", "--json"))["in_doubt"] == 1


def test_show_cuts_nothing_and_lists_the_timeline(config):
    fill(config, DOUBTED)
    printed = run(config, "show", LONG_ID)
    for whole in (LONG_ID, "ab" * 32, ORGAN, "in_doubt     yes", "accepted_at  2026-03-02 01:30:00Z"):
        assert whole in printed
    assert "  2026-03-02 01:30:00Z  held  runner  reason=odd  why [red]not[/red]?[2J\n" in printed


def test_show_tells_the_times_among_the_facts_of_an_entry_as_times(config):
    fill(config, Outcome(Entry("status-heard", {"status": "03", "status_at": 1_795_788_308_000_000, "size": 5})))
    assert "size=5  status=03  status_at=2026-11-27 14:05:08Z" in run(config, "show", LONG_ID)


def test_show_tells_what_an_organ_says_to_a_change(config):
    fill(config, Outcome(Entry("trusted"), effects=(ChangeAnswered(LONG_ID, ORGAN, "16", LONG_ID, Act.UPDATE),)))
    said = {"organ": ORGAN, "state": "declined", "answered_by": LONG_ID}
    assert json.loads(run(config, "show", LONG_ID, "--json"))["answers"] == [said]
    printed = run(config, "show", LONG_ID)
    assert [ORGAN, "declined", LONG_ID] in [line.split() for line in printed.splitlines()]


def test_show_tells_who_signed_the_pdfs_and_what_is_wrong_with_it(config):
    signer = {"kind": "person", "kind_by": "title", "name": "Nguyễn Văn\x1b[2J Thử"}
    told = {"field": "Ky", "type": "signature", "verdict": "failed", "reasons": ["certificate-revoked"]}
    signed = {"field": "attachments[0]", "verdict": "invalid", "signatures": [told | {"signer": signer}]}
    bare = {"field": "attachments[1]", "verdict": "unsigned"}
    detail = {"pdfs": [signed, bare], "pdfs_at": "2026-03-02T01:30:00+00:00", "pdfs_salt": "5a17"}
    fill(config, Outcome(Entry("trusted"), changes={"detail": detail}))
    printed = run(config, "show", LONG_ID)
    assert "certificate-revoked" in printed
    assert "unsigned" in printed
    assert "\x1b" not in printed
    first, second = json.loads(run(config, "show", LONG_ID, "--json"))["pdfs"]
    assert (first["signatures"][0]["reasons"], second["signatures"]) == (["certificate-revoked"], [])
    assert "5a17" not in run(config, "show", LONG_ID, "--json")


@pytest.mark.parametrize("act", ["resend", "release", "reject"])
def test_an_act_without_a_reason_is_refused(config, act):
    fill(config, DOUBTED)
    with pytest.raises(GatewayError, match="--why must give a reason"):
        run(config, act, LONG_ID, "--why", " ")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("resend", "will be sent again now, asking first"),
        ("release", "goes on"),
        ("reject", "rejected; its office will be told"),
    ],
)
def test_an_act_says_what_comes_of_it(config, act, said):
    fill(config, DOUBTED)
    assert run(config, act, LONG_ID, "--why", "đã hỏi trục") == f"{LONG_ID} {said}\n"


def test_an_impossible_act_says_so_in_english_that_is_a_sentence(config):
    fill(config, Outcome(Entry("put-off")))
    with pytest.raises(Refused) as caught:
        run(config, "release", LONG_ID, "--why", "x")
    assert caught.value.problems[0].message == 'a message in state accepted cannot take "release"'


def test_release_wants_an_id_or_an_axis_that_exists(config):
    fill(config, DOUBTED)
    for words in ((), ("--axis", "no-such"), (LONG_ID, "--axis", "quoc-gia")):
        result = CliRunner().invoke(app, ["release", *words, "--why", "x", "--config", str(config)])
        assert result.exit_code == 2
    assert json.loads(run(config, "status", "--json"))["held_by_reason"] == {"odd": 1}
