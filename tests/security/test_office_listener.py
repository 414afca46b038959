"""An attacker at the office listener: every request gets an answer that says little, and the next caller is served."""

import asyncio
import itertools
import json
import re
import resource
import time
import zlib

import pytest
import pytest_asyncio

from gateway.journal import NewSubmission
from gateway.model import Attachment, Direction, Document, Kind, Organ
from gateway.pipeline import detail
from gateway.states import ContentRef, Delivery, Message, NewMessage, State
from tests.doors import FAR, NOW, OFFICE, OURS, bytes_on_disk, record, with_files
from tests.web.offices import open_street

pytestmark = pytest.mark.asyncio(loop_scope="module")
count = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory):
    folder = tmp_path_factory.mktemp("street")
    async with open_street(folder) as opened:
        opened.left = lambda: bytes_on_disk(folder)
        yield opened


async def raw(street, data, *, seconds=5.0):
    """What comes back on a connection of its own, until the server closes it or says nothing more."""
    reader, writer = await asyncio.open_connection(street.client.host, street.client.port)
    writer.write(data)
    said = b""
    try:
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(1 << 16):
                said += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return said


def statuses(said):
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]


def head(street, *lines, method="GET", path="/v1/documents"):
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: here", f"Authorization: Bearer {street.ours.key}", *lines, "", ""]
    ).encode("utf-8", "surrogateescape")


async def serves(street):
    return (await street.ours.get("/v1/documents")).status == 200


PATHS = [
    "/v1/documents/..%2f..%2fetc%2fpasswd",
    "/v1/documents/%2e%2e/%2e%2e/etc/passwd",
    "/v1/documents/%00",
    "/v1/documents/%ff%fe",
    "/v1/documents/%ed%a0%80",
    "/v1/documents/\udcff\udcfe",
    "/v1/documents/" + "9" * 4000,
    "/v1/documents/1%27%20OR%201=1--",
    "/v1/documents/%0d%0aX-Injected:%201",
    "/v1/inbox/%ff/content",
    "/v1/inbox/%00/attachments/0",
    "/v1/inbox/in-1/attachments/-1",
    "/v1/inbox/in-1/attachments/%D9%A3",
    "/v1/inbox/in-1/attachments/..%2f0",
    "//v1/documents/x",
    "/v1/documents/../../etc/passwd",
    "http://169.254.169.254/latest",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_id_leads_anywhere(street, path):
    said = await raw(street, head(street, "Connection: close", path=path))
    assert statuses(said) in ([404], [400])
    assert b"X-Injected" not in said
    assert b"Traceback" not in said
    assert await serves(street)


QUERIES = {
    "organ=%ff": 200,
    "organ=%ed%a0%80": 200,
    "organ=\udcff": 400,
    "organ=%00": 200,
    "since=%ff": 400,
    "since=" + "9" * 3000: 400,
    "since=0001-01-01T00:00:00%2B14:00": 400,
    "until=9999-12-31T23:59:59-14:00": 400,
    "cursor=" + "A" * 3000: 400,
    "cursor=%ff": 400,
    "cursor=djEuLTE": 400,
    "limit=%D9%A3": 400,
    "limit=1e9": 400,
    "limit=-1": 400,
    "state=accepted&state=%00": 200,
    "&".join(f"a{i}=1" for i in range(1200)): 400,
}


@pytest.mark.parametrize(("query", "status"), QUERIES.items(), ids=[query[:30] for query in QUERIES])
async def test_no_query_makes_it_stumble(street, query, status):
    said = await raw(street, head(street, "Connection: close", path=f"/v1/documents?{query}"))
    assert statuses(said) == [status], said[:300]


HEADERS = {
    "huge header": ["X-Long: " + "x" * 100_000],
    "many headers": [f"X-{i}: 1" for i in range(5000)],
    "huge url": [],
    "nul in header": ["X-Nul: a\0b"],
    "folded header": ["X-Folded: a", " b"],
    "two hosts": ["Host: there"],
    "two lengths": ["Content-Length: 3", "Content-Length: 4"],
    "negative length": ["Content-Length: -1"],
    "length in words": ["Content-Length: +5"],
    "length and chunks": ["Content-Length: 4", "Transfer-Encoding: chunked"],
    "chunked twice": ["Transfer-Encoding: chunked, chunked"],
    "unknown coding": ["Transfer-Encoding: xchunked"],
    "space before colon": ["Transfer-Encoding : chunked"],
}


@pytest.mark.parametrize("name", HEADERS)
async def test_a_request_that_two_servers_could_read_two_ways_is_refused_and_the_connection_closed(street, name):
    path = "/v1/documents?organ=" + "x" * 100_000 if name == "huge url" else "/v1/documents"
    smuggled = b"0\r\n\r\nGET /v1/openapi.json HTTP/1.1\r\nHost: here\r\n\r\n"
    said = await raw(street, head(street, *HEADERS[name], method="POST", path=path) + smuggled)
    assert statuses(said)[0] in {400, 413, 415, 431}, said[:300]
    assert len(statuses(said)) == 1, "what follows is never taken for a request of its own"
    assert street.ours.key.encode() not in said
    assert await serves(street)


async def test_pipelined_requests_are_answered_one_by_one_and_each_needs_a_key(street):
    unkeyed = b"GET /v1/documents HTTP/1.1\r\nHost: here\r\n\r\n"
    said = await raw(street, head(street) * 3 + unkeyed + head(street, "Connection: close"))
    assert statuses(said) == [200, 200, 200, 401, 200]


@pytest.mark.parametrize(
    "language", ["\udcff", "*", ",,,;q=,en;q=nan", "vi;q=1e999", "x" * 5000, "en;q=\u0663", "vi\t,en"]
)
async def test_no_language_makes_it_stumble(street, language):
    said = await raw(street, head(street, f"Accept-Language: {language}", "Connection: close", path="/v1/documents/x"))
    assert statuses(said) == [404]


RANGES = {
    "bytes=0-0,0-0,0-0,0-0": 200,
    "bytes=" + ",".join(["0-"] * 1000): 200,
    "bytes=-99999999999999999999": 200,
    "bytes=99999999999999999999999-": 200,
    "bytes=5-1": 200,
    "bytes=--1": 200,
    "bytes=9999999999999999999-9999999999999999999": 416,
    "bytes=-0": 416,
    "bytes=0-9999999999999999999": 200,
    "items=0-1": 200,
}


@pytest.mark.parametrize("wanted", RANGES, ids=[wanted[:30] for wanted in RANGES])
async def test_no_range_gives_more_than_the_file(street, wanted):
    item = await arrive(street)
    response = await street.ours.get(f"/v1/inbox/{item}/attachments/0", headers={"Range": wanted})
    body = await response.read()
    assert response.status == RANGES[wanted]
    if response.status == 200:
        assert body == b"bytes"


RECORDS = {
    "name twice": (b'{"subject": "a", "subject": "b"}', 400),
    "nested deep": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400),
    "nested lists": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "huge number": (b'{"priority": ' + b"1" * 100_000 + b"}", 400),
    "huge exponent": (b'{"priority": 1e999999}', 422),
    "nan": (b'{"priority": NaN}', 400),
    "infinity": (b'{"priority": -Infinity}', 400),
    "surrogate key": (b'{"\\ud800": 1}', 422),
    "surrogate value": (b'{"subject": "\\udfff"}', 422),
    "surrogate in organ": (b'{"to": ["\\ud800"]}', 422),
    "nul": (b'{"subject": "a\\u0000b"}', 422),
    "raw control": (b'{"subject": "a\x01b"}', 400),
    "utf-16": ('{"subject": "a"}'.encode("utf-16"), 400),
    "latin-1": ('{"subject": "à"}'.encode("latin-1"), 400),
    "many keys": (json.dumps({f"k{i}": i for i in range(60_000)}).encode(), 422),
    "many organs": (json.dumps(record(to=["../x"] * 60_000)).encode(), 422),
    "comment": (b'{"a": 1} // b', 400),
    "trailing": (b"{} {}", 400),
    "empty": (b"", 400),
}


@pytest.mark.parametrize("name", RECORDS)
async def test_no_record_makes_it_stumble(street, name):
    data, status = RECORDS[name]
    began, before, key = time.monotonic(), street.left(), f"k{next(count)}"
    response = await street.ours.submit(data, key=key)
    told = await response.json()
    assert response.status == status, told["type"]
    assert len(json.dumps(told)) < 20_000, "an answer need not repeat what is wrong ten thousand times"
    assert time.monotonic() - began < 3
    assert street.left() == before
    assert (await street.ours.submit(record(), key=key)).status == 202


def multipart(*parts):
    """Raw parts, each head and body."""
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


RECORD_PART = b'Content-Disposition: form-data; name="record"\r\n\r\n' + json.dumps(with_files("a")).encode()


def file_part(name=b'; filename="a"', more=b"", body=b"x"):
    return b'Content-Disposition: form-data; name="attachment"' + name + b"\r\n" + more + b"\r\n" + body


MULTIPARTS = {
    "ten thousand parts": (multipart(RECORD_PART, *[file_part()] * 10_000), 422),
    "ten thousand headers": (
        multipart(RECORD_PART, file_part(more=b"".join(b"X-%d: 1\r\n" % i for i in range(10_000)))),
        400,
    ),
    "nested": (
        multipart(
            RECORD_PART, file_part(more=b"Content-Type: multipart/mixed; boundary=c\r\n", body=b"--c\r\n\r\nx\r\n--c--")
        ),
        400,
    ),
    "never ending preamble": (b"x" * 500_000, 400),
    "never ending epilogue": (multipart(RECORD_PART, file_part()) + b"x" * 500_000, 400),
    "no end": (multipart(RECORD_PART, file_part())[:-6], 400),
    "two records": (multipart(RECORD_PART, RECORD_PART), None),
    "base64 part": (multipart(RECORD_PART, file_part(more=b"Content-Transfer-Encoding: base64\r\n")), 415),
}


@pytest.mark.parametrize("name", MULTIPARTS)
async def test_no_multipart_makes_it_stumble(street, name):
    data, status = MULTIPARTS[name]
    began, before, key = time.monotonic(), street.left(), f"k{next(count)}"
    said = await raw(
        street,
        head(
            street,
            f"Idempotency-Key: {key}",
            "Content-Type: multipart/form-data; boundary=b",
            f"Content-Length: {len(data)}",
            "Connection: close",
            method="POST",
        )
        + data,
        seconds=15,
    )
    assert statuses(said) == [status] or status is None, said[:300]
    assert time.monotonic() - began < 10
    if status:
        assert street.left() == before
        assert (await street.ours.submit(record(), key=key)).status == 202


@pytest.mark.parametrize(
    "named",
    [
        *(
            b"; filename*=" + word
            for word in (b"undefined''a", b"idna''%ff", b"punycode''%ff", b"\0''a", b"utf-8''%ff")
        ),
        b"; filename*0=a; filename*=utf-8''b",
        b"; filename*" + b"9" * 5000 + b"=a",
    ],
)
async def test_no_name_of_a_file_makes_it_stumble(street, named):
    data = multipart(RECORD_PART, file_part(named))
    headers = {"Idempotency-Key": f"k{next(count)}", "Content-Type": "multipart/form-data; boundary=b"}
    assert (await street.ours.post("/v1/documents", data=data, headers=headers)).status in {202, 400}


@pytest.mark.parametrize("named", [b'; filename="{}"', b"; filename*=utf-8''{}"])
async def test_files_in_another_order_than_the_record_s_are_refused_however_they_are_named(street, named):
    said = b'Content-Disposition: form-data; name="record"\r\n\r\n' + json.dumps(with_files("a", "b")).encode()
    data = multipart(said, *(file_part(named.replace(b"{}", name)) for name in (b"b", b"a")))
    headers = {"Idempotency-Key": f"k{next(count)}", "Content-Type": "multipart/form-data; boundary=b"}
    response = await street.ours.post("/v1/documents", data=data, headers=headers)
    assert response.status == 422
    assert "attachment-order" in await response.text()


@pytest.mark.parametrize(
    "name", ["../../evil.pdf", "a\\b.pdf", "..", "a\nb.pdf", "a\0b.pdf", "x" * 600, "", "\u202egnp.exe"]
)
async def test_an_attachment_s_name_leads_nowhere(street, name):
    before = street.left()
    response = await street.ours.submit(with_files(name), ("a.pdf", b"x"), key=f"k{next(count)}")
    if name == "\u202egnp.exe":
        return  # a name is only a name; who writes it to a disk makes it fit
    assert response.status == 422
    assert street.left() == before


async def test_the_name_in_the_multipart_itself_counts_for_nothing(street):
    response = await street.ours.submit(with_files("a.pdf"), ("../../../../tmp/evil", b"x"), key=f"k{next(count)}")
    assert response.status == 202


@pytest.mark.parametrize("content_type", ["text/html\r\nX-Injected: 1", "a\nb", "đ/đ", "x" * 3000, "", "text/html"])
async def test_what_a_stranger_calls_a_file_cannot_spoil_its_download(street, content_type):
    item = await arrive(street, content_type=content_type)
    response = await street.ours.get(f"/v1/inbox/{item}/attachments/0")
    assert response.status == 200
    assert "X-Injected" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert len(await response.read()) == 5


@pytest.mark.parametrize("name", ["a\r\nX-Injected: 1", '"; filename=b', "ế" * 100_000, "../../x", ""])
async def test_what_a_stranger_names_a_file_cannot_spoil_its_download(street, name):
    item = await arrive(street, name=name)
    response = await street.ours.get(f"/v1/inbox/{item}/attachments/0")
    assert response.status == 200
    assert "X-Injected" not in response.headers
    assert len(response.headers["Content-Disposition"]) < 4000


async def arrive(street, *, name="a.pdf", content_type="application/pdf"):
    """A document in the inbox whose only attachment a stranger named so."""
    content = await street.house.contents.store_bytes(b"bytes")
    attachment = Attachment("c1", name, content_type, "", content)
    document = Document(Organ(FAR), (Organ(OURS),), "d1", "1", "B-VP", "V/v đến", attachments=(attachment,))
    message_id = f"in-{next(count)}"
    message = Message(
        message_id, Direction.IN, Kind.DOCUMENT, State.TRUSTED, "national", "inside", message_id, axis_id=message_id,
        document_id="d1", sender=FAR, detail=detail.of_document(document), accepted_at=NOW,
    )  # fmt: skip
    new = NewMessage(message, (Delivery(OURS, OFFICE),), (ContentRef("attachment", content, attachment),))
    await street.house.journal.accept(NewSubmission("", message_id, "f", {}, (new,)))
    return message_id


async def test_a_compressed_body_cannot_fill_the_memory(street):
    """128 MiB of spaces in a hundredth of a megabyte."""
    before_left = street.left()
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(128)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content_type in ("application/xml", "multipart/form-data; boundary=b"):
        response = await street.ours.post(
            "/v1/documents",
            data=bomb,
            headers={"Content-Type": content_type, "Content-Encoding": "gzip", "Idempotency-Key": "k"},
        )
        assert response.status in {400, 413, 415, 422}
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown < 48 << 20
    assert street.left() == before_left


async def test_keys_are_looked_up_by_their_digest_and_a_guess_learns_nothing(street):
    key = street.ours.key
    for guess in (key[:-1] + ("A" if key[-1] != "A" else "B"), key.upper(), key[:-1], key + "x", f"{key}\t{key}", ""):
        async with street.client.get("/v1/documents", headers={"Authorization": f"Bearer {guess}"}) as response:
            assert response.status == 401
            assert key not in await response.text()
