"""What every axis driver promises (`gateway.ports.Axis`), on each one that is installed.

Each driver has a stand: an axis at its other end that it reaches over the production port, with two systems on it, so
that what one sends the other receives, and with faults that a test can switch on.
"""

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import shutil
import uuid
from importlib.metadata import entry_points
from pathlib import Path

import pybase64
import pytest

from gateway.errors import GatewayError, NeedsOperator, Rejection, Retryable, Unknown
from gateway.model import Kind
from gateway.ports import AxisContext, Finds, Parcel
from gateway.trust import receipts
from gateway.trust.errors import SignatureInvalid
from gateway.trust.keys import KeyRing, TrustStore
from mock_axis import pki
from mock_axis.simulator import MockAxis
from schemas import EDXML_NAMESPACE

DRIVERS = {point.name: point for point in entry_points(group="gateway.adapters.axis")}
SENDER, RECEIVER = "000.00.00.H08", "000.00.00.H09"
SYSTEMS = {"cong-h08": (SENDER,), "cong-h09": (RECEIVER,)}


class SoapStand:
    """The mock axis on a socket, and a driver for each of the two systems."""

    def __init__(self, place, keys, **axis):
        shutil.copytree(keys, place / "pki")
        self.axis = MockAxis(place / "axis", pki_folder=place / "pki", **axis)
        self.pki = self.axis.pki
        self.drivers = []

    async def __aenter__(self):
        await self.axis.__aenter__()
        self.sender, self.receiver = (self.connect(system) for system in SYSTEMS)
        return self

    async def __aexit__(self, *what):
        for driver in self.drivers:
            await driver.close()
        await self.axis.__aexit__(*what)

    def connect(self, system, **options):
        context = AxisContext(
            name="national",
            system_id=system,
            axis_system_id=pki.AXIS,
            keys=self.pki.gateway_keys(system),
            trust=self.pki.gateway_trust(system),
            now=lambda: dt.datetime.now(dt.UTC),
        )
        driver = DRIVERS["soap"].load()({"url": self.axis.url, "idle_seconds": 5} | options, context)
        self.drivers.append(driver)
        return driver

    def fault(self, rule):
        self.axis.faults.replace([rule] if rule else [])

    def receipt(self, item, wire_sha256=None, size=None):
        """What the receiver would sign for an item it holds."""
        now = dt.datetime.now(dt.UTC)
        return receipts.issue(
            receipts.Receipt(
                receipt_id=uuid.uuid4().hex,
                kind="gateway-received",
                issued_by="cong-h09",
                addressed_to=pki.AXIS,
                message_id=uuid.uuid4().hex,
                axis_id=item.axis_id,
                document_id=item.document_id,
                sender=item.sender,
                to=(RECEIVER,),
                size=size or item.size,
                sha256=wire_sha256 or item.sha256,
                attachments=(("a1", ATTACHMENT_SHA256),),
                time=now,
            ),
            KeyRing.load(self.pki.gateway_keys("cong-h09")).signing(now),
        )

    def read_receipt(self, body):
        """What the axis signed for. Raises `SignatureInvalid`."""
        trust = TrustStore.load(self.pki.gateway_trust("cong-h08"))
        return receipts.read(body, trust=trust, issuer=pki.AXIS, at=dt.datetime.now(dt.UTC))

    def roll_keys(self):
        for system in SYSTEMS:
            pki.roll_gateway_key(self.pki, system)
        pki.roll_axis_key(self.pki)


STANDS = {"soap": SoapStand}
ATTACHMENT = b"%PDF-1.7 invented " * 3000
ATTACHMENT_SHA256 = hashlib.sha256(ATTACHMENT).hexdigest()


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
        "<edXML:Code><edXML:CodeNumber>7</edXML:CodeNumber><edXML:CodeNotation>UBND-VX</edXML:CodeNotation></edXML:Code>"
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
            f"<edXML:ResponseFor><edXML:OrganId>{RECEIVER}</edXML:OrganId><edXML:Code>9/BNV</edXML:Code>"
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


async def test_what_one_system_sends_the_other_fetches_byte_for_byte(stand):
    sent = parcel()
    acceptance = await stand.sender.send(sent)
    assert acceptance.axis_id
    (item,) = await stand.receiver.pending(10)
    assert (item.kind, item.sender, item.document_id) == (Kind.DOCUMENT, SENDER, "D-1")
    fetched, data = await fetch(stand.receiver, item)
    assert (fetched.size, fetched.sha256) == (sent.size, sent.sha256) == (item.size, item.sha256)
    assert data == b"".join(document())


async def test_an_acceptance_carries_the_axis_s_signed_receipt_for_these_bytes(stand):
    sent = parcel()
    acceptance = await stand.sender.send(sent)
    receipt = stand.read_receipt(acceptance.receipt)
    assert (receipt.message_id, receipt.axis_id) == (sent.message_id, acceptance.axis_id)
    assert (receipt.size, receipt.sha256) == (sent.size, sent.sha256)
    assert receipt.attachments == (("a1", ATTACHMENT_SHA256),)


async def test_a_status_travels_like_a_document(stand):
    acceptance = await stand.sender.send(parcel(status(), kind=Kind.STATUS, document_id="D-9"))
    assert stand.read_receipt(acceptance.receipt).document_id == "D-9"
    (item,) = await stand.receiver.pending(10)
    assert item.kind is Kind.STATUS
    assert (await fetch(stand.receiver, item))[1] == status()[0]


async def test_a_repeated_send_of_one_parcel_is_one_message_and_the_same_receipt_bytes(stand):
    sent = parcel()
    first, second = await stand.sender.send(sent), await stand.sender.send(sent)
    assert first == second
    assert len(await stand.receiver.pending(10)) == 1


async def test_many_repeats_at_once_are_one_message_too(stand):
    sent = parcel()
    acceptances = await asyncio.gather(*(stand.sender.send(sent) for _ in range(8)))
    assert len(set(acceptances)) == 1
    assert len(await stand.receiver.pending(10)) == 1


async def test_a_message_id_with_other_bytes_is_for_a_person(stand):
    sent = parcel()
    await stand.sender.send(sent)
    with pytest.raises(NeedsOperator):
        await stand.sender.send(parcel(document_id="D-2", message_id=sent.message_id))


async def test_what_was_never_sent_is_not_found(stand):
    assert stand.sender.can.finds is Finds.BY_MESSAGE_ID
    assert await stand.sender.find(parcel()) is None


async def test_finding_tells_what_sending_told(stand):
    sent = parcel()
    assert await stand.sender.send(sent) == await stand.sender.find(sent)


async def test_a_lost_reply_leaves_a_doubt_that_finding_settles_with_the_receipt(stand):
    sent = parcel()
    stand.fault("reply-lost:SendDocument:1:1")
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


async def test_a_listing_is_no_longer_than_asked(stand):
    for number in range(3):
        await stand.sender.send(parcel(document_id=f"D-{number}"))
    assert len(await stand.receiver.pending(2)) == 2


async def test_a_confirmed_item_leaves_the_list_and_confirming_again_is_harmless(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    receipt = stand.receipt(item)
    await stand.receiver.confirm(item.axis_id, receipt)
    assert not await stand.receiver.pending(10)
    await stand.receiver.confirm(item.axis_id, receipt)


async def test_a_receipt_for_other_bytes_is_not_taken(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    with pytest.raises(NeedsOperator):
        await stand.receiver.confirm(item.axis_id, stand.receipt(item, wire_sha256="0" * 64))
    assert await stand.receiver.pending(10) == [item]


async def test_a_file_whose_bytes_do_not_match_never_ends_as_complete(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    stand.fault("wrong-digest:GetDocument")
    with pytest.raises(Retryable):
        await fetch(stand.receiver, item)


@pytest.mark.parametrize("cut", [100, 5_000, 40_000])
async def test_a_file_cut_off_on_the_way_never_ends_as_complete(stand, cut):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    stand.fault(f"cut:GetDocument:bytes={cut}")
    with pytest.raises(Retryable):
        await fetch(stand.receiver, item)


async def test_an_item_that_is_not_ours_is_for_a_person(stand):
    await stand.sender.send(parcel())
    (item,) = await stand.receiver.pending(10)
    with pytest.raises(NeedsOperator):
        await fetch(stand.sender, item)


UNTRUSTED = [
    "unsigned-fault",
    "broken-signature",
    "foreign-signature",
    "expired-certificate",
    "clock-skew",
    "disk-full",
]


@pytest.mark.parametrize("fault", UNTRUSTED)
async def test_a_reply_the_axis_did_not_sign_well_settles_nothing(stand, fault):
    sent = parcel()
    stand.fault(f"{fault}:SendDocument:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(sent)
    for operation in ("GetPendingDocumentIds", "FindMessage"):
        stand.fault(f"{fault}:{operation}")
        with pytest.raises(Retryable):
            await (stand.sender.find(sent) if operation == "FindMessage" else stand.receiver.pending(10))
    stand.fault(None)
    assert await stand.sender.send(sent) == await stand.sender.find(sent)


async def test_a_reply_replayed_from_an_older_request_is_refused(stand):
    first, second = parcel(), parcel(document_id="D-2")
    await stand.sender.send(first)
    stand.fault("replayed-older-reply:SendDocument:1:1")
    with pytest.raises(Unknown):
        await stand.sender.send(second)
    stand.fault(None)
    assert await stand.sender.send(second) != await stand.sender.find(first)


async def test_a_foreign_receipt_is_handed_on_unread_and_does_not_hold(stand):
    stand.fault("foreign-receipt:SendDocument:1:1")
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


async def test_a_busy_axis_did_nothing_and_says_when_to_come_back(stand):
    sent = parcel()
    stand.fault("busy:SendDocument:1:1:seconds=7")
    with pytest.raises(Retryable) as caught:
        await stand.sender.send(sent)
    assert caught.value.after == 7
    assert await stand.sender.find(sent) is None


async def test_an_axis_that_answers_before_it_has_read_the_file_is_heard(stand):
    stand.fault("busy:SendDocument")
    with pytest.raises(Retryable) as caught:
        await stand.sender.send(parcel(document(encoded=[pybase64.b64encode(bytes(768 << 10))] * 20)))
    assert caught.value.code in {"axis-busy", "axis-reply-lost"}  # the connection may end before the answer is read
    stand.fault(None)
    assert await stand.sender.send(parcel())


async def test_calls_at_once_do_not_mix(stand):
    sent = [parcel(document_id=f"D-{number}") for number in range(24)]
    acceptances = await asyncio.gather(*(stand.sender.send(each) for each in sent))
    told = {stand.read_receipt(each.receipt).message_id: each for each in acceptances}
    assert set(told) == {each.message_id for each in sent}
    found = await asyncio.gather(*(stand.sender.find(each) for each in sent))
    assert found == acceptances
    items = await stand.receiver.pending(100)
    fetched = await asyncio.gather(*(fetch(stand.receiver, item) for item in items))
    assert {item.document_id: data for item, (_, data) in zip(items, fetched, strict=True)} == {
        each.document_id: b"".join(document(document_id=each.document_id)) for each in sent
    }


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
    assert len((await fetch(stand.receiver, item))[1]) == item.size


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


async def test_the_directory_lists_organs_by_code_and_name(stand):
    organs = {organ.code: organ.name for organ in await stand.sender.organs()}
    assert {SENDER, RECEIVER} <= set(organs)


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
