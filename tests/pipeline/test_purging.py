"""Purging: what goes, what stays, and that neither a crash nor a restored backup brings anything back."""

import asyncio
import os
import shutil
import signal
import sys
import threading

import pytest

from gateway import app
from gateway.errors import Refused
from gateway.journal import PurgeLedger
from gateway.journal.purge_ledger import LedgerBroken
from gateway.pipeline import purging as purging_module
from gateway.pipeline.acts import Acts
from gateway.pipeline.purging import Purging
from gateway.pipeline.quarantine import Quarantine
from gateway.states import Entry, Outcome, Purge, RecallAnswered
from tests.pipeline.road import FAR, OFFICE, OURS, PULLED, PULLS, document_file, open_road

WORDS = "V/v một việc hệ trọng"
BYTES = b"%PDF-1.7 " + "những lời không ai được đọc nữa".encode()
LARGE = os.urandom(3 << 20)


@pytest.fixture
def purging(road):
    made = Purging(road.journal, road.contents, PurgeLedger(road.folder / "purges"), Quarantine(road.settings))
    road.acts = Acts(road.journal, road.clock, lambda: None, road.acts._office_of, purged=made.finish)
    return made


async def received(road, **more):
    return await road.receive(document_file(OURS, subject=WORDS, files=(("b.pdf", BYTES),), **more))


def on_disk(road, words):
    """The files below the folder that hold these bytes."""
    return [path.name for path in road.folder.rglob("*") if path.is_file() and words in path.read_bytes()]


async def test_what_people_read_is_gone_from_the_disk_and_what_the_law_keeps_stays(road, purging):
    message_id = await received(road)
    before, receipt = await road.message(message_id), await road.journal.receipt_given(message_id)
    timeline = await road.journal.timeline(message_id)
    assert on_disk(road, BYTES)
    assert on_disk(road, WORDS.encode())
    await road.acts.purge(message_id, "lan", "theo thông báo thu hồi")
    after = await road.message(message_id)
    assert (after.detail, after.purged_at) == (None, road.clock())
    assert await road.journal.contents(message_id) == []
    assert await road.journal.extra(message_id) == {}
    assert on_disk(road, BYTES) == []
    assert on_disk(road, WORDS.encode()) == []
    kept = ("message_id", "state", "axis_id", "document_id", "sender", "sha256", "size", "accepted_at", "closed_at")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert await road.journal.receipt_given(message_id) == receipt
    assert [each.digest for each in await road.journal.timeline(message_id)][: len(timeline)] == [
        each.digest for each in timeline
    ]
    assert (await road.codes(message_id))[-2:] == ["purged", "purge-ordered"]
    assert (await road.journal.timeline(message_id))[-1].detail == "theo thông báo thu hồi"


async def test_the_chain_and_the_blocks_still_verify(road, purging):
    message_id = await received(road)
    sign = road.keys.ring.signing(road.clock()).sign
    await road.journal.blocks.close(sign)
    await road.acts.purge(message_id, "lan", "thu hồi")
    await road.journal.blocks.close(sign)
    report = await road.journal.blocks.verify()
    assert (report.intact, report.blocks) == (True, 2)


async def test_purging_again_changes_nothing(road, purging):
    message_id = await received(road)
    await asyncio.gather(*(road.acts.purge(message_id, "lan", "thu hồi") for _ in range(4)))
    await road.acts.purge(message_id, "lan", "thu hồi")
    assert (await road.codes(message_id)).count("purged") == 1
    assert len(purging._ledger.read().lines) == 1


@pytest.mark.parametrize("data", [BYTES, LARGE], ids=["in a segment", "a file of its own"])
async def test_bytes_that_another_message_needs_stay_until_that_one_goes_too(road, purging, data):
    first = await road.submit(FAR, OURS, files=(("a.pdf", data),))
    one, other = [each.message_id for each in await road.journal.submission(first)]
    await road.run()
    await road.later(days=2)
    [ref] = [each for each in await road.journal.contents(other) if each.role == "attachment"]
    await road.acts.purge(one, "lan", "thu hồi")
    assert await road.contents.read(ref.content) == data
    await road.acts.purge(other, "lan", "thu hồi")
    if data == LARGE:
        assert not (road.folder / "contents" / ref.content.place).exists()
    else:
        assert await road.contents.read(ref.content) == bytes(len(data))


async def test_a_copy_that_came_twice_is_purged_with_the_first(road, purging):
    data = document_file(OURS, subject=WORDS, files=(("b.pdf", BYTES),))
    first = await road.receive(data)
    copy = await road.receive(data)
    assert (await road.message(copy)).duplicate_of == first
    await road.acts.purge(first, "lan", "thu hồi")
    assert (await road.message(copy)).purged_at == road.clock()
    late = await road.receive(data)
    await purging.finish()
    assert (await road.message(late)).purged_at is not None
    assert on_disk(road, BYTES) == []
    assert road.told() == ["document.received"]


async def test_a_neighbour_in_the_same_segment_is_not_touched(road, purging):
    gone = await received(road)
    stays = await road.receive(document_file(OURS, files=(("c.pdf", b"%PDF-1.7 cua nguoi khac"),)))
    await road.acts.purge(gone, "lan", "thu hồi")
    for ref in await road.journal.contents(stays):
        assert len(await road.contents.read(ref.content)) == ref.content.size
    [held] = [ref for ref in await road.journal.contents(stays) if ref.role == "attachment"]
    assert await road.contents.read(held.content) == b"%PDF-1.7 cua nguoi khac"


async def test_what_is_under_way_is_not_purged_by_a_person(road, purging):
    message_id = await road.receive(document_file(PULLED))
    with pytest.raises(Refused) as caught:
        await road.acts.purge(message_id, "lan", "thu hồi")
    assert (caught.value.code, caught.value.status) == ("cannot-purge", 409)
    assert (await road.message(message_id)).detail


async def test_an_act_of_the_journal_purges_what_waits_in_an_inbox_and_ends_it(road, purging):
    message_id = await road.receive(document_file(PULLED))
    outcome = Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"),))
    assert await road.journal.apply(message_id, outcome, who=f"office:{PULLS}")
    await purging.finish()
    assert await road.state(message_id) == "closed"
    assert await road.journal.inbox(PULLS, 0, 10) == []
    assert await road.journal.open_deadlines() == {}


async def test_a_status_that_was_reported_before_has_the_same_answer_after_and_a_new_one_none(road, purging):
    message_id = await received(road)
    said = await road.office_acts.report_status(OFFICE, message_id, "06", "")
    await road.run()
    await road.acts.purge(message_id, "lan", "thu hồi")
    assert await road.office_acts.report_status(OFFICE, message_id, "06", "") == said
    assert await road.office_acts.report_status_once("k", OFFICE, message_id, "06", "") == (said, True)
    with pytest.raises(Refused) as caught:
        await road.office_acts.report_status(OFFICE, message_id, "03", "")
    assert (caught.value.code, caught.value.status) == ("purged", 410)


async def test_another_document_under_the_same_id_still_comes_in(road, purging):
    await road.acts.purge(await received(road, document_id="d-1"), "lan", "thu hồi")
    again = await road.receive(document_file(OURS, document_id="d-1", files=(("n.pdf", b"%PDF-1.7 moi"),)))
    assert await road.state(again) == "closed"


# --- crashes and restored backups ---------------------------------------------------------------------------------


async def test_a_crash_after_the_journal_leaves_the_bytes_to_do(road, purging):
    message_id = await received(road)
    await road.journal.apply(message_id, Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"),)), who="x")
    assert [line.message_id for line in purging._ledger.read().lines] == [message_id]
    assert on_disk(road, BYTES), "the process died here"
    assert await purging.replay() == (0, ())
    assert [line.message_id for line in purging._ledger.read().lines] == [message_id]
    assert on_disk(road, BYTES) == []


KILLED = """
import asyncio, datetime, os, pathlib, signal, sys
from gateway.journal import DiskContents, Journal, PurgeLedger
from gateway.pipeline.purging import Purging
from gateway.states import Entry, Outcome, Purge

folder, message_id, when = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]

class Ledger(PurgeLedger):
    def write(self, purged):
        super().write(purged)
        if when == "before the commit":
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    journal = await Journal.open(folder / "journal.sqlite", now=lambda: datetime.datetime.now(datetime.UTC))
    purging = Purging(journal, DiskContents(folder / "contents"), Ledger(folder / "purges"), None)
    asked = Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"),))
    await journal.apply(message_id, asked, who="x")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["before the commit", "after it, and an older backup is restored"])
async def test_a_purge_that_a_kill_interrupted_is_carried_out_at_the_next_start(tmp_path, when):
    async with open_road(tmp_path) as road:
        message_id = await received(road)
    backup = tmp_path.parent / f"{tmp_path.name}-backup"
    shutil.copytree(tmp_path, backup)
    command = (sys.executable, "-c", KILLED, str(tmp_path), message_id, when)
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == -signal.SIGKILL
    if when != "before the commit":
        for path in tmp_path.glob("journal.sqlite*"):
            path.unlink()
        shutil.copy(backup / "journal.sqlite", tmp_path)
    async with open_road(tmp_path) as road:
        assert (await road.message(message_id)).purged_at is None
        purging = Purging(road.journal, road.contents, PurgeLedger(tmp_path / "purges"), Quarantine(road.settings))
        assert await purging.replay() == (1, ())
        assert (await road.message(message_id)).purged_at is not None
        assert on_disk(road, BYTES) == []
        assert len(purging._ledger.read().lines) == 1


async def test_an_act_that_fails_after_its_purge_leaves_no_line(road, purging):
    message_id = await received(road)
    answer = RecallAnswered(message_id, OURS, "15", "s-1", demanded=True)
    destroyed = Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"), answer))
    other = await received(road)
    purge = Outcome(Entry("destroyed"), effects=(Purge(other, "recalled"),))
    said = await asyncio.gather(
        road.journal.apply(message_id, destroyed, who="x"),
        road.journal.apply(other, purge, who="x"),
        return_exceptions=True,
    )
    assert [type(each) for each in said] == [Refused, bool]
    assert [line.message_id for line in purging._ledger.read().lines] == [other]


async def test_a_ledger_that_hangs_holds_up_the_journal_no_longer_than_it_must(road, purging, monkeypatch):
    monkeypatch.setattr(purging_module, "LEDGER_SECONDS", 0.05)
    go_on, write = threading.Event(), purging._ledger.write

    def hanging(purged):
        go_on.wait(30)
        write(purged)

    monkeypatch.setattr(purging._ledger, "write", hanging)
    message_id = await received(road)
    asked = Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"),))
    async with asyncio.timeout(10):
        assert await road.journal.apply(message_id, asked, who="x")
    assert (await road.message(message_id)).purged_at is not None
    assert [each.message_id for each in await road.journal.purges.owed()] == [message_id]
    go_on.set()
    await purging.finish()
    assert {line.message_id for line in purging._ledger.read().lines} == {message_id}
    assert await road.journal.purges.owed() == []


async def test_a_machine_out_of_threads_purges_all_the_same_and_owes_the_line(road, purging, monkeypatch):
    def fails(_):
        raise RuntimeError("can't start new thread")

    message_id = await received(road)
    asked = Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"),))
    with monkeypatch.context() as short_of_threads:
        short_of_threads.setattr(threading.Thread, "start", fails)
        assert await road.journal.apply(message_id, asked, who="x")
    await purging.finish()
    assert {line.message_id for line in purging._ledger.read().lines} == {message_id}


async def test_a_crash_between_the_ledger_and_the_note_that_it_has_it_does_no_harm(road, purging):
    message_id = await received(road)
    await road.journal.apply(message_id, Outcome(Entry("destroyed"), effects=(Purge(message_id, "recalled"),)), who="x")
    await purging.replay()
    await purging.replay()
    assert {line.message_id for line in purging._ledger.read().lines} == {message_id}
    assert await road.journal.purges.owed() == []


async def test_a_ledger_that_was_lost_is_written_anew(road, purging):
    message_id = await received(road)
    await road.acts.purge(message_id, "lan", "thu hồi")
    shutil.rmtree(road.folder / "purges")
    await purging.replay()
    assert [line.message_id for line in purging._ledger.read().lines] == [message_id]


async def test_a_line_that_a_crash_cut_short_is_passed_over_and_one_taken_out_is_told(road, purging):
    ledger, folder = purging._ledger, road.folder / "purges"
    for _ in range(2):
        await road.acts.purge(await received(road), "lan", "thu hồi")
    (folder / "00000003.json").write_bytes(b'{"at":12')
    assert ledger.read().faults == ()
    await road.acts.purge(await received(road), "lan", "thu hồi")
    assert (len(ledger.read().lines), ledger.read().faults) == (3, ())
    (folder / "00000002.json").unlink()
    assert [(fault.file, fault.what) for fault in ledger.read().faults] == [("00000002.json", "missing")]
    assert len(ledger.read().lines) == 2


def test_a_line_that_was_changed_is_told_and_a_folder_that_fails_raises(tmp_path):
    ledger = PurgeLedger(tmp_path / "no-folder")
    assert ledger.read().lines == ()
    (tmp_path / "no-folder").write_bytes(b"a file")
    with pytest.raises(LedgerBroken):
        ledger.read()


async def test_a_changed_line_shows_by_the_one_after_it(road, purging):
    for _ in range(2):
        await road.acts.purge(await received(road), "lan", "thu hồi")
    path = road.folder / "purges" / "00000001.json"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"purged-by-operator", b"purged-by-somebody"))
    assert [(fault.file, fault.what) for fault in purging._ledger.read().faults] == [("00000002.json", "changed")]


async def test_a_restored_backup_is_purged_again_before_the_listener_answers(road, purging, monkeypatch):
    closed, waiting = await received(road), await road.receive(document_file(PULLED, files=(("p.pdf", BYTES),)))
    home = road.folder / "home"
    settings = road.settings.model_copy(
        update={"data_dir": home / "data", "keys": road.folder / "keys", "trust": road.folder / "trust", "axis": ()}
    )
    settings = settings.model_copy(update={"office": (), "route": ()})

    def copied():
        (home / "data").mkdir(parents=True)
        for name in ("journal.sqlite", "journal.sqlite-wal"):
            if (road.folder / name).exists():
                shutil.copy(road.folder / name, home / "data" / name)
        shutil.copytree(road.folder / "contents", home / "data" / "contents")

    copied()
    async with app.built(settings) as gateway:
        acts = Acts(gateway.journal, gateway.now, lambda: None, gateway.router.office_of, purged=gateway.purging.finish)
        await acts.purge(closed, "lan", "thu hồi")
        outcome = Outcome(Entry("destroyed"), effects=(Purge(waiting, "recalled"),))
        await gateway.journal.apply(waiting, outcome, who="x")
        await gateway.purging.finish()
    assert (home / "data-purges" / "00000002.json").exists()
    shutil.rmtree(home / "data")
    copied()  # the backup: both are there again
    listening = []
    listen = app._listen

    async def listened(stack, *more):
        listening.append([path for path in (home / "data").rglob("*") if path.is_file() and BYTES in path.read_bytes()])
        return await listen(stack, *more)

    monkeypatch.setattr(app, "_listen", listened)
    async with app.running(settings) as running:
        assert listening == [[], []]
        for message_id in (closed, waiting):
            message = await running.gateway.journal.message(message_id)
            assert (message.detail, message.purged_at is None, message.state) == (None, False, "closed")
        assert await running.gateway.journal.inbox(PULLS, 0, 10) == []
        assert (await running.gateway.journal.blocks.verify()).intact
