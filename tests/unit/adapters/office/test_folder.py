"""The folder: what lies where after a hand-over, and what becomes of what the office puts out."""

import asyncio
import contextlib
import datetime as dt
import json
import os
from functools import partial

import pytest

from adapters.office import folder
from gateway import texts
from gateway.errors import Busy, GatewayError, Misconfigured, NeedsOperator, Refused
from gateway.model import Attachment, Content, Document, Organ, Problem
from gateway.ports import AttachmentSource, Event, Handover, OfficeContext, Submitted
from tests import doors

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
QUICK = {"interval_seconds": 0.02, "settle_seconds": 0.04, "patience_seconds": 0.2}


class Door:
    """Takes everything, answers a repeated key as the first time, and can be told to do otherwise."""

    def __init__(self):
        self.submissions = {}
        self.calls = 0
        self.edxml = []
        self.reports = []
        self.troubles = []

    async def submit(self, office, key, record, uploads):
        self.calls += 1
        files = [
            (upload.name, upload.content_type, b"".join([c async for c in upload.chunks])) async for upload in uploads
        ]
        if self.troubles:
            raise self.troubles.pop(0)
        repeated = key in self.submissions
        number = list(self.submissions).index(key) if repeated else len(self.submissions)
        self.submissions.setdefault(key, (office, record, files))
        return Submitted(f"s-{number}", ({"message_id": f"m-{number}", "axis": "truc"},), repeated)

    async def submit_edxml(self, office, chunks):
        self.edxml.append(b"".join([chunk async for chunk in chunks]))
        return Submitted("s-edxml", ({"message_id": "m-edxml"},))

    async def report_status(self, office, message_id, code, *rest):
        if self.troubles:
            raise self.troubles.pop(0)
        reason, organ, staff = rest
        self.reports.append((office, message_id, code, reason, organ, staff and staff.staff))
        return "status-1"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "share"
    root.mkdir()
    return root


def connect(root, **options):
    return folder.connect({"path": str(root), **QUICK, **options}, OfficeContext("so", root, {}, lambda: NOW))


@contextlib.asynccontextmanager
async def running(root, door, **options):
    office = connect(root, **options)
    task = asyncio.create_task(office.run(door))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def appears(path, seconds=5.0):
    for _ in range(int(seconds / 0.01)):
        if path.exists():
            return path
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def put(root, name, record, **files):
    outbox = root / "outbox"
    outbox.mkdir(exist_ok=True)
    for file, data in files.items():
        (outbox / file).write_bytes(data)
    (outbox / f"{name}.json").write_text(json.dumps(record))


def result(path):
    return json.loads(path.read_text())


# --- outbox -----------------------------------------------------------------------------------------------------


async def test_a_record_and_its_files_are_handed_in_and_lie_in_taken_with_the_answer(root):
    door = Door()
    record = {"subject": "V/v họp", "attachments": [{"name": "a.pdf"}, {"name": "b.bin", "content_type": "x/y"}]}
    put(root, "cv-15", record, **{"a.pdf": b"pdf", "b.bin": b"bin"})
    async with running(root, door):
        told = result(await appears(root / "taken/cv-15/cv-15.result.json"))
    assert told == {
        "outcome": "taken",
        "submission_id": "s-0",
        "messages": [{"message_id": "m-0", "axis": "truc"}],
        "repeated": False,
        "warnings": [],
        "at": "2026-03-02T08:00:00+00:00",
    }
    ((office, handed_in, files),) = door.submissions.values()
    assert (office, handed_in) == ("so", record)
    assert files == [("a.pdf", "application/pdf", b"pdf"), ("b.bin", "x/y", b"bin")]
    assert {path.name for path in (root / "taken/cv-15").iterdir()} == {
        "cv-15.json",
        "cv-15.result.json",
        "a.pdf",
        "b.bin",
    }
    assert not list((root / "outbox").iterdir())


async def test_files_may_lie_in_a_folder_named_like_the_record(root):
    door = Door()
    (root / "outbox/cv-16").mkdir(parents=True)
    (root / "outbox/cv-16/a.pdf").write_bytes(b"its own")
    put(root, "cv-16", {"attachments": [{"name": "a.pdf"}]}, **{"a.pdf": b"of another"})
    async with running(root, door):
        await appears(root / "taken/cv-16")
    ((_, _, files),) = door.submissions.values()
    assert files[0][2] == b"its own"
    assert [path.name for path in (root / "outbox").iterdir()] == ["a.pdf"]


async def test_a_ready_edxml_file_is_handed_in(root):
    door = Door()
    (root / "outbox").mkdir()
    (root / "outbox/ready.edxml").write_bytes(b"<edXML/>")
    async with running(root, door):
        told = result(await appears(root / "taken/ready/ready.result.json"))
    assert door.edxml == [b"<edXML/>"]
    assert told["messages"] == [{"message_id": "m-edxml"}]


async def test_reasons_and_warnings_are_said_in_the_office_s_language(root):
    say = partial(texts.sentence, language="vi")
    office = folder.connect({"path": str(root), **QUICK}, OfficeContext("so", root, {}, lambda: NOW, say))
    door = Door()
    door.troubles = [
        Refused([Problem("a", "file-missing", "no such file"), Problem("b", "no-words-for-it", "as found")])
    ]
    put(root, "cv-18", {"attachments": [{"name": "a.pdf"}]}, **{"a.pdf": b"pdf"})
    task = asyncio.create_task(office.run(door))
    try:
        told = result(await appears(root / "rejected/cv-18/cv-18.result.json"))
    finally:
        task.cancel()
    assert told["problems"][0]["message"].startswith("Không có tệp này")
    assert told["problems"][1]["message"] == "as found"


async def test_a_refused_record_lies_in_rejected_with_the_reasons(root):
    door = Door()
    door.troubles = [Refused([Problem("to[0].code", "unknown-organ", "no such organ", {"nearest": "H98"})])]
    put(root, "cv-17", {"attachments": [{"name": "a.pdf"}]}, **{"a.pdf": b"pdf"})
    async with running(root, door):
        told = result(await appears(root / "rejected/cv-17/cv-17.result.json"))
    assert told["outcome"] == "rejected"
    assert told["problems"] == [
        {"field": "to[0].code", "code": "unknown-organ", "message": "no such organ", "facts": {"nearest": "H98"}}
    ]
    assert (root / "rejected/cv-17/a.pdf").exists()
    assert not list((root / "outbox").iterdir())


async def test_a_busy_door_is_tried_again_later(root):
    door = Door()
    door.troubles = [Busy("disk-full", after=0.1), Busy("disk-full")]
    put(root, "cv-18", {})
    async with running(root, door):
        await appears(root / "taken/cv-18")
    assert door.calls == 3


async def test_a_fault_with_one_submission_does_not_stop_the_others(root):
    door = Door()
    put(root, "cv-19", {})
    async with running(root, door):
        door.troubles = [KeyError("a bug")]
        await asyncio.sleep(0.3)
        put(root, "cv-20", {})
        await appears(root / "taken/cv-20")
    assert (root / ".working/cv-19.json/cv-19.json").exists()


async def test_what_was_accepted_before_a_crash_is_handed_in_under_the_same_key_and_settled(root):
    door = Door()
    put(root, "cv-21", {"attachments": [{"name": "a.pdf"}]}, **{"a.pdf": b"pdf"})
    async with running(root, door):
        await appears(root / "taken/cv-21")
    # As a process leaves it that dies after the door's answer and before the result is written.
    place = root / ".working/cv-21.json"
    (root / "taken/cv-21").rename(place)
    (place / "cv-21.result.json").unlink()
    async with running(root, door):
        told = result(await appears(root / "taken/cv-21/cv-21.result.json"))
    assert (told["submission_id"], told["repeated"]) == ("s-0", True)
    assert len(door.submissions) == 1


async def test_a_claim_that_a_crash_cut_short_is_finished(root):
    door = Door()
    place = root / ".working/cv-22.json"
    place.mkdir(parents=True)
    (place / "a.pdf").write_bytes(b"pdf")
    put(root, "cv-22", {"attachments": [{"name": "a.pdf"}]})
    async with running(root, door):
        await appears(root / "taken/cv-22")
    ((_, _, files),) = door.submissions.values()
    assert files == [("a.pdf", "application/pdf", b"pdf")]


async def test_a_result_written_before_a_crash_is_not_asked_for_again(root):
    door = Door()
    place = root / ".working/cv-23.json"
    place.mkdir(parents=True)
    (place / "cv-23.json").write_text("{}")
    (place / "cv-23.result.json").write_text('{"outcome": "rejected"}')
    async with running(root, door):
        await appears(root / "rejected/cv-23")
    assert door.calls == 0


async def test_the_same_name_with_another_content_is_another_submission(root):
    door = Door()
    async with running(root, door):
        put(root, "cv", {"number": "1"})
        await appears(root / "taken/cv")
        put(root, "cv", {"number": "2"})
        await appears(root / "taken/cv~2")
        put(root, "cv", {"number": "2"})
        told = result(await appears(root / "taken/cv~3/cv.result.json"))
    assert len(door.submissions) == 2
    assert told["repeated"] is True


async def test_a_record_still_being_written_is_left_alone(root):
    door = Door()
    (root / "outbox").mkdir()
    whole = json.dumps({"subject": "x" * 200})
    async with running(root, door, patience_seconds=2):
        with (root / "outbox/slow.json").open("w") as file:
            for letter in range(0, len(whole), 40):
                file.write(whole[letter : letter + 40])
                file.flush()
                await asyncio.sleep(0.06)
        await appears(root / "taken/slow")
    ((_, record, _),) = door.submissions.values()
    assert record["subject"] == "x" * 200


async def test_an_attachment_that_still_grows_is_waited_for(root):
    door = Door()
    put(root, "cv-24", {"attachments": [{"name": "a.bin"}]}, **{"a.bin": b""})
    async with running(root, door, settle_seconds=0.15):
        with (root / "outbox/a.bin").open("ab") as file:
            for _ in range(10):
                file.write(b"0123456789")
                file.flush()
                await asyncio.sleep(0.05)
        await appears(root / "taken/cv-24")
    ((_, _, files),) = door.submissions.values()
    assert files[0][2] == b"0123456789" * 10


async def test_a_record_that_names_a_missing_file_is_rejected_after_some_patience(root):
    door = Door()
    put(root, "cv-25", {"attachments": [{"name": "a.pdf"}]})
    async with running(root, door):
        told = result(await appears(root / "rejected/cv-25/cv-25.result.json"))
    assert [(p["field"], p["code"]) for p in told["problems"]] == [("attachments[0].name", "file-missing")]
    assert door.calls == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"attachments": 7}', '{"attachments": [7]}', "[" * 100_000, "\udcff"])
async def test_what_is_no_record_is_rejected_with_a_reason(root, text):
    (root / "outbox").mkdir()
    (root / "outbox/bad.json").write_text(text, errors="surrogateescape")
    async with running(root, Door()):
        told = result(await appears(root / "rejected/bad/bad.result.json"))
    assert [problem["code"] for problem in told["problems"]] == ["not-json"]


@pytest.mark.parametrize(
    "trick", ["../../secret", "/etc/hostname", "..", ".hidden", "a/b", "cv.result.json", "cv.json"]
)
async def test_an_attachment_name_that_leads_elsewhere_is_refused(root, trick):
    door = Door()
    (root.parent / "secret").write_text("not the office's")
    put(root, "cv", {"attachments": [{"name": trick}]})
    async with running(root, door):
        told = result(await appears(root / "rejected/cv/cv.result.json"))
    assert [problem["code"] for problem in told["problems"]] == ["name-unfit"]
    assert (root.parent / "secret").exists()
    assert door.calls == 0


async def test_a_link_is_neither_followed_nor_taken(root):
    door = Door()
    (root.parent / "secret").write_text("not the office's")
    (root / "outbox").mkdir()
    (root / "outbox/a.pdf").symlink_to(root.parent / "secret")
    (root / "outbox/linked.json").symlink_to(root.parent / "secret")
    put(root, "cv", {"attachments": [{"name": "a.pdf"}]})
    async with running(root, door):
        told = result(await appears(root / "rejected/cv/cv.result.json"))
        of_link = result(await appears(root / "rejected/linked/linked.result.json"))
    assert [problem["code"] for problem in told["problems"]] == ["file-missing"]
    assert [problem["code"] for problem in of_link["problems"]] == ["not-a-file"]
    assert door.calls == 0


async def test_a_folder_that_is_a_link_is_not_followed(root):
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.pdf").write_text("not the office's")
    (root / "outbox").mkdir()
    (root / "outbox/cv").symlink_to(elsewhere)
    put(root, "cv", {"attachments": [{"name": "a.pdf"}]})
    async with running(root, Door()):
        await appears(root / "rejected/cv")
    assert (elsewhere / "a.pdf").exists()


async def test_hidden_and_foreign_files_are_left_alone(root):
    door = Door()
    (root / "outbox").mkdir()
    for name in (".cv.json", "cv.json.tmp", "cv.txt", "ghi chú.docx"):
        (root / "outbox" / name).write_text("{}")
    async with running(root, door):
        await asyncio.sleep(0.2)
    assert len(list((root / "outbox").iterdir())) == 4
    assert door.calls == 0


async def test_a_status_of_the_office_is_reported(root):
    door = Door()
    put(
        root, "cv-1.status", {"message_id": "m-9", "code": "02", "reason": "Sai nơi nhận", "staff": {"staff": "Trần A"}}
    )
    async with running(root, door):
        told = result(await appears(root / "taken/cv-1.status/cv-1.status.result.json"))
    assert door.reports == [("so", "m-9", "02", "Sai nơi nhận", None, "Trần A")]
    assert told["status_id"] == "status-1"


async def test_a_status_about_a_document_never_received_is_rejected(root):
    door = Door()
    door.troubles = [GatewayError("not-found")]
    put(root, "cv-1.status", {"message_id": "m-9", "code": "03"})
    async with running(root, door):
        told = result(await appears(root / "rejected/cv-1.status/cv-1.status.result.json"))
    assert [(p["field"], p["code"]) for p in told["problems"]] == [("message_id", "not-found")]


async def test_a_door_that_takes_no_statuses_is_no_reason_to_wait(root):
    class DocumentsOnly:
        submit, submit_edxml = Door.submit, Door.submit_edxml

    put(root, "cv-1.status", {"message_id": "m-9", "code": "03"})
    async with running(root, DocumentsOnly()):
        told = result(await appears(root / "rejected/cv-1.status/cv-1.status.result.json"))
    assert [problem["code"] for problem in told["problems"]] == ["statuses-not-taken"]


async def test_a_status_without_a_code_is_rejected_by_the_name_of_the_field(root):
    put(root, "cv-1.status", {"message_id": "m-9", "colour": 1})
    async with running(root, Door()):
        told = result(await appears(root / "rejected/cv-1.status/cv-1.status.result.json"))
    assert {problem["field"] for problem in told["problems"]} == {"code", "colour"}


# --- inbox ------------------------------------------------------------------------------------------------------


def handover(*names, message_id="a" * 32):
    async def chunks():
        yield b"%PDF"

    sources = [
        AttachmentSource(Attachment(f"c{i}", name, content=Content("0" * 64, 4, "s:1")), chunks)
        for i, name in enumerate(names)
    ]
    sender, to = Organ("000.00.00.G99"), (Organ("000.01.00.H99"),)
    document = Document(sender, to, "id-1", "1", "BTN", "V/v", dt.date(2026, 3, 2), "Hà Nội")
    event = Event("document.received", message_id, NOW, {"document_id": "id-1"})
    return Handover(event, ("000.01.00.H99",), document, None, chunks, tuple(sources))


async def test_a_document_lies_in_a_folder_with_its_edxml_its_fields_and_its_attachments(root):
    await connect(root).hand_over(handover("công văn.pdf"))
    place = root / "inbox" / ("a" * 32)
    assert (place / "document.edxml").read_bytes() == b"%PDF"
    assert (place / "attachments/công văn.pdf").read_bytes() == b"%PDF"
    told = result(place / "document.json")
    assert told["document"]["attachments"] == [
        {
            "content_id": "c0",
            "name": "công văn.pdf",
            "content_type": "application/octet-stream",
            "content": {"sha256": "0" * 64, "size": 4},
            "file": "attachments/công văn.pdf",
        }
    ]
    assert (told["document"]["place"], told["document"]["promulgation_date"]) == ("Hà Nội", "2026-03-02")
    assert told["message_id"] == "a" * 32
    assert not list((root / ".staging").iterdir())


async def test_names_of_attachments_from_outside_stay_inside(root):
    names = ["../../x.pdf", "..\\..\\y.pdf", "/etc/passwd", "", "..", "x.pdf", "X.PDF", "z\n.pdf", "dài" * 200 + ".pdf"]
    await connect(root).hand_over(handover(*names))
    files = sorted(path.name for path in (root / "inbox" / ("a" * 32) / "attachments").iterdir())
    assert len(files) == len(names)
    assert {"x.pdf", "y.pdf", "passwd", "attachment-4", "attachment-5", "6-x.pdf", "7-X.PDF", "z.pdf"} <= set(files)
    assert not (root / "x.pdf").exists()
    assert not (root.parent / "x.pdf").exists()


async def test_a_crash_before_the_promise_leaves_nothing_to_see_and_the_next_try_writes_anew(root):
    office = connect(root)
    (root / ".staging" / ("a" * 32)).mkdir()
    (root / ".staging" / ("a" * 32) / "document.edxml").write_bytes(b"half")
    await office.hand_over(handover("a.pdf"))
    assert (root / "inbox" / ("a" * 32) / "document.edxml").read_bytes() == b"%PDF"


async def test_a_crash_between_the_promise_and_the_rename_is_made_up_for(root):
    office = connect(root)
    await office.hand_over(handover("a.pdf"))
    (root / "inbox" / ("a" * 32)).rename(root / ".staging" / ("a" * 32))
    await connect(root).hand_over(handover("a.pdf"))
    assert (root / "inbox" / ("a" * 32) / "document.json").exists()


async def test_a_message_id_that_is_no_name_waits_for_a_person(root):
    with pytest.raises(NeedsOperator, match="message-id-unfit"):
        await connect(root).hand_over(handover(message_id="../../x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written_to_waits_for_a_person(root):
    office = connect(root)
    (root / ".staging").chmod(0o500)
    try:
        with pytest.raises(NeedsOperator, match="EACCES"):
            await office.hand_over(handover())
    finally:
        (root / ".staging").chmod(0o700)


async def test_an_unmounted_folder_is_not_made_anew(root):
    office = connect(root)
    root.rename(root.parent / "unmounted")
    root.mkdir()
    with pytest.raises(NeedsOperator, match="folder-unusable"):
        await office.hand_over(handover())
    assert not list(root.iterdir())


def test_a_folder_that_does_not_exist_is_found_before_start(tmp_path):
    options = {"path": str(tmp_path / "nowhere")}
    assert [problem.code for problem in folder.check(options)] == ["missing"]
    with pytest.raises(Misconfigured):
        folder.connect(options, OfficeContext("so", tmp_path, {}, lambda: NOW))


def test_a_relative_path_is_refused():
    assert [(problem.field, problem.message) for problem in folder.check({"path": "share"})] == [
        ("path", "an absolute path is needed")
    ]


def test_without_a_path_the_folder_is_the_gateways_own(tmp_path):
    folder.connect({}, OfficeContext("so", tmp_path, {}, lambda: NOW))
    assert (tmp_path / "offices/so/outbox").is_dir()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"secrecy": "Tối mật"}, "secret-degree"), ({"notation": "M-STN"}, "secret-notation")],
    ids=["a degree", "a notation"],
)
async def test_a_state_secret_in_the_outbox_is_rejected_by_the_real_door_and_nothing_of_it_kept(
    root, tmp_path, changes, problem
):
    async with doors.open_house(tmp_path) as house:
        put(root, "cv-m", doors.with_files("a.pdf", **changes), **{"a.pdf": b"%PDF-1.7 mat"})
        office = folder.connect({"path": str(root), **QUICK}, OfficeContext(doors.OFFICE, root, {}, lambda: NOW))
        task = asyncio.create_task(office.run(house.door))
        told = (await appears(root / "rejected/cv-m/cv-m.result.json")).read_text()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert "state-secret" in told
        assert problem in told
        assert "Tối mật" not in told
        assert (await house.journal.stats()).messages == {}
        assert doors.bytes_on_disk(tmp_path) == b""


@pytest.mark.parametrize(
    ("act", "said", "problem"),
    [
        ("recall", {"reason": "Gửi nhầm"}, ("message_id", "missing")),
        ("update", {"message_id": "m", "record": {}, "subject": "V/v"}, ("subject", "unknown-field")),
        ("replace", {"message_id": "m", "record": "cv"}, ("", "not-json")),
        (
            "update",
            {"message_id": "m", "record": {"attachments": [{"name": "a.pdf"}]}},
            ("attachments[0].name", "file-missing"),
        ),
    ],
    ids=["of what", "no other field", "a record", "the files it names"],
)
async def test_what_a_change_in_the_outbox_needs_is_said(root, tmp_path, act, said, problem):
    class Changing(Door):
        recall = update = replace = Door.submit  # never gets so far

    put(root, f"cv.{act}", said)
    async with running(root, Changing()):
        told = result(await appears(root / f"rejected/cv.{act}/cv.{act}.result.json"))
    assert [(each["field"], each["code"]) for each in told["problems"]] == [problem]


async def test_a_door_that_takes_no_changes_says_so(root):
    put(root, "cv.recall", {"message_id": "m", "reason": "Gửi nhầm"})
    async with running(root, Door()):
        told = result(await appears(root / "rejected/cv.recall/cv.recall.result.json"))
    assert [each["code"] for each in told["problems"]] == ["changes-not-taken"]
