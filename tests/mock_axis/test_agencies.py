"""The central agencies: what they register, answer and write."""

import asyncio
import base64
import hashlib

import pytest
import signxml
from lxml import etree

from mock_axis import edxml_writing, mailbox
from mock_axis.edxml_writing import Attachment, Change
from mock_axis.keys import load_key
from mock_axis.simulator import MockAxis

from .client import OURS, THEIRS, Client, read_file
from .test_receiving import letter

DOCUMENT_ID = f"{OURS},2026/11/20,15/UBND-VX"


async def until(client, count):
    for _ in range(200):
        items = await client.pending()
        if len(items) >= count:
            return [read_file((await client.get(item["AxisId"])).file) for item in items]
        await asyncio.sleep(0.02)
    raise AssertionError(f"{count} items never came")


async def verdicts(mock):
    return [verdict for _, verdict, _ in await mock.mailbox.ask(mailbox.registered)]


async def test_statuses_come_on_their_schedule_in_order(mock, client):
    mock.habits.answers = ("01", "03", "04", "05", "06")
    mock.habits.every_seconds = 0.05
    await client.send(client.document())
    assert [read.status_code for read in await until(client, 5)] == ["01", "03", "04", "05", "06"]


async def test_a_refusal_gives_its_reason(mock, client):
    mock.habits.answers = ("02",)
    mock.habits.reasons["02"] = "Văn bản gửi nhầm"
    await client.send(client.document())
    (read,) = await until(client, 1)
    assert (read.status_code, read.description) == ("02", "Văn bản gửi nhầm")


async def test_each_agency_addressed_answers_for_itself(mock, client):
    agencies = ("000.00.00.G22", "000.00.00.G09", "000.00.00.G12")
    await client.send(client.document(to=agencies))
    assert {read.sender for read in await until(client, 3)} == set(agencies)


async def test_statuses_are_signed_by_their_agency(mock, client):
    await client.send(client.document())
    (read,) = await until(client, 1)
    assert edxml_verdict(mock, read) == "valid"
    forged = read.skeleton.replace("Đã đến".encode(), "Đã về".encode())
    assert edxml_verdict(mock, read_file(forged)) == "invalid: MessageHeader was changed"


def edxml_verdict(mock, read):
    return mock.agencies.verdict(read, mock.now())


async def test_a_document_with_its_signature_is_registered_as_valid(mock, client):
    await client.send(client.document(attachments=(b"mot", b"hai" * 1000, b"")))
    assert await verdicts(mock) == ["valid"]


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (b"V/v", b"V/V", "invalid: MessageHeader was changed"),
        (base64.b64encode(b"mot"), base64.b64encode(b"ba."), "invalid: an attachment was changed"),
        (b"tep-0.pdf</edXML", b"tep-9.pdf</edXML", "invalid: edXMLManifest was changed"),
        (b"BussinessDocType>0", b"BussinessDocType>1", "invalid: the Manifest does not list the parts of the file"),
        (b"</edXML:TraceHeaderList>", b"<edXML:TraceHeader/></edXML:TraceHeaderList>", "valid"),
    ],
    ids=["header", "attachment", "manifest", "kind", "trace-headers-are-not-signed"],
)
async def test_what_was_changed_after_signing_is_named(mock, client, old, new, verdict):
    await client.send(client.document(attachments=(b"mot",)).replace(old, new))
    assert await verdicts(mock) == [verdict]


async def test_an_attachment_added_or_signature_missing_is_seen(mock, client):
    file = client.document(attachments=(b"mot",))
    part = file[file.index(b"<Attachment>") : file.index(b"</AttachmentEncoded>")]
    more = file.replace(part, part + part.replace(b"tep-1", b"tep-2"))
    await client.send(more)
    unsigned = file[: file.index(b"<ds:Signature")] + file[file.index(b"</edXML:edXMLHeader>") :]
    await client.send(unsigned)
    assert await verdicts(mock) == ["invalid: the Manifest does not list the parts of the file", "absent"]


async def test_a_signer_unknown_or_speaking_for_another_is_seen(mock, client):
    good = client.ring.signing(client.now())
    client.key = load_key(mock.pki.strangers / "stranger.key.pem")
    strange = client.document(number="1")
    client.key = load_key(mock.pki.gateway_keys("cong-h41") / "gateway.key.pem")
    others = client.document(number="2")
    client.key = good
    await client.send(strange)
    await client.send(others)
    assert await verdicts(mock) == [
        "invalid: the signer is not known or no longer valid",
        "invalid: the signer may not speak for the sender",
    ]


async def test_an_agencys_own_document_holds_its_attachments_and_a_signature_others_can_check(mock, client):
    contents = [b"%PDF-1.7 " + bytes(range(256)) * 4000, b"x"]
    attachments = [Attachment(f"tep {n}.pdf", content) for n, content in enumerate(contents)]
    written = mock.agencies.letter(THEIRS, [OURS], "V/v gửi <tài liệu>", attachments, priority=2)
    sent = await mock.agencies.send(written)
    file = (await client.get(sent.axis_id)).file
    assert [digest for _, digest in read_file(file).attachments] == [hashlib.sha256(c).hexdigest() for c in contents]
    root = etree.fromstring(file)
    assert root.findtext(".//{*}MessageHeader/{*}Subject") == "V/v gửi <tài liệu>"
    assert [base64.b64decode(e.text) for e in root.iter("{*}ContentTransferEncoded")] == contents
    certificate = load_key(mock.pki.agency_keys(THEIRS) / "agency.key.pem").certificate
    config = signxml.SignatureConfiguration(location=".//")
    found = signxml.XMLVerifier().verify(root, x509_cert=certificate, expect_config=config, id_attribute="Id")
    assert etree.QName(found.signed_xml).localname == "Manifest"
    assert edxml_verdict(mock, read_file(file)) == "valid"


async def test_a_status_of_ours_reaches_the_agency_that_wrote(mock, client):
    sent = await letter(mock)
    await client.send(client.status(sent.document_id, code="03"), operation="UpdateTraces")
    ((agency, verdict, message),) = await mock.mailbox.ask(mailbox.registered)
    assert (agency, verdict) == (THEIRS, "valid")
    assert (message.document_id, message.status_code) == (sent.document_id, "03")


@pytest.mark.parametrize("habit", ["15", "16"])
async def test_a_recall_by_a_document_is_answered_about_each_document_that_the_agency_has(mock, client, habit):
    mock.habits.every_seconds, mock.habits.recall_document = 0.05, habit
    await client.send(client.document())
    recall = Change(1, "Ban hành sai", [DOCUMENT_ID, "never sent"])
    await client.send(client.document(number="16", change=recall))
    heard = [(read.document_id, read.status_code) for read in await until(client, 3)]
    assert sorted(heard) == sorted(
        [(DOCUMENT_ID, "01"), (DOCUMENT_ID, habit), (DOCUMENT_ID.replace("15/", "16/"), "01")]
    )


async def test_agencies_that_know_no_recall_by_a_document_only_register_it(mock, client):
    mock.habits.every_seconds, mock.habits.recall_document = 0.0, ""
    await client.send(client.document())
    await client.send(client.document(number="16", change=Change(1, "Ban hành sai", [DOCUMENT_ID])))
    assert {read.status_code for read in await until(client, 2)} == {"01"}
    assert (await mock.mailbox.ask(mailbox.counts))["tasks"] == 0


async def test_an_agency_goes_on_answering_after_a_restart(folder):
    async with MockAxis(folder) as mock, Client(mock) as client:
        mock.habits.answers = ("01", "03")
        mock.habits.every_seconds = 0.3
        await client.send(client.document())
        await until(client, 1)
    async with MockAxis(folder) as mock, Client(mock) as client:
        assert [read.status_code for read in await until(client, 2)] == ["01", "03"]


def test_a_file_is_written_once_and_never_over_another(tmp_path):
    path = tmp_path / "a"
    assert edxml_writing.write_file(iter([b"a", b"b"]), path, lambda _: None)[0] == 2
    with pytest.raises(FileExistsError):
        edxml_writing.write_file(iter([b"c"]), path, lambda _: None)
