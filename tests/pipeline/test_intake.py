import asyncio
import datetime as dt

import pytest

from gateway.errors import Busy, Refused
from gateway.model import Direction, Kind
from gateway.pipeline import detail
from gateway.states import State
from tests.assets.make_edxml import END_OF_PDF, zipped
from tests.doors import (
    ALSO_OURS,
    FAR,
    FARTHER,
    NEIGHBOUR,
    NOW,
    OFFICE,
    OURS,
    bytes_on_disk,
    open_house,
    record,
    uploads,
    with_files,
)


@pytest.fixture
async def house(tmp_path):
    async with open_house(tmp_path) as opened:
        yield opened


async def refused(awaitable):
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value


def said(error):
    return {(problem.field, problem.code) for problem in error.problems}


async def test_a_submission_becomes_a_message_with_its_bytes_and_delivery(house):
    submitted = await house.door.submit(OFFICE, "k1", with_files("a.pdf"), uploads(("a.pdf", b"%PDF-1.7 mot")))
    [told] = submitted.messages
    assert told["axis"] == "national"
    assert told["organs"] == [FAR]
    assert submitted.submission_id == told["message_id"]
    message = await house.journal.message(told["message_id"])
    assert (message.state, message.kind, message.direction) == (State.ACCEPTED, Kind.DOCUMENT, Direction.OUT)
    assert (message.office, message.sender, message.urgency) == (OFFICE, OURS, 1)
    assert message.due_at == message.accepted_at == NOW
    assert message.expires_at == NOW + dt.timedelta(hours=72)
    refs = await house.journal.contents(message.message_id)
    document = detail.document(message.detail, refs)
    assert document.document_id == message.document_id == f"{OURS},2026/03/01,15/STN-VP"
    assert document.signer.full_name == "Nguyễn Văn Thử"
    assert [attachment.name for attachment in document.attachments] == ["a.pdf"]
    assert await house.contents.read(document.attachments[0].content) == b"%PDF-1.7 mot"
    assert house.nudges == 1


async def test_one_message_per_axis_and_each_names_only_its_own_receivers(house):
    to = [FAR, FARTHER, NEIGHBOUR, ALSO_OURS]
    submitted = await house.door.submit(OFFICE, "k1", with_files("a", to=to), uploads(("a", b"bytes")))
    assert [(one["axis"], one["organs"]) for one in submitted.messages] == [
        ("national", [FAR]),
        ("provincial", [FARTHER]),
        ("local", [NEIGHBOUR, ALSO_OURS]),
    ]
    places = set()
    for told in submitted.messages:
        message = await house.journal.message(told["message_id"])
        refs = await house.journal.contents(message.message_id)
        places |= {ref.content.place for ref in refs}
        document = detail.document(message.detail, refs)
        assert [organ.code for organ in document.to] == told["organs"]
        assert message.submission_id == submitted.submission_id
        deliveries = await house.journal.deliveries(message.message_id)
        assert {each.organ for each in deliveries} == set(told["organs"])
    assert len(places) == 1, "one copy of the bytes serves all"
    local = await house.journal.deliveries(submitted.messages[2]["message_id"])
    assert {each.organ: each.office for each in local} == {NEIGHBOUR: "huyen-thu-nghiem", ALSO_OURS: OFFICE}


async def test_every_problem_of_the_form_is_told_at_once(house):
    wrong = record(to=[], number=..., subject="x" * 501, priority=7, unheard="of")
    error = await refused(house.door.submit(OFFICE, "k1", wrong, uploads()))
    assert said(error) == {
        ("to", "missing"),
        ("number", "missing"),
        ("subject", "too-long"),
        ("priority", "number-too-large"),
        ("unheard", "unknown-field"),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"to": [FAR, FAR]}, {("to", "repeated")}),
        ({"to": [FAR, "000.00.00.Z01", "X"]}, {("to[1].code", "organ-unknown"), ("to[2].code", "organ-unknown")}),
        ({"promulgation": {"date": "2026-03-03"}}, {("promulgation.date", "date-in-future")}),
        ({"priority": 4}, {("deliver_by", "deliver-by-missing")}),
        ({"priority": 4, "deliver_by": "2026-03-02T01:29:59Z"}, {("deliver_by", "time-past")}),
        ({"expires": "2020-01-01T00:00:00+07:00"}, {("expires", "time-past")}),
        ({"secrecy": "Mật"}, {("secrecy", "secret-degree")}),
        ({"notation": "M-STN"}, {("notation", "secret-notation"), ("document_id", "secret-notation")}),
        ({"business": {"type": 3}}, {("business.replacements", "missing"), ("business.reason", "reason-required")}),
        ({"number": "1" * 4000}, {("number", "too-long")}),
        ({"subject": "có \x07 chuông"}, {("subject", "control-character")}),
        ({"subject": "nửa \ud83d chữ"}, {("subject", "wrong-type")}),
        ({"priority": True}, {("priority", "wrong-type")}),
        ({"priority": 10**4000}, {("priority", "number-too-large")}),
        ({"promulgation": {"date": 20260301}}, {("promulgation.date", "date")}),
        ({"promulgation": {"date": "2026-02-30"}}, {("promulgation.date", "date")}),
        ({"expires": "2027-01-01T00:00:00"}, {("expires", "time-zone")}),
        ({"to": [{"code": "a b"}]}, {("to[0].code", "pattern")}),
        ({"attachments": [{"name": "../../etc/passwd"}]}, {("attachments[0].name", "file-name")}),
        ({"attachments": [{"name": "a\nb"}]}, {("attachments[0].name", "line-break")}),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_its_field(house, tmp_path, changes, expected):
    error = await refused(house.door.submit(OFFICE, "k1", record(**changes), uploads()))
    assert said(error) == expected
    assert (await house.door.submit(OFFICE, "k1", record(), uploads())).repeated is False, "the key is free"


async def test_a_day_begun_in_vietnam_is_no_day_in_the_future(house):
    house.clock.time = dt.datetime(2026, 3, 2, 17, 30, tzinfo=dt.UTC)
    await house.door.submit(OFFICE, "k1", record(promulgation={"date": "2026-03-03"}), uploads())


async def test_a_secret_is_refused_before_a_byte_of_an_attachment_is_read(house):
    async def untouchable():
        raise AssertionError("read")
        yield

    error = await refused(house.door.submit(OFFICE, "k1", with_files("a", secrecy="Tối mật"), untouchable()))
    assert error.code == "state-secret"
    assert "Tối mật" not in str(error)


async def test_an_office_speaks_only_for_its_own_organs(house):
    for foreign in (NEIGHBOUR, FAR):
        error = await refused(house.door.submit(OFFICE, "k1", record(**{"from": foreign}), uploads()))
        assert (error.code, error.status) == ("organ-not-yours", 403)


async def test_a_timed_flash_expires_when_it_is_due_and_keeps_the_time(house):
    due = "2026-03-02T10:00:00+07:00"
    submitted = await house.door.submit(OFFICE, "k1", record(priority=4, deliver_by=due), uploads())
    message = await house.journal.message(submitted.submission_id)
    assert message.urgency == 3
    assert message.expires_at == dt.datetime(2026, 3, 2, 3, 0, tzinfo=dt.UTC)
    assert message.detail["deliver_by"] == due


# --- the key ----------------------------------------------------------------------------------------------------


async def test_the_same_submission_again_gets_the_first_answer_and_keeps_nothing_more(house, tmp_path):
    first = await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    held = bytes_on_disk(tmp_path)
    house.clock.time += dt.timedelta(days=400)
    again = await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    assert again.repeated
    assert (again.submission_id, again.messages) == (first.submission_id, first.messages)
    assert bytes_on_disk(tmp_path) == held


async def test_a_repeat_whose_dates_have_passed_is_not_judged_anew(house):
    soon = record(expires="2026-03-02T02:00:00Z")
    first = await house.door.submit(OFFICE, "k1", soon, uploads())
    house.clock.time += dt.timedelta(days=1)
    assert (await house.door.submit(OFFICE, "k1", soon, uploads())).submission_id == first.submission_id


@pytest.mark.parametrize(
    ("other", "files"),
    [
        (with_files("a", subject="Khác"), [("a", b"bytes")]),
        (with_files("a"), [("a", b"bytez")]),
        (with_files("b"), [("b", b"bytes")]),
        (with_files("a", "b"), [("a", b"bytes"), ("b", b"more")]),
    ],
    ids=["other record", "other bytes", "other name", "one more file"],
)
async def test_a_key_used_for_something_else_is_refused(house, other, files):
    await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    error = await refused(house.door.submit(OFFICE, "k1", other, uploads(*files)))
    assert (error.code, error.status) == ("key-reused", 422)


async def test_two_offices_may_use_one_key(house):
    first = await house.door.submit(OFFICE, "k1", record(), uploads())
    other = await house.door.submit("huyen-thu-nghiem", "k1", record(**{"from": NEIGHBOUR}), uploads())
    assert other.submission_id != first.submission_id


async def test_two_at_once_with_one_key_are_one_submission_and_the_second_is_told_to_wait(house):
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        started.set()
        await go_on.wait()
        async for upload in uploads(("a", b"bytes")):
            yield upload

    running = asyncio.create_task(house.door.submit(OFFICE, "k1", with_files("a"), slow()))
    await started.wait()
    with pytest.raises(Busy) as caught:
        await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    assert caught.value.code == "key-running"
    assert 0 < caught.value.after <= 5
    go_on.set()
    first = await running
    again = await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    assert (again.repeated, again.submission_id) == (True, first.submission_id)


async def test_of_two_that_outlived_the_lease_one_counts_and_the_other_keeps_no_bytes(house, tmp_path):
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        started.set()
        await go_on.wait()
        async for upload in uploads(("a", b"bytes")):
            yield upload

    slowly = asyncio.create_task(house.door.submit(OFFICE, "k1", with_files("a"), slow()))
    await started.wait()
    house.clock.time += dt.timedelta(hours=1)
    quick = await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    held = bytes_on_disk(tmp_path)
    go_on.set()
    assert (await slowly).submission_id == quick.submission_id
    assert bytes_on_disk(tmp_path) == held


async def test_one_that_outlived_the_lease_and_fails_leaves_the_key_to_whoever_has_it_now(house):
    async def until(begun, go_on, data):
        begun.set()
        await go_on.wait()
        async for upload in uploads(("a", data)):
            yield upload

    async def begin(data):
        begun, go_on = asyncio.Event(), asyncio.Event()
        submitting = house.door.submit(OFFICE, "k1", with_files("a"), until(begun, go_on, data))
        task = asyncio.create_task(submitting)
        await begun.wait()
        return task, go_on

    first, first_goes_on = await begin(b"")
    house.clock.time += dt.timedelta(minutes=1)
    second, second_goes_on = await begin(b"bytes")
    first_goes_on.set()
    await refused(first)
    with pytest.raises(Busy, match="key-running"):
        await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
    second_goes_on.set()
    assert not (await second).repeated


# --- the bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "changes", "expected"),
    [
        ([("a", b"1")], {}, {("attachments[1]", "attachment-missing")}),
        ([("a", b"1"), ("b", b"2"), ("c", b"3")], {}, {("attachments[2]", "attachment-extra")}),
        ([("b", b"2"), ("a", b"1")], {}, {("attachments[0]", "attachment-order")}),
        ([("a", b""), ("b", b"2")], {}, {("attachments[0]", "attachment-empty")}),
        ([("a", b"1"), ("b", b"2")], {"size": 3}, {("attachments[1].size", "size-differs")}),
        ([("a", b"1"), ("b", b"2")], {"sha256": "0" * 64}, {("attachments[1].sha256", "digest-differs")}),
    ],
)
async def test_files_must_be_those_of_the_record(house, tmp_path, files, changes, expected):
    described = record(attachments=[{"name": "a"}, {"name": "b", **changes}])
    error = await refused(house.door.submit(OFFICE, "k1", described, uploads(*files)))
    assert said(error) == expected
    assert bytes_on_disk(tmp_path) == b"", "nothing is kept"


async def test_a_file_broken_by_a_text_conversion_is_taken_with_a_warning(house):
    broken = b"%PDF-1.7\n%\xe2\xe3".decode("latin-1").encode() + b"\xef\xbf\xbd" * 4
    files = uploads(("a", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3" + END_OF_PDF), ("b", broken))
    submitted = await house.door.submit(OFFICE, "k1", with_files("a", "b"), files)
    assert [(one.field, one.code) for one in submitted.warnings] == [("attachments[1]", "attachment-damaged")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3 cut here", "attachment-cut"),
        (zipped(b"x", b"y", name="word/document.xml")[:-30], "attachment-cut"),
        (b"MZ" + bytes(200), "type-mislabelled"),
        (zipped(b"%PDF-1.7"), "attachment-wrapped"),
    ],
)
async def test_a_file_that_is_cut_or_not_what_it_says_is_taken_with_a_warning(house, data, code):
    submitted = await house.door.submit(OFFICE, "k1", with_files("a.pdf"), uploads(("a.pdf", data)))
    assert (submitted.warnings[0].field, submitted.warnings[0].code) == ("attachments[0]", code)


async def test_a_file_name_mangled_by_the_client_does_not_matter(house):
    files = uploads(("quy?t ??nh.pdf", b"1"))
    submitted = await house.door.submit(OFFICE, "k1", with_files("quyết định.pdf"), files)
    [ref] = await house.journal.contents(submitted.submission_id)
    assert ref.attachment.name == "quyết định.pdf"


async def test_two_hundred_attachments_keep_their_order(house):
    names = [f"{n}.pdf" for n in range(200)]
    files = uploads(*((name, name.encode()) for name in names))
    submitted = await house.door.submit(OFFICE, "k1", with_files(*names), files)
    refs = await house.journal.contents(submitted.submission_id)
    assert [await house.contents.read(ref.content) for ref in refs] == [name.encode() for name in names]
    error = await refused(house.door.submit(OFFICE, "k2", with_files(*names, "one more"), uploads()))
    assert said(error) == {("attachments", "too-many")}


@pytest.mark.parametrize("end", [ConnectionResetError("gone"), asyncio.CancelledError()])
async def test_an_upload_that_breaks_off_leaves_nothing_and_its_key_is_free(house, tmp_path, end):
    big = b"z" * (3 << 20)
    with pytest.raises(type(end)):
        await house.door.submit(
            OFFICE, "k1", with_files("a", "b"), uploads(("a", b"small"), ("b", big), before_end=end)
        )
    assert bytes_on_disk(tmp_path) == b""
    again = await house.door.submit(OFFICE, "k1", with_files("a", "b"), uploads(("a", b"small"), ("b", big)))
    assert not again.repeated


async def test_declared_sizes_beyond_the_limit_are_refused_unread(tmp_path):
    async with open_house(tmp_path, attachment_bytes=1 << 20, submission_bytes=3 << 19) as house:
        large = record(attachments=[{"name": "a", "size": 1 << 30}])
        error = await refused(house.door.submit(OFFICE, "k1", large, uploads()))
        assert (error.status, said(error)) == (
            413,
            {("attachments[0].size", "too-many-bytes"), ("attachments", "too-many-bytes")},
        )


async def test_undeclared_sizes_beyond_the_limit_are_cut_off(tmp_path):
    async with open_house(tmp_path, attachment_bytes=1000, submission_bytes=1500) as house:
        for files in ([("a", b"x" * 1001), ("b", b"y")], [("a", b"x" * 900), ("b", b"y" * 700)]):
            error = await refused(house.door.submit(OFFICE, "k1", with_files("a", "b"), uploads(*files)))
            assert (error.code, error.status) == ("too-large", 413)
        assert bytes_on_disk(tmp_path) == b""


async def test_below_the_disk_reserve_the_door_asks_for_patience_and_the_key_is_free(tmp_path):
    async with open_house(tmp_path, disk_reserve_bytes=1 << 50) as house:
        with pytest.raises(Busy) as caught:
            await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
        assert (caught.value.code, caught.value.after) == ("disk-full", 60.0)
        with pytest.raises(Busy, match="disk-full"):
            await house.door.submit(OFFICE, "k1", with_files("a"), uploads(("a", b"bytes")))
