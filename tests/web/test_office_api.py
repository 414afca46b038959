import asyncio
import json
import re

import pytest
from aiohttp import FormData
from openapi_spec_validator import validate

from gateway.states import Delivery, Entry, Outcome, Purge, State
from gateway.web import uploads
from tests.assets.make_edxml import END_OF_PDF
from tests.doors import (
    ALSO_OURS,
    FAR,
    FARTHER,
    NEIGHBOUR,
    OFFICE,
    OURS,
    bytes_on_disk,
    record,
    with_files,
)
from tests.web.offices import ATTACHED, EDXML, Office, form, open_street


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


async def problem(response, status, code):
    assert response.content_type == "application/problem+json"
    body = await response.json()
    assert (response.status, body["type"]) == (status, f"urn:lienthong:problem:{code}")
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return {(error["field"], error["code"]) for error in body["errors"]}


# --- handing in -------------------------------------------------------------------------------------------------


async def test_a_document_is_accepted_and_can_be_followed(street):
    response = await street.ours.submit(with_files("a.pdf", to=[FAR, FARTHER]), ("a.pdf", b"%PDF-1.7" + END_OF_PDF))
    assert response.status == 202
    accepted = await response.json()
    assert [one["axis"] for one in accepted["messages"]] == ["national", "provincial"]
    assert accepted["message_id"] == accepted["submission"] == accepted["messages"][0]["message_id"]
    assert accepted["warnings"] == []
    assert response.headers["Location"] == f"/v1/documents/{accepted['message_id']}"

    followed = await (await street.ours.get(response.headers["Location"])).json()
    assert (followed["state"], followed["code"], followed["sender"]) == ("accepted", "15/STN-VP", OURS)
    nothing_yet = {"organ": FAR, "status": None, "status_at": None, "answered": False, "answer": None}
    assert followed["deliveries"] == [nothing_yet]
    assert [entry["code"] for entry in followed["timeline"]] == ["accepted"]


async def test_warnings_are_said_in_the_language_asked_for(street):
    said = set()
    for language in ("en-GB,vi;q=0.1", "vi", "fr, *", ""):
        response = await street.ours.submit(record(), headers={"Accept-Language": language})
        said.add((await response.json())["warnings"][0]["message"])
    assert said == {"The document has no attachment.", "Văn bản không có tệp đính kèm."}


async def test_a_repeat_gets_the_same_answer_and_says_so(street):
    first = await street.ours.submit(with_files("a"), ("a", b"bytes"))
    again = await street.ours.submit(with_files("a"), ("a", b"bytes"))
    assert await first.json() == await again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    await problem(await street.ours.submit(with_files("a"), ("a", b"other")), 422, "key-reused")


async def test_many_posts_at_once_with_one_key_are_one_submission(street):
    posts = [street.ours.submit(with_files("a"), ("a", b"x" * 300_000)) for _ in range(8)]
    told = set()
    for response in await asyncio.gather(*posts):
        if response.status == 409:
            assert int(response.headers["Retry-After"]) >= 1
            await problem(response, 409, "key-running")
        else:
            told.add((await response.json())["submission"])
    assert len(told) == 1
    assert len((await (await street.ours.get("/v1/documents")).json())["items"]) == 1


async def test_many_attachments_arrive_in_their_order(street):
    names = [f"{n}.pdf" for n in range(100)]
    response = await street.ours.submit(with_files(*names), *((name, name.encode() * 500) for name in names))
    refs = await street.house.journal.contents((await response.json())["message_id"])
    assert [ref.attachment.name for ref in refs] == names
    assert await street.house.contents.read(refs[99].content) == b"99.pdf" * 500


async def test_an_attachment_far_larger_than_any_buffer_is_streamed(street):
    data = bytes(range(256)) * (40 << 12)
    response = await street.ours.submit(with_files("a"), ("a", data))
    [ref] = await street.house.journal.contents((await response.json())["message_id"])
    assert ref.content.size == len(data) == 40 << 20
    assert await street.house.contents.read(ref.content) == data


async def test_a_ready_edxml_file_needs_no_key(street):
    response = await street.ours.post(
        "/v1/documents", data=b"<!DOCTYPE x []><edXML/>", headers={"Content-Type": "application/edxml+xml"}
    )
    assert await problem(response, 422, "edxml-unreadable") == {("line 1", "dtd")}


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"\xff\xfe{}", 400, "not-utf-8"),
        (b"", 400, "not-json"),
        (b"{", 400, "not-json"),
        (b"[]", 400, "not-an-object"),
        (b"null", 400, "not-an-object"),
        (b'{"priority": NaN}', 400, "not-json"),
        (b'{"priority": ' + b"9" * 5000 + b"}", 400, "not-json"),
        (b'{"secrecy": "M", "secrecy": ""}', 400, "name-twice"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "too-deep"),
        (b'{"subject": "' + b"x" * (1 << 20) + b'"}', 413, "too-large"),
        (b"{}", 422, "invalid"),
        (json.dumps(record(subject="a\x00b")).encode(), 422, "invalid"),
        (json.dumps(record(subject="\ud800")).encode(), 422, "invalid"),
        (json.dumps(record(priority=10**300)).encode(), 422, "invalid"),
        (json.dumps(record(secrecy="Mật")).encode(), 422, "state-secret"),
        (json.dumps(record(**{"from": NEIGHBOUR})).encode(), 403, "organ-not-yours"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
async def test_a_record_that_cannot_be_read_or_taken_is_a_problem(street, text, status, code):
    await problem(await street.ours.submit(text), status, code)


async def test_all_problems_of_a_record_come_at_once_each_with_its_sentence(street):
    response = await street.ours.submit(record(to=[], number="1" * 12, odd=1), headers={"Accept-Language": "vi"})
    body = await response.json()
    assert {error["field"]: error["message"] for error in body["errors"]} == {
        "to": "Bắt buộc phải có.",
        "number": "Tối đa 11 ký tự.",
        "odd": "Không có trường này.",
    }
    assert response.headers["Content-Language"] == "vi"
    assert "to: Bắt buộc phải có." in body["detail"]
    assert "Bắt buộc" in await response.text()


async def test_a_field_name_that_is_no_text_is_still_a_problem(street):
    await problem(await street.ours.submit(b'{"\\ud800": 1}'), 422, "invalid")


async def test_a_declared_gibibyte_is_refused_before_it_is_sent(street):
    large = record(attachments=[{"name": "a", "size": 1 << 30}])
    assert await problem(await street.ours.submit(large), 413, "too-large") == {
        ("attachments[0].size", "too-many-bytes")
    }


@pytest.mark.parametrize("key", ["", "có dấu".encode().decode("latin-1"), "a b", "x" * 256])
async def test_the_json_way_needs_a_proper_idempotency_key(street, key):
    response = await street.ours.submit(record(), key=key)
    code = "idempotency-key-form" if key else "idempotency-key-missing"
    assert await problem(response, 400, code) == {("Idempotency-Key", code)}


@pytest.mark.parametrize(
    ("content_type", "data", "status", "code"),
    [
        ("text/plain", b"hello", 415, "media-type"),
        ("application/json", b"{}", 415, "media-type"),
        ("multipart/mixed; boundary=b", b"--b\r\n\r\n{}\r\n--b--", 415, "media-type"),
        ("multipart/form-data", b"--b\r\n\r\n{}\r\n--b--", 400, "multipart-broken"),
        ("multipart/form-data; boundary=" + "b" * 71, b"", 400, "multipart-broken"),
        ("multipart/form-data; boundary=b", b"", 400, "multipart-broken"),
        ("multipart/form-data; boundary=b", b"--c\r\n\r\n{}\r\n--c--", 400, "multipart-broken"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400, "record-first"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="attachment"; filename="a"\r\n\r\nx\r\n--b--\r\n',
            400,
            "record-first",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="record"\r\nContent-Transfer-Encoding: base64\r\n\r\ne30=\r\n--b--\r\n',
            415,
            "part-encoded",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="record"\r\nX: ' + b"y" * 70_000 + b"\r\n\r\n{}\r\n--b--\r\n",
            400,
            "multipart-broken",
        ),
    ],
)
async def test_a_body_of_another_form_is_a_problem(street, content_type, data, status, code):
    response = await street.ours.post(
        "/v1/documents", data=data, headers={"Content-Type": content_type, "Idempotency-Key": "k1"}
    )
    await problem(response, status, code)


@pytest.mark.parametrize(("language", "use"), [("en", "Use "), ("vi", "Dùng ")])
async def test_a_body_of_another_type_is_told_the_types_that_are_taken(street, language, use):
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k1", "Accept-Language": language}
    response = await street.ours.post("/v1/documents", data=b"{}", headers=headers)
    assert await problem(response, 415, "media-type") == {("Content-Type", "media-type-document")}
    detail = (await response.json())["detail"]
    assert detail.startswith(f"Content-Type: {use}multipart/form-data (")
    assert "record" in detail
    assert "application/edxml+xml" in detail


async def test_the_record_must_come_first(street):
    swapped = FormData()
    swapped.add_field("attachment", b"bytes", filename="a")
    swapped.add_field("record", json.dumps(with_files("a")), content_type="application/json")
    response = await street.ours.post("/v1/documents", data=swapped, headers={"Idempotency-Key": "k1"})
    assert await problem(response, 400, "record-first") == {("record", "record-first")}


async def until(true):
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def raw_form(record_, *files):
    """The bytes of a multipart and its content type."""

    class Kept:
        def __init__(self):
            self.data = bytearray()

        async def write(self, data):
            self.data += data

    payload = form(record_, *files)()
    kept = Kept()
    await payload.write(kept)
    return bytes(kept.data), payload.headers["Content-Type"]


async def test_a_multipart_cut_short_is_never_taken_for_whole(street, tmp_path):
    data, content_type = await raw_form(with_files("a"), ("a", b"x" * 5000))
    end = data.rindex(b"\r\n--")
    for cut in (end - 2000, end, end + 6, len(data) - 3):
        response = await street.ours.post(
            "/v1/documents", data=data[:cut], headers={"Content-Type": content_type, "Idempotency-Key": "k1"}
        )
        await problem(response, 400, "multipart-broken")
    assert bytes_on_disk(tmp_path) == b""
    assert (await street.ours.submit(with_files("a"), ("a", b"x" * 5000))).status == 202


async def test_a_client_that_goes_away_leaves_nothing_and_its_key_is_free(street, tmp_path):
    data, content_type = await raw_form(with_files("a", "b"), ("a", b"x" * 5000), ("b", b"y" * (4 << 20)))
    _, writer = await asyncio.open_connection(street.client.host, street.client.port)
    head = (
        f"POST /v1/documents HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {street.ours.key}\r\n"
        f"Idempotency-Key: k1\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data[: 3 << 20])
    await writer.drain()
    await until(lambda: bytes_on_disk(tmp_path))
    assert (await street.ours.submit(with_files("a"), ("a", b"z"))).status == 409
    writer.close()
    await until(lambda: not bytes_on_disk(tmp_path))
    async with asyncio.timeout(10):
        while (await street.ours.submit(with_files("a"), ("a", b"z"))).status == 409:
            await asyncio.sleep(0.01)
    assert len((await (await street.ours.get("/v1/documents")).json())["items"]) == 1


async def test_one_key_may_not_take_all_the_room_for_uploads(tmp_path):
    async with open_street(tmp_path, uploads_at_once=1) as street:
        sent, gate = asyncio.Event(), asyncio.Event()

        async def slow():
            yield b"a preamble,\r\n"  # the client sends the first piece only with the next
            yield b"--b\r\n"
            sent.set()
            await gate.wait()

        headers = {"Idempotency-Key": "k1", "Content-Type": "multipart/form-data; boundary=b"}
        first = asyncio.create_task(street.ours.post("/v1/documents", data=slow(), headers=headers))
        await sent.wait()
        async with asyncio.timeout(10):
            while (refused := await street.ours.submit(record(), key="k2")).status != 429:
                await asyncio.sleep(0.01)
        assert int(refused.headers["Retry-After"]) >= 1
        await problem(refused, 429, "too-many-uploads")
        assert (await street.theirs.submit(record(**{"from": NEIGHBOUR}))).status == 202
        gate.set()
        await problem(await first, 400, "multipart-broken")
        assert (await street.ours.submit(record(), key="k2")).status == 202


async def test_below_the_disk_reserve_the_answer_is_to_come_again(tmp_path):
    async with open_street(tmp_path, disk_reserve_bytes=1 << 50) as street:
        response = await street.ours.submit(record())
        assert response.headers["Retry-After"] == "60"
        await problem(response, 503, "disk-full")


# --- following --------------------------------------------------------------------------------------------------


async def test_the_list_is_paged_newest_first_and_filtered(street):
    ids = []
    for n in range(5):
        to = [FARTHER] if n == 3 else [FAR]
        response = await street.ours.submit(record(number=str(n), to=to), key=f"k{n}")
        ids.insert(0, (await response.json())["message_id"])
    seen, cursor = [], None
    while True:
        page = await (
            await street.ours.get("/v1/documents", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [item["message_id"] for item in page["items"]]
        assert len(page["items"]) <= 2
        if not (cursor := page["next"]):
            break
    assert seen == ids

    async def found(**params):
        page = await (await street.ours.get("/v1/documents", params=params)).json()
        return [item["message_id"] for item in page["items"]]

    assert await found(organ=FARTHER) == [ids[1]]
    assert await found(state="accepted", held="false") == ids
    assert await found(state="rejected") == await found(held="true") == []
    assert await found(since="2026-03-02T08:30:00+07:00", until="2026-03-02T01:30:01Z") == ids
    assert await found(until="2026-03-02T01:30:00Z") == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"limit": "0"}, ("limit", "limit")),
        ({"limit": "201"}, ("limit", "limit")),
        ({"limit": "٣"}, ("limit", "limit")),
        ({"cursor": "!"}, ("cursor", "cursor")),
        ({"cursor": "djEueA"}, ("cursor", "cursor")),
        ({"state": "lost"}, ("state", "parameter")),
        ({"since": "2026-03-02T00:00:00"}, ("since", "parameter")),
        ({"held": "maybe"}, ("held", "parameter")),
        ({"direction": "in"}, ("direction", "parameter-unknown")),
    ],
)
async def test_parameters_that_are_not_understood_are_a_problem(street, params, expected):
    assert await problem(await street.ours.get("/v1/documents", params=params), 400, "invalid") == {expected}


# --- the inbox --------------------------------------------------------------------------------------------------


async def test_reading_consumes_nothing_and_an_acknowledgement_may_be_repeated(street):
    item = f"/v1/inbox/{await street.arrive()}"
    for _ in range(2):
        [listed] = (await (await street.ours.get("/v1/inbox")).json())["items"]
        assert (listed["message_id"], listed["subject"], listed["code"]) == ("in-1", "V/v đến", "1/B-VP")
        read = await (await street.ours.get(item)).json()
        assert read["organs"] == [OURS]
        assert read["detail"]["document"]["sender"]["name"] == "Bộ Thử nghiệm"
        assert [(one["n"], one["name"], one["size"]) for one in read["attachments"]] == [
            (0, "Quyết định số 1.pdf", len(ATTACHED))
        ]
        assert await (await street.ours.get(f"{item}/content")).read() == EDXML
        assert await (await street.ours.get(f"{item}/attachments/0")).read() == ATTACHED
    for _ in range(2):
        assert (await street.ours.post(f"{item}/ack")).status == 204
    assert (await (await street.ours.get("/v1/inbox")).json())["items"] == []
    assert (await street.ours.get(item)).status == 200, "what an office has it may read again"
    arrived = [m for m in (await street.house.journal.list(_all(), None, 50)).rows if m.kind == "status"]
    assert len(arrived) == 1, "01 goes out once"


def _all():
    from gateway.journal import MessageFilter

    return MessageFilter()


async def test_the_inbox_is_paged_oldest_first(street):
    for n in range(5):
        await street.arrive(message_id=f"in-{n}")
    seen, cursor = [], ""
    while cursor is not None:
        page = await (await street.ours.get("/v1/inbox", params={"limit": 2, "cursor": cursor})).json()
        seen += [item["message_id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == [f"in-{n}" for n in range(5)]


@pytest.mark.parametrize("state", [state for state in State if state not in {State.TRUSTED, State.CLOSED}])
async def test_what_is_not_examined_or_was_rejected_is_not_in_the_inbox(street, state):
    item = f"/v1/inbox/{await street.arrive(state=state)}"
    assert (await (await street.ours.get("/v1/inbox")).json())["items"] == []
    for path in ("", "/content", "/attachments/0"):
        await problem(await street.ours.get(item + path), 404, "not-found")
    await problem(await street.ours.post(f"{item}/ack"), 404, "not-found")


async def test_a_suspected_item_is_not_shown(street):
    item = f"/v1/inbox/{await street.arrive(held='secret-suspected')}"
    assert (await (await street.ours.get("/v1/inbox")).json())["items"] == []
    await problem(await street.ours.get(item), 404, "not-found")


async def test_a_purged_item_says_so_and_its_files_are_gone(street):
    item = f"/v1/inbox/{await street.arrive(state=State.CLOSED)}"
    purged = Outcome(Entry("destroyed"), effects=(Purge("in-1", "recalled"),))
    assert await street.house.journal.apply("in-1", purged, who="test")
    shown = await (await street.ours.get(item)).json()
    assert (shown["subject"], shown["code"], shown["attachments"], shown["detail"]) == ("", "", [], {})
    assert shown["purged_at"]
    for path in ("/content", "/attachments/0"):
        await problem(await street.ours.get(item + path), 410, "purged")
    assert (await street.ours.post(f"{item}/ack")).status == 204
    await problem(await street.ours.post(f"{item}/status", json={"code": "03"}), 410, "purged")
    await problem(await street.theirs.get(f"{item}/content"), 404, "not-found")


async def test_an_item_that_is_held_for_another_office_can_be_read_and_acknowledged(street):
    item = f"/v1/inbox/{await street.arrive(held='webhook-gone')}"
    assert len((await (await street.ours.get("/v1/inbox")).json())["items"]) == 1
    assert (await street.ours.get(f"{item}/attachments/0")).status == 200
    assert (await street.ours.post(f"{item}/ack")).status == 204
    assert (await (await street.ours.get("/v1/inbox")).json())["items"] == []


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=100000-199999999", 206, slice(100000, None)),
        ("bytes=-999999999", 200, slice(None)),
        ("bytes=0-255999", 200, slice(None)),
        ("bytes=5-4", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("chapters=1-2", 200, slice(None)),
    ],
)
async def test_a_download_can_be_resumed(street, wanted, status, part):
    response = await street.ours.get(f"/v1/inbox/{await street.arrive()}/attachments/0", headers={"Range": wanted})
    body = await response.read()
    assert (response.status, body) == (status, ATTACHED[part])
    assert response.content_length == len(body)
    if status == 206:
        first, last, size = map(
            int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers["Content-Range"]).groups()
        )
        assert (ATTACHED[first : last + 1], size) == (body, len(ATTACHED))


@pytest.mark.parametrize("wanted", ["bytes=256000-", "bytes=999999999-", "bytes=-0"])
async def test_bytes_that_do_not_exist_are_a_problem(street, wanted):
    response = await street.ours.get(f"/v1/inbox/{await street.arrive()}/attachments/0", headers={"Range": wanted})
    assert response.headers["Content-Range"] == f"bytes */{len(ATTACHED)}"
    await problem(response, 416, "range")


async def test_the_etag_is_the_sha256_and_guards_a_resumed_download(street):
    path = f"/v1/inbox/{await street.arrive()}/attachments/0"
    whole = await street.ours.get(path)
    [_, ref] = await street.house.journal.contents("in-1")
    assert whole.headers["ETag"] == f'"{ref.content.sha256}"'
    assert whole.headers["Content-Disposition"].endswith("Quy%E1%BA%BFt%20%C4%91%E1%BB%8Bnh%20s%E1%BB%91%201.pdf")
    etag = whole.headers["ETag"]
    resumed = {
        if_range: (await street.ours.get(path, headers={"Range": "bytes=1-2", "If-Range": if_range})).status
        for if_range in (etag, '"other"')
    }
    assert resumed == {etag: 206, '"other"': 200}
    assert (await street.ours.get(path, headers={"If-None-Match": etag})).status == 304


@pytest.mark.parametrize("n", ["1", "-1", "x", "٠", "999999999"])
async def test_an_attachment_that_does_not_exist_is_not_found(street, n):
    await problem(await street.ours.get(f"/v1/inbox/{await street.arrive()}/attachments/{n}"), 404, "not-found")


async def test_an_office_tells_what_became_of_a_document(street):
    path = f"/v1/inbox/{await street.arrive(organs=(OURS, ALSO_OURS))}/status"
    staff = {"department": "Văn thư", "staff": "Trần Thị Mẫu"}
    response = await street.ours.post(path, json={"code": "03", "organ": ALSO_OURS, "staff": staff})
    assert response.status == 202
    message = await street.house.journal.message((await response.json())["message_id"])
    assert (message.kind, message.office, message.sender) == ("status", OFFICE, ALSO_OURS)
    assert await street.house.journal.deliveries(message.message_id) == [Delivery(FAR)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": "01"}, ("code", "unknown-value")),
        ({"code": "02"}, ("reason", "reason-required")),
        ({"code": "03", "organ": NEIGHBOUR}, ("organ", "organ-not-yours")),
        ({"code": "03", "odd": 1}, ("odd", "unknown-field")),
        ({}, ("code", "missing")),
    ],
)
async def test_a_status_that_is_not_the_offices_to_give_is_refused(street, body, expected):
    response = await street.ours.post(f"/v1/inbox/{await street.arrive()}/status", json=body)
    assert expected in await problem(response, 422, "invalid")


# --- who may ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "key-required"),
        ("", "key-required"),
        ("Basic bHQ6eA==", "key-required"),
        ("Bearer x", "key-required"),
        ("Bearer lt_" + "A" * 43, "key-unknown"),
    ],
)
async def test_without_a_valid_key_nothing_is_said(street, header, code):
    headers = {} if header is None else {"Authorization": header}
    for path in ("/v1/documents", "/v1/inbox", "/nowhere"):
        response = await street.client.get(path, headers=headers)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        await problem(response, 401, code)


async def test_a_revoked_key_and_one_of_an_office_no_longer_configured_open_nothing(street):
    from gateway.web.keys import digest, new_key

    gone = new_key()
    await street.house.journal.partners.add_key("closed-office", digest(gone), "")
    await problem(await Office(street.client, gone).get("/v1/documents"), 401, "key-unknown")
    [mine] = [row for row in await street.house.journal.partners.keys() if row.office == OFFICE]
    await street.house.journal.partners.revoke_key(mine.key_id)
    await problem(await street.ours.get("/v1/documents"), 401, "key-unknown")


async def test_no_key_is_kept_in_a_form_that_opens_anything(street, tmp_path):
    on_disk = b"".join(path.read_bytes() for path in tmp_path.glob("journal*"))
    assert street.ours.key.encode() not in on_disk


def routes_of(client):
    """Method and path of every route of the office API, HEAD and its SOAP face aside."""
    for route in client.server.app.router.routes():
        if route.method != "HEAD" and not route.resource.canonical.startswith("/soap/"):
            yield route.method, route.resource.canonical


async def test_another_offices_things_are_not_there_on_any_route(street):
    sent = (await (await street.ours.submit(record(to=[FAR, NEIGHBOUR]))).json())["messages"]
    arrived = await street.arrive()
    walked = 0
    for method, path in routes_of(street.client):
        for message_id in (*(one["message_id"] for one in sent), arrived):
            address = path.format(message_id=message_id, n=0)
            if method == "POST" and path == "/v1/documents":
                response = await street.theirs.submit(record())
            elif method == "POST":
                response = await street.theirs.post(address, json={"code": "03"})
            else:
                response = await street.theirs.get(address)
            if path == "/v1/openapi.json":
                continue
            walked += 1
            if response.status == 200:
                assert "{" not in path
                assert (await response.json())["items"] == []
            else:
                assert response.status == (403 if path == "/v1/documents" else 404), (method, path)
    assert walked == 36


async def test_an_inbox_item_is_not_among_the_documents_nor_a_document_in_the_inbox(street):
    sent = (await (await street.ours.submit(record())).json())["message_id"]
    arrived = await street.arrive()
    await problem(await street.ours.get(f"/v1/documents/{arrived}"), 404, "not-found")
    await problem(await street.ours.get(f"/v1/inbox/{sent}"), 404, "not-found")
    listed = (await (await street.ours.get("/v1/documents")).json())["items"]
    assert [item["message_id"] for item in listed] == [sent]


async def test_unknown_paths_and_methods_are_problems_too(street):
    await problem(await street.ours.get("/v1/nowhere"), 404, "not-found")
    response = await street.ours.call("DELETE", "/v1/documents")
    assert set(response.headers["Allow"].split(",")) == {"GET", "POST"}
    await problem(response, 405, "method-not-allowed")


async def test_a_bug_shows_nothing_of_its_inside(street, monkeypatch, capsys):
    async def broken(*_):
        raise RuntimeError("subject: bí mật")

    monkeypatch.setattr(street.house.journal, "deliveries", broken)
    await street.arrive()
    response = await street.ours.get("/v1/inbox/in-1")
    assert "bí mật" not in await response.text()
    await problem(response, 500, "internal")
    assert "bí mật" not in capsys.readouterr().out


# --- the description --------------------------------------------------------------------------------------------


async def test_the_openapi_document_is_valid_and_tells_of_every_route_and_no_other(street):
    response = await street.client.get("/v1/openapi.json")
    document = await response.json()
    validate(document)
    told = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert told == set(routes_of(street.client))
    record_ = document["components"]["schemas"]["Record"]
    assert record_["additionalProperties"] is False
    assert {"from", "to", "number", "notation", "promulgation", "subject"} <= set(record_["required"])


async def test_a_client_that_stops_sending_is_given_up_and_its_key_stays_free(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_SECONDS", 0.2)
    async with open_street(tmp_path) as street:
        key = "stalled"

        async def stalling():
            yield b'--cut\r\nContent-Disposition: form-data; name="record"\r\n\r\n{"from":'
            await asyncio.sleep(30)

        headers = {"Idempotency-Key": key, "Content-Type": "multipart/form-data; boundary=cut"}
        await problem(await street.ours.post("/v1/documents", data=stalling(), headers=headers), 408, "upload-stalled")
        assert (await street.ours.submit(with_files("a.pdf"), ("a.pdf", b"%PDF-1.7"), key=key)).status == 202
