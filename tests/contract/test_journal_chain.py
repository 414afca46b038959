"""What every journal promises of its hash chains and blocks: nothing is changed or taken away unseen."""

import contextlib
import json
import sqlite3

import pytest

from gateway.journal.journal import Journal
from gateway.states import Entry, Outcome
from tests.contract.journals import Clock, message, submission


class Storage:
    """The journal's storage in the hands of somebody who can write to it past the journal."""

    def __init__(self, path):
        self.path = path

    def tamper(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            assert connection.execute(sql, values).rowcount > 0


@pytest.fixture(params=["sqlite"])
async def journal(request, tmp_path):
    opened = await Journal.open(tmp_path / "journal.db", now=Clock())
    opened.storage = Storage(tmp_path / "journal.db")
    yield opened
    await opened.close()


def sign(signed):
    return b"signed:" + signed


def check(signed, signature):
    return signature == sign(signed)


@pytest.fixture
async def history(journal):
    """Two messages with four entries each, over two blocks, and one entry that no block covers yet."""
    await journal.accept(submission(message("m-a"), message("m-b")))
    for round_ in range(3):
        for message_id in ("m-a", "m-b"):
            await note(journal, message_id, f"note-{round_}")
        if round_ != 1:
            assert await journal.blocks.close(sign)
    await note(journal, "m-a", "last")
    assert await faults(journal) == []
    return journal


async def note(journal, message_id, code):
    entry = Entry(code, {"size": 3}, f"chi tiết của {code}")
    assert await journal.apply(message_id, Outcome(entry), who="test")


async def faults(journal):
    report = await journal.blocks.verify(check)
    assert report.intact == (not report.faults)
    return sorted((each.message_id or "block", each.seq, each.what) for each in report.faults)


async def test_an_untouched_journal_verifies_and_says_what_it_looked_at(history):
    report = await history.blocks.verify(check)
    assert (report.entries, report.blocks, report.faults) == (9, 2, ())
    assert len(report.last_block) == 64


async def test_an_empty_journal_verifies_and_closes_no_block(journal):
    assert await journal.blocks.close(sign) is None
    report = await journal.blocks.verify(check)
    assert (report.entries, report.blocks, report.faults, report.last_block) == (0, 0, (), None)


async def test_a_block_is_closed_once_over_what_is_new(history):
    block = await history.blocks.close(sign)
    assert (block.number, block.count) == (3, 1)
    assert await history.blocks.close(sign) is None
    assert await faults(history) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("code", "other"), ("facts", '{"size":4}'), ("who", "nobody"), ("at", 5), ("commitment", "00"), ("digest", "00")],
)
async def test_a_changed_entry_is_found_by_message_and_number(history, column, value):
    history.storage.tamper(f"UPDATE entry SET {column} = ? WHERE message_id = 'm-b' AND seq = 2", value)
    assert ("m-b", 2, "changed") in await faults(history)
    assert all(message_id != "m-a" for message_id, _, _ in await faults(history))


async def test_a_changed_entry_that_no_block_covers_is_found(history):
    history.storage.tamper("UPDATE entry SET facts = '{}' WHERE message_id = 'm-a' AND seq = 5")
    assert await faults(history) == [("m-a", 5, "changed")]


async def test_a_chain_that_was_rewritten_whole_is_found_by_its_block(history):
    """Somebody who recomputes every digest after a change, and the message's own copy of the last one."""
    from gateway.journal.chain import entry_digest

    with contextlib.closing(sqlite3.connect(history.storage.path, isolation_level=None)) as connection:
        connection.execute("UPDATE entry SET code = 'other' WHERE message_id = 'm-b' AND seq = 2")
        prev = ""
        for seq, at, code, who, facts, commitment in connection.execute(
            "SELECT seq, at, code, who, facts, commitment FROM entry WHERE message_id = 'm-b' ORDER BY seq"
        ).fetchall():
            digest = entry_digest("m-b", seq, at, code, who, facts, commitment, prev)
            connection.execute(
                "UPDATE entry SET prev = ?, digest = ? WHERE message_id = 'm-b' AND seq = ?", (prev, digest, seq)
            )
            prev = digest
        connection.execute("UPDATE message SET last_digest = ? WHERE message_id = 'm-b'", (prev,))
    assert await faults(history) == [("m-b", 2, "changed"), ("m-b", 3, "changed"), ("m-b", 4, "changed")]


async def test_a_removed_entry_is_found(history):
    history.storage.tamper("DELETE FROM entry WHERE message_id = 'm-b' AND seq = 2")
    assert await faults(history) == [("m-b", 2, "missing")]


async def test_an_end_that_was_cut_off_is_found_even_with_the_messages_own_copy_put_right(history):
    history.storage.tamper("DELETE FROM entry WHERE message_id = 'm-b' AND seq = 4")
    assert ("m-b", 4, "cut-off") in await faults(history)
    history.storage.tamper(
        "UPDATE message SET last_seq = 3, last_digest = (SELECT digest FROM entry WHERE message_id = 'm-b' AND seq = 3)"
        " WHERE message_id = 'm-b'"
    )
    assert await faults(history) == [("m-b", 4, "missing")]


async def test_an_end_cut_off_before_a_block_covered_it_is_found(history):
    history.storage.tamper("DELETE FROM entry WHERE message_id = 'm-a' AND seq = 5")
    assert await faults(history) == [("m-a", 5, "cut-off")]


async def test_a_chain_that_is_gone_whole_is_found(history):
    history.storage.tamper("DELETE FROM entry WHERE message_id = 'm-b'")
    found = await faults(history)
    assert {("m-b", seq, "missing") for seq in (1, 2, 3, 4)} <= set(found)
    history.storage.tamper("UPDATE message SET last_seq = 0 WHERE message_id = 'm-b'")
    assert await faults(history) == [("m-b", seq, "missing") for seq in (1, 2, 3, 4)]


async def test_entries_that_changed_places_are_found(history):
    for old, new in [(2, 90), (3, 2), (90, 3)]:
        history.storage.tamper("UPDATE entry SET seq = ? WHERE message_id = 'm-b' AND seq = ?", new, old)
    assert {("m-b", 2, "changed"), ("m-b", 3, "changed")} <= set(await faults(history))


async def test_an_entry_slipped_in_among_those_that_blocks_cover_is_found(history):
    history.storage.tamper("UPDATE entry SET number = 0 WHERE message_id = 'm-a' AND seq = 5")
    assert await faults(history) == [("m-a", 5, "not-in-block")]


async def test_detail_may_be_erased_but_not_changed(history):
    history.storage.tamper("UPDATE entry SET detail = NULL, salt = NULL WHERE message_id = 'm-a' AND seq = 3")
    assert await faults(history) == []
    history.storage.tamper("UPDATE entry SET detail = 'khác' WHERE message_id = 'm-a' AND seq = 2")
    assert await faults(history) == [("m-a", 2, "detail-changed")]


async def test_a_removed_block_is_found_and_nothing_else_is_blamed(history):
    history.storage.tamper("DELETE FROM block WHERE number = 1")
    assert await faults(history) == [("block", 1, "block-missing")]


async def test_a_block_whose_list_or_fields_were_changed_is_found(history):
    leaves = json.dumps([["m-a", 1, "00" * 32]])
    history.storage.tamper("UPDATE block SET leaves = ?, count = 1 WHERE number = 2", leaves)
    assert ("block", 2, "block-changed") in await faults(history)


async def test_a_block_made_anew_by_somebody_without_our_key_is_forged(history):
    history.storage.tamper("UPDATE block SET signature = x'00' WHERE number = 2")
    assert await faults(history) == [("block", 2, "block-forged")]
    assert (await history.blocks.verify(None)).faults == ()


async def test_removing_the_newest_block_shows_against_the_digest_kept_elsewhere(history):
    before = (await history.blocks.verify(check)).last_block
    history.storage.tamper("DELETE FROM block WHERE number = 2")
    report = await history.blocks.verify(check)
    assert report.faults == ()
    assert report.last_block != before
