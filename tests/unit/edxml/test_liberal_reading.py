import datetime as dt
from pathlib import Path

import pytest
from lxml import etree

from gateway.edxml import check, parse
from gateway.edxml.codes import pad_status, read_status
from gateway.edxml.values import read_date, read_moment, write_moment
from tests.assets import make_edxml as assets

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"

SOAP = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:edXML="{ns}"><soap:Header>'
    "<edXML:MessageHeader>{header}</edXML:MessageHeader>"
    "<edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>H08</edXML:OrganId></edXML:TraceHeader>"
    "<edXML:Business><edXML:BusinessDocType>1</edXML:BusinessDocType></edXML:Business></edXML:TraceHeaderList>"
    "<edXML:ErrorList><edXML:Error><edXML:ErrCode>0</edXML:ErrCode></edXML:Error></edXML:ErrorList></soap:Header>"
    '<soap:Body><edXML:Manifest><edXML:Reference xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="cid:7">'
    "<edXML:AttachmentName>a.pdf</edXML:AttachmentName></edXML:Reference></edXML:Manifest></soap:Body></soap:Envelope>"
)
OLD_HEADER = (
    assets.HEADER.replace("2024/05/06</edXML:PromulgationDate", "06/05/2024</edXML:PromulgationDate")
    + "<edXML:SignerInfo><edXML:Function>Giám đốc</edXML:Function></edXML:SignerInfo>"
    + "<edXML:DueDate>1/6/2024</edXML:DueDate>"
)


@pytest.mark.parametrize(
    ("namespace", "form"),
    [("http://www.e-doc.vn/Schema/", "e-doc"), ("http://www.inetcloud.vn/ns/edxml", "inet")],
)
def test_the_older_soap_forms_are_read_with_their_dates_and_spellings(namespace, form):
    parsed = parse.read(SOAP.format(ns=namespace, header=OLD_HEADER).encode())
    document = parsed.document
    assert (parsed.root, parsed.form) == ("Envelope", form)
    assert document.promulgation_date == dt.date(2024, 5, 6)
    assert document.due_date == dt.date(2024, 6, 1)
    assert document.signer.position == "Giám đốc"
    assert document.business.type == 1
    assert [(f.code, f.where) for f in parsed.findings] == [("attachment-missing", "a.pdf")]


@pytest.mark.parametrize("place", ["Header", "Body"])
def test_a_status_of_the_older_forms_is_read_without_its_namespace(place):
    status = f"<Status>{assets.STATUS.replace('edXML:', '')}</Status>"
    data = (
        f"<E:Envelope xmlns:E='http://schemas.xmlsoap.org/soap/envelope/'><E:{place}>{status}</E:{place}></E:Envelope>"
    )
    assert parse.read(data.encode()).status.code == "01"


@pytest.mark.parametrize("root", ["edXML", "EdXML"])
@pytest.mark.parametrize("prefix", ["edXML:", "n1:", ""])
def test_any_prefix_under_any_root_gives_the_same_document(root, prefix):
    wanted = parse.read(assets.sound()).document
    text = assets.text().replace("xmlns:edXML=", f"xmlns:{prefix[:-1]}=" if prefix else "xmlns:other=")
    text = text.replace("<edXML:", f"<{prefix}").replace("</edXML:", f"</{prefix}")
    text = text.replace("<edXML ", f"<{root} ").replace("</edXML>", f"</{root}>")
    parsed = parse.read(text.encode())
    assert parsed.document == wanted
    assert parsed.root == root


@pytest.mark.parametrize("root", ["edXMLEnvelope", "EdXMLEnvelope"])
def test_an_envelope_may_be_the_root(root):
    text = assets.text()
    envelope = text[text.index("<edXML:edXMLEnvelope") : text.index("<AttachmentEncoded>")]
    parsed = parse.read(envelope.replace("edXMLEnvelope", root).encode())
    assert (parsed.root, parsed.document.number) == (root, "15")
    assert etree.fromstring(parsed.envelope) is not None


def test_attachments_with_a_prefix_out_of_scope_are_read_and_leave_a_sound_envelope():
    text = (
        assets.text()
        .replace("AttachmentEncoded>", "edXML:AttachmentEncoded>")
        .replace("Attachment>", "edXML:Attachment>")
    )
    parsed = parse.read(text.encode())
    assert [a.name for a in parsed.attachments] == ["tờ trình.pdf"]
    assert etree.fromstring(parsed.envelope).find(".//{*}Subject").text == "V/v thử nghiệm"


def test_attachments_of_the_mail_variant_are_read():
    attachments = (
        "<Attachments><edXMLAttachment><ContentID>1</ContentID><ContentTransferEncoding>base64</ContentTransferEncoding>"
        "<Value>QUJD</Value></edXMLAttachment></Attachments>"
    )
    text = assets.text(attachments="").replace("<AttachmentEncoded></AttachmentEncoded>", attachments)
    splitter = parse.Splitter()
    events = splitter.feed(text.encode())
    assert events == [parse.AttachmentData(0, b"ABC"), parse.AttachmentEnd(0)]
    assert splitter.close().attachments[0].name == "tờ trình.pdf"


def test_attachments_find_their_line_by_id_then_name_then_place():
    names = {"1": "một.pdf", "2": "hai.pdf", "3": "ba.pdf"}
    references = "".join(assets.reference(cid=cid, name=name) for cid, name in names.items())
    attachments = (
        assets.attachment(cid="9", name="").replace("cid:9", "")
        + assets.attachment(cid="8", name="hai.pdf")
        + assets.attachment(cid="1", name="")
    )
    parsed = parse.read(assets.sound(references=references, attachments=attachments))
    assert [(a.content_id, a.name) for a in parsed.attachments] == [("3", "ba.pdf"), ("8", "hai.pdf"), ("1", "một.pdf")]
    assert parsed.findings == ()


def test_base64_may_be_broken_into_lines():
    broken = "\r\n ".join(assets.GOOD64[i : i + 76] for i in range(0, len(assets.GOOD64), 76))
    splitter = parse.Splitter()
    events = splitter.feed(assets.sound(attachments=assets.attachment(text=f"\n{broken}\n")))
    assert b"".join(e.data for e in events if isinstance(e, parse.AttachmentData)) == assets.PDF


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_and_its_envelope_kept_as_utf_8(encoding):
    parsed = parse.read(assets.text(encoding="UTF-16").encode(encoding))
    assert parsed.document == parse.read(assets.sound()).document
    assert parsed.envelope == parse.read(assets.sound()).envelope
    assert parsed.findings == ()


def test_a_business_type_that_is_absent_is_zero():
    assert parse.read(assets.sound()).document.business.type == 0


def test_an_impossible_date_is_none_and_costs_nothing_else():
    _, data = assets.ODD["date_30_february"]
    parsed = parse.read(data)
    assert parsed.document.promulgation_date is None
    assert parsed.document.subject == "V/v thử nghiệm"


@pytest.mark.parametrize(
    ("wire", "read", "padded"),
    [
        ("1", "01", "01"),
        ("01", "01", "01"),
        ("14", "15", "14"),
        (" 6 ", "06", "06"),
        ("999", "999", "999"),
        ("x", "x", "x"),
    ],
)
def test_status_codes_are_padded_and_14_is_read_as_15(wire, read, padded):
    assert (read_status(wire), pad_status(wire)) == (read, padded)


@pytest.mark.parametrize(
    "text", ["2024/05/06", "06/05/2024", "2024-05-06", "6/5/2024", "2024/05/06 07:08:09", "2024-05-06T07:08:09+07:00"]
)
def test_a_date_is_read_in_every_known_form(text):
    assert read_date(text) == dt.date(2024, 5, 6)


def test_the_wires_clock_is_vietnams():
    moment = dt.datetime(2024, 5, 6, 18, 0, tzinfo=dt.UTC)
    assert write_moment(moment) == "2024/05/07 01:00:00"
    assert read_moment("2024/05/07 01:00:00") == read_moment("07/05/2024 01:00:00") == moment
    assert read_moment("2024-05-06T18:00:00Z") == moment


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the published samples are not beside this checkout")
class TestPublishedSamples:
    @pytest.mark.parametrize("name", ["document_new", "document_update", "status_01", "status_02", "status_03"])
    def test_each_is_read_without_a_finding_and_fits_our_schema(self, name):
        parsed = parse.read((SAMPLES / f"{name}.edxml").read_bytes())
        assert parsed.findings == ()
        assert check.validate_xsd(parsed.envelope) == []

    def test_the_update_is_read_right(self):
        document = parse.read((SAMPLES / "document_update.edxml").read_bytes()).document
        assert (document.sender.code, document.code) == ("000.00.00.G22", "7816/VPCP-TTĐT")
        assert [organ.code for organ in document.to] == ["000.00.00.H41", "000.00.00.H14", "000.00.00.G17"]
        assert document.business.type == 2
        assert document.business.document_id == "000.00.00.G22,2014/02/30,7806/VPCP-TTĐT"
        assert [(c.organ, c.added) for c in document.business.receiver_changes] == [
            ("000.00.00.H41", False),
            ("000.00.00.H14", True),
        ]
        assert [(a.content_id, a.content_type) for a in document.attachments] == [("209", "application/zip")]

    @pytest.mark.parametrize("code", ["01", "02", "03"])
    def test_each_status_is_read_right(self, code):
        status = parse.read((SAMPLES / f"status_{code}.edxml").read_bytes()).status
        assert (status.code, status.sender.code) == (code, "000.00.00.H41")
        assert status.response_for.document_id == "000.00.00.G22,2015/09/30,7816/VPCP-TTĐT"
        assert status.timestamp == dt.datetime(2015, 9, 20, 4, 8, 36, tzinfo=dt.UTC)
