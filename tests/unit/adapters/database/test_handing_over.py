import asyncio
import datetime as dt
import hashlib
import json

import pytest

from adapters.office.database.tables import HANDED, IN_ATTACHMENT, IN_MESSAGE, IN_PIECE, IN_RECEIVER
from gateway.errors import NeedsOperator, Unreachable
from gateway.model import Attachment, Content, Document, Organ, ResponseFor, Signer, Status
from gateway.ports import AttachmentSource, Event, Handover

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
US, THEM = "000.01.00.H99", "000.00.00.G99"
LARGE = bytes(range(256)) * 800


def source(data, name="công văn.pdf", *, cut_after=None):
    async def chunks():
        for start in range(0, len(data), 50_000):
            if cut_after is not None and start >= cut_after:
                raise Unreachable("contents-away", "a test")
            yield data[start : start + 50_000]

    content = Content(hashlib.sha256(data).hexdigest(), len(data), "x")
    return AttachmentSource(Attachment("c", name, "application/pdf", content=content), chunks)


def document(*sources, subject="V/v thử nghiệm", message_id="d" * 32):
    described = Document(
        Organ(THEM, "Bộ Thử nghiệm"),
        (Organ(US),),
        "G99,2026/03/02,1/BTN",
        "1",
        "BTN",
        subject,
        promulgation_date=dt.date(2026, 3, 2),
        signer=Signer(full_name="Nguyễn Văn Thử"),
        priority=2,
    )
    event = Event("document.received", message_id, NOW, {"from": THEM, "document_id": "G99,2026/03/02,1/BTN"})
    return Handover(event, (US,), document=described, attachments=sources)


@pytest.fixture
async def office(stand):
    office = stand.connect(piece_bytes=64 << 10)
    yield office
    await office.close()


def joined(stand, n):
    return b"".join(row["data"] for row in stand.rows(IN_PIECE, n=n))


async def test_a_document_can_be_read_by_columns_and_whole(stand, office):
    await office.hand_over(document(source(LARGE), source(b"small", "phụ lục.txt"), source(b"")))
    (row,) = stand.rows(IN_MESSAGE)
    assert (row["state"], row["event_type"]) == ("new", "document.received")
    assert (row["sender_code"], row["sender_name"], row["subject"]) == (THEM, "Bộ Thử nghiệm", "V/v thử nghiệm")
    assert (row["document_number"], row["document_notation"], row["priority"]) == ("1", "BTN", 2)
    assert (row["promulgation_date"], row["signer_name"]) == (dt.date(2026, 3, 2), "Nguyễn Văn Thử")
    assert json.loads(row["body"])["document"]["sender"]["name"] == "Bộ Thử nghiệm"
    assert [each["code"] for each in stand.rows(IN_RECEIVER)] == [US]
    listed = stand.rows(IN_ATTACHMENT)
    assert [each["name"] for each in listed] == ["công văn.pdf", "phụ lục.txt", "công văn.pdf"]
    assert [joined(stand, each["n"]) for each in listed] == [LARGE, b"small", b""]
    assert [hashlib.sha256(joined(stand, n)).hexdigest() for n in range(3)] == [each["sha256"] for each in listed]


async def test_no_row_holds_more_than_a_piece(stand, office):
    await office.hand_over(document(source(LARGE)))
    assert [len(row["data"]) for row in stand.rows(IN_PIECE)] == [65536, 65536, 65536, 8192]


async def test_a_status_and_a_notice_say_what_they_are_about(stand, office):
    told = Status(Organ(THEM, "Bộ"), ResponseFor(US, "7/SNV-VP", "H99,2026/03/01,7/SNV-VP"), "02", "Sai thẩm quyền")
    await office.hand_over(Handover(Event("status.received", "e", NOW, {"about": "sub-1"}), (US,), status=told))
    await office.hand_over(Handover(Event("message.expired", "f", NOW, {"about": "out-1", "code": "late"}), (US,)))
    status, notice = stand.rows(IN_MESSAGE)
    assert (status["status_code"], status["status_text"], status["about"]) == ("02", "Sai thẩm quyền", "sub-1")
    assert (status["sender_code"], status["document_id"]) == (THEM, "H99,2026/03/01,7/SNV-VP")
    assert (notice["event_type"], notice["about"], notice["problem_code"]) == ("message.expired", "out-1", "late")


async def test_what_the_office_deleted_does_not_come_again(stand, office):
    await office.hand_over(document(source(LARGE)))
    for table in (IN_PIECE, IN_RECEIVER, IN_ATTACHMENT, IN_MESSAGE):
        stand.sql(f"DELETE FROM {table.name}")
    await office.hand_over(document(source(LARGE)))
    assert stand.rows(IN_MESSAGE) == stand.rows(IN_PIECE) == []


async def test_nothing_shows_of_a_hand_over_that_was_cut_and_the_next_one_is_whole(stand, office):
    with pytest.raises(Unreachable, match="contents-away"):
        await office.hand_over(document(source(LARGE, cut_after=150_000)))
    assert stand.rows(IN_PIECE)
    assert stand.rows(IN_MESSAGE) == stand.rows(IN_ATTACHMENT) == []
    assert [row["handed_at"] for row in stand.rows(HANDED)] == [None]
    await office.hand_over(document(source(LARGE)))
    assert joined(stand, 0) == LARGE


@pytest.mark.parametrize("after", [0, 150_000, len(LARGE)])
async def test_a_node_that_another_has_taken_over_from_changes_nothing_more(stand, office, after):
    whole, other = source(LARGE), stand.connect(piece_bytes=64 << 10)

    async def chunks():
        passed = 0
        async for chunk in whole.chunks():
            if passed == after:
                await other.hand_over(document(whole))
            yield chunk
            passed += len(chunk)
        if passed == after:
            await other.hand_over(document(whole))

    with pytest.raises(Unreachable, match="database-taken-over"):
        await office.hand_over(document(AttachmentSource(whole.attachment, chunks)))
    await other.close()
    assert len(stand.rows(IN_MESSAGE)) == 1
    assert joined(stand, 0) == LARGE


async def test_two_nodes_at_once_hand_one_message_over_once(stand, office):
    other = stand.connect(piece_bytes=64 << 10)
    told = await asyncio.gather(
        *(each.hand_over(document(source(b"x" * 70_000))) for each in (office, other)), return_exceptions=True
    )
    await other.close()
    assert all(error is None or isinstance(error, Unreachable) for error in told)
    await office.hand_over(document(source(b"x" * 70_000)))
    assert len(stand.rows(IN_MESSAGE)) == len(stand.rows(HANDED)) == 1
    assert joined(stand, 0) == b"x" * 70_000


async def test_longer_texts_than_the_columns_are_cut_there_and_whole_in_the_body(stand, office):
    await office.hand_over(document(subject="ế" * 700))
    (row,) = stand.rows(IN_MESSAGE)
    assert row["subject"] == "ế" * 500
    assert json.loads(row["body"])["document"]["subject"] == "ế" * 700


async def test_a_row_that_the_database_refuses_needs_a_person_who_is_not_told_the_content(stand, office):
    if stand.database.name == "sqlite":
        stand.sql("CREATE TRIGGER no BEFORE INSERT ON lt_in_message BEGIN SELECT RAISE(ABORT, 'no'); END")
    else:
        stand.sql("ALTER TABLE lt_in_message ADD CHECK (sender_code = 'nobody')")
    with pytest.raises(NeedsOperator, match="database-constraint") as caught:
        await office.hand_over(document(source(LARGE)))
    assert "thử nghiệm" not in str(caught.value)
    assert caught.value.__context__ is None or "thử nghiệm" not in str(caught.value.__context__)


async def test_an_office_that_is_away_is_unreachable(stand, office):
    with stand.database.away(), pytest.raises(Unreachable, match="database-unreachable"):
        await office.hand_over(document())


async def test_a_new_url_is_used_without_a_restart(stand):
    (stand.folder / "url").write_text(f"sqlite:///{stand.folder}/elsewhere.sqlite")
    office = stand.connect()
    with pytest.raises(Unreachable):
        await office.hand_over(document())
    (stand.folder / "url").write_text(stand.database.url)
    await office.hand_over(document())
    await office.close()
    assert len(stand.rows(IN_MESSAGE)) == 1


async def test_attachments_can_lie_in_a_shared_folder(stand):
    shared = stand.folder / "shared"
    shared.mkdir()
    office = stand.connect(files=str(shared))
    await office.hand_over(document(source(LARGE, "../../tin mật.pdf"), source(b"small", "a.txt")))
    await office.close()
    assert stand.rows(IN_PIECE) == []
    names = [row["file_name"] for row in stand.rows(IN_ATTACHMENT)]
    assert [name.partition("/")[2] for name in names] == ["tin mật.pdf", "a.txt"]
    assert [(shared / "in" / name).read_bytes() for name in names] == [LARGE, b"small"]


async def test_files_of_an_attempt_that_died_are_swept_when_another_is_through(stand):
    office = stand.connect(files=str(stand.folder / "shared"))
    with pytest.raises(Unreachable, match="contents-away"):
        await office.hand_over(document(source(LARGE, cut_after=150_000)))
    await office.hand_over(document(source(LARGE)))
    await office.close()
    (row,) = stand.rows(IN_ATTACHMENT)
    files = [path for path in (stand.folder / "shared").rglob("*") if path.is_file()]
    assert files == [stand.folder / "shared" / "in" / row["file_name"]]
    assert files[0].read_bytes() == LARGE


async def test_a_shared_folder_that_went_away_needs_a_person(stand):
    office = stand.connect(files=str(stand.folder / "unmounted"))
    (stand.folder / "unmounted").write_text("no folder")
    with pytest.raises(NeedsOperator, match="folder-unusable"):
        await office.hand_over(document(source(LARGE)))
    await office.close()


async def test_the_rights_that_the_instructions_name_are_enough(stand):
    if stand.database.name == "sqlite":
        pytest.skip("SQLite has no users")
    role = stand.database.database + "_gateway"
    stand.sql(f"CREATE ROLE {role} LOGIN")
    stand.sql(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")
    stand.sql(f"GRANT DELETE ON lt_in_piece TO {role}")
    (stand.folder / "url").write_text(stand.database.url.replace("office@", f"{role}@"))
    office = stand.connect()
    with pytest.raises(Unreachable, match="contents-away"):
        await office.hand_over(document(source(LARGE, cut_after=150_000)))
    await office.hand_over(document(source(LARGE)))
    assert await office._outgoing._documents.take() == []
    await office.close()
    stand.sql(f"DROP OWNED BY {role}")
    stand.sql(f"DROP ROLE {role}")


async def test_a_user_without_rights_needs_a_person(stand):
    if stand.database.name == "sqlite":
        pytest.skip("SQLite has no users")
    role = stand.database.database + "_nobody"
    stand.sql(f"CREATE ROLE {role} LOGIN")
    (stand.folder / "url").write_text(stand.database.url.replace("office@", f"{role}@"))
    office = stand.connect()
    with pytest.raises(NeedsOperator, match="database-refused"):
        await office.hand_over(document(source(LARGE)))
    await office.close()
    stand.sql(f"DROP ROLE {role}")
