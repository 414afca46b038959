"""What an answer leads to: taken, rejected, in doubt, or for a person."""

import asyncio
import base64
import datetime as dt
import json

import pytest
from aiohttp import web

from adapters.axis.vxp import driver as vxp
from adapters.axis.vxp.encoded import decoded
from gateway.errors import Busy, NeedsOperator, Rejection, Retryable, Unknown, Unreachable
from gateway.model import Kind
from gateway.ports import Finds
from tests.pki import NOW

from .conftest import CODE, RECEIVER, SENDER, fail, line, ok, parcel


async def test_an_acceptance_keeps_the_answer_byte_for_byte_and_no_receipt(axis, driver):
    axis.answers = [b'{ "status":"OK",\t"DocId": 4711 }']
    acceptance = await driver.send(parcel())
    assert (acceptance.axis_id, acceptance.receipt) == ("4711", None)
    assert acceptance.reply == b'{ "status":"OK",\t"DocId": 4711 }'


def test_it_claims_no_more_than_the_protocol_gives(driver, connected):
    assert (driver.can.deduplicates, driver.can.finds, driver.can.signs_receipts) == (False, Finds.BY_LISTING, False)
    assert connected(finds="no").can.finds is Finds.NO


CONSEQUENCES = [
    ("18", Rejection, "axis-receiver-unknown"),
    (23, Rejection, "axis-receiver-locked"),
    ("10", Rejection, "axis-file-invalid"),
    ("21", Rejection, "axis-file-not-processed"),
    ("22", Rejection, "axis-edxml-form"),
    ("19", NeedsOperator, "axis-sender-not-registered"),
    ("15", NeedsOperator, "axis-credentials"),
    ("20", Unknown, "axis-fail"),
    ("100", Unknown, "axis-fail"),
    ("9999", Unknown, "axis-fail"),
    (None, Unknown, "axis-fail"),
]


@pytest.mark.parametrize(("code", "error", "said"), CONSEQUENCES)
async def test_a_refused_send_has_the_consequence_of_its_code(axis, driver, code, error, said):
    axis.answers = [fail(code)]
    with pytest.raises(error) as caught:
        await driver.send(parcel())
    assert caught.value.code == said


async def test_no_more_than_a_clean_excerpt_of_the_axis_s_words_is_told(axis, driver):
    axis.answers = [fail("20", "\x1b[31mlỗi\r\nfake log line <script>" + "x" * 5000)]
    with pytest.raises(Unknown) as caught:
        await driver.send(parcel())
    told = str(caught.value)
    assert len(told) < 200
    assert not {"\x1b", "\r", "\n", "<"} & set(told)


DOUBTFUL = [
    b"",
    b"<html>proxy</html>",
    b"[" * 100_000,
    b'"OK"',
    ok(),
    ok(DocId=None),
    ok(DocId=""),
    {"DocId": "A-1", "status": "PENDING"},
    web.Response(status=500),
    web.Response(status=503, headers={"Retry-After": "1"}),
    web.Response(status=401),
    web.Response(status=302, headers={"Location": "/adapter/other"}),
    b" " * (2 << 20),
]


@pytest.mark.parametrize("answer", DOUBTFUL, ids=range(len(DOUBTFUL)))
async def test_an_answer_that_says_neither_yes_nor_no_leaves_a_doubt(axis, driver, answer):
    axis.answers = [answer]
    with pytest.raises(Unknown) as caught:
        await driver.send(parcel())
    assert caught.value.after is None  # so that the longest call is waited out before the axis is asked
    assert len(axis.asked) == 1


async def test_a_silent_axis_leaves_a_doubt_after_the_time_out(axis, connected):
    axis.answers = [lambda _: asyncio.sleep(1, b"")]
    with pytest.raises(Unknown):
        await connected(first_byte_seconds=0.2).send(parcel())


async def test_an_adapter_that_is_not_there_leaves_no_doubt(connected):
    with pytest.raises(Unreachable):
        await connected(url="http://127.0.0.1:9/adapter").send(parcel())


async def test_a_busy_axis_says_when_it_wants_to_be_asked_again(axis, driver):
    axis.answers = [web.Response(status=429, headers={"Retry-After": "7"})]
    with pytest.raises(Busy) as caught:
        await driver.pending(10)
    assert caught.value.after == 7


async def test_reading_is_tried_again_within_seconds_and_sending_never(axis, driver):
    axis.answers = [web.Response(status=502), web.Response(status=502), ok(count=3)]
    assert await driver.service.count_received(Kind.DOCUMENT) == 3
    axis.asked.clear()
    axis.answers = [web.Response(status=502), ok(DocId="A-1")]
    with pytest.raises(Unknown):
        await driver.send(parcel())
    assert len(axis.asked) == 1


# --- finding ---


async def found(axis, driver, *lines, **changed):
    axis.answers = [ok(data=list(lines))]
    return await driver.find(parcel(**changed))


async def test_a_sent_message_is_found_by_sender_code_and_receiver_and_the_line_is_kept(axis, driver):
    acceptance = await found(axis, driver, line("A-7"), line("A-8", notation="16/UBND-VX"))
    assert acceptance.axis_id == "A-7"
    assert json.loads(acceptance.reply) == [line("A-7")]


async def test_a_line_for_each_receiver_is_one_message(axis, driver):
    other = "000.00.00.G12"
    acceptance = await found(axis, driver, line(), line(toCode=other), to=(RECEIVER, other))
    assert acceptance.axis_id == "A-1"


NOT_IT = [
    {"fromCode": "000.00.00.H09"},
    {"toCode": "000.00.00.G12"},
    {"notation": "150/UBND-VX"},
    {"messageType": "status"},
    {"sentTime": "22/10/2026 08:00:00"},
    {"senderDocId": ""},
    {"documentId": "another"},
]


@pytest.mark.parametrize("changed", NOT_IT, ids=lambda changed: next(iter(changed)))
async def test_a_line_that_differs_is_another_message(axis, driver, changed):
    since = NOW.replace(year=2026, month=11, day=1)
    assert await found(axis, driver, line(**changed), since=since) is None


async def test_where_the_list_tells_the_document_id_that_decides(axis, driver):
    document_id = parcel().document_id
    acceptance = await found(axis, driver, line(notation="", documentId=document_id), code="")
    assert acceptance.axis_id == "A-1"


async def test_the_list_is_asked_for_since_the_first_try_less_what_clocks_may_differ(axis, driver):
    await found(axis, driver, since=dt.datetime(2026, 11, 22, 1, 0, tzinfo=dt.UTC))
    assert axis.asked[0].param("fromDate") == "22/11/2026 07:50:00"


async def test_a_line_known_to_be_another_message_s_is_not_taken_for_this_one(axis, driver):
    async def is_another(axis_id):
        return axis_id == "A-1"

    assert (await found(axis, driver, line("A-1"), line("A-2"), is_another=is_another)).axis_id == "A-2"
    assert await found(axis, driver, line("A-1"), is_another=is_another) is None


async def test_several_lines_that_may_be_it_are_for_a_person(axis, driver):
    with pytest.raises(NeedsOperator) as caught:
        await found(axis, driver, line("A-1"), line("A-2"))
    assert caught.value.code == "in-doubt"


async def test_a_list_that_cannot_tell_is_for_a_person(axis, driver, connected):
    with pytest.raises(NeedsOperator):
        await found(axis, driver, line(), code="")
    with pytest.raises(NeedsOperator):
        await found(axis, connected(list_cap=2), line("A-1"), line("A-2", notation="x"))


async def test_a_refused_question_answers_nothing(axis, driver):
    axis.answers = [fail("20")]
    with pytest.raises(Retryable):
        await driver.find(parcel())


# --- receiving ---


def waiting(doc_id, created="22/11/2026 08:00:00"):
    return {"docId": doc_id, "from": SENDER, "messageType": "edoc", "created_time": created}


async def test_what_waits_is_told_oldest_first_and_no_more_than_asked(axis, driver):
    def answer(asked):
        if asked.param("messagetype") == "status":
            return ok(data=[waiting("S-1")])
        return ok(data=[waiting("D-2", "22/11/2026 09:00:00"), waiting("D-1")])

    axis.answers = [answer]
    items = await driver.pending(10)
    assert [(item.axis_id, item.kind, item.sender) for item in items] == [
        ("D-1", Kind.DOCUMENT, SENDER),
        ("D-2", Kind.DOCUMENT, SENDER),
        ("S-1", Kind.STATUS, SENDER),
    ]
    assert [item.axis_id for item in await driver.pending(1)] == ["D-1"]


async def test_a_list_as_long_as_the_axis_makes_them_is_asked_for_by_shorter_windows(axis, connected):
    times = {f"D-{n}": NOW - dt.timedelta(hours=n) for n in range(20)}

    def answer(asked):
        if asked.param("messagetype") == "status":
            return ok(data=[])
        since, until = (
            dt.datetime.strptime(asked.param(name) + " +0700", "%d/%m/%Y %H:%M:%S %z")
            for name in ("fromDate", "toDate")
        )
        found = [waiting(name, at.isoformat()) for name, at in times.items() if since <= at < until]
        return ok(data=found[:3])

    axis.answers = [answer]
    for cap, seen in ((0, 3), (3, 20)):
        driver = connected(list_cap=cap)
        assert len(await driver.pending(100)) == seen
    assert [item.axis_id for item in await driver.pending(2, "D-19")] == ["D-18", "D-17"]


async def test_an_axis_that_heeds_no_dates_is_not_asked_without_end(axis, connected):
    axis.answers = [lambda asked: ok(data=[waiting(f"{asked.param('messagetype')}-{n}") for n in range(3)])]
    assert len(await connected(list_cap=3).pending(100)) == 6
    assert len(axis.asked) == 2 * vxp.MOST_LISTS


async def test_a_look_reaches_back_before_the_newest_item_and_now_and_then_all_the_way(axis, connected):
    driver = connected(overlap_hours=2, full_look_seconds=60)
    clock = [NOW]
    driver._context = type("Context", (), {"now": staticmethod(lambda: clock[0])})
    newest = f"{NOW.astimezone(dt.timezone(dt.timedelta(hours=7))):%d/%m/%Y %H:%M:%S}"

    async def reaches_back():
        axis.asked.clear()
        await driver.pending(10)
        asked = next(each for each in axis.asked if each.param("messagetype") == "edoc")
        since = dt.datetime.strptime(asked.param("fromDate") + " +0700", "%d/%m/%Y %H:%M:%S %z")
        return round((clock[0] - since).total_seconds() / 3600)

    axis.answers = [ok(data=[waiting("D-1", newest)])]
    assert await reaches_back() == 7 * 24
    assert await reaches_back() == 2
    clock[0] += dt.timedelta(seconds=61)
    assert await reaches_back() == 7 * 24
    assert await reaches_back() == 2


async def fetched(driver, doc_id="D-1"):
    async with driver.fetch(doc_id, Kind.DOCUMENT) as file:
        assert (file.size, file.sha256) == (None, None)
        return b"".join([chunk async for chunk in file.chunks])


async def test_a_download_is_the_bytes_as_they_come(axis, driver):
    axis.answers = [b"<edXML>" + b"x" * 3_000_000 + b"</edXML>"]
    assert len(await fetched(driver)) == 3_000_015
    assert (axis.asked[0].method, axis.asked[0].operation) == ("GET", "downloadEdoc")


@pytest.mark.parametrize("answer", [fail("20"), b"", lambda _: web.Response(status=404), b"{"], ids=range(4))
@pytest.mark.parametrize("download", ["stream", "base64"])
async def test_a_refusal_is_not_taken_for_a_file(axis, connected, answer, download):
    axis.answers = [answer]
    with pytest.raises(Retryable):
        await fetched(connected(download=download))


async def test_a_file_larger_than_allowed_is_for_a_person(axis, connected):
    axis.answers = [b"<edXML>" + b"x" * 5000]
    with pytest.raises(NeedsOperator):
        await fetched(connected(edxml_bytes=1000))


async def test_processing_is_said_before_the_download_where_the_server_wants_it(axis, connected):
    axis.answers = [ok(), b"<edXML/>"]
    await fetched(connected(says_processing=True))
    assert [(each.operation, each.param("status")) for each in axis.asked] == [
        ("updateStatus", "processing"),
        ("downloadEdoc", None),
    ]


FILE = bytes(range(256)) * 1000
TEXT = base64.b64encode(FILE).decode()
FORMS = [
    json.dumps(ok(data=TEXT)),
    json.dumps({"data": TEXT, "status": "OK"}),
    json.dumps(ok(data=TEXT)).replace("/", "\\/").replace("+", "\\u002b").replace("=", "\\u003d"),
    json.dumps(ok(data="\r\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)))),
    json.dumps(ok(ErrorDesc='"data":"', data=TEXT), indent=2),
]


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_a_file_inside_an_answer_is_decoded_however_it_is_cut(form, size):
    async def chunks():
        for at in range(0, len(form), size):
            yield form[at : at + size].encode()

    around = []
    assert b"".join([chunk async for chunk in decoded(chunks(), around)]) == FILE
    assert not around[0].refused


async def test_a_file_inside_an_answer_never_stands_whole_in_memory(axis, connected):
    axis.answers = [json.dumps(ok(data=base64.b64encode(bytes(8 << 20)).decode())).encode()]
    longest = total = 0
    async with connected(download="base64").fetch("D-1", Kind.DOCUMENT) as file:
        async for chunk in file.chunks:
            longest, total = max(longest, len(chunk)), total + len(chunk)
    assert total == 8 << 20
    assert longest <= 1 << 20
    assert (axis.asked[0].method, axis.asked[0].operation) == ("POST", "getEdoc")


@pytest.mark.parametrize(
    "body", ['{"data":"QUJD', '{"data":"QUJD"', '{"data":"Q*JD"}', '{"data":"QUJD","status":"FAIL"}']
)
async def test_a_file_inside_an_answer_that_breaks_off_or_is_refused_never_ends_as_complete(axis, connected, body):
    axis.answers = [body.encode()]
    with pytest.raises(Retryable):
        await fetched(connected(download="base64"))


# --- confirming ---


async def test_a_refused_done_is_done_where_the_item_waits_no_longer(axis, driver):
    axis.answers = [fail("20"), ok(data=[])]
    await driver.confirm("D-1", b"receipt")


async def test_a_refused_done_is_tried_again_while_the_item_waits(axis, driver):
    axis.answers = [fail("20"), ok(data=[waiting("D-1")])]
    with pytest.raises(Retryable):
        await driver.confirm("D-1", b"receipt")


async def test_our_receipt_is_never_sent(axis, driver):
    axis.answers = [ok()]
    await driver.confirm("D-1", b"<Receipt>secret of ours</Receipt>")
    (asked,) = axis.asked
    assert b"Receipt" not in asked.body
    assert "Receipt" not in str(asked.headers)


# --- directory ---


async def test_every_directory_is_read_with_its_other_codes(axis, driver):
    axis.answers = [
        ok(data=[{"id": 7, "pid": 1, "code": "000.00.00.G22", "name": " VPCP ", "oldCode": "G22"}, {"id": 8}])
    ]
    (organ,) = await driver.organs()
    assert (organ.code, organ.name, organ.old_code) == ("000.00.00.G22", "VPCP", "G22")
    axis.answers = [ok(data=[{"id": 7, "code": "H08", "name": "UBND", "code102": "000.00.00.H08"}])]
    (agency,) = await driver.service.agencies_qd20(1)
    assert (agency.code, agency.old_code, axis.asked[-1].param("level")) == ("H08", "000.00.00.H08", "1")
    axis.answers = [[{"id": "7", "code": "H08", "name": "UBND", "deleted": 1}]]
    (unit,) = await driver.service.synchronize_units()
    assert unit.deleted


async def test_a_directory_longer_than_allowed_is_not_read(axis, connected):
    axis.answers = [ok(data=[{"code": "H08", "name": "x" * 10_000}])]
    with pytest.raises(Retryable):
        await connected(list_bytes=5000).organs()


async def test_an_agency_is_registered_by_a_body_and_deleted_by_its_code(axis, driver):
    from adapters.axis.vxp.service import Registration

    axis.answers = [ok()]
    await driver.service.register_agency(Registration("7", "H08.01", "Sở thử nghiệm", parent_code="H08"))
    said = json.loads(axis.asked[0].body)
    assert (said["code"], said["pcode"], said["name"]) == ("H08.01", "H08", "Sở thử nghiệm")
    assert "pid" not in said
    await driver.service.delete_agency("H08.01")
    assert (axis.asked[1].operation, axis.asked[1].param("AgencyCode")) == ("deleteAgency", "H08.01")
    axis.answers = [fail("20")]
    with pytest.raises(Retryable):
        await driver.service.delete_agency("H08.01")


async def test_a_sent_message_is_followed_by_its_doc_id(axis, driver):
    axis.answers = [ok(data=[line()])]
    (told,) = await driver.service.sent_edoc_list(Kind.DOCUMENT, doc_id="A-1")
    assert told["notation"] == CODE
    assert axis.asked[0].param("docId") == "A-1"
