"""The control listener, the command line, certificates and TLS."""

import base64
import datetime as dt
import fcntl
import hashlib
import ssl

import aiohttp
import pytest
from typer.testing import CliRunner

from mock_axis import pki
from mock_axis.commands import mock_axis
from mock_axis.keys import KeyRing, Trust
from mock_axis.simulator import MockAxis

from .client import OURS, Client, Fault, new_id, read_file


@pytest.fixture
async def control(mock):
    async with aiohttp.ClientSession(mock.control_url) as session:
        yield session


async def test_state_counts_documents_by_message_id_and_by_content(mock, client, control):
    mock.switches.deduplicates = False
    mock.habits.answers = ()
    file, message_id = client.document(), new_id()
    for each in (message_id, message_id, new_id()):
        await client.send(file, each)
    state = await (await control.get("/state")).json()
    agency = state["agencies"]["000.00.00.G22"]
    assert agency["documents"][message_id] == 2
    assert list(agency["contents"].values()) == [3]
    assert agency["signatures"] == {"valid": 3}
    assert (state["messages"], state["registered"]) == (3, 3)


async def test_faults_are_put_in_force_and_read_back(client, control):
    rules = {"faults": ["busy:CheckPermission:1:1"], "seed": 3}
    answer = await (await control.put("/faults", json=rules)).json()
    assert answer == {"faults": [{"rule": "busy:CheckPermission:1:1", "struck": 0}]}
    with pytest.raises(Fault):
        await client.call("CheckPermission", "<ax:OrganId>000.00.00.H08</ax:OrganId>")
    assert (await (await control.get("/faults")).json())["faults"][0]["struck"] == 1
    refused = await control.put("/faults", json={"faults": ["nonsense"]})
    assert refused.status == 422


async def test_behaviour_and_clock_can_be_changed(mock, control):
    answer = await (await control.put("/behaviour", json={"deduplicates": False, "answers": ["01", "03"]})).json()
    assert (answer["deduplicates"], answer["answers"]) == (False, ["01", "03"])
    assert (mock.switches.deduplicates, mock.habits.answers) == (False, ("01", "03"))
    await control.post("/clock", json={"offset_seconds": 3600})
    assert mock.now() - dt.datetime.now(dt.UTC) > dt.timedelta(minutes=59)


async def test_an_agency_sends_what_it_is_asked_to(client, control):
    answer = await control.post(
        "/agencies/000.00.00.G09/send", json={"to": [OURS], "sizes": [10, 2_000_000], "priority": 3}
    )
    assert answer.status == 201
    form = aiohttp.FormData()
    form.add_field("letter", '{"to": ["000.00.00.H08"], "subject": "V/v", "number": "77"}')
    form.add_field("file", b"%PDF-1.7", filename="công văn.pdf", content_type="application/pdf")
    sent = await (await control.post("/agencies/000.00.00.G12/send", data=form)).json()
    assert sent["code"] == "77/CV-TT"
    assert sent["attachments"] == [{"content_id": "tep-1", "sha256": hashlib.sha256(b"%PDF-1.7").hexdigest()}]
    urgent, other = await client.pending()
    assert (urgent["Priority"], urgent["FromOrganId"]) == ("3", "000.00.00.G09")
    assert other["AxisId"] == sent["axis_id"]
    for code, to in (("000.00.00.G99", OURS), ("000.00.00.G09", "000.00.00.X99")):
        assert (await control.post(f"/agencies/{code}/send", json={"to": [to]})).status == 404


async def test_an_agency_reports_a_status_on_demand(mock, client, control):
    mock.habits.answers = ()
    await client.send(client.document())
    document_id = f"{OURS},2026/11/20,15/UBND-VX"
    table = {"document_id": document_id, "code": "02", "description": "Gửi nhầm"}
    answer = await (await control.post("/agencies/000.00.00.G22/status", json=table)).json()
    read = read_file((await client.get(answer["axis_id"])).file)
    assert (read.status_code, read.description, read.document_id) == ("02", "Gửi nhầm", document_id)
    unknown = await control.post("/agencies/000.00.00.G22/status", json=table | {"document_id": "x"})
    assert unknown.status == 404


async def test_receipts_are_shown_byte_for_byte(client, control):
    await control.post("/agencies/000.00.00.G09/send", json={"to": [OURS], "size": 10})
    (item,) = await client.pending()
    receipt = client.receipt(item, (await client.get(item["AxisId"])).file)
    await client.confirm(item["AxisId"], receipt)
    (shown,) = await (await control.get("/receipts")).json()
    assert base64.b64decode(shown["receipt"]) == receipt
    assert (shown["system"], shown["axis_id"]) == (pki.GATEWAY, item["AxisId"])


async def test_the_wsdl_is_served_with_its_schema(mock, control):
    async with aiohttp.ClientSession() as session:
        wsdl = await (await session.get(mock.url + "?wsdl")).text()
        assert f'location="{mock.url}"' in wsdl
        assert f'schemaLocation="{mock.url}?xsd"' in wsdl
        assert "RequestSignatureDigest" in await (await session.get(mock.url + "?xsd")).text()


async def test_tls_demands_a_client_certificate(folder):
    async with MockAxis(folder, tls=True) as mock:
        context = ssl.create_default_context(cafile=mock.pki.tls / "ca.crt.pem")
        assert mock.url.startswith("https://")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(mock.url + "?wsdl", ssl=context)
            context.load_cert_chain(mock.pki.tls / "client.crt.pem", mock.pki.tls / "client.key.pem")
            async with session.get(mock.url + "?wsdl", ssl=context) as response:
                assert response.status == 200


def test_the_command_makes_certificates_for_the_gateways_named(tmp_path):
    done = CliRunner().invoke(mock_axis, ["pki", str(tmp_path / "p"), "--gateway-organs", "cong-a=H01.*,*.H01"])
    assert done.exit_code == 0, done.output
    made = pki.Pki(tmp_path / "p")
    assert made.gateways == ["cong-a"]
    party = Trust(made.axis_trust).parties["cong-a"]
    assert party.organs == ("H01.*", "*.H01")
    assert not party.speaks_for("000.00.00.H08")
    axis = Trust(made.gateway_trust("cong-a")).parties[pki.AXIS]
    assert len(axis.certificates) == 2


def test_a_fault_that_does_not_exist_stops_the_command(tmp_path):
    done = CliRunner().invoke(mock_axis, ["--folder", str(tmp_path), "--fault", "nonsense"])
    assert done.exit_code == 2
    assert "no fault is called" in done.output


async def test_the_newest_valid_key_signs(mock, client):
    pki.roll_axis_key(mock.pki)
    pki.issue(mock.pki.axis_keys, "future", pki.AXIS, start=dt.timedelta(days=1))
    ring = KeyRing(mock.pki.axis_keys)
    newest = ring.signing(dt.datetime.now(dt.UTC))
    assert newest.certificate.not_valid_before_utc > dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    async with Client(mock) as fresh:
        await fresh.call("CheckPermission", "<ax:OrganId>000.00.00.H08</ax:OrganId>")


def test_no_valid_key_is_a_lookup_error(tmp_path):
    pki.issue(tmp_path, "old", "x", start=dt.timedelta(days=-3), end=dt.timedelta(days=-1))
    with pytest.raises(LookupError):
        KeyRing(tmp_path).signing(dt.datetime.now(dt.UTC))


def test_gateways_cannot_be_named_once_there_are_certificates(folder):
    asked = ["--folder", str(folder), "--port", "0", "--control-port", "0", "--gateway-organs", "cong-h99=*.H99"]
    (folder / "pki").mkdir(parents=True, exist_ok=True)
    done = CliRunner().invoke(mock_axis, asked, env={"COLUMNS": "400"})
    assert done.exit_code == 2
    assert f"{folder / 'pki'} is there already" in done.output
    assert "Leave the option out" in done.output


def test_a_second_mock_axis_on_one_folder_is_refused(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        done = CliRunner().invoke(mock_axis, ["--folder", str(folder), "--port", "0", "--control-port", "0"])
    assert done.exit_code == 1
    assert done.output == f"lienthong: {folder}: another mock axis runs on it: end that, or give another --folder\n"
