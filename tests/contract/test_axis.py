"""What every axis driver promises (`gateway.ports.Axis`), on each one that is installed.

Each driver has a stand in `axes.py`. What every driver promises is tried on all; what only some axes can do is tried on
those whose driver declares it, and what a driver without it promises instead on the others.
"""

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import uuid
from pathlib import Path

import pybase64
import pytest

from gateway.edxml.parse import read
from gateway.errors import GatewayError, NeedsOperator, Rejection, Retryable, Unknown, Unreachable
from gateway.journal import Journal
from gateway.model import Direction, Kind
from gateway.pipeline.arrivals import Arrivals
from gateway.pipeline.partners import AxisPartner
from gateway.ports import Finds, ListsSent, Parcel, TakesRefusals
from gateway.trust.errors import SignatureInvalid
from mock_axis import pki
from schemas import EDXML_NAMESPACE
from tests.contract.axes import ATTACHMENT, ATTACHMENT_SHA256, DRIVERS, RECEIVER, SENDER, STANDS, SYSTEMS, SoapStand


def declaring(condition):
    """Only on stands whose driver declares so."""
    names = [name for name, stand in sorted(STANDS.items()) if condition(stand.can)]
    return pytest.mark.parametrize("stand", names, indirect=True)


deduplicating = declaring(lambda can: can.deduplicates)
not_deduplicating = declaring(lambda can: not can.deduplicates)
finding_by_id = declaring(lambda can: can.finds is Finds.BY_MESSAGE_ID)
finding_by_listing = declaring(lambda can: can.finds is Finds.BY_LISTING)
signing = declaring(lambda can: can.signs_receipts)
"""Signed: what it takes and what it says, files given out byte for byte included."""
not_signing = declaring(lambda can: not can.signs_receipts)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Making keys is slow: once, and copied by each stand."""
    folder = tmp_path_factory.mktemp("pki")
    pki.make(folder, gateways=SYSTEMS)
    return folder


@pytest.fixture(params=sorted(STANDS))
async def stand(request, tmp_path, keys):
    async with STANDS[request.param](tmp_path, keys) as made:
        yield made


def header(fields):
    return (
        f'<edXML:edXML xmlns:edXML="{EDXML_NAMESPACE}"><edXML:edXMLEnvelope><edXML:edXMLHeader><edXML:MessageHeader>'
        f"<edXML:From><edXML:OrganId>{SENDER}</edXML:OrganId></edXML:From>{fields}</edXML:MessageHeader>"
        "</edXML:edXMLHeader></edXML:edXMLEnvelope>"
    )


def document(*, to=RECEIVER, document_id="D-1", encoded=None):
    """An edXML file as pieces; `encoded`: the attachment's base64 as pieces."""
    encoded = encoded or [pybase64.b64encode(ATTACHMENT)]
    start = header(
        f"<edXML:To><edXML:OrganId>{to}</edXML:OrganId></edXML:To><edXML:DocumentId>{document_id}</edXML:DocumentId>"
        f"<edXML:Code><edXML:CodeNumber>{document_id}</edXML:CodeNumber><edXML:CodeNotation>UBND-VX</edXML:CodeNotation></edXML:Code>"
        "<edXML:Subject>V/v chuẩn bị hội nghị</edXML:Subject>"
        "<edXML:PromulgationInfo><edXML:PromulgationDate>2026-03-02</edXML:PromulgationDate></edXML:PromulgationInfo>"
    )
    start += (
        "<edXML:AttachmentEncoded><edXML:Attachment><edXML:ContentType>application/pdf</edXML:ContentType>"
        "<edXML:ContentId>cid:a1</edXML:ContentId><edXML:AttachmentName>a.pdf</edXML:AttachmentName>"
        "<edXML:ContentTransferEncoded>"
    )
    end = "</edXML:ContentTransferEncoded></edXML:Attachment></edXML:AttachmentEncoded></edXML:edXML>"
    return [start.encode(), *encoded, end.encode()]


def status():
    return [
        header(
            f"<edXML:ResponseFor><edXML:OrganId>{RECEIVER}</edXML:OrganId><edXML:Code>D-9/UBND-VX</edXML:Code>"
            "<edXML:DocumentId>D-9</edXML:DocumentId><edXML:PromulgationDate>2026-03-01</edXML:PromulgationDate>"
            "</edXML:ResponseFor><edXML:StatusCode>01</edXML:StatusCode><edXML:Description>Đã đến</edXML:Description>"
            "<edXML:Timestamp>2026-03-02 08:00:00</edXML:Timestamp>"
        ).encode()
        + b"</edXML:edXML>"
    ]


def parcel(pieces=None, *, kind=Kind.DOCUMENT, message_id=None, document_id="D-1"):
    pieces = pieces or document(document_id=document_id)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)

    async def chunks():
        for piece in pieces:
            yield piece

    return Parcel(
        message_id=message_id or uuid.uuid4().hex,
        kind=kind,
        document_id=document_id,
        sender=SENDER,
        to=(RECEIVER,),
        size=sum(map(len, pieces)),
        sha256=digest.hexdigest(),
        chunks=chunks,
        code=f"{document_id}/UBND-VX",
    )


async def fetch(driver, item):
    async with driver.fetch(item.axis_id, item.kind) as fetched:
        data = b"".join([chunk async for chunk in fetched.chunks])
        return fetched, data


@contextlib.asynccontextmanager
async def memory():
    """How far the process's memory rose above where it stood, in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * page  # noqa: E731
    seen = [resident()]

    async def watch():
        while True:
            seen.append(resident())
            await asyncio.sleep(0.02)

    watcher = asyncio.create_task(watch())
    rise = []
    yield rise
    watcher.cancel()
    rise.append(max(seen) - seen[0])


def test_every_installed_driver_has_a_stand_here():
    assert set(STANDS) == set(DRIVERS)


async def test_a_driver_declares_what_it_is_tried_for_here(stand):
    assert stand.sender.can == stand.can


async def test_what_one_system_sends_the_other_fetches_with_its_attachments_intact(stand):
    acceptance = await stand.sender.send(parcel())
    assert acceptance.axis_id
    (item,) = await stand.receiver.pending(10)
    assert (item.kind, item.sender) == (Kind.DOCUMENT, SENDER)
    parsed = read((await fetch(stand.receiver, item))[1])
    assert (parsed.document.document_id, parsed.document.sender.code) == ("D-1", SENDER)
    assert [each.name for each in parsed.attachments] == ["a.pdf"]


@signing
async def test_what_one_system_sends_the_other_fetches_byte_for_byte(stand):
    sent = parcel()
    acceptance = await stand.sender.send(sent)
    assert acceptance.axis_id
    (item,) = await stand.receiver.pending(10)
    assert (item.kind, item.sender, item.document_id) == (Kind.DOCUMENT, SENDER, "D-1")
    fetched, data = await fetch(stand.receiver, item)
    assert (fetched.size, fetched.sha256) == (sent.size, sent.sha256) == (item.size, item.sha256)
    assert data == b"".join(document())


@not_signing
async def test_where_nobody_vouches_for_a_file_none_is_claimed_to(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    fetched, _ = await fetch(stand.receiver, item)
    assert (fetched.size, fetched.sha256, item.size, item.sha256) == (None, None, None, None)


@not_signing
async def test_an_acceptance_without_a_receipt_carries_the_reply_as_it_came(stand):
    acceptance = await stand.sender.send(parcel())
    assert acceptance.receipt is None
    assert acceptance.axis_id.encode() in acceptance.reply


@signing
async def test_an_acceptance_carries_the_axis_s_signed_receipt_for_these_bytes(stand):
    sent = parcel()
    acceptance = await stand.sender.send(sent)
    receipt = stand.read_receipt(acceptance.receipt)
    assert (receipt.message_id, receipt.axis_id) == (sent.message_id, acceptance.axis_id)
    assert (receipt.size, receipt.sha256) == (sent.size, sent.sha256)
    assert receipt.attachments == (("a1", ATTACHMENT_SHA256),)


async def test_a_status_travels_like_a_document(stand):
    assert (await stand.sender.send(parcel(status(), kind=Kind.STATUS, document_id="D-9"))).axis_id
    (item,) = await stand.receiver.pending(10)
    assert (item.kind, item.sender) == (Kind.STATUS, SENDER)
    told = read((await fetch(stand.receiver, item))[1]).status
    assert (told.code, told.response_for.document_id, told.description) == ("01", "D-9", "Đã đến")


@signing
async def test_a_status_s_receipt_names_the_document_it_is_about(stand):
    acceptance = await stand.sender.send(parcel(status(), kind=Kind.STATUS, document_id="D-9"))
    assert stand.read_receipt(acceptance.receipt).document_id == "D-9"


@not_deduplicating
async def test_a_repeated_send_is_a_second_message_where_the_axis_does_not_deduplicate(stand):
    sent = parcel()
    assert await stand.sender.send(sent) != await stand.sender.send(sent)
    assert len(await stand.receiver.pending(10)) == 2


@deduplicating
async def test_a_repeated_send_of_one_parcel_is_one_message_and_the_same_receipt_bytes(stand):
    sent = parcel()
    first, second = await stand.sender.send(sent), await stand.sender.send(sent)
    assert first == second
    assert len(await stand.receiver.pending(10)) == 1


@deduplicating
async def test_many_repeats_at_once_are_one_message_too(stand):
    sent = parcel()
    acceptances = await asyncio.gather(*(stand.sender.send(sent) for _ in range(8)))
    assert len(set(acceptances)) == 1
    assert len(await stand.receiver.pending(10)) == 1


@deduplicating
async def test_a_message_id_with_other_bytes_is_for_a_person(stand):
    sent = parcel()
    await stand.sender.send(sent)
    with pytest.raises(NeedsOperator):
        await stand.sender.send(parcel(document_id="D-2", message_id=sent.message_id))


async def test_what_was_never_sent_is_not_found(stand):
    await stand.sender.send(parcel(document_id="D-2"))
    assert await stand.sender.find(parcel()) is None


async def test_finding_tells_under_which_axis_id_it_was_sent(stand):
    sent = parcel()
    await stand.sender.send(parcel(document_id="D-2"))
    assert (await stand.sender.send(sent)).axis_id == (await stand.sender.find(sent)).axis_id


@finding_by_id
async def test_finding_tells_what_sending_told(stand):
    sent = parcel()
    assert await stand.sender.send(sent) == await stand.sender.find(sent)


@finding_by_listing
async def test_a_status_and_its_document_are_not_taken_for_each_other(stand):
    sent = await stand.sender.send(parcel(document_id="D-9"))
    told = parcel(status(), kind=Kind.STATUS, document_id="D-9")
    assert await stand.sender.find(told) is None
    assert (await stand.sender.send(told)).axis_id != sent.axis_id
    assert (await stand.sender.find(parcel(document_id="D-9"))).axis_id == sent.axis_id


@finding_by_listing
async def test_two_messages_that_the_list_cannot_tell_apart_are_for_a_person(stand):
    for _ in range(2):
        await stand.sender.send(parcel())
    with pytest.raises(NeedsOperator) as caught:
        await stand.sender.find(parcel())
    assert caught.value.code == "in-doubt"


async def test_a_lost_reply_leaves_a_doubt_that_finding_settles(stand):
    sent = parcel()
    stand.fault("reply-lost:{send}:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(sent)
    (item,) = await stand.receiver.pending(10)
    assert (await stand.sender.find(sent)).axis_id == item.axis_id


@signing
async def test_what_is_found_brings_the_receipt_that_was_lost(stand):
    sent = parcel()
    stand.fault("reply-lost:{send}:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(sent)
    found = await stand.sender.find(sent)
    assert stand.read_receipt(found.receipt).sha256 == sent.sha256
    assert await stand.sender.send(sent) == found


async def test_another_system_does_not_find_ours(stand):
    sent = parcel()
    await stand.sender.send(sent)
    assert await stand.receiver.find(sent) is None


async def test_listing_and_fetching_consume_nothing(stand):
    await stand.sender.send(parcel())
    first = await stand.receiver.pending(10)
    await fetch(stand.receiver, first[0])
    assert await stand.receiver.pending(10) == first


class Unasked:
    """Nothing is taken of what waits, nor of what this test has no keys for."""

    async def received(self, message):
        raise Unreachable("not-now")


async def test_a_listing_tells_when_the_axis_took_each_item_and_what_came_before_the_start_waits(stand, tmp_path):
    sent = dt.datetime.now(dt.UTC)
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    assert abs((item.at - sent).total_seconds()) < 5
    for start_at, held in ((item.at + dt.timedelta(seconds=1), "before-start"), (item.at, None)):
        journal = await Journal.open(tmp_path / f"{held}.sqlite", now=lambda: sent)
        partner = AxisPartner(stand.receiver, "", "", None, "ignore", fetch_attempts=3, start_at=start_at)
        await Arrivals("national", partner, journal, Unasked(), lambda: True).enter([item])
        assert (await journal.find_by_axis_id(Direction.IN, "national", item.axis_id)).held == held
        await journal.close()


async def test_a_listing_is_no_longer_than_asked(stand):
    for number in range(3):
        await stand.sender.send(parcel(document_id=f"D-{number}"))
    assert len(await stand.receiver.pending(2)) == 2


async def paged(axis, limit):
    """Axis ids, page by page."""
    pages = [await axis.pending(limit)]
    while pages[-1]:
        pages.append(await axis.pending(limit, pages[-1][-1].axis_id))
    return [[item.axis_id for item in page] for page in pages[:-1]]


async def test_all_that_waits_is_listed_page_by_page(stand):
    for number in range(5):
        await stand.sender.send(parcel(document_id=f"D-{number}"))
    whole = [item.axis_id for item in await stand.receiver.pending(10)]
    assert len(whole) == 5
    assert await paged(stand.receiver, 2) == [whole[:2], whole[2:4], whole[4:]]
    assert await stand.receiver.pending(2, "what-never-was") in ([], ())


async def test_an_axis_that_lists_fewer_than_asked_hides_nothing(stand):
    if stand.driver != "soap":
        pytest.skip("its list has no pages: shorter windows are tried in the driver's own tests")
    for number in range(5):
        await stand.sender.send(parcel(document_id=f"D-{number}"))
    stand.axis.operations.giving.list_limit = 2
    assert [len(page) for page in await paged(stand.receiver, 200)] == [2, 2, 1]


async def test_a_page_begins_after_an_item_that_was_confirmed_meanwhile(stand):
    for number in range(3):
        await stand.sender.send(parcel(document_id=f"D-{number}"))
    first, second, _ = await stand.receiver.pending(10)
    if stand.driver == "soap":
        await stand.receiver.confirm(second.axis_id, stand.receipt(second))
        assert len(await stand.receiver.pending(10, second.axis_id)) == 1
    assert len(await stand.receiver.pending(10, first.axis_id)) == (1 if stand.driver == "soap" else 2)


async def test_a_confirmed_item_leaves_the_list_and_confirming_again_is_harmless(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    receipt = stand.receipt(item)
    await stand.receiver.confirm(item.axis_id, receipt)
    assert not await stand.receiver.pending(10)
    await stand.receiver.confirm(item.axis_id, receipt)


async def test_an_item_that_is_refused_leaves_the_list_where_the_axis_takes_refusals(stand):
    if not isinstance(stand.receiver, TakesRefusals):
        assert stand.can.signs_receipts  # there a status answers what was taken, and nothing else is said
        return
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    await stand.receiver.refuse(item.axis_id)
    assert await stand.receiver.pending(10) == []
    await stand.receiver.refuse(item.axis_id)


@signing
async def test_a_receipt_for_other_bytes_is_not_taken(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    with pytest.raises(NeedsOperator):
        await stand.receiver.confirm(item.axis_id, stand.receipt(item, wire_sha256="0" * 64))
    assert await stand.receiver.pending(10) == [item]


@signing
async def test_a_file_whose_bytes_do_not_match_never_ends_as_complete(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    stand.fault("wrong-digest:{fetch}")
    with pytest.raises(Retryable):
        await fetch(stand.receiver, item)


@pytest.mark.parametrize("cut", [100, 5_000, 40_000])
async def test_a_file_cut_off_on_the_way_never_ends_as_complete(stand, cut):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    stand.fault(f"cut:{{fetch}}:bytes={cut}")
    with pytest.raises(Retryable):
        await fetch(stand.receiver, item)


async def test_an_item_that_is_not_ours_is_not_given_to_us(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    with pytest.raises((NeedsOperator, Retryable)):
        await fetch(stand.sender, item)


UNTRUSTED = [
    "unsigned-fault",
    "broken-signature",
    "foreign-signature",
    "expired-certificate",
    "clock-skew",
    "disk-full",
]


async def test_an_http_error_settles_nothing(stand):
    sent = parcel()
    stand.fault("disk-full:{send}:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(sent)
    for operation in ("list", "find"):
        stand.fault(f"disk-full:{{{operation}}}")
        with pytest.raises(Retryable):
            await (stand.sender.find(sent) if operation == "find" else stand.receiver.pending(10))
    stand.fault(None)
    assert await stand.sender.find(sent) is None


@signing
@pytest.mark.parametrize("fault", UNTRUSTED)
async def test_a_reply_the_axis_did_not_sign_well_settles_nothing(stand, fault):
    sent = parcel()
    stand.fault(f"{fault}:{{send}}:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(sent)
    for operation in ("list", "find"):
        stand.fault(f"{fault}:{{{operation}}}")
        with pytest.raises(Retryable):
            await (stand.sender.find(sent) if operation == "find" else stand.receiver.pending(10))
    stand.fault(None)
    assert await stand.sender.send(sent) == await stand.sender.find(sent)


@signing
async def test_a_reply_replayed_from_an_older_request_is_refused(stand):
    first, second = parcel(), parcel(document_id="D-2")
    await stand.sender.send(first)
    stand.fault("replayed-older-reply:{send}:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(second)
    stand.fault(None)
    assert await stand.sender.send(second) != await stand.sender.find(first)


@signing
async def test_a_foreign_receipt_is_handed_on_unread_and_does_not_hold(stand):
    stand.fault("foreign-receipt:{send}:1:1")
    acceptance = await stand.sender.send(parcel())
    with pytest.raises(SignatureInvalid):
        stand.read_receipt(acceptance.receipt)


async def test_an_organ_nobody_owns_is_a_rejection_that_names_it(stand):
    with pytest.raises(Rejection) as caught:
        await stand.sender.send(parcel(document(to="000.00.00.X99")))
    assert "000.00.00.X99" in str(caught.value)


async def test_a_file_that_is_no_edxml_is_a_rejection(stand):
    with pytest.raises(Rejection):
        await stand.sender.send(parcel([b"hello"]))


async def test_a_busy_axis_did_nothing(stand):
    sent = parcel()
    stand.fault("busy:{send}:1:1:seconds=7")
    with pytest.raises(Retryable):
        await stand.sender.send(sent)
    assert await stand.sender.find(sent) is None


@signing
async def test_a_busy_axis_says_when_to_come_back(stand):
    stand.fault("busy:{send}:1:1:seconds=7")
    with pytest.raises(Retryable) as caught:
        await stand.sender.send(parcel())
    assert caught.value.after == 7


async def test_an_axis_that_answers_before_it_has_read_the_file_is_heard(stand):
    stand.fault("busy:{send}")
    with pytest.raises(Retryable) as caught:
        await stand.sender.send(parcel(document(encoded=[pybase64.b64encode(bytes(768 << 10))] * 20)))
    # The connection may end before the answer is read.
    assert caught.value.code in {"axis-busy", "axis-http-503", "axis-reply-lost"}
    stand.fault(None)
    assert await stand.sender.send(parcel())


async def test_calls_at_once_do_not_mix(stand):
    sent = [parcel(document_id=f"D-{number}") for number in range(24)]
    acceptances = await asyncio.gather(*(stand.sender.send(each) for each in sent))
    found = await asyncio.gather(*(stand.sender.find(each) for each in sent))
    assert [each.axis_id for each in found] == [each.axis_id for each in acceptances]
    items = await stand.receiver.pending(100)
    fetched = await asyncio.gather(*(fetch(stand.receiver, item) for item in items))
    told = {item.axis_id: read(data).document.document_id for item, (_, data) in zip(items, fetched, strict=True)}
    assert told == {acceptance.axis_id: each.document_id for acceptance, each in zip(acceptances, sent, strict=True)}


@signing
async def test_receipts_of_calls_at_once_do_not_mix(stand):
    sent = [parcel(document_id=f"D-{number}") for number in range(24)]
    acceptances = await asyncio.gather(*(stand.sender.send(each) for each in sent))
    told = [stand.read_receipt(each.receipt).message_id for each in acceptances]
    assert told == [each.message_id for each in sent]


async def test_a_hundred_megabytes_travel_in_small_memory(stand):
    block = pybase64.b64encode(bytes(range(256)) * 768)
    sent = parcel(document(encoded=[block] * 400))
    assert sent.size > 100 << 20
    async with memory() as rise:
        await stand.sender.send(sent)
        (item,) = await stand.receiver.pending(1)
        async with stand.receiver.fetch(item.axis_id, item.kind) as fetched:
            size = 0
            async for chunk in fetched.chunks:
                size += len(chunk)
                assert len(chunk) <= 1 << 20
    assert size == sent.size
    assert rise[0] < 48 << 20


async def test_a_reader_may_stop_in_the_middle_and_fetch_again(stand):
    await stand.sender.send(parcel(document(encoded=[pybase64.b64encode(bytes(3 << 20))])))
    (item,) = await stand.receiver.pending(1)
    async with stand.receiver.fetch(item.axis_id, item.kind) as fetched:
        async for _ in fetched.chunks:
            break
    (attachment,) = read((await fetch(stand.receiver, item))[1]).attachments
    assert attachment.name == "a.pdf"


async def test_keys_and_secrets_roll_without_a_restart(stand):
    await stand.sender.send(parcel())
    stand.roll_keys()
    await stand.sender.reload()
    deadline = asyncio.get_running_loop().time() + 10
    while True:  # the axis looks at its folders now and then
        with contextlib.suppress(GatewayError):
            assert await stand.sender.send(parcel(document_id=uuid.uuid4().hex))
            break
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


@signing
async def test_keys_roll_on_both_sides_without_a_restart(stand):
    await stand.sender.send(parcel())
    (before,) = stand.sender.certificates().values()
    stand.roll_keys()
    await stand.sender.reload()
    deadline = asyncio.get_running_loop().time() + 10
    while True:  # the axis looks at its folders now and then
        with contextlib.suppress(GatewayError):
            acceptance = await stand.sender.send(parcel(document_id=uuid.uuid4().hex))
            break
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)
    assert stand.read_receipt(acceptance.receipt)
    (after,) = stand.sender.certificates().values()
    assert after > before


@not_signing
@pytest.mark.parametrize(
    ("operation", "code"),
    [("getAgenciesList", SENDER), ("getSynchronizeUnit", SENDER), ("getAgenciesListQD20", SENDER.rpartition(".")[2])],
)
async def test_the_directory_is_copied_from_the_list_that_the_options_name(stand, operation, code):
    driver = stand.connect("cong-h08", organs=operation)
    assert code in {organ.code for organ in await driver.organs()}


async def test_the_directory_lists_organs_by_code_and_name(stand):
    organs = {organ.code: organ.name for organ in await stand.sender.organs()}
    assert {SENDER, RECEIVER} <= set(organs)


@pytest.mark.parametrize("stand", ["soap"], indirect=True)
async def test_an_axis_that_answers_under_the_other_root_type_is_understood(stand):
    stand.axis.switches.xop = True
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(1)
    assert (await fetch(stand.receiver, item))[1] == b"".join(document())


async def test_mutual_tls_is_spoken_and_a_client_without_a_certificate_is_not_served(tmp_path, keys):
    async with SoapStand(tmp_path, keys, tls=True) as stand:
        tls = stand.pki.tls
        known = stand.connect(
            "cong-h08",
            ca=tls / "ca.crt.pem",
            certificate=tls / "client.crt.pem",
            key=tls / "client.key.pem",
        )
        assert (await known.send(parcel())).axis_id
        for options in ({"ca": tls / "ca.crt.pem"}, {}):
            with pytest.raises(Retryable):
                await stand.connect("cong-h08", **options).pending(1)


@pytest.mark.parametrize("stand", ["vxp"], indirect=True)
async def test_an_axis_that_lists_what_was_sent_tells_it_by_axis_id(stand):
    assert isinstance(stand.sender, ListsSent)
    document_sent = await stand.sender.send(parcel())
    status_sent = await stand.sender.send(parcel(status(), kind=Kind.STATUS, document_id="D-9"))
    now = dt.datetime.now(dt.UTC)
    lines = await stand.sender.sent(now - dt.timedelta(hours=1), now + dt.timedelta(hours=1))
    assert {(line.axis_id, line.kind, line.sender, line.to, line.code) for line in lines} == {
        (document_sent.axis_id, Kind.DOCUMENT, SENDER, RECEIVER, "D-1/UBND-VX"),
        (status_sent.axis_id, Kind.STATUS, SENDER, RECEIVER, "D-9/UBND-VX"),
    }
    assert all(abs(line.at - now) < dt.timedelta(minutes=1) for line in lines)
    assert not await stand.receiver.sent(now - dt.timedelta(hours=1), now + dt.timedelta(hours=1))
