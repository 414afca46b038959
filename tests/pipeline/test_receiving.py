"""The road in: what is receipted, what is held, what is rejected and who hears of it."""

import asyncio
import datetime as dt

import pytest

from gateway.errors import NeedsOperator, Rejection, Unknown, Unreachable
from gateway.model import Business, Kind
from gateway.trust import receipts
from tests import pki
from tests.assets import make_edxml as assets
from tests.pipeline.road import (
    ALSO_FAR,
    FAR,
    MEDDLER,
    NEIGHBOUR,
    NEIGHBOURS,
    NOBODYS,
    OFFICE,
    OURS,
    PULLED,
    PULLS,
    document_file,
    open_road,
    status_file,
)

MALFORMED = b"<edXML xmlns='http://www.mic.gov.vn/TBT/QCVN_102_2016'><edXMLEnvelope>"


# --- fetch and receipt ------------------------------------------------------------------------------------------


async def test_our_receipt_names_every_byte_that_we_hold(road):
    data = document_file(OURS, files=(("a.pdf", b"mot"), ("b.pdf", b"hai")), document_id="doc-1")
    message_id = await road.receive(data, "in-1")
    [body] = road.axis.confirmed["in-1"]
    receipt = receipts.read(body, trust=pki.trust(pki.valid(pki.GATEWAY)), issuer=pki.GATEWAY, at=pki.NOW)
    assert (receipt.kind, receipt.axis_id, receipt.message_id) == ("gateway-received", "in-1", message_id)
    assert (receipt.document_id, receipt.sender, receipt.to) == ("doc-1", FAR, (OURS,))
    assert (receipt.size, receipt.attachments) == (len(data), road.axis.attachments(data))


async def test_bytes_that_differ_are_fetched_again_and_held_after_some_tries_and_nothing_is_receipted(road):
    road.axis.spoil["in-1"] = "0" * 64
    message_id = await road.receive(document_file(OURS), "in-1")
    assert await road.state(message_id) == "announced"

    async def held():
        return await road.held(message_id) == "fetch-failed"

    await road.until(held, minutes=1)
    assert road.axis.calls["fetch"] == 3
    assert (await road.journal.receipts(message_id), road.axis.confirmed) == ([], {})
    assert await road.journal.contents(message_id) == []
    road.axis.spoil = {}
    await road.acts.release(message_id, "lan", "the line was repaired")
    await road.run()
    assert await road.state(message_id) == "closed"


async def test_a_failed_fetch_leaves_no_bytes_on_the_disk(road):
    from tests.doors import bytes_on_disk

    road.axis.spoil["in-1"] = "0" * 64
    await road.receive(document_file(OURS), "in-1")
    assert bytes_on_disk(road.folder) == b""


async def test_an_axis_out_of_reach_is_never_a_reason_to_hold_a_fetch(road):
    message_id = await road.announce(document_file(OURS))
    road.axis.down = Unreachable("connection-refused")
    for _ in range(10):
        await road.later(hours=1)
    assert (await road.state(message_id), await road.held(message_id)) == ("announced", None)
    road.axis.down = None
    await road.later(hours=1)
    assert await road.state(message_id) == "closed"


async def test_a_receipt_that_did_not_arrive_is_given_again_as_the_same_bytes(road):
    message_id = await road.announce(document_file(OURS), "in-1")
    road.axis.replies = [Unknown("reply-lost"), Unknown("reply-lost")]
    await road.run()
    assert await road.state(message_id) == "received"
    owed = await road.journal.receipt_given(message_id)
    await road.later(minutes=2)
    await road.later(minutes=2)
    assert await road.state(message_id) == "closed"
    assert road.axis.confirmed["in-1"] == [owed]
    assert road.axis.calls["fetch"] == 1


async def test_an_axis_that_refuses_our_receipt_cannot_make_us_reject_the_document(road):
    road.axis.refuses_receipts = Rejection("receipt-refused")
    message_id = await road.receive(document_file(OURS))
    assert (await road.state(message_id), await road.held(message_id)) == ("received", "receipt-refused")
    assert road.axis.held == [], "the sender was not told 02"
    road.axis.refuses_receipts = None
    await road.acts.release(message_id, "lan", "their fault")
    await road.run()
    assert await road.state(message_id) == "closed"


async def test_an_item_listed_again_is_not_fetched_again(road):
    data = document_file(OURS)
    message_id = await road.receive(data, "in-1")
    road.axis.put("in-1", data)
    assert await road.poller.once()
    assert not await road.poller.once(), "there is nothing behind it"
    await road.run()
    assert (road.axis.calls["fetch"], await road.state(message_id)) == (1, "closed")


# --- form and signature -----------------------------------------------------------------------------------------


async def test_a_malformed_file_is_receipted_then_rejected(road):
    message_id = await road.receive(MALFORMED, "in-1")
    assert await road.state(message_id) == "rejected"
    assert len(road.axis.confirmed["in-1"]) == 1
    assert await road.codes(message_id) == ["announced", "received", "confirmed", "rejected"]
    assert road.axis.held == [], "nobody knows whom to tell"


async def test_a_file_cut_in_an_attachment_is_rejected_too(road):
    data = document_file(OURS).replace(b"</edXML:ContentTransferEncoded>", b"!</edXML:ContentTransferEncoded>")
    message_id = await road.receive(data, "in-1")
    assert await road.state(message_id) == "rejected"
    assert [ref.role for ref in await road.journal.contents(message_id)] == ["edxml"]


async def test_a_document_whose_content_was_changed_is_rejected_and_its_sender_told_by_02_of_each_organ(road):
    data = document_file(OURS, NEIGHBOUR, FAR).replace("chiều đến".encode(), "chiều đi".encode())
    message_id = await road.receive(data)
    assert await road.state(message_id) == "rejected"
    assert await road.facts(message_id, "rejected") == [{"reason": "edxml-signature-invalid"}]
    assert await road.owed(message_id) == [(OURS, "02"), (NEIGHBOUR, "02")]
    assert road.told() == []


async def test_an_unsigned_document_is_rejected_where_a_signature_is_required(road):
    message_id = await road.receive(document_file(OURS, signer=None))
    assert await road.facts(message_id, "rejected") == [{"reason": "edxml-signature-absent"}]


async def test_an_unknown_signer_holds_until_he_is_trusted(road):
    message_id = await road.receive(document_file(OURS, signer="stranger"))
    assert (await road.state(message_id), await road.held(message_id)) == ("confirmed", "signer-unknown")
    pki.write_trust(road.folder / "trust", pki.stranger(), organs=("*.G98",))
    await road.acts.release(message_id, "lan", "their certificate came by post")
    await road.run()
    assert await road.state(message_id) == "closed"


async def test_a_signer_who_may_not_speak_for_the_sender_is_rejected(road):
    message_id = await road.receive(document_file(OURS, signer=MEDDLER))
    assert await road.facts(message_id, "rejected") == [{"reason": "signer-not-sender"}]


@pytest.mark.parametrize(("policy", "verdict"), [("if-present-report", "invalid"), ("ignore", "ignored")])
async def test_a_lenient_policy_hands_over_and_tells(tmp_path, policy, verdict):
    async with open_road(tmp_path, policy=policy) as road:
        data = document_file(OURS).replace("chiều đến".encode(), "chiều đi".encode())
        message_id = await road.receive(data)
        assert await road.state(message_id) == "closed"
        [facts] = await road.facts(message_id, "trusted")
        assert facts["signature"] == verdict
        assert road.told() == ["document.received"]


async def test_a_document_for_nobody_here_is_held(road):
    message_id = await road.receive(document_file(NOBODYS, FAR))
    assert (await road.state(message_id), await road.held(message_id)) == ("confirmed", "organ-unowned")


async def test_what_is_neither_document_nor_status_is_rejected(tmp_path):
    async with open_road(tmp_path, policy="ignore") as road:
        message_id = await road.receive(b"<edXML xmlns='http://www.mic.gov.vn/TBT/QCVN_102_2016'/>")
        assert await road.state(message_id) == "rejected"


# --- again ------------------------------------------------------------------------------------------------------


async def test_the_same_document_under_a_new_axis_id_is_confirmed_linked_and_not_handed_over_again(road):
    data = document_file(OURS)
    first = await road.receive(data, "in-1")
    second = await road.receive(data, "in-2")
    message = await road.message(second)
    assert (message.state, message.duplicate_of) == ("closed", first)
    assert len(road.axis.confirmed["in-2"]) == 1
    assert road.told() == ["document.received"]
    assert await road.owed(second) == []


async def test_of_two_examined_at_once_one_is_handed_over(road):
    data = document_file(OURS)
    both = [await road.announce(data, f"in-{n}") for n in range(2)]
    await road.run()
    assert road.told() == ["document.received"]
    assert sorted([(await road.message(each)).duplicate_of is None for each in both]) == [False, True]


async def test_the_same_document_id_with_other_content_is_handed_over_with_a_finding(road):
    first = await road.receive(document_file(OURS, document_id="doc-1"))
    second = await road.receive(document_file(OURS, document_id="doc-1", files=(("b.pdf", b"khac"),)))
    assert road.told() == ["document.received"] * 2
    [facts] = await road.facts(second, "trusted")
    assert facts["differs_from"] == first
    assert "differs_from" not in (await road.facts(first, "trusted"))[0]


async def test_an_update_of_a_document_under_its_own_id_is_nothing_odd(road):
    await road.receive(document_file(OURS, document_id="doc-1"))
    update = document_file(OURS, document_id="doc-1", business=Business(type=2, document_id="doc-1"))
    second = await road.receive(update)
    assert "differs_from" not in (await road.facts(second, "trusted"))[0]


# --- statuses ---------------------------------------------------------------------------------------------------


async def test_an_unmatched_status_is_held_and_visible_and_found_when_released_later(road):
    message_id = await road.receive(status_file("nobody-knows", "01", to=NOBODYS), kind=Kind.STATUS)
    assert await road.held(message_id) == "status-unmatched"
    assert (await road.journal.stats()).held == {"status-unmatched": 1}
    await road.acts.release(message_id, "lan", "look again")
    await road.run()
    assert await road.held(message_id) == "status-unmatched"


async def test_a_status_of_an_organ_that_never_got_the_document_is_unmatched(road):
    message_id = await road.submit(FAR)
    await road.run()
    status = await road.hear(message_id, "01", ALSO_FAR)
    assert await road.state(message_id) == "sent"
    assert await road.codes(status) == [
        *("announced", "received", "confirmed", "status-unmatched", "handed-over", "handed-over")
    ]


async def test_the_office_that_an_unmatched_status_names_is_told_and_nothing_waits(road):
    status = await road.receive(status_file("nobody-knows", "03"), kind=Kind.STATUS)
    assert await road.state(status) == "closed"
    [told] = road.offices[OFFICE].got
    assert (told.event.type, told.event.data["status"], told.event.data["about"]) == ("status.received", "03", "")
    assert (await road.journal.extra(status))["findings"] == [{"code": "status-unmatched", "severity": "warning"}]


async def test_a_status_in_anothers_name_settles_nothing(road):
    message_id = await road.submit(FAR)
    await road.run()
    status = await road.hear(message_id, "02", signer=MEDDLER)
    assert await road.state(status) == "rejected"
    assert not (await road.delivery(message_id, FAR)).answered


async def test_the_same_status_twice_is_heard_once(road):
    message_id = await road.submit(FAR, ALSO_FAR)
    await road.run()
    for _ in range(2):
        await road.hear(message_id, "01")
    assert (await road.codes(message_id)).count("status-heard") == 1


async def test_an_unknown_code_is_carried_to_the_office_and_answers_nothing(road):
    message_id = await road.submit(FAR)
    await road.run()
    await road.hear(message_id, "77")
    assert road.told() == ["status.received"]
    assert not (await road.delivery(message_id, FAR)).answered


async def test_a_code_that_is_text_is_no_code_and_stays_out_of_the_chain(road):
    message_id = await road.submit(FAR)
    await road.run()
    status = await road.hear(message_id, "Ông Nguyễn Văn Thử đã nhận")
    assert await road.state(status) == "rejected"
    for each in (message_id, status):
        assert "Thử" not in str([entry.facts for entry in await road.journal.timeline(each)])


async def test_facts_hold_no_text_a_person_wrote(road):
    message_id = await road.submit(FAR, subject="V/v rất riêng tư")
    await road.run()
    status = await road.hear(message_id, "02", description="lý do rất riêng tư")
    received = await road.receive(document_file(OURS, subject="V/v rất riêng tư"))
    refused = await road.receive(document_file(OURS, subject="V/v rất riêng tư", signer=None))
    await road.office_acts.report_status(OFFICE, received, "02", "vì lý do rất riêng tư")
    await road.acts.reject(await road.announce(document_file(OURS)), "lan", "rất riêng tư")
    await road.run()
    page = await road.journal.list(_everything(), None, 100)
    assert {message_id, status, received, refused} <= {message.message_id for message in page.rows}
    for message in page.rows:
        facts = [entry.facts for entry in await road.journal.timeline(message.message_id)]
        assert "riêng tư" not in str(facts)


def _everything():
    from gateway.journal.lookups import MessageFilter

    return MessageFilter()


# --- handing over -----------------------------------------------------------------------------------------------


async def test_of_two_offices_one_failing_does_not_hold_back_the_other(road):
    road.offices[OFFICE].failures = [Unreachable("refused")] * 3
    message_id = await road.receive(document_file(OURS, NEIGHBOUR))
    assert road.told(NEIGHBOURS) == ["document.received"]
    assert await road.owed(message_id) == [(NEIGHBOUR, "01")]
    assert await road.state(message_id) == "trusted"
    for _ in range(5):
        await road.later(minutes=20)
    assert await road.state(message_id) == "closed"
    assert await road.owed(message_id) == [(OURS, "01"), (NEIGHBOUR, "01")]
    assert (road.told(), road.told(NEIGHBOURS)) == (["document.received"], ["document.received"])


async def test_an_office_out_of_reach_gets_everything_when_it_is_back(road):
    road.offices[OFFICE].failures = [Unreachable("refused")] * 4
    messages = [await road.receive(document_file(OURS)) for _ in range(3)]
    for _ in range(6):
        await road.later(minutes=10)
    assert road.told() == ["document.received"] * 3
    assert {await road.state(each) for each in messages} == {"closed"}


async def test_an_office_that_refuses_says_02_for_its_own_organs_and_the_other_keeps_its_document(road):
    road.offices[NEIGHBOURS].failures = [Rejection("never")] * 10
    message_id = await road.receive(document_file(OURS, NEIGHBOUR))
    await road.later(minutes=1)
    assert (road.told(), road.told(NEIGHBOURS)) == (["document.received"], [])
    assert await road.owed(message_id) == [(OURS, "01"), (NEIGHBOUR, "02")]
    assert await road.state(message_id) == "rejected"


async def test_an_office_that_needs_a_person_holds_its_document_and_gets_it_when_released(road):
    road.offices[OFFICE].failures = [NeedsOperator("webhook-gone")]
    message_id = await road.receive(document_file(OURS))
    assert await road.held(message_id) == "webhook-gone"
    await road.acts.release(message_id, "lan", "they moved")
    await road.run()
    assert await road.state(message_id) == "closed"


async def test_a_broken_disk_is_not_an_offices_failure(road):
    from gateway.errors import StorageBroken

    road.offices[NEIGHBOURS].failures = [StorageBroken("fsync")]
    await road.announce(document_file(OURS, NEIGHBOUR))
    with pytest.raises(StorageBroken):
        await road.run()


async def test_a_notice_whose_office_is_away_waits_for_it(road):
    road.axis.replies = [Rejection("organ-unknown")]
    road.offices[OFFICE].failures = [Unreachable("refused")]
    await road.submit(FAR)
    await road.run()
    assert road.told() == []
    await road.later(minutes=5)
    assert road.told() == ["message.rejected"]


async def test_a_long_list_of_receivers_of_ours_is_served_at_once(road):
    to = [f"{number:03}.00.00.G98" for number in range(500)]
    message_id = await road.receive(document_file(*to, OURS, NEIGHBOUR))
    assert await road.owed(message_id) == [(OURS, "01"), (NEIGHBOUR, "01")]


async def test_many_come_in_side_by_side(road):
    await asyncio.gather(*(road.announce(document_file(OURS), f"in-{n}") for n in range(30)))
    await road.run()
    assert len(set(road.told())) == 1
    assert len(road.told()) == 30


async def test_an_office_is_told_what_is_odd_about_the_files_it_gets_and_gets_them_as_they_are(road):
    broken = (assets.PDF + bytes(range(128, 256)) * 8).decode(errors="replace").encode()
    files = (("a.pdf", assets.PDF), ("b.pdf", assets.PDF[:-20]), ("c.pdf", broken), ("d.pdf", assets.zipped(b"x")))
    message_id = await road.receive(document_file(files=files))
    assert await road.state(message_id) == "closed"
    found = (await road.journal.extra(message_id))["findings"]
    assert [(each["field"], each["code"]) for each in found] == [
        ("attachments[1]", "attachment-cut"),
        ("attachments[2]", "attachment-damaged"),
        ("attachments[3]", "attachment-wrapped"),
        ("attachments[3]", "zip-entry-differs"),
    ]
    assert (await road.facts(message_id, "trusted"))[0]["findings"] == (
        "attachment-cut attachment-damaged attachment-wrapped zip-entry-differs"
    )
    [handed] = road.offices[OFFICE].got
    assert [source.attachment.name for source in handed.attachments] == [name for name, _ in files]


async def test_what_the_manifest_and_the_attachments_disagree_on_is_told_without_a_word_of_the_file(tmp_path):
    async with open_road(tmp_path, policy="ignore") as road:
        data = assets.sound(references=assets.reference() + assets.reference(cid="2", name="phụ lục.pdf"))
        message_id = await road.receive(data.replace(b"000.00.00.G22", OURS.encode()))
        found = (await road.journal.extra(message_id))["findings"]
    assert found == [{"code": "attachment-missing", "severity": "error", "field": "attachments"}]


async def test_two_statuses_of_one_code_and_time_that_say_different_things_are_both_told(road):
    sent = await road.submit()
    await road.run()
    for said in ("bước một", "bước hai"):
        await road.hear(sent, "05", description=said)
    got = [each.status.description for each in road.offices[OFFICE].got if each.status]
    assert got == ["bước một", "bước hai"]


@pytest.mark.parametrize("order", [("05", "06"), ("06", "05")])
async def test_of_two_statuses_of_one_second_the_further_one_shows_whichever_came_first(road, order):
    sent = await road.submit()
    await road.run()
    for code in order:
        await road.hear(sent, code)
    assert [each.status for each in await road.journal.deliveries(sent)] == ["06"]


async def test_a_document_sent_again_after_it_was_refused_is_no_duplicate(road):
    file = document_file(PULLED, document_id="d-2")
    first = await road.receive(file)
    await road.acts.reject(first, "op", "nhầm nơi nhận")
    again = await road.receive(file)
    assert await road.state(again) == "trusted"
    assert [each.message.message_id for each in await road.journal.inbox(PULLS, 0, 10)] == [again]


@pytest.mark.parametrize("code", ["01", "05", "77"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_status_that_the_axis_lists_twice_is_told_once(road, code, at_once):
    """Examined side by side too, when neither has settled yet; and though 05 and unknown codes may come again."""
    sent = await road.submit()
    await road.run()
    data = status_file((await road.message(sent)).document_id, code)
    road.axis.put("twice-1", data, Kind.STATUS)
    if not at_once:
        await road.poller.once()
        await road.run()
    road.axis.put("twice-2", data, Kind.STATUS)
    await road.poller.once()
    await road.run()
    ids = [await road.by_axis_id(each) for each in ("twice-1", "twice-2")]
    assert [await road.state(each) for each in ids] == ["closed", "closed"]
    assert road.told(kind="status.received") == ["status.received"]
    findings = [(await road.facts(each, "status-heard"))[0].get("finding") for each in ids]
    assert sum("status-repeated" in (each or "") for each in findings) == 1
    later = await road.hear(sent, code, at=pki.NOW + dt.timedelta(seconds=1))
    assert await road.state(later) == "closed"
    assert len(road.told(kind="status.received")) == (1 if code == "01" else 2)
