"""State secrets: each rule seen refusing or holding a document; two persons; quarantine."""

import asyncio
import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.commands.evidence_export import export
from gateway.config import SecrecySection
from gateway.errors import GatewayError, Refused
from gateway.journal import MessageFilter, Purged, PurgeLedger, SamePerson
from gateway.model import Business, Kind, Organ, ResponseFor
from gateway.pipeline.acts import Acts
from gateway.pipeline.incoming import Incoming
from gateway.pipeline.purging import Purging
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.secret_acts import Person, SecretActs
from gateway.states import Stage
from gateway.trust import encrypted
from mock_axis.pdf import draw
from tests.assets.make_edxml import zipped
from tests.doors import bytes_on_disk
from tests.pipeline.road import (
    ALSO_FAR,
    FAR,
    NEIGHBOUR,
    NEIGHBOURS,
    OFFICE,
    OURS,
    PULLED,
    PULLS,
    document_file,
    open_road,
    status_file,
)
from tests.pipeline.test_pdf_policies import looking, pen  # noqa: F401  # a fixture
from tests.pipeline.test_scanning import scanned

MARKED = "Độ mật: TỐI MẬT. Về phương án thử"
WORDS = "phương án thử"
LAN, MINH = Person("Lan", "1001:lan"), Person("Minh", "1002:minh")


@pytest.fixture(scope="module")
def officer():
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cán bộ bảo mật (thử)")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=900))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)


class House:
    """A road with what persons decide about secrets on it."""

    def __init__(self, road, release_by="logins", unexamined="pass"):
        self.road = road
        self.quarantine = Quarantine(road.settings)
        self.purging = Purging(road.journal, road.contents, PurgeLedger(road.folder / "purges"), self.quarantine)
        acts = Acts(road.journal, road.clock, lambda: None, road.acts._office_of, purged=self.purging.finish)
        self.acts = SecretActs(acts, road.journal, road.clock, acts._office_of, release_by, unexamined)
        self.ordinary = acts

    def secrecy(self, **said):
        road = self.road
        road.settings = road.settings.model_copy(update={"secrecy": SecrecySection(**said)})
        old = road.stages[Stage.EXAMINE].__self__
        into = Incoming(
            road.journal, road.contents, road.partners, old._router, road.settings, road.clock, old._documents._pdfs
        )
        road.stages[Stage.EXAMINE] = into.examine
        self.__init__(road)


@pytest.fixture
async def house(tmp_path):
    async with open_road(tmp_path) as road:
        yield House(road)


@pytest.fixture
def guarded(house, officer):
    """With a security officer."""
    path = house.road.folder / "officer.pem"
    path.write_bytes(officer[1])
    house.secrecy(officer_certificate=path, quarantine=house.road.folder / "quarantine")
    return house


def on_disk(road, words):
    return [path.name for path in road.folder.rglob("*") if path.is_file() and words in path.read_bytes()]


async def stands(road, message_id):
    return await road.state(message_id), await road.held(message_id)


# --- going out: held, and two persons ---------------------------------------------------------------------------


async def test_a_marking_in_the_subject_holds_a_document_and_no_axis_sees_it(house):
    road = house.road
    message_id = await road.submit(FAR, subject=MARKED)
    await road.later(days=2)
    assert await stands(road, message_id) == ("accepted", "secret-suspected")
    assert road.axis.held == []


async def test_a_notation_that_only_looks_secret_holds_it(house):
    house.road.intake._patterns = (*house.road.intake._patterns, _pattern("k", r"\bK9\b"))
    message_id = await house.road.submit(FAR, notation="K9-STN")
    assert await house.road.held(message_id) == "secret-suspected"


def _pattern(code, expression):
    from gateway.rules.secrets_in_text import Pattern

    return Pattern(code, "mat", expression, "text")


async def test_a_marking_in_a_pdf_holds_it_even_for_an_office_without_a_policy_on_signatures(house, pen):  # noqa: F811
    async with looking(house.road, pen, so_thu="off"):
        message_id = await house.road.submit(FAR, files=(("a.pdf", draw(["TUYỆT MẬT", "Kính gửi"])),))
        assert await house.road.held(message_id) == "secret-suspected"
        fine = await house.road.submit(FAR, files=(("a.pdf", draw(["Kính gửi: Sở Thử nghiệm"])),))
        assert await house.road.held(fine) is None


async def test_a_marking_in_a_pdf_that_a_zip_wraps_holds_it_and_what_was_opened_is_gone_again(house, pen):  # noqa: F811
    marked = zipped(draw(["TUYỆT MẬT", "Kính gửi"]), name="7f3c.pdf")
    async with looking(house.road, pen, so_thu="off"):
        message_id = await house.road.submit(FAR, files=(("a.pdf", marked),))
    assert await house.road.held(message_id) == "secret-suspected"
    [ref] = await house.road.journal.contents(message_id)
    assert await house.road.contents.read(ref.content) == marked
    assert bytes_on_disk(house.road.folder) == marked.strip(b"\0")


async def test_a_scan_without_text_is_reported_as_not_examined(house, pen):  # noqa: F811
    async with looking(house.road, pen):
        record = {
            "from": {"code": OURS, "name": "Sở Thử nghiệm"},
            "to": [{"code": FAR, "name": "Bộ Thử nghiệm"}],
            "number": "9",
            "notation": "STN-VP",
            "promulgation": {"place": "Thử", "date": "2026-03-01"},
            "subject": "V/v quét",
            "attachments": [{"name": "a.pdf", "content_type": "application/pdf"}],
        }
        from tests.pipeline.road import _uploads

        told = await house.road.intake.submit(OFFICE, "scan", record, _uploads((("a.pdf", draw([])),)))
    assert "pdf-text-not-examined" in [each.code for each in told.warnings]


async def test_one_persons_word_is_kept_and_a_second_persons_lets_it_go(house):
    road = house.road
    message_id = await road.submit(FAR, subject=MARKED)
    assert await house.acts.release(message_id, LAN, "chỉ là ví dụ") is False
    await road.run()
    assert await stands(road, message_id) == ("accepted", "secret-suspected")
    assert await house.acts.release(message_id, MINH, "đã đọc, không mật") is True
    await road.run()
    assert await road.state(message_id) == "sent"
    assert await road.facts(message_id, "cleared-by-one") == [{"login": "1001:lan", "reason": "secret-suspected"}]
    assert await road.facts(message_id, "released") == [{"login": "1002:minh", "reason": "secret-suspected"}]
    said = {each.code: (each.who, each.detail) for each in await road.journal.timeline(message_id)}
    assert said["cleared-by-one"] == ("Lan", "chỉ là ví dụ")
    assert said["released"] == ("Minh", "đã đọc, không mật")


async def test_what_the_antivirus_could_not_examine_stays_held_for_that_after_two_persons_word(tmp_path):
    async with open_road(tmp_path) as road, scanned(road, largest_bytes=5, unexamined="hold"):
        house = House(road, unexamined="hold")
        message_id = await road.submit(FAR, subject=MARKED)
        await house.acts.release(message_id, LAN, "không mật")
        assert await stands(road, message_id) == ("accepted", "secret-suspected")
        assert await house.acts.release(message_id, MINH, "không mật") is True
        await road.later(hours=1)
        assert await stands(road, message_id) == ("accepted", "antivirus-not-examined")
        assert (await road.facts(message_id, "released"))[0]["held"] == "antivirus-not-examined"
        await house.ordinary.release(message_id, "operator", "seen by hand")
        await road.run()
        assert await road.state(message_id) == "sent"


@pytest.mark.parametrize(
    "again",
    [LAN, Person("Người khác", LAN.login), Person(" lan ", "1009:lan2")],
    ids=["the same", "another name under the same login", "the same name under another login"],
)
async def test_the_same_person_twice_does_not_count(house, again):
    message_id = await house.road.submit(FAR, subject=MARKED)
    await house.acts.release(message_id, LAN, "không mật")
    with pytest.raises(SamePerson):
        await house.acts.release(message_id, again, "không mật")
    await house.road.run()
    assert await house.road.held(message_id) == "secret-suspected"
    assert "released" not in await house.road.codes(message_id)


async def test_one_person_in_many_commands_at_once_is_still_one(house):
    message_id = await house.road.submit(FAR, subject=MARKED)
    told = await asyncio.gather(
        *(house.acts.release(message_id, LAN, "không mật") for _ in range(5)), return_exceptions=True
    )
    assert [each for each in told if not isinstance(each, SamePerson)] == [False]
    assert len(await house.road.journal.purges.words(message_id)) == 1
    assert await house.road.held(message_id) == "secret-suspected"


async def test_where_all_work_under_one_account_names_must_differ(tmp_path):
    async with open_road(tmp_path) as road:
        house = House(road, "names")
        message_id = await road.submit(FAR, subject=MARKED)
        await house.acts.release(message_id, Person("Lan", "10001:"), "không mật")
        with pytest.raises(SamePerson):
            await house.acts.release(message_id, Person("LAN", "10001:"), "không mật")
        assert await house.acts.release(message_id, Person("Minh", "10001:"), "không mật")


async def test_an_ordinary_release_or_reject_cannot_go_around_it(house):
    message_id = await house.road.submit(FAR, subject=MARKED)
    for act in (house.ordinary.release, house.ordinary.reject):
        with pytest.raises(Refused):
            await act(message_id, "lan", "mau")
    assert await house.road.held(message_id) == "secret-suspected"


async def test_what_is_held_for_another_reason_is_not_a_secret_to_release(house):
    message_id = await house.road.submit(FAR)
    with pytest.raises(Refused):
        await house.acts.release(message_id, LAN, "không mật")
    with pytest.raises(Refused):
        await house.acts.reject(message_id, LAN, "mật")


async def test_a_rejected_secret_is_purged_on_every_axis_and_its_office_hears_no_word_of_it(house):
    road = house.road
    data = b"%PDF-1.7 noi dung mat"
    message_id = await road.submit(FAR, NEIGHBOUR, subject=MARKED, files=(("a.pdf", data),))
    messages = [each.message_id for each in await road.journal.submission(message_id)]
    assert len(messages) == 2
    await house.acts.reject(message_id, LAN, "có dấu tối mật")
    await road.run()
    for each in messages:
        message = await road.message(each)
        assert (message.state, message.detail, message.purged_at is None) == ("rejected", None, False)
    assert on_disk(road, data) == []
    assert on_disk(road, WORDS.encode()) == []
    told = [each.event for each in road.offices[OFFICE].got]
    assert [each.data["code"] for each in told] == ["state-secret"] * 2
    assert WORDS not in json.dumps([each.data for each in told], ensure_ascii=False)
    assert road.axis.held == []
    assert road.told(NEIGHBOURS) == []
    assert {line.message_id for line in PurgeLedger(road.folder / "purges").read().lines} == set(messages)


async def test_what_two_persons_released_is_not_suspected_again_between_our_own_offices(house):
    message_id = await house.road.submit(NEIGHBOUR, subject=MARKED)
    await house.acts.release(message_id, LAN, "không mật")
    await house.acts.release(message_id, MINH, "không mật")
    await house.road.run()
    assert house.road.told(NEIGHBOURS) == ["document.received"]


# --- coming in: quarantine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "where"),
    [({"subject": MARKED}, "subject"), ({"notation": "M-BTN"}, "notation")],
    ids=["a marking", "a notation marked mật"],
)
async def test_a_suspect_that_came_in_is_encrypted_to_the_officer_and_gone_from_the_store(
    guarded, officer, fields, where
):
    road = guarded.road
    data = b"%PDF-1.7 mat mat mat"
    file = document_file(OURS, PULLED, files=(("b.pdf", data),), **fields)
    message_id = await road.receive(file)
    assert await stands(road, message_id) == ("confirmed", "secret-quarantined")
    assert road.axis.confirmed, "the axis has our receipt all the same"
    message = await road.message(message_id)
    assert (message.detail, await road.journal.contents(message_id)) == (None, [])
    await guarded.purging.finish()
    assert on_disk(road, data) == []
    assert on_disk(road, WORDS.encode()) == []
    [facts] = await road.facts(message_id, "quarantined")
    assert facts["fields"].split()[0] == where.split()[0]
    assert (facts["sender"], facts["sha256"], facts["size"]) == (FAR, message.sha256, len(file))
    assert WORDS not in json.dumps(facts, ensure_ascii=False)
    assert b"".join(guarded.quarantine.read(message_id, officer[0])) == file


async def test_nobody_hears_of_a_suspect_finds_it_or_can_export_it(guarded):
    road = guarded.road
    message_id = await road.receive(document_file(OURS, PULLED, subject=MARKED))
    await road.later(days=3)
    assert road.told() == []
    assert await road.journal.inbox(PULLS, 0, 10) == []
    assert await road.owed(message_id) == []
    assert list((await road.journal.list(MessageFilter(query=WORDS), None, 10)).rows) == []
    with pytest.raises(GatewayError) as caught:
        await export(message_id, road.folder / "e.zip", road.settings, road.journal, road.contents, None, road.clock())
    assert caught.value.code == "withheld"
    assert (await road.journal.stats()).held == {"secret-quarantined": 1}


async def test_two_persons_and_the_officers_key_bring_it_back_to_the_road(guarded, officer):
    road = guarded.road
    file = document_file(OURS, subject=MARKED)
    message_id = await road.receive(file)
    await guarded.purging.finish()
    assert await guarded.acts.release(message_id, LAN, "không mật") is False
    with pytest.raises(Refused) as caught:
        await guarded.acts.release(message_id, MINH, "không mật")
    assert caught.value.code == "key-needed"

    async def bring_back(message):
        return await road.contents.store_bytes(b"".join(guarded.quarantine.read(message.message_id, officer[0])))

    with pytest.raises(SamePerson):
        await guarded.acts.release(message_id, LAN, "không mật", bring_back)
    assert await guarded.acts.release(message_id, MINH, "không mật", bring_back)
    await road.run()
    assert await stands(road, message_id) == ("closed", None)
    assert road.told() == ["document.received"]
    assert road.offices[OFFICE].got[0].document.subject == MARKED
    assert await road.owed(message_id) == [(OURS, "01")]


async def test_a_rejected_suspect_leaves_the_quarantine_too(guarded):
    road = guarded.road
    message_id = await road.receive(document_file(OURS, subject=MARKED))
    assert [each.message_id for each in guarded.quarantine.listed()] == [message_id]
    await guarded.acts.reject(message_id, LAN, "mật")
    assert list(guarded.quarantine.listed()) == []
    assert await road.state(message_id) == "rejected"


async def test_without_an_officer_a_suspect_is_held_and_shown_to_nobody(house):
    road = house.road
    message_id = await road.receive(document_file(OURS, PULLED, subject=MARKED))
    await road.run()
    assert await stands(road, message_id) == ("confirmed", "secret-suspected")
    assert (road.told(), await road.journal.inbox(PULLS, 0, 10)) == ([], [])
    await house.acts.release(message_id, LAN, "không mật")
    assert await house.acts.release(message_id, MINH, "không mật")
    await road.run()
    assert road.told() == ["document.received"]


async def test_without_an_officer_a_rejected_suspect_is_purged_and_its_sender_hears_a_code_only(house):
    road = house.road
    message_id = await road.receive(document_file(OURS, subject=MARKED))
    await house.acts.reject(message_id, LAN, "mật thật")
    await road.run()
    assert await road.owed(message_id) == [(OURS, "02")]
    [sent] = [data for _, _, data in road.axis.held]
    assert "state-secret" in sent.decode()
    assert "mật thật" not in sent.decode()
    assert (await road.message(message_id)).purged_at is not None


async def test_a_certificate_that_cannot_be_used_still_keeps_it_from_everybody(house):
    path = house.road.folder / "officer.pem"
    path.write_bytes(b"nothing")
    house.secrecy(officer_certificate=path, quarantine=house.road.folder / "quarantine")
    message_id = await house.road.receive(document_file(OURS, subject=MARKED))
    assert await stands(house.road, message_id) == ("confirmed", "secret-suspected")


async def test_a_quarantine_that_cannot_be_written_puts_off_the_suspect_alone(guarded):
    road = guarded.road
    (road.folder / "quarantine").write_text("no folder")
    suspect = await road.receive(document_file(subject=MARKED))
    assert await stands(road, suspect) == ("confirmed", None)
    assert (await road.facts(suspect, "put-off"))[-1]["reason"] == "quarantine-unwritable"
    assert await road.journal.partners.endpoints() == []
    other = await road.receive(document_file(document_id="khac"))
    assert await road.state(other) == "closed"
    (road.folder / "quarantine").unlink()
    await road.later(minutes=2)
    assert await road.held(suspect) == "secret-quarantined"


async def test_patterns_of_the_configuration_count_and_the_built_in_ones_can_be_left_out(house):
    own = {"code": "own", "degree": "mat", "expression": r"\bphuong an\b", "where": "text", "plain": True}
    house.secrecy(builtin_patterns=False, pattern=(own,))
    hit = await house.road.receive(document_file(OURS, subject="Về Phương án số 5"))
    free = await house.road.receive(document_file(OURS, subject="TỐI MẬT"))
    assert (await house.road.held(hit), await house.road.held(free)) == ("secret-suspected", None)


# --- the encrypted file -------------------------------------------------------------------------------------------


async def _encrypted(path, data, pem):
    async def chunks():
        for start in range(0, len(data), 10_000):
            yield data[start : start + 10_000]

    recipient = encrypted.Recipient.load(pem)
    path.write_bytes(b"".join([piece async for piece in encrypted.encrypt(chunks(), recipient, {"at": "now"})]))


@pytest.mark.parametrize("size", [0, 1, encrypted.PIECE, encrypted.PIECE + 1, 5 * encrypted.PIECE])
async def test_what_is_encrypted_comes_back_whole_and_shows_nothing(tmp_path, officer, size):
    data, path = bytes(range(256)) * (size // 256) + b"x" * (size % 256), tmp_path / "e"
    await _encrypted(path, data, officer[1])
    with path.open("rb") as file:
        assert b"".join(encrypted.decrypt(file, officer[0])) == data
    assert size < 256 or data[:256] not in path.read_bytes()


@pytest.mark.parametrize(
    "how", ["cut at a piece", "cut in a piece", "two pieces changed over", "a byte changed", "the head"]
)
async def test_what_was_changed_or_cut_is_not_decrypted(tmp_path, officer, how):
    path, step = tmp_path / "e", encrypted.PIECE + 16
    await _encrypted(path, bytes(3 * encrypted.PIECE + 5), officer[1])
    head, _, body = path.read_bytes().partition(b"\n")
    changed = {
        "cut at a piece": (head, body[:step]),
        "cut in a piece": (head, body[:-3]),
        "two pieces changed over": (head, body[step : 2 * step] + body[:step] + body[2 * step :]),
        "a byte changed": (head, body[:100] + bytes([body[100] ^ 1]) + body[101:]),
        "the head": (head.replace(b"now", b"old"), body),
    }[how]
    path.write_bytes(b"\n".join(changed))
    with path.open("rb") as file, pytest.raises(encrypted.CannotDecrypt):
        list(encrypted.decrypt(file, officer[0]))


async def test_another_key_opens_nothing(tmp_path, officer):
    await _encrypted(tmp_path / "e", b"x", officer[1])
    with (tmp_path / "e").open("rb") as file, pytest.raises(encrypted.CannotDecrypt, match="another certificate"):
        list(encrypted.decrypt(file, rsa.generate_private_key(65537, 2048)))


@pytest.mark.parametrize("by_document", [False, True])
async def test_a_recall_of_what_is_withheld_is_told_to_nobody_before_two_persons_have_released_it(house, by_document):
    road = house.road
    message_id = await road.receive(document_file(OURS, document_id="d-1", subject=MARKED))
    if by_document:
        named = (ResponseFor(FAR, "1/BTN-VP", "d-1"),)
        recall = Business(type=1, reason="Gửi nhầm")
        asked = await road.receive(document_file(document_id="d-2", response_for=named, business=recall))
    else:
        asked = await road.receive(status_file("d-1", "13", FAR), kind=Kind.STATUS)
    await road.later(days=3)
    assert (await road.state(asked), road.told(), await road.journal.recalls(message_id)) == ("confirmed", [], [])
    for person in (LAN, MINH):
        await house.acts.release(message_id, person, "không mật")
    await road.later(hours=2)
    assert await road.state(asked) == "closed"
    assert [row.state for row in await road.journal.recalls(message_id)] == ["asked"]


async def test_taking_a_held_suspect_back_purges_it(house):
    road = house.road
    message_id = await road.submit(FAR, subject=MARKED)
    await road.recalls.ask(OFFICE, "recall-1", message_id, "Gửi nhầm", None)
    after = await road.message(message_id)
    assert (after.state, after.detail, after.purged_at) == ("rejected", None, road.clock())


# --- recalls of what was rejected as a secret ---------------------------------------------------------------------


async def refused_secret(house, document_id=f"{FAR},2026/03/01,7/BTN-VP"):
    """One that came in, was rejected by a person, and is gone."""
    message_id = await house.road.receive(document_file(OURS, document_id=document_id, subject=MARKED))
    await house.acts.reject(message_id, LAN, "mật")
    await house.road.run()
    return message_id


async def answers_of(road, message_id):
    return [each for each in await road.owed(message_id) if each[1] != "02"]


async def test_a_recall_of_a_rejected_secret_is_answered_15_and_told_to_no_office(house):
    road = house.road
    message_id = await refused_secret(house)
    document_id = (await road.message(message_id)).document_id
    asked = await road.receive(status_file(document_id, "13", FAR, number="7/BTN-VP"), kind=Kind.STATUS)
    await road.later(days=2)
    assert (await road.state(asked), road.told()) == ("closed", [])
    assert await road.journal.deliveries(asked) == []
    assert [each["about"] for each in await road.facts(asked, "recall-of-refused")] == [message_id]
    assert await answers_of(road, message_id) == [(OURS, "15")]
    assert [(row.organ, row.state) for row in await road.journal.recalls(message_id)] == [(OURS, "agreed")]
    assert (await road.codes(message_id))[-2:] == ["recall-asked", "recall-agreed"]
    written = road.axis.held[-1][2].decode()
    assert [f"<edXML:{part}<" in written for part in ("StatusCode>15", f"DocumentId>{document_id}")] == [True, True]
    assert (await road.journal.blocks.verify()).intact


@pytest.mark.parametrize(
    "named",
    [{"document_id": f"{FAR},2026-03-01,7/BTN-VP"}, {"document_id": "another", "number": "7/btn-vp"}],
    ids=["its DocumentId with dashes", "its number and date"],
)
async def test_a_rejected_secret_is_known_by_what_its_document_id_tells(house, named):
    message_id = await refused_secret(house)
    asked = await house.road.receive(status_file(code="13", sender=FAR, **named), kind=Kind.STATUS)
    assert await house.road.state(asked) == "closed"
    assert await answers_of(house.road, message_id) == [(OURS, "15")]


async def test_a_stranger_who_names_a_rejected_secret_gets_no_answer_and_no_office_hears_either(house):
    road = house.road
    message_id = await refused_secret(house)
    document_id = (await road.message(message_id)).document_id
    asked = await road.receive(status_file(document_id, "13", ALSO_FAR), kind=Kind.STATUS)
    await road.later(days=2)
    assert (await road.state(asked), road.told(), await answers_of(road, message_id)) == ("closed", [], [])
    assert (await road.facts(asked, "recall-of-refused"))[0]["finding"] == "not-the-sender"


async def test_a_recalling_document_that_names_only_rejected_secrets_is_answered_for_each_organ_and_closed(house):
    road = house.road
    message_id = await refused_secret(house)
    named = (ResponseFor(FAR, "7/BTN-VP", (await road.message(message_id)).document_id),)
    recall = Business(type=1, reason="Ban hành sai")
    asked = await road.receive(document_file(OURS, NEIGHBOUR, response_for=named, business=recall))
    await road.later(hours=1)
    assert (await stands(road, asked), road.told(), road.told(NEIGHBOURS)) == (("closed", None), [], [])
    assert await answers_of(road, message_id) == [(OURS, "15"), (NEIGHBOUR, "15")]
    assert (await road.facts(asked, "recall-of-refused"))[0]["about"] == message_id


@pytest.mark.parametrize("kind", ["recall of two", "update", "a stranger's recall"])
async def test_what_else_names_a_rejected_secret_is_for_two_persons_to_judge(house, kind):
    road = house.road
    message_id = await refused_secret(house)
    document_id = (await road.message(message_id)).document_id
    known = await road.receive(document_file(OURS, document_id="d-1"))
    named = (ResponseFor(FAR, "7/BTN-VP", document_id), ResponseFor(FAR, "8/BTN-VP", "d-1"))
    made = {
        "recall of two": {"response_for": named, "business": Business(type=1, reason="x")},
        "update": {"business": Business(type=2, document_id=document_id, reason="x")},
        "a stranger's recall": {
            "sender": Organ(ALSO_FAR, "Khác"),
            "response_for": named[:1],
            "business": Business(type=1, reason="x"),
        },
    }
    asked = await road.receive(document_file(OURS, document_id="d-2", **made[kind]))
    await road.later(hours=1)
    assert await stands(road, asked) == ("confirmed", "secret-suspected")
    assert road.told() == ["document.received"]
    assert (await road.facts(asked, "suspected"))[0]["degrees"] == "names-refused"
    assert (await road.journal.recalls(known), await answers_of(road, message_id)) == ([], [])
    for person in (LAN, MINH):
        await house.acts.release(asked, person, "không mật")
    await road.later(minutes=1)
    for _ in range(5):
        await road.later(minutes=2)
    assert await road.state(asked) == "closed"


async def test_a_recall_of_a_rejected_secret_that_names_no_organ_of_ours_is_answered_by_all_that_sent_it_back(house):
    road = house.road
    document_id = f"{FAR},2026/03/01,7/BTN-VP"
    message_id = await road.receive(document_file(OURS, NEIGHBOUR, document_id=document_id, subject=MARKED))
    await house.acts.reject(message_id, LAN, "mật")
    asked = await road.receive(status_file(document_id, "13", FAR, to=FAR, number="7/BTN-VP"), kind=Kind.STATUS)
    assert await road.state(asked) == "closed"
    assert sorted(await answers_of(road, message_id)) == sorted([(OURS, "15"), (NEIGHBOUR, "15")])
    assert {row.organ for row in await road.journal.recalls(message_id)} == {OURS, NEIGHBOUR}


async def test_a_recall_that_nobody_of_ours_can_answer_is_held_for_a_person_to_see(guarded):
    road = guarded.road
    document_id = f"{FAR},2026/03/01,7/BTN-VP"
    # Quarantined, it does not even tell whom it was for, and so none of our organs sent it back.
    message_id = await road.receive(document_file(OURS, document_id=document_id, subject=MARKED))
    await guarded.acts.reject(message_id, LAN, "mật")
    asked = await road.receive(status_file(document_id, "13", FAR, to=FAR, number="7/BTN-VP"), kind=Kind.STATUS)
    assert await stands(road, asked) == ("confirmed", "organ-unowned")
    assert (road.told(), await answers_of(road, message_id)) == ([], [])


@pytest.mark.parametrize("document_id", [f"{FAR},2026/03/01,7/BTN-VP", "another"], ids=["its id", "its number"])
async def test_after_a_restored_backup_a_rejected_secret_is_still_known_as_one(house, document_id):
    road = house.road
    own = f"{FAR},2026/03/01,7/BTN-VP"
    message_id = await road.receive(document_file(OURS, document_id=own, subject=MARKED))
    PurgeLedger(road.folder / "purges").write(Purged(message_id, road.clock(), "state-secret", None))
    assert (await house.purging.replay())[0] == 1
    asked = await road.receive(status_file(document_id, "13", FAR, number="7/BTN-VP"), kind=Kind.STATUS)
    assert "recall-of-refused" in await road.codes(asked)


async def test_a_recall_waits_for_its_document_though_a_strangers_secret_bears_its_id(house):
    document_id = f"{ALSO_FAR},2026/03/01,9/XYZ"
    await refused_secret(house, document_id)  # FAR's, under the id that ALSO_FAR will use
    road = house.road
    asked = await road.receive(status_file(document_id, "13", ALSO_FAR, number="9/XYZ"), kind=Kind.STATUS)
    assert await road.state(asked) != "closed"
    sender = Organ(ALSO_FAR, "Bộ Thử nghiệm B")
    document = await road.receive(
        document_file(OURS, document_id=document_id, sender=sender, number="9", notation="XYZ")
    )
    await road.later(days=2)
    [recall] = await road.journal.recalls(document)
    assert recall.organ == OURS
    assert "recall.asked" in road.told()
