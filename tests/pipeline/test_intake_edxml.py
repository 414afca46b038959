import dataclasses
import datetime as dt
import hashlib

import pybase64
import pytest

from gateway.edxml import build
from gateway.errors import Refused
from gateway.model import Attachment, Content, Document, Kind, Organ, ResponseFor, Status
from gateway.pipeline import detail
from tests.doors import FAR, FARTHER, NEIGHBOUR, NOW, OFFICE, OURS, bytes_on_disk, open_house

FILES = {"one.pdf": b"%PDF-1.7 first" * 1000, "two.pdf": b"%PDF-1.7 second"}


@pytest.fixture
async def house(tmp_path):
    async with open_house(tmp_path) as opened:
        yield opened


def document(files=FILES, **changes):
    whole = Document(
        sender=Organ(OURS, "Sở Thử nghiệm"),
        to=(Organ(FAR, "Bộ Thử nghiệm"), Organ(FARTHER, "Bộ khác")),
        document_id=f"{OURS},2026/03/01,15/STN-VP",
        number="15",
        notation="STN-VP",
        subject="V/v thử nghiệm",
        promulgation_date=dt.date(2026, 3, 1),
        type=2,
        type_name="Công văn",
        attachments=tuple(
            Attachment(f"c{n}", name, "application/pdf", "", Content(hashlib.sha256(data).hexdigest(), len(data), name))
            for n, (name, data) in enumerate(files.items())
        ),
    )
    return dataclasses.replace(whole, **changes)


def status(code="03", *, at=NOW, sender=OURS):
    about = ResponseFor(FAR, "7/B-VP", f"{FAR},2026/02/01,7/B-VP", dt.date(2026, 2, 1))
    return Status(Organ(sender, "Sở Thử nghiệm"), about, code, "", at)


def file_of(subject, files=FILES):
    pack = build.pack_document if isinstance(subject, Document) else build.pack_status
    return b"".join(
        piece.data if isinstance(piece, build.Literal) else pybase64.b64encode(files[piece.content.place])
        for piece in pack(subject, sign=lambda _: b"")
    )


async def chunks(data, step=1000, *, end=None):
    for start in range(0, len(data), step):
        yield data[start : start + step]
    if end:
        raise end


async def refused(awaitable):
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value


async def test_a_ready_file_becomes_the_same_messages_as_a_record(house):
    submitted = await house.door.submit_edxml(OFFICE, chunks(file_of(document())))
    assert [(one["axis"], one["organs"]) for one in submitted.messages] == [
        ("national", [FAR]),
        ("provincial", [FARTHER]),
    ]
    message = await house.journal.message(submitted.messages[1]["message_id"])
    read = detail.document(message.detail, await house.journal.contents(message.message_id))
    assert [organ.code for organ in read.to] == [FARTHER]
    assert (read.subject, read.document_id) == ("V/v thử nghiệm", document().document_id)
    assert [await house.contents.read(one.content) for one in read.attachments] == list(FILES.values())


async def test_a_ready_file_handed_in_again_gets_the_first_answer_and_keeps_nothing_more(house, tmp_path):
    first = await house.door.submit_edxml(OFFICE, chunks(file_of(document())))
    held = bytes_on_disk(tmp_path)
    again = await house.door.submit_edxml(OFFICE, chunks(file_of(document()), step=77))
    assert (again.repeated, again.messages) == (True, first.messages)
    assert bytes_on_disk(tmp_path) == held


async def test_the_same_document_id_with_other_content_is_refused(house):
    await house.door.submit_edxml(OFFICE, chunks(file_of(document())))
    other_bytes = FILES | {"two.pdf": b"other"}
    for changed in (file_of(document(subject="Khác")), file_of(document(other_bytes), other_bytes)):
        error = await refused(house.door.submit_edxml(OFFICE, chunks(changed)))
        assert (error.code, error.status) == ("key-reused", 422)


async def test_an_office_speaks_only_for_its_own_organs_inside_a_ready_file_too(house, tmp_path):
    foreign = document(sender=Organ(NEIGHBOUR, "Huyện khác"))
    for data in (file_of(foreign), file_of(status(sender=NEIGHBOUR))):
        error = await refused(house.door.submit_edxml(OFFICE, chunks(data)))
        assert (error.code, error.status) == ("organ-not-yours", 403)
    assert bytes_on_disk(tmp_path) == b""


async def test_a_secret_in_a_ready_file_is_refused_and_its_bytes_are_erased(house, tmp_path):
    error = await refused(house.door.submit_edxml(OFFICE, chunks(file_of(document(notation="M-STN")))))
    assert error.code == "state-secret"
    assert bytes_on_disk(tmp_path) == b""


async def test_every_problem_of_a_ready_file_is_told_at_once(house, tmp_path):
    wrong = document(subject="", promulgation_date=dt.date(2026, 3, 9), to=(Organ(FAR, "B"), Organ(FAR, "B")))
    error = await refused(house.door.submit_edxml(OFFICE, chunks(file_of(wrong))))
    assert error.code == "edxml-invalid"
    assert {"missing", "date-in-future", "repeated"} <= {problem.code for problem in error.problems}
    assert bytes_on_disk(tmp_path) == b""


async def test_a_receiver_that_no_route_reaches_is_refused_and_the_file_can_be_sent_again(house, tmp_path):
    lost = document(to=(Organ("000.00.00.Z01", "Đâu đó"),))
    for _ in range(2):
        error = await refused(house.door.submit_edxml(OFFICE, chunks(file_of(lost))))
        assert {(problem.field, problem.code) for problem in error.problems} == {("to[0].code", "organ-unknown")}
    assert bytes_on_disk(tmp_path) == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><edXML/>", "dtd"),
        (b"%PDF-1.7", "not-xml"),
        (b"", "not-xml"),
        (b"<html/>", "root"),
        (file_of(document())[:-200], "not-xml"),
        (file_of(document()).replace(b"JVBER", b"JV*ER", 1), "base64-bad"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_what_stopped_it(house, tmp_path, data, code):
    error = await refused(house.door.submit_edxml(OFFICE, chunks(data)))
    assert error.code == "edxml-unreadable"
    assert [problem.code for problem in error.problems] == [code]
    assert bytes_on_disk(tmp_path) == b""


async def test_a_ready_file_that_breaks_off_leaves_nothing(house, tmp_path):
    with pytest.raises(ConnectionResetError):
        await house.door.submit_edxml(OFFICE, chunks(file_of(document())[:-400], end=ConnectionResetError("gone")))
    assert bytes_on_disk(tmp_path) == b""


async def test_a_ready_file_beyond_the_limits_is_cut_off(tmp_path):
    for limits in ({"edxml_bytes": 5000}, {"attachment_bytes": 5000}, {"submission_bytes": 5000}):
        async with open_house(tmp_path, **limits) as house:
            error = await refused(house.door.submit_edxml(OFFICE, chunks(file_of(document()))))
            assert (error.code, error.status) == ("too-large", 413)
        assert bytes_on_disk(tmp_path) == b""


async def test_a_status_in_edxml_goes_to_the_axis_of_the_organ_it_answers(house):
    submitted = await house.door.submit_edxml(OFFICE, chunks(file_of(status())))
    [told] = submitted.messages
    assert (told["axis"], told["organs"]) == ("national", [FAR])
    message = await house.journal.message(told["message_id"])
    assert (message.kind, message.document_id) == (Kind.STATUS, f"{FAR},2026/02/01,7/B-VP")
    assert detail.status(message.detail).code == "03"


async def test_each_status_of_a_document_is_its_own_submission_but_a_repeat_is_not(house):
    later = NOW + dt.timedelta(hours=1)
    told = [status("03"), status("05"), status("05", at=later)]
    first = [await house.door.submit_edxml(OFFICE, chunks(file_of(one))) for one in told]
    again = [await house.door.submit_edxml(OFFICE, chunks(file_of(one))) for one in told]
    assert len({one.submission_id for one in first}) == 3
    assert [one.submission_id for one in again] == [one.submission_id for one in first]
    assert all(one.repeated for one in again)
