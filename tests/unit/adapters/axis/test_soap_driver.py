"""What driver `soap` makes of replies, honest and otherwise. The port's promises are in tests/contract/test_axis.py."""

import asyncio
import base64
import dataclasses
import datetime as dt
import hashlib
from functools import partial

import pytest
from aiohttp import web

from adapters.axis.soap import connect
from gateway.errors import Busy, Misconfigured, NeedsOperator, Rejection, Unknown, Unreachable
from gateway.model import Kind
from gateway.ports import AxisOrgan
from tests.pki import AXIS, expired, stranger, valid, write_keys, write_trust

from .conftest import AX
from .conftest import parcel as make_parcel

MULTIPART = 'multipart/related; type="text/xml"; boundary="cut"'


def multipart(body, **headers):
    return web.Response(body=body, headers={"Content-Type": MULTIPART} | headers)


async def fetched(driver, axis_id="A-9"):
    async with driver.fetch(axis_id, Kind.DOCUMENT) as item:
        return b"".join([chunk async for chunk in item.chunks])


async def test_a_document_travels_beside_the_envelope_that_vouches_for_it(axis, driver, parcel):
    axis.answers = [axis.accepted]
    data = bytes(range(256)) * 4000
    acceptance = await driver.send(parcel(data))
    assert (acceptance.axis_id, acceptance.receipt) == ("A-1", b"receipt")
    (asked,) = axis.asked
    assert asked.action == '"urn:lienthong:axis:1:SendDocument"'
    assert asked.content_type.startswith("multipart/related")
    assert asked.text("Sha256") == hashlib.sha256(data).hexdigest()
    assert f"Content-ID: <{asked.text('ContentId')}>".encode() in asked.raw
    assert b"\r\n\r\n" + data + b"\r\n--" in asked.raw


async def test_a_status_is_sent_by_update_traces(axis, driver, parcel):
    axis.answers = [axis.accepted]
    await driver.send(parcel(kind=Kind.STATUS))
    assert axis.asked[0].operation == "UpdateTraces"


def results(*lines):
    """Answers SendTogether with these lines, in the order of the parcels."""

    def answer(axis, asked):
        ids = [each.findtext(f"{{{AX}}}MessageId") for each in asked.call.iter(f"{{{AX}}}Parcel")]
        said = "".join(
            f"<Result><MessageId>{message_id}</MessageId>{line}</Result>"
            for message_id, line in zip(ids, lines, strict=True)
        )
        return axis.reply(asked, said)

    return answer


TAKEN = f"<AxisId>A-1</AxisId><Receipt>{base64.b64encode(b'receipt').decode()}</Receipt>"


async def together(axis, driver, *parcels, answer):
    """Send them while both calls that are allowed at once are under way; what became of each."""
    held = asyncio.Event()

    async def late(asked):
        await held.wait()
        return axis.accepted(asked)

    axis.answers = [late, late, *answer]
    first = []
    for each in _parcels(2, "f"):
        first.append(asyncio.create_task(driver.send(each)))
        while len(axis.asked) < len(first):
            await asyncio.sleep(0.01)
    tasks = [asyncio.create_task(driver.send(each)) for each in parcels]
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(*first)
    return await asyncio.gather(*tasks, return_exceptions=True)


def _parcels(count, letter="a"):
    return [make_parcel(f"<edXML>{letter}{n}</edXML>".encode(), message_id=f"{letter}{n:020}") for n in range(count)]


async def test_small_files_that_wait_share_a_call_each_vouched_for_by_its_line(axis, driver):
    parcels = _parcels(3)
    done = await together(axis, driver, *parcels, answer=[partial(results(TAKEN, TAKEN, TAKEN), axis)])
    assert [each.receipt for each in done] == [b"receipt"] * 3
    shared = axis.asked[-1]
    assert [each.operation for each in axis.asked] == ["SendDocument", "SendDocument", "SendTogether"]
    assert [e.text for e in shared.call.iter(f"{{{AX}}}Sha256")] == [each.sha256 for each in parcels]
    assert all(f"\r\n\r\n<edXML>a{n}</edXML>\r\n--".encode() in shared.raw for n in range(3))


async def test_one_that_the_axis_refuses_of_several_does_not_spoil_the_others(axis, driver):
    refused = "<Code>UnknownOrgan</Code><Message>free text</Message><OrganId>000.00.00.G99</OrganId>"
    done = await together(axis, driver, *_parcels(2), answer=[partial(results(TAKEN, refused), axis)])
    assert done[0].axis_id == "A-1"
    assert (type(done[1]), done[1].code) == (Rejection, "axis-unknown-organ")
    assert "free text" not in str(done[1])


async def test_where_all_of_several_are_refused_at_once_each_is_sent_by_itself(axis, driver):
    answers = [lambda asked: axis.fault(asked, "BadForm"), axis.accepted, lambda asked: axis.fault(asked, "TooLarge")]
    done = await together(axis, driver, *_parcels(2), answer=answers)
    assert done[0].axis_id == "A-1"
    assert (type(done[1]), done[1].code) == (Rejection, "axis-too-large")


SENSELESS = {
    "another_message": lambda axis, asked: axis.reply(
        asked, f"<Result><MessageId>{'x' * 20}</MessageId>{TAKEN}</Result>" * 2
    ),
    "too_few": lambda axis, asked: axis.reply(asked, f"<Result><MessageId>a{0:020}</MessageId>{TAKEN}</Result>"),
    "neither_receipt_nor_refusal": results("", ""),
    "a_clock_for_one": results(*["<Code>Clock</Code><Message/>"] * 2),
}


@pytest.mark.parametrize("said", SENSELESS.values(), ids=SENSELESS)
async def test_senseless_results_of_several_leave_each_in_doubt(axis, driver, said):
    done = await together(axis, driver, *_parcels(2), answer=[partial(said, axis)])
    assert [type(each) for each in done] == [Unknown, Unknown]


async def test_a_lost_reply_to_several_leaves_each_in_doubt(axis, driver):
    done = await together(axis, driver, *_parcels(3), answer=[lambda asked: web.Response(status=500)])
    assert [type(each) for each in done] == [Unknown] * 3


async def test_a_large_file_has_a_call_of_its_own(axis, driver, parcel):
    large = parcel(bytes(300 << 10), message_id="l" * 20)
    await together(axis, driver, large, *_parcels(1), answer=[axis.accepted])
    assert "SendTogether" not in {each.operation for each in axis.asked}


async def test_each_try_is_signed_afresh(axis, driver):
    axis.answers = [lambda asked: web.Response(status=500), axis.reply]
    assert await driver.pending(10) == []
    first, second = axis.asked
    assert first.text("RequestId") != second.text("RequestId")
    assert first.signature_digest != second.signature_digest


FAULTS = {
    "UnknownOrgan": Rejection("axis-unknown-organ"),
    "BadForm": Rejection("axis-bad-form"),
    "TooLarge": Rejection("axis-too-large"),
    "WrongDigest": Unreachable("axis-wrong-digest"),
    "BadSignature": Unreachable("axis-bad-signature"),
    "Clock": Unreachable("axis-clock"),
    "Replayed": Unknown("axis-replayed"),
    "IdReused": NeedsOperator("axis-id-reused"),
    "NotYours": NeedsOperator("axis-not-yours"),
    "NotFound": NeedsOperator("axis-not-found"),
    "BadReceipt": NeedsOperator("axis-bad-receipt"),
}


@pytest.mark.parametrize(("code", "error"), FAULTS.items(), ids=FAULTS)
async def test_a_signed_fault_decides_what_becomes_of_a_send(axis, driver, parcel, code, error):
    axis.answers = [lambda asked: web.Response(body=axis.fault(asked, code), status=500, content_type="text/xml")]
    with pytest.raises(type(error)) as caught:
        await driver.send(parcel())
    assert (type(caught.value), caught.value.code) == (type(error), error.code)
    assert "free text" not in str(caught.value)


async def test_a_busy_axis_says_when_to_come_back(axis, driver, parcel):
    axis.answers = [lambda asked: axis.fault(asked, "Busy", "<RetryAfter>7</RetryAfter>")]
    with pytest.raises(Busy) as caught:
        await driver.send(parcel())
    assert caught.value.after == 7


@pytest.mark.parametrize("code", ["UnknownOrgan", "BadForm", "TooLarge"])
async def test_a_refusal_of_anything_but_a_document_is_for_a_person(axis, driver, code):
    axis.answers = [lambda asked: axis.fault(asked, code)]
    with pytest.raises(NeedsOperator):
        await driver.confirm("A-1", b"receipt")


def unsigned_fault(axis, asked):
    signed = axis.fault(asked, "UnknownOrgan")
    start, end = signed.index(b"<soap:Header>"), signed.index(b"</soap:Header>") + len(b"</soap:Header>")
    return signed[:start] + signed[end:]


def by_stranger(axis, asked):
    axis.signer = stranger()
    return axis.accepted(asked)


def by_another_trusted_party(axis, asked):
    axis.signer = valid("other-system")
    return axis.accepted(asked)


def by_an_expired_certificate(axis, asked):
    axis.signer = expired(AXIS)
    return axis.accepted(asked)


def stale(axis, asked):
    axis.now -= dt.timedelta(minutes=20)
    return axis.accepted(asked)


def replayed(axis, asked):
    """The reply to the request before."""
    if len(axis.asked) == 1:
        return axis.accepted(asked)
    return axis.accepted(axis.asked[0])


DISHONEST = {
    "unsigned fault": unsigned_fault,
    "stranger": by_stranger,
    "another party": by_another_trusted_party,
    "expired certificate": by_an_expired_certificate,
    "stale": stale,
    "changed": lambda axis, asked: axis.accepted(asked).replace(b"<AxisId>A-1", b"<AxisId>A-2"),
    "other request id": lambda axis, asked: axis.accepted(asked, RequestId="f" * 32),
    "other signature": lambda axis, asked: axis.accepted(asked, RequestSignatureDigest="AAAA"),
    "other system": lambda axis, asked: axis.accepted(asked, SystemId="axis-77"),
    "unbound fault": lambda axis, asked: axis.fault(asked, "BadForm", RequestId=None, RequestSignatureDigest=None),
    "fault to another request": lambda axis, asked: axis.fault(asked, "BadForm", RequestId="f" * 32),
    "reply to another operation": lambda axis, asked: axis.sign(
        f'<GetOrganizationsResponse xmlns="urn:lienthong:axis:1">{axis.head(asked)}</GetOrganizationsResponse>'
    ),
    "field missing": lambda axis, asked: axis.reply(asked, "<AxisId>A-1</AxisId>"),
    "dtd": lambda axis, asked: axis.accepted(asked).replace(b"<soap:Env", b"<!DOCTYPE x><soap:Env", 1),
    "not xml": lambda axis, asked: b"<oh",
    "html": lambda axis, asked: web.Response(text="<html>", content_type="text/html"),
    "too long": lambda axis, asked: b"<" + b" " * (2 << 20),
    "401": lambda axis, asked: web.Response(status=401, text="no"),
    "404": lambda axis, asked: web.Response(status=404),
    "500": lambda axis, asked: web.Response(status=500, text="<x/>", content_type="text/xml"),
    "redirect": lambda axis, asked: web.Response(status=307, headers={"Location": axis.url + "/elsewhere"}),
    "multipart without end": lambda axis, asked: multipart(b"--cut\r\nContent-Type: text/xml\r\n\r\n<x/>"),
    "multipart without root": lambda axis, asked: multipart(b"--cut\r\nContent-Type: image/png\r\n\r\n<x/>\r\n--cut--"),
}


@pytest.mark.parametrize("said", DISHONEST.values(), ids=DISHONEST)
async def test_a_reply_that_is_not_the_axis_s_answer_settles_nothing(axis, driver, parcel, said):
    axis.answers = [lambda asked: said(axis, asked)]
    with pytest.raises(Unknown):
        await driver.send(parcel())
    with pytest.raises(Unknown):
        await driver.confirm("A-1", b"receipt")


@pytest.mark.parametrize("said", DISHONEST.values(), ids=DISHONEST)
async def test_a_listing_that_is_not_the_axis_s_answer_is_no_listing(axis, driver, said):
    axis.answers = [lambda asked: said(axis, asked)]
    with pytest.raises(Unreachable):
        await driver.pending(10)


async def test_the_reply_to_an_earlier_request_is_refused(axis, driver, parcel):
    axis.answers = [lambda asked: replayed(axis, asked)]
    assert (await driver.send(parcel())).axis_id == "A-1"
    with pytest.raises(Unknown) as caught:
        await driver.send(parcel())
    assert caught.value.code == "axis-reply-foreign"


async def test_an_unsigned_503_leaves_a_send_in_doubt_and_only_delays_a_listing(axis, driver, parcel):
    axis.answers = [lambda asked: web.Response(status=503, headers={"Retry-After": "9"})]
    with pytest.raises(Unknown) as doubt:
        await driver.send(parcel())
    assert (doubt.value.code, doubt.value.after) == ("axis-http-503", 9)
    with pytest.raises(Busy) as busy:
        await driver.pending(1)
    assert busy.value.after == 9


async def test_an_axis_that_is_not_there_leaves_no_doubt(axis, context, parcel, unused_tcp_port):
    driver = connect({"url": f"http://127.0.0.1:{unused_tcp_port}/axis"}, context)
    with pytest.raises(Unreachable) as caught:
        await driver.send(parcel())
    assert caught.value.code == "axis-unreachable"
    await driver.close()


async def test_a_server_that_cannot_prove_its_name_is_never_sent_to(axis, context, parcel):
    driver = connect({"url": axis.url.replace("http:", "https:")}, context)
    with pytest.raises(Unreachable):
        await driver.send(parcel())
    await driver.close()
    assert not axis.asked


async def test_a_reply_that_never_comes_leaves_a_send_in_doubt(axis, context, parcel):
    driver = connect({"url": axis.url, "first_byte_seconds": 0.2}, context)
    axis.answers = [lambda asked: asyncio.sleep(1)]
    with pytest.raises(Unknown) as caught:
        await driver.send(parcel())
    assert (caught.value.code, len(axis.asked)) == ("axis-reply-lost", 1)
    await driver.close()


async def test_a_connection_cut_after_the_request_leaves_a_send_in_doubt(context, parcel):
    async def hang_up(reader, writer):
        await reader.readuntil(b"<edXML/>")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    driver = connect({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/axis"}, context)
    with pytest.raises(Unknown) as caught:
        await driver.send(parcel())
    assert caught.value.code == "axis-reply-lost"
    await driver.close()
    server.close()
    await server.wait_closed()


async def test_a_server_that_stops_reading_does_not_hold_a_send_for_ever(context, parcel):
    async def swallow(reader, writer):
        await asyncio.sleep(1)
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/axis"
    driver = connect({"url": url, "idle_seconds": 0.3, "first_byte_seconds": 20}, context)
    with pytest.raises(Unknown):
        await driver.send(parcel(bytes(50 << 20)))
    await driver.close()
    server.close()
    await asyncio.sleep(1)


async def test_a_file_that_cannot_be_read_to_its_end_is_not_sent_and_asks_for_a_person(axis, driver, parcel):
    axis.answers = [axis.accepted]
    with pytest.raises(NeedsOperator) as caught:
        await driver.send(dataclasses.replace(parcel(b"short"), size=500))
    assert caught.value.code == "content-unreadable"
    assert not axis.asked


async def test_a_fetched_file_comes_whole(axis, driver):
    data = bytes(range(256)) * 3000 + b"\r\n--cut--\r\n and on \r\n--cut"
    axis.answers = [lambda asked: multipart(axis.file(asked, data))]
    async with driver.fetch("A-9", Kind.DOCUMENT) as item:
        assert (item.size, item.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert b"".join([chunk async for chunk in item.chunks]) == data


async def test_an_empty_file_is_a_file(axis, driver):
    axis.answers = [lambda asked: multipart(axis.file(asked, b""))]
    assert await fetched(driver) == b""


WRONG_FILES = {
    "other bytes": {"part": b"DATA"},
    "shorter": {"part": b"dat"},
    "longer": {"part": b"data!"},
    "not named": {"content_id": "f2"},
    "cut off": {"part": b"data", "size": 9},
}


@pytest.mark.parametrize("wrong", WRONG_FILES.values(), ids=WRONG_FILES)
async def test_a_file_that_is_not_what_the_axis_signed_for_never_ends_well(axis, driver, wrong):
    axis.answers = [lambda asked: multipart(axis.file(asked, b"data", **wrong))]
    with pytest.raises(Unreachable):
        await fetched(driver)


async def test_the_item_must_be_the_one_asked_for(axis, driver):
    axis.answers = [lambda asked: multipart(axis.file(asked, b"data").replace(b"A-9", b"A-8"))]
    with pytest.raises(Unreachable):
        await fetched(driver)


async def test_an_item_beyond_our_limit_is_held_for_a_person_before_its_bytes_are_read(axis, context):
    driver = connect({"url": axis.url, "edxml_bytes": 3}, context)
    axis.answers = [lambda asked: multipart(axis.file(asked, b"data"))]
    with pytest.raises(NeedsOperator) as caught:
        await fetched(driver)
    assert caught.value.code == "axis-item-too-large"
    await driver.close()


async def test_a_reader_s_own_error_passes_through_a_fetch(axis, driver):
    axis.answers = [lambda asked: multipart(axis.file(asked, b"data"))]
    with pytest.raises(OSError, match="disk full"):
        async with driver.fetch("A-9", Kind.DOCUMENT):
            raise OSError("disk full")


async def test_a_find_with_other_bytes_is_for_a_person(axis, driver, parcel):
    found = f"<Found>true</Found><AxisId>A-1</AxisId><Sha256>{'0' * 64}</Sha256><Receipt>AAAA</Receipt>"
    axis.answers = [lambda asked: axis.reply(asked, found)]
    with pytest.raises(NeedsOperator):
        await driver.find(parcel())


async def test_a_new_key_is_used_without_a_restart(axis, driver, context, parcel):
    axis.answers = [axis.accepted]
    await driver.send(parcel())
    for file in context.keys.iterdir():
        file.unlink()
    write_keys(context.keys, dataclasses.replace(valid("new-key")))
    await driver.reload()
    await driver.send(parcel())
    old, new = (asked.envelope.findtext(".//{*}BinarySecurityToken") for asked in axis.asked)
    assert old != new


async def test_it_is_known_until_when_the_axis_has_a_valid_certificate(driver, context):
    write_trust(context.trust, expired(AXIS), valid(AXIS))
    await driver.reload()
    assert driver.certificates() == {AXIS: valid(AXIS).certificate.not_valid_after_utc}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://axis.example/axis"},
        {"url": "https://user:secret@axis.example/axis"},
        {"url": "https://axis.example/axis", "certificate": "c.pem"},
        {"url": "https://axis.example/axis", "certificate": "no-such.pem", "key": "no-such.pem"},
        {"url": "https://axis.example/axis", "colour": "red"},
        {"url": "https://axis.example/axis", "idle_seconds": 0},
    ],
)
def test_unusable_options_are_refused_without_quoting_them(context, options):
    with pytest.raises(Misconfigured) as caught:
        connect(options, context)
    assert "secret" not in str(caught.value)


def test_plain_http_is_taken_behind_a_tls_proxy(context):
    assert connect({"url": "http://axis.example/axis", "behind_tls_proxy": True}, context).name == "national"


async def test_the_directory_comes_with_its_days_and_predecessors_where_the_axis_tells_them(axis, driver):
    lines = (
        "<Organization><OrganId>H1</OrganId><OrganName>Một</OrganName><OldOrganId>000.00.00.H1</OldOrganId>"
        "<ValidFrom>2025-07-01</ValidFrom><ValidUntil>2030-12-31</ValidUntil>"
        "<PredecessorId>H2</PredecessorId><PredecessorId>H3</PredecessorId></Organization>"
        "<Organization><OrganId>G1</OrganId><OrganName>Bộ Một</OrganName></Organization>"
    )
    axis.answers = [
        lambda asked: axis.sign(
            f'<GetOrganizationsResponse xmlns="urn:lienthong:axis:1">{axis.head(asked)}{lines}</GetOrganizationsResponse>'
        )
    ]
    assert await driver.organs() == [
        AxisOrgan("H1", "Một", "000.00.00.H1", dt.date(2025, 7, 1), dt.date(2030, 12, 31), ("H2", "H3")),
        AxisOrgan("G1", "Bộ Một"),
    ]
