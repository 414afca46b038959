import asyncio
import contextlib
import datetime as dt
import hashlib
from functools import partial
from types import SimpleNamespace

import pytest

from adapters.office import database as adapter
from adapters.office.database.tables import (
    IN_MESSAGE,
    OUT_ATTACHMENT,
    OUT_DOCUMENT,
    OUT_PIECE,
    OUT_RECEIVER,
    OUT_STATUS,
)
from gateway import texts
from gateway.errors import Busy, GatewayError, Refused
from gateway.model import Problem, Staff
from gateway.ports import OfficeContext, Submitted
from tests import doors
from tests.doors import open_house

US, THEM = "000.01.00.H99", "000.00.00.G99"
PDF = b"%PDF-1.7 not much of one\n" * 5000


class Door:
    """Takes everything and says what it was given; `answers` come first."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.submitted, self.reported = [], []
        self.hold = None

    async def submit(self, office, key, record, uploads):
        files = [(each.name, each.content_type, b"".join([c async for c in each.chunks])) async for each in uploads]
        self.submitted.append(SimpleNamespace(office=office, key=key, record=record, files=files))
        if self.hold:
            await self.hold
        if self.answers and (error := self.answers.pop(0)):
            raise error
        return Submitted("sub-1", ({"message_id": "m-1", "axis": "national", "organs": [THEM]},))

    async def report_status(self, office, message_id, code, reason, organ=None, staff=None):
        self.reported.append((message_id, code, reason, organ, staff))
        if self.answers and (error := self.answers.pop(0)):
            raise error
        return "status-1"


@contextlib.asynccontextmanager
async def carried(stand, door, **options):
    office = stand.connect(**options)
    running = asyncio.create_task(office.run(door))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await office.close()


async def until(true, seconds=10):
    async with asyncio.timeout(seconds):
        while not (found := await asyncio.to_thread(true)):
            await asyncio.sleep(0.02)
    return found


def settled(stand, table=OUT_DOCUMENT, **where):
    def look():
        rows = stand.rows(table, **where)
        return rows if rows and all(row["state"] in {"taken", "rejected"} for row in rows) else None

    return look


def put(stand, out_id="out-1", *, state="ready", data=PDF, **changes):
    columns = {
        "from_code": US,
        "document_number": "7",
        "document_notation": "SNV-VP",
        "promulgation_date": dt.date(2026, 3, 1),
        "subject": "V/v thử nghiệm",
        "signer_name": "Nguyễn Văn Thử",
        "priority": 1,
    }
    stand.write(OUT_DOCUMENT, {"out_id": out_id, **columns, **changes})
    stand.write(OUT_RECEIVER, {"out_id": out_id, "n": 0, "code": THEM, "name": "Bộ Thử nghiệm"})
    if data is not None:
        stand.write(OUT_ATTACHMENT, {"out_id": out_id, "n": 0, "name": "công văn.pdf", "size_bytes": len(data)})
        pieces = [data[start : start + 50_000] for start in range(0, len(data), 50_000)]
        stand.write(
            OUT_PIECE, *({"out_id": out_id, "n": 0, "piece": i, "data": piece} for i, piece in enumerate(pieces))
        )
    stand.sql(f"UPDATE lt_out_document SET state = '{state}' WHERE out_id = '{out_id}'")


async def test_a_ready_document_is_taken_with_its_attachments(stand):
    put(stand, more='{"page_amount": 3, "to_places": ["Lưu: VT"]}', due_date=dt.date(2026, 4, 1))
    door = Door()
    async with carried(stand, door):
        (row,) = await until(settled(stand))
    (got,) = door.submitted
    assert (got.office, got.key) == ("so-noi-vu", "database-out-1")
    assert got.record == {
        "from": {"code": US},
        "to": [{"code": THEM, "name": "Bộ Thử nghiệm"}],
        "number": "7",
        "notation": "SNV-VP",
        "promulgation": {"date": "2026-03-01"},
        "subject": "V/v thử nghiệm",
        "signer": {"full_name": "Nguyễn Văn Thử"},
        "due_date": "2026-04-01",
        "priority": 1,
        "page_amount": 3,
        "to_places": ["Lưu: VT"],
        "attachments": [{"name": "công văn.pdf", "size": len(PDF)}],
    }
    assert [(name, kind, hashlib.sha256(data).digest()) for name, kind, data in got.files] == [
        ("công văn.pdf", "application/pdf", hashlib.sha256(PDF).digest())
    ]
    assert (row["state"], row["submission_id"], row["problem_code"]) == ("taken", "sub-1", None)
    (receiver,) = stand.rows(OUT_RECEIVER)
    assert (receiver["message_id"], receiver["axis"]) == ("m-1", "national")


async def test_an_act_that_there_is_not_is_refused(stand):
    class Changing(Door):
        recall = update = replace = Door.submit  # never gets so far

    put(stand, act="erase", message_id="m-1")
    async with carried(stand, Changing()):
        (row,) = await until(settled(stand))
    assert row["problem_text"].startswith("act: [unknown-value]")


async def test_a_draft_is_left_alone(stand):
    put(stand, state="draft")
    door = Door()
    async with carried(stand, door):
        await asyncio.sleep(0.3)
    assert door.submitted == []


async def test_a_refused_document_says_why_and_can_be_made_ready_again(stand):
    put(stand)
    door = Door(Refused([Problem("subject", "too-long", "at most 500"), Problem("", "late", "whole")], code="invalid"))
    async with carried(stand, door):
        (row,) = await until(settled(stand))
        assert (row["state"], row["problem_code"]) == ("rejected", "invalid")
        assert row["problem_text"] == "subject: [too-long] at most 500\n[late] whole"
        stand.sql("UPDATE lt_out_document SET subject = 'V/v', state = 'ready'")
        (row,) = await until(settled(stand, state="taken"))
    assert row["problem_code"] is None


async def test_why_is_said_in_the_office_s_language(stand):
    put(stand)
    door = Door(Refused([Problem("to[0].code", "organ-unknown", "no route", {"organ": "H98"})], code="invalid"))
    say = partial(texts.sentence, language="vi")
    office = adapter.connect(stand.options, OfficeContext("so-noi-vu", stand.folder, {}, stand.now, say))
    task = asyncio.create_task(office.run(door))
    try:
        (row,) = await until(settled(stand))
    finally:
        task.cancel()
        await office.close()
    assert row["problem_text"] == "to[0].code: [organ-unknown] " + texts.say("organ-unknown", "vi", organ="H98")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("{", "not-json"),
        ("[]", "not-json"),
        ('{"subject": "khác"}', "repeated"),
        ('{"sphere": "a", "sphere": "b"}', "not-json"),
    ],
)
async def test_what_more_says_must_be_clear(stand, more, code):
    put(stand, more=more)
    door = Door()
    async with carried(stand, door):
        (row,) = await until(settled(stand))
    assert row["state"] == "rejected"
    assert f"[{code}]" in row["problem_text"]
    assert door.submitted == []


async def test_a_busy_door_is_asked_again_later(stand):
    put(stand)
    door = Door(Busy("disk-full", after=0.1), Busy("key-running"))
    async with carried(stand, door):
        (row,) = await until(settled(stand))
    assert row["state"] == "taken"
    assert len({got.key for got in door.submitted}) == 1
    assert len(door.submitted) == 3


async def test_a_fault_with_one_row_does_not_stop_the_others(stand):
    put(stand, "out-1", priority=4)
    put(stand, "out-2")
    door = Door(RuntimeError("a bug"))
    async with carried(stand, door, at_once=1):
        await until(settled(stand, out_id="out-2"))
    (put_off,) = stand.rows(OUT_DOCUMENT, out_id="out-1")
    assert (put_off["state"], put_off["claimed_by"]) == ("ready", None)
    assert put_off["claimed_until"] > dt.datetime.now(dt.UTC).replace(tzinfo=None)


async def test_what_a_process_that_died_had_claimed_is_taken_up_after_its_lease(stand):
    put(stand)
    first, second = Door(), Door()
    first.hold = asyncio.Event().wait()
    async with carried(stand, first):
        await until(lambda: first.submitted)
    async with carried(stand, second):
        (row,) = await until(settled(stand))
    assert row["state"] == "taken"
    assert first.submitted[0].key == second.submitted[0].key


async def test_a_claim_outlives_its_lease_while_its_holder_works(stand):
    put(stand)
    first, second = Door(), Door()
    free = asyncio.Event()
    first.hold = free.wait()
    async with carried(stand, first):
        await until(lambda: first.submitted)
        async with carried(stand, second):
            await asyncio.sleep(2.5)  # leases last a second
            free.set()
            await until(settled(stand))
    assert second.submitted == []


async def test_many_adapters_on_one_database_take_each_document_once(stand):
    for number in range(30):
        put(stand, f"out-{number:02}", data=b"x")
    door = Door()
    async with carried(stand, door), carried(stand, door), carried(stand, door, at_once=3):
        await until(settled(stand), 30)
    assert sorted(got.key for got in door.submitted) == [f"database-out-{number:02}" for number in range(30)]


async def test_the_urgent_go_first(stand):
    for number, priority in enumerate((0, 3, 1)):
        put(stand, f"out-{number}", data=None, priority=priority)
    door = Door()
    async with carried(stand, door, at_once=1):
        await until(settled(stand))
    assert [got.record["priority"] for got in door.submitted] == [3, 1, 0]


async def test_a_gap_between_pieces_is_refused(stand):
    put(stand)
    stand.sql("DELETE FROM lt_out_piece WHERE piece = 1")
    async with carried(stand, Door()):
        (row,) = await until(settled(stand))
    assert row["problem_text"].startswith("attachments[0]: [piece-missing]")


async def test_a_piece_too_large_for_memory_is_refused_unread(stand):
    put(stand, data=None)
    stand.write(OUT_ATTACHMENT, {"out_id": "out-1", "n": 0, "name": "a", "size_bytes": 9 << 20})
    stand.write(OUT_PIECE, {"out_id": "out-1", "n": 0, "piece": 0, "data": bytes(9 << 20)})
    async with carried(stand, Door()):
        (row,) = await until(settled(stand, state="rejected"))
    assert "[piece-too-large]" in row["problem_text"]


async def test_attachments_can_come_from_a_shared_folder_and_from_nowhere_else(stand):
    shared = stand.folder / "shared"
    (shared / "out").mkdir(parents=True)
    (shared / "out" / "7.pdf").write_bytes(PDF)
    (shared / "secret").write_bytes(b"not yours")
    (shared / "out" / "link").symlink_to(shared / "secret")
    for number, name in enumerate(("7.pdf", "../secret", "link", "gone.pdf")):
        put(stand, f"out-{number}", state="draft", data=None)
        stand.write(
            OUT_ATTACHMENT,
            {"out_id": f"out-{number}", "n": 0, "name": "a.pdf", "size_bytes": len(PDF), "file_name": name},
        )
    stand.sql("UPDATE lt_out_document SET state = 'ready'")
    door = Door()
    async with carried(stand, door, files=str(shared)):
        rows = await until(settled(stand))
    assert [row["state"] for row in rows] == ["taken", "rejected", "rejected", "rejected"]
    assert door.submitted[0].files[0][2] == PDF


async def test_a_date_that_is_none_is_refused_and_holds_up_nobody(stand):
    if stand.database.name != "sqlite":
        pytest.skip("PostgreSQL takes only dates into a column of dates")
    put(stand)
    stand.sql("UPDATE lt_out_document SET promulgation_date = '01/03/2026'")
    put(stand, "out-2", data=None)
    async with carried(stand, Door()):
        await until(lambda: all(row["s"] != "ready" for row in states(stand)))
    assert [row["s"] for row in states(stand)] == ["rejected", "taken"]


def states(stand):
    with stand.database.engine.begin() as connection:
        found = connection.exec_driver_sql("SELECT state AS s FROM lt_out_document ORDER BY out_id")
        return [row._asdict() for row in found]


async def test_a_status_is_reported_once_it_is_ready(stand):
    stand.write(
        OUT_STATUS,
        {"report_id": "r1", "state": "ready", "message_id": "m", "code": "02", "reason": "Sai", "staff_name": "Thử"},
        {"report_id": "r2", "state": "ready", "message_id": "m", "code": "03", "organ": US},
    )
    door = Door()
    async with carried(stand, door):
        rows = await until(settled(stand, OUT_STATUS))
    assert [(row["state"], row["status_id"]) for row in rows] == [("taken", "status-1")] * 2
    assert sorted(door.reported, key=lambda told: told[1]) == [
        ("m", "02", "Sai", None, Staff(staff="Thử")),
        ("m", "03", "", US, None),
    ]


async def test_a_status_about_what_never_came_is_rejected(stand):
    stand.write(OUT_STATUS, {"report_id": "r1", "state": "ready", "message_id": "m", "code": "03"})
    async with carried(stand, Door(GatewayError("not-found"))):
        (row,) = await until(settled(stand, OUT_STATUS))
    assert (row["state"], row["problem_text"].split(" ")[0]) == ("rejected", "message_id:")


async def test_a_database_that_comes_back_is_read_again(stand):
    door = Door()
    async with carried(stand, door):
        with stand.database.away():
            await asyncio.sleep(0.2)
        put(stand)
        await until(settled(stand))
    assert len(door.submitted) == 1
    assert stand.rows(IN_MESSAGE) == []


async def test_the_real_door_takes_a_row_and_says_which_of_its_organs_is_not_ours(stand, tmp_path):
    async with open_house(tmp_path) as house:
        put(stand, "good", from_code=doors.OURS)
        put(stand, "bad")
        stand.sql(f"UPDATE lt_out_receiver SET code = '{doors.FAR}'")
        office = adapter.connect(stand.options, OfficeContext(doors.OFFICE, tmp_path, {}, stand.now))
        running = asyncio.create_task(office.run(house.door))
        bad, good = await until(settled(stand))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await office.close()
        assert (good["state"], bad["state"], bad["problem_code"]) == ("taken", "rejected", "organ-not-yours")
        (receiver,) = stand.rows(OUT_RECEIVER, out_id="good")
        assert receiver["message_id"] == good["submission_id"]
        (ref,) = await house.journal.contents(receiver["message_id"])
        assert ref.content.sha256 == hashlib.sha256(PDF).hexdigest()


@pytest.mark.parametrize(
    ("columns", "problem"),
    [({"secrecy": "Mật"}, "secret-degree"), ({"document_notation": "M-SNV"}, "secret-notation")],
    ids=["a degree", "a notation"],
)
async def test_a_state_secret_in_a_row_is_refused_and_nothing_of_it_kept(stand, tmp_path, columns, problem):
    async with open_house(tmp_path) as house:
        put(stand, "secret", from_code=doors.OURS, **columns)
        stand.sql(f"UPDATE lt_out_receiver SET code = '{doors.FAR}'")
        office = adapter.connect(stand.options, OfficeContext(doors.OFFICE, tmp_path, {}, stand.now))
        running = asyncio.create_task(office.run(house.door))
        (row,) = await until(settled(stand))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await office.close()
        assert (row["state"], row["problem_code"]) == ("rejected", "state-secret")
        assert problem in str(row)
        assert (await house.journal.stats()).messages == {}
        assert doors.bytes_on_disk(tmp_path) == b""
