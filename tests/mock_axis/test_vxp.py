"""The axis's HTTP face: who may ask, what it takes, what it hands out instead of what it got, and its faults."""

import base64
import datetime as dt
import hashlib
import hmac
import io
import json
import zipfile

import aiohttp
import pytest
from lxml import etree

from mock_axis import pki, vxp
from mock_axis.edxml_signature import verdict
from mock_axis.edxml_writing import VIETNAM, Attachment
from mock_axis.keys import Trust

from .client import OURS, THEIRS, Client, read_file

NS = "{http://www.mic.gov.vn/TBT/QCVN_102_2016}"
PDF, TABLE = b"%PDF-1.7 thu", b"PK\x03\x04 bang tinh"


class VxpClient:
    """A gateway's side, as bare as can be."""

    def __init__(self, mock, session):
        self.mock, self.session = mock, session
        self.secret = vxp.secret_file(mock.pki, pki.GATEWAY).read_text().strip()
        self.clock = dt.datetime.now(VIETNAM)
        self.spoil = {}
        """Headers to change after signing."""

    def headers(self, said):
        table = {f"XroadVnpt-{name}": value for name, value in said.items()}
        text = json.dumps(table, separators=(",", ":"))
        return table | {
            "Content-Type": said["Content-Type"],
            "XroadVnpt-sign-header-key": ";".join(said),
            "XroadVnpt-sign-header": text,
            "XroadVnpt-hash-header": hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        }

    async def call(self, operation, *, method="POST", body=b"{}", raw=False, **parameters):
        said = {"systemid": pki.GATEWAY, "timestamp": f"{self.clock:%d%m%YT%H%M%S}+0123", "Content-Type": "x/y"}
        said |= {name.replace("_", "-"): str(value) for name, value in parameters.items()}
        headers = self.headers(said) | self.spoil
        headers = {name: value for name, value in headers.items() if value is not None}
        url = f"{self.mock.vxp_url}/{operation}"
        async with self.session.request(method, url, headers=headers, data=body) as response:
            data = await response.read()
            return data if raw or response.status != 200 else json.loads(data)

    async def send(self, file, kind="edoc", digest=None, end=b"\r\n", **changed):
        said = {"from": OURS, "servicetype": "eDoc", "messagetype": kind} | changed
        said["hash-file"] = digest or hashlib.sha256(file).hexdigest()
        return await self.call("sendEdoc", body=file + end, **said)

    async def list(self, kind="edoc", **more):
        said = await self.call("getReceivedEdocList", servicetype="eDoc", messagetype=kind, **more)
        return said["data"]

    async def download(self, doc_id):
        return await self.call("downloadEdoc", method="GET", body=None, raw=True, docId=doc_id)


@pytest.fixture
async def vxp_client(mock):
    async with aiohttp.ClientSession() as session:
        yield VxpClient(mock, session)


@pytest.fixture
async def arrived(mock, vxp_client):
    """The docId of a letter from an agency, with a PDF and a table."""
    table = Attachment("bảng tính.xlsx", TABLE, "application/vnd.ms-excel")
    letter = mock.agencies.letter(THEIRS, [OURS], "V/v thử", [Attachment("thu.pdf", PDF), table])
    await mock.agencies.send(letter)
    (line,) = await vxp_client.list()
    return line["docId"]


async def test_a_sent_document_is_registered_and_answered(mock, client, vxp_client):
    said = await vxp_client.send(client.document())
    assert (said["status"], said["ErrorCode"]) == ("OK", "0")
    counts = await mock.mailbox.ask(lambda tx: tx.run("select count(*) from registered").fetchone()[0])
    assert counts == 1


WRONG_KEYS = [
    {"XroadVnpt-hash-header": "0" * 64},
    {"XroadVnpt-hash-header": None},
    {"XroadVnpt-systemid": "cong-h41"},
    {"XroadVnpt-sign-header-key": "systemid;timestamp"},
    {"XroadVnpt-messagetype": "status"},
    {"XroadVnpt-sign-header": "{}"},
]


@pytest.mark.parametrize("spoiled", WRONG_KEYS, ids=range(len(WRONG_KEYS)))
async def test_what_the_secret_does_not_vouch_for_is_refused(client, vxp_client, spoiled):
    vxp_client.spoil = spoiled
    assert (await vxp_client.send(client.document()))["ErrorCode"] == "15"


@pytest.mark.parametrize("hours", [-48, 48])
async def test_a_timestamp_of_another_day_is_refused(client, vxp_client, hours):
    vxp_client.clock += dt.timedelta(hours=hours)
    assert (await vxp_client.send(client.document()))["ErrorCode"] == "15"


async def test_each_refusal_has_its_code(client, vxp_client):
    document = client.document()
    assert (await vxp_client.send(client.document(to=("000.00.00.X99",))))["ErrorCode"] == "18"
    foreign = client.document(sender="000.00.00.H41")
    assert (await vxp_client.send(foreign, **{"from": "000.00.00.H41"}))["ErrorCode"] == "19"
    assert (await vxp_client.send(document, digest="0" * 64))["ErrorCode"] == "21"
    assert (await vxp_client.send(b"hello"))["ErrorCode"] == "22"
    assert (await vxp_client.send(document, kind="status"))["ErrorCode"] == "22"
    assert (await vxp_client.send(document, **{"from": "000.00.05.H08"}))["ErrorCode"] == "22"


async def test_the_unpadded_hash_of_the_usual_sdk_is_taken_and_the_last_line_break_is_no_part_of_the_file(
    mock, client, vxp_client
):
    file = client.document()
    unpadded = "".join(f"{byte:x}" for byte in hashlib.sha256(file).digest())
    for end in (b"\r\n", b""):
        assert (await vxp_client.send(file, digest=unpadded, end=end))["status"] == "OK"
    held = await mock.mailbox.ask(lambda tx: tx.run("select distinct sha256 from messages").fetchall())
    assert (hashlib.sha256(file).hexdigest(),) in held


async def test_the_same_file_sent_twice_is_two_documents(client, vxp_client):
    file = client.document()
    first, second = [(await vxp_client.send(file))["DocId"] for _ in range(2)]
    assert first != second
    lines = (await vxp_client.call("getSentEdocList", servicetype="eDoc", messagetype="edoc"))["data"]
    assert [line["senderDocId"] for line in lines] == [first, second]
    assert {(line["fromCode"], line["toCode"], line["notation"]) for line in lines} == {(OURS, THEIRS, "15/UBND-VX")}
    (line,) = (await vxp_client.call("getSentEdocList", servicetype="eDoc", messagetype="edoc", docId=second))["data"]
    assert line["senderDocId"] == second


async def test_the_end_of_a_window_is_not_within_it(client, vxp_client):
    await vxp_client.send(client.document())

    async def sent(**window):
        said = await vxp_client.call("getSentEdocList", servicetype="eDoc", messagetype="edoc", **window)
        return len(said["data"])

    today = dt.datetime.now(VIETNAM)
    tomorrow, yesterday = (f"{today + dt.timedelta(days=days):%Y/%m/%d}" for days in (1, -1))
    assert await sent(fromDate=f"{today:%Y/%m/%d}", toDate=tomorrow) == 1
    assert await sent(fromDate=yesterday, toDate=f"{today:%Y/%m/%d}") == 0
    assert await sent(fromDate=f"{today + dt.timedelta(hours=1):%d/%m/%Y %H:%M:%S}") == 0


async def test_a_status_travels_by_the_same_operations(mock, client, vxp_client, arrived):
    (line,) = await vxp_client.list()
    about = read_file(await vxp_client.download(line["docId"]))
    said = await vxp_client.send(client.status(about.document_id), kind="status")
    assert said["status"] == "OK"
    registered = await mock.mailbox.ask(lambda tx: tx.run("select agency from registered").fetchall())
    assert registered == [(THEIRS,)]


async def test_what_is_handed_out_was_written_anew(mock, vxp_client, arrived):
    file = await vxp_client.download(arrived)
    root = etree.fromstring(file)
    names = [etree.QName(each).localname for each in root.iter(f"{NS}TraceHeader").__next__().getparent()]
    assert names == ["TraceHeader", "TraceHeader", "Bussiness"]
    assert root.findtext(f".//{NS}TraceHeader[2]/{NS}OrganId") == "001.00.20.TT2"
    assert root.find(f".//{NS}Competence") is None
    assert root.find(f".//{NS}FullName") is not None
    assert root.find(f".//{NS}Reference/{NS}Description") is None


async def test_its_signature_does_not_hold_any_longer(mock, vxp_client, arrived):
    read = read_file(await vxp_client.download(arrived))
    assert verdict(read, Trust(mock.pki.gateway_trust()), mock.now()) != "valid"


async def test_a_pdf_comes_as_it_was_and_a_table_as_a_zip_of_one_entry_with_a_name_nobody_gave(vxp_client, arrived):
    root = etree.fromstring(await vxp_client.download(arrived))
    pdf, table = (
        base64.b64decode(each.findtext(f"{NS}ContentTransferEncoded")) for each in root.iter(f"{NS}Attachment")
    )
    assert pdf == PDF
    with zipfile.ZipFile(io.BytesIO(table)) as archive:
        (entry,) = archive.namelist()
        assert archive.read(entry) == TABLE
    assert entry.endswith(".xlsx")
    assert "bảng" not in entry
    kinds = [each.findtext(f"{NS}ContentType") for each in root.iter(f"{NS}Attachment")]
    assert kinds == ["application/pdf", "application/zip"]


async def test_the_same_item_is_the_same_bytes_by_either_operation(vxp_client, arrived):
    streamed = await vxp_client.download(arrived)
    assert streamed == await vxp_client.download(arrived)
    said = await vxp_client.call("getEdoc", docId=arrived, filePath=".")
    assert base64.b64decode(said["data"]) == streamed


async def test_an_item_stays_listed_until_it_is_done_or_failed(vxp_client, arrived):
    await vxp_client.call("updateStatus", docId=arrived, status="processing")
    assert len(await vxp_client.list()) == 1
    assert (await vxp_client.call("countReceiveEdoc", method="GET", body=None))["count"] == 1
    for _ in range(2):
        assert (await vxp_client.call("updateStatus", docId=arrived, status="done"))["status"] == "OK"
    assert await vxp_client.list() == []
    assert (await vxp_client.call("updateStatus", docId=arrived, status="02"))["status"] == "FAIL"
    assert (await vxp_client.call("updateStatus", docId="other", status="done"))["status"] == "FAIL"


async def test_both_faces_have_the_same_mailboxes(mock, client, vxp_client, arrived):
    assert [item["AxisId"] for item in await client.pending()] == [arrived]
    await vxp_client.call("updateStatus", docId=arrived, status="done")
    assert await client.pending() == []


async def test_another_system_s_item_is_not_there(mock, folder, vxp_client):
    letter = mock.agencies.letter(THEIRS, ["000.00.00.H41"], "V/v thử", [Attachment("a.pdf", PDF)])
    await mock.agencies.send(letter)
    async with Client(mock, system="cong-h41") as other:
        (item,) = await other.pending()
    assert json.loads(await vxp_client.download(item["AxisId"]))["status"] == "FAIL"


async def test_the_directories_know_the_agencies_by_both_codes(vxp_client):
    old = (await vxp_client.call("getAgenciesList"))["data"]
    assert (THEIRS, "Văn phòng Chính phủ") in {(line["code"], line["name"]) for line in old}
    new = (await vxp_client.call("getAgenciesListQD20", level=1))["data"]
    assert ("G22", THEIRS) in {(line["code"], line["code102"]) for line in new}
    body = json.dumps({"id": "9", "code": "000.00.77.H08", "name": "Sở Thử"}).encode()
    assert (await vxp_client.call("registerAgency", body=body))["status"] == "OK"
    units = (await vxp_client.call("getSynchronizeUnit"))["data"]
    assert "000.00.77.H08" in {line["code"] for line in units}
    assert (await vxp_client.call("deleteAgency", AgencyCode="000.00.77.H08"))["status"] == "OK"
    assert (await vxp_client.call("deleteAgency", AgencyCode="000.00.77.H08"))["status"] == "FAIL"


async def test_a_fault_strikes_by_the_name_of_its_operation(mock, client, vxp_client):
    mock.faults.replace(["reply-lost:sendEdoc:1:1", "fail:getEdoc:1:1:code=21", "busy:updateStatus:1:1"])
    with pytest.raises(aiohttp.ClientError):
        await vxp_client.send(client.document())
    lines = (await vxp_client.call("getSentEdocList", servicetype="eDoc", messagetype="edoc"))["data"]
    assert len(lines) == 1  # it was taken all the same
    assert (await vxp_client.call("getEdoc", docId="x"))["ErrorCode"] == "21"
    assert await vxp_client.call("updateStatus", docId="x", status="done") == b""


async def test_a_download_can_end_midway_or_with_another_byte(mock, vxp_client, arrived):
    whole = await vxp_client.download(arrived)
    mock.faults.replace(["wrong-digest:downloadEdoc:1:1"])
    assert (await vxp_client.download(arrived))[1:] == whole[1:]
    mock.faults.replace(["cut:downloadEdoc:1:1:bytes=100"])
    with pytest.raises(aiohttp.ClientError):
        await vxp_client.download(arrived)


async def test_the_secret_of_a_gateway_is_made_once_and_readable_by_its_owner_only(mock):
    path = vxp.secret_file(mock.pki, pki.GATEWAY)
    assert path.read_text() == vxp.secret_file(mock.pki, pki.GATEWAY).read_text()
    assert path.stat().st_mode & 0o077 == 0
