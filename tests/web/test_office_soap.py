import asyncio
import base64
import datetime as dt
import email
import email.policy
import hashlib
import io
import threading

import pytest
import requests
import zeep
from lxml import etree
from zeep.exceptions import Fault

import schemas
from gateway.model import Business
from gateway.states import Act, ChangeAnswered, Concerns, Entry, Outcome, State
from gateway.web import soap_schema
from gateway.web.soap_xml import SOAP
from tests.doors import FAR, FARTHER, NEIGHBOUR, OFFICE, OURS, bytes_on_disk, record, with_files
from tests.web.offices import ATTACHED, form, open_street

O = "urn:lienthong:office:1"  # noqa: E741 - as the schema's prefix
ENVELOPE = (
    f'<s:Envelope xmlns:s="{SOAP}" xmlns:o="{O}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
RECORD = (
    "<o:record><o:from><o:code>" + OURS + "</o:code></o:from><o:to><o:code>" + FAR + "</o:code></o:to>"
    "<o:number>15</o:number><o:notation>STN-VP</o:notation><o:promulgation><o:date>2026-03-01</o:date></o:promulgation>"
    "<o:subject>V/v thử nghiệm</o:subject>{more}</o:record>"
)
XSD = schemas.path("office/office.xsd")
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 2000


@pytest.fixture
async def street(tmp_path):
    async with open_street(tmp_path) as opened:
        yield opened


class Caller:
    """An office that speaks SOAP by zeep, in threads of its own."""

    def __init__(self, street, office):
        self.url = str(street.client.make_url("/soap/v1?wsdl"))
        self.key = office.key
        self.local = threading.local()

    def client(self):
        if not hasattr(self.local, "client"):
            session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.key}"
            self.local.client = zeep.Client(self.url, transport=zeep.Transport(session=session))
        return self.local.client

    async def __call__(self, operation, **arguments):
        return await asyncio.to_thread(lambda: getattr(self.client().service, operation)(**arguments))


async def post(street, body, *, header="", office=None, **headers):
    """Raw XML, as (status, root)."""
    headers = {"Content-Type": "text/xml; charset=utf-8", **headers}
    if office:
        headers["Authorization"] = f"Bearer {office.key}"
    data = ENVELOPE.format(header=header, body=body).encode() if isinstance(body, str) else body
    response = await street.client.post("/soap/v1", data=io.BytesIO(data), headers=headers)
    return response.status, etree.fromstring(await response.read())


async def fault(street, body, code, **more):
    status, root = await post(street, body, **more)
    assert status == 500
    assert root.findtext(f".//{{{O}}}code") == code, etree.tostring(root, encoding=str)
    errors = root.findall(f".//{{{O}}}errors")
    return root, {(each.findtext(f"{{{O}}}field"), each.findtext(f"{{{O}}}code")) for each in errors}


def submit(key="k1", *, more="", files=""):
    return f"<o:SubmitDocument><o:idempotency_key>{key}</o:idempotency_key>{RECORD.format(more=more)}{files}</o:SubmitDocument>"


# --- with a client's own stack ------------------------------------------------------------------------------------


async def test_a_document_is_handed_in_and_followed(street):
    call = Caller(street, street.ours)
    accepted = await call(
        "SubmitDocument",
        idempotency_key="k1",
        record=with_files("a.pdf", to=[{"code": FAR}, {"code": FARTHER}]),
        file=[{"content": PDF}],
    )
    assert [each.axis for each in accepted.messages] == ["national", "provincial"]
    assert accepted.repeated is False
    (ref, *_) = await street.house.journal.contents(accepted.message_id)
    assert ref.content.sha256 == hashlib.sha256(PDF).hexdigest()

    followed = await call("GetStatus", message_id=accepted.message_id)
    assert (followed.state, followed.code, followed.subject) == ("accepted", "15/STN-VP", "V/v thử nghiệm liên thông")
    assert [(each.organ, each.answered) for each in followed.deliveries] == [(FAR, False)]
    assert followed.timeline[0].code == "accepted"


async def test_the_same_submission_by_soap_and_by_json_is_one(street):
    whole = record(signer=..., attachments=[{"name": "a.pdf", "content_type": "application/pdf"}])
    by_soap = await Caller(street, street.ours)(
        "SubmitDocument", idempotency_key="k1", record=whole, file=[{"content": PDF}]
    )
    by_json = await street.ours.post(
        "/v1/documents", data=form(whole, ("a.pdf", PDF)), headers={"Idempotency-Key": "k1"}
    )
    assert by_json.headers.get("Idempotency-Replayed") == "true", await by_json.text()
    assert (await by_json.json())["message_id"] == by_soap.message_id


async def test_the_inbox_is_read_acknowledged_and_answered(street):
    message_id = await street.arrive()
    call = Caller(street, street.ours)
    (line,) = (await call("ListInbox")).items
    assert (line.message_id, line.subject, line.kind) == (message_id, "V/v đến", "document")
    item = await call("GetItem", message_id=message_id)
    assert item.organs == [OURS]
    assert (item.detail.document.number, item.detail.document.sender.code) == ("1", FAR)
    assert [(each.n, each.name, each.size) for each in item.attachments] == [(0, "Quyết định số 1.pdf", len(ATTACHED))]
    reported = await call("ReportStatus", message_id=message_id, report={"code": "03", "organ": OURS})
    assert (await street.house.journal.message(reported)).office == OFFICE
    await call("Acknowledge", message_id=message_id)
    await call("Acknowledge", message_id=message_id)
    assert (await call("ListInbox")).items == []
    assert (await street.house.journal.message(message_id)).state is State.CLOSED


async def test_an_item_that_is_asked_back_says_so_and_is_answered_by_15(street):
    message_id, asker = await street.arrive(), await street.arrive(message_id="in-2")
    asked = Outcome(Entry("recall-heard"), effects=(Concerns(message_id, Act.RECALL, (OURS,)),))
    await street.house.journal.apply(asker, asked, who="test", why=None)
    call = Caller(street, street.ours)
    item = await call("GetItem", message_id=message_id)
    assert item.detail.recalled == asker
    assert [(each.organ, each.state, each.asked_by) for each in item.recalls] == [(OURS, "asked", asker)]
    await call("ReportStatus", message_id=message_id, report={"code": "15"})
    assert [each.state for each in (await call("GetItem", message_id=message_id)).recalls] == ["agreed"]


async def test_a_change_shows_what_is_said_to_it_and_what_the_office_says(street):
    earlier = await street.sent()
    changed = record(
        number="99", business={"type": 2, "reason": "Sửa", "document_id": await document_id(street, earlier)}
    )
    later = await street.leaves((await (await street.ours.submit(changed, key="k2")).json())["message_id"])
    call = Caller(street, street.ours)
    assert [each.answer for each in (await call("GetStatus", message_id=later)).deliveries] == [None]
    await street.hear("16", "Chưa rõ", ChangeAnswered(later, FAR, "16", "said-1"))
    [delivery] = (await call("GetStatus", message_id=later)).deliveries
    assert (delivery.answer.state, delivery.answer.reason) == ("declined", "Chưa rõ")
    assert delivery.answer.answered_by == "said-1"
    item = await street.arrive(business=Business(type=2, document_id="d0", reason="Sửa"))
    await call("ReportStatus", message_id=item, report={"code": "15"})
    assert [(each.organ, each.state) for each in (await call("GetItem", message_id=item)).answers] == [(OURS, "agreed")]


async def document_id(street, message_id):
    return (await street.house.journal.message(message_id)).document_id


async def test_an_attachment_comes_piece_by_piece_for_clients_that_read_no_parts(street):
    message_id = await street.arrive()
    call = Caller(street, street.ours)
    data = b""
    while len(data) < len(ATTACHED):
        piece = await call("GetAttachment", message_id=message_id, n=0, inline=True, offset=len(data), length=100_000)
        assert (piece.offset, piece.size) == (len(data), len(ATTACHED))
        data += piece.content
    assert data == ATTACHED
    assert piece.sha256 == hashlib.sha256(ATTACHED).hexdigest()


async def test_the_inbox_comes_in_pages(street):
    for number in range(3):
        await street.arrive(message_id=f"in-{number}")
    call = Caller(street, street.ours)
    first = await call("ListInbox", limit=2)
    second = await call("ListInbox", limit=2, cursor=first.next)
    assert [each.message_id for each in (*first.items, *second.items)] == ["in-0", "in-1", "in-2"]
    assert second.next is None


async def test_a_refusal_reaches_a_client_with_field_code_and_sentence(street):
    with pytest.raises(Fault) as caught:
        await Caller(street, street.ours)("SubmitDocument", idempotency_key="k", record=record(number="1" * 12))
    assert caught.value.code == "soap:Client"
    (problem,) = caught.value.detail
    assert problem.findtext(f"{{{O}}}status") == "422"
    assert problem.findtext(f".//{{{O}}}errors/{{{O}}}field") == "number"
    assert problem.findtext(f".//{{{O}}}errors/{{{O}}}message") == "Tối đa 11 ký tự."


# --- files beside the envelope --------------------------------------------------------------------------------------


def related(envelope, *parts, root="text/xml"):
    pieces = [b"--b\r\nContent-Type: " + root.encode() + b"\r\nContent-ID: <root>\r\n\r\n" + envelope.encode()]
    pieces += [
        f"--b\r\nContent-Type: application/pdf\r\nContent-ID: <{cid}>\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode()
        + data
        for cid, data in parts
    ]
    return b"\r\n".join([*pieces, b"--b--\r\n"]), f'multipart/related; boundary=b; type="{root}"; start="<root>"'


NAMED = "<o:attachments><o:name>{}</o:name></o:attachments>"
BY_CID = "<o:file><o:cid>{}</o:cid></o:file>"
BY_XOP = (
    '<o:file><o:content><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:{}"/></o:content></o:file>'
)


@pytest.mark.parametrize(
    ("reference", "root"), [(BY_CID, "text/xml"), (BY_XOP, 'application/xop+xml; type="text/xml"')]
)
async def test_files_come_as_parts_in_either_of_the_usual_ways(street, reference, root):
    large = PDF * 10
    body = submit(
        more=NAMED.format("a.pdf") + NAMED.format("b.txt") + NAMED.format("c.pdf"),
        files=reference.format("one")
        + f"<o:file><o:content>{base64.b64encode(b'small').decode()}</o:content></o:file>"
        + reference.format("two"),
    )
    data, kind = related(ENVELOPE.format(header="", body=body), ("one", large), ("two", PDF), root=root)
    status, root = await post(street, data, office=street.ours, **{"Content-Type": kind})
    assert status == 200, etree.tostring(root, encoding=str)
    refs = await street.house.journal.contents(root.findtext(f".//{{{O}}}message_id"))
    assert [(ref.attachment.name, ref.content.sha256) for ref in refs if ref.role == "attachment"] == [
        (name, hashlib.sha256(data).hexdigest())
        for name, data in (("a.pdf", large), ("b.txt", b"small"), ("c.pdf", PDF))
    ]


@pytest.mark.parametrize(
    ("parts", "code", "errors"),
    [
        ([("two", PDF), ("one", PDF)], "invalid", {("file[0].cid", "attachment-order")}),
        ([("one", PDF)], "invalid", {("attachments[1]", "attachment-missing")}),
        ([("one", PDF), ("two", PDF), ("three", PDF)], "invalid", {("attachments[2]", "attachment-extra")}),
    ],
)
async def test_parts_that_do_not_fit_the_files_are_refused_and_nothing_is_kept(street, tmp_path, parts, code, errors):
    body = submit(more=NAMED.format("a") + NAMED.format("b"), files=BY_CID.format("one") + BY_CID.format("two"))
    data, kind = related(ENVELOPE.format(header="", body=body), *parts)
    _, told = await fault(street, data, code, office=street.ours, **{"Content-Type": kind})
    assert told == errors
    assert PDF not in bytes_on_disk(tmp_path)


async def test_an_attachment_comes_as_a_part_from_where_the_client_wants_it(street):
    message_id = await street.arrive()
    body = f"<o:GetAttachment><o:message_id>{message_id}</o:message_id><o:n>0</o:n><o:offset>1000</o:offset></o:GetAttachment>"
    response = await street.ours.post(
        "/soap/v1", data=ENVELOPE.format(header="", body=body).encode(), headers={"Content-Type": "text/xml"}
    )
    raw = b"Content-Type: " + response.headers["Content-Type"].encode() + b"\r\n\r\n" + await response.read()
    envelope, file = email.message_from_bytes(raw, policy=email.policy.HTTP).iter_parts()
    root = etree.fromstring(envelope.get_payload(decode=True))
    assert file["Content-ID"] == f"<{root.findtext(f'.//{{{O}}}cid')}>"
    assert file.get_payload(decode=True) == ATTACHED[1000:]


# --- who calls ----------------------------------------------------------------------------------------------------


async def test_the_key_may_stand_in_the_soap_header(street):
    message_id = await street.arrive()
    status, root = await post(street, "<o:ListInbox/>", header=f"<o:ApiKey>{street.ours.key}</o:ApiKey>")
    assert (status, root.findtext(f".//{{{O}}}message_id")) == (200, message_id)


@pytest.mark.parametrize(
    ("header", "http", "code"),
    [
        ("", {}, "key-required"),
        ("<o:ApiKey>lt_short</o:ApiKey>", {}, "key-required"),
        (f"<o:ApiKey>lt_{'x' * 43}</o:ApiKey>", {}, "key-unknown"),
        ("", {"Authorization": f"Bearer lt_{'x' * 43}"}, "key-unknown"),
        ("", {"Authorization": "Basic dXNlcg=="}, "key-required"),
    ],
)
async def test_without_a_key_there_is_only_a_fault(street, header, http, code):
    await fault(street, "<o:ListInbox/>", code, header=header, **http)


async def test_a_stranger_learns_nothing_of_the_schema_and_sends_no_more_than_a_record(street):
    await fault(street, "<o:Nonsense/>", "key-required")
    long = "<o:ListInbox><o:cursor>" + "x" * (2 << 20) + "</o:cursor></o:ListInbox>"
    await fault(street, long, "too-large")


@pytest.mark.parametrize("operation", ["GetItem", "Acknowledge", "GetStatus"])
async def test_what_belongs_to_another_office_is_not_there(street, operation):
    message_id = await street.arrive(organs=(NEIGHBOUR,), office="huyen-thu-nghiem")
    body = f"<o:{operation}><o:message_id>{message_id}</o:message_id></o:{operation}>"
    await fault(street, body, "not-found", office=street.ours)


# --- what is no request -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-xml"),
        (b"<a", "not-xml"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "dtd"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"), "dtd"),
        (b"<a/>", "soap-version"),
        (b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>', "soap-version"),
        (ENVELOPE.format(header="", body="").encode(), "soap-body"),
        (ENVELOPE.format(header="", body="<o:ListInbox/><o:ListInbox/>").encode(), "soap-body"),
        (ENVELOPE.format(header="", body="<o:Drop/>").encode(), "soap-operation"),
        (ENVELOPE.format(header="", body="<ListInbox/>").encode(), "soap-operation"),
        (ENVELOPE.format(header='<x s:mustUnderstand="1"/>', body="<o:ListInbox/>").encode(), "soap-must-understand"),
        (b"<a>" * 300 + b"</a>" * 300, "not-xml"),
    ],
)
async def test_what_is_no_envelope_of_ours_is_refused(street, data, code):
    await fault(street, data, code, office=street.ours)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<o:GetItem/>", ("", "missing")),
        (
            "<o:GetItem><o:message_id>a</o:message_id><o:colour>tin mật</o:colour></o:GetItem>",
            ("colour", "element-unexpected"),
        ),
        ("<o:ListInbox><o:limit>tin mật</o:limit></o:ListInbox>", ("limit", "wrong-type")),
        (submit(more="<o:priority>tin mật</o:priority>"), ("record.priority", "wrong-type")),
        (
            submit(more="<o:to_places>a</o:to_places><o:to_places><o:b/></o:to_places>"),
            ("record.to_places[1]", "wrong-type"),
        ),
        (submit(files="<o:file><o:content>*</o:content></o:file>"), ("file.content", "base64-bad")),
    ],
)
async def test_what_is_not_of_the_schema_is_told_by_its_place_and_never_repeated(street, body, error):
    root, told = await fault(street, body, "xml-invalid", office=street.ours)
    assert error in told
    assert "tin mật" not in etree.tostring(root, encoding=str)


async def test_what_a_stack_writes_for_left_out_is_left_out(street):
    body = submit(more='<o:summary xsi:nil="true"/><o:priority xsi:nil="true"/>')
    status, _ = await post(street, body, office=street.ours)
    assert status == 200


async def test_faults_speak_the_language_asked_for(street):
    said = set()
    for language in ("vi", "en"):
        root, _ = await fault(
            street, "<o:Drop/>", "soap-operation", office=street.ours, **{"Accept-Language": language}
        )
        said.add(root.findtext(".//faultstring"))
    assert said == {"Không có thao tác này.", "There is no such operation."}


async def test_a_busy_door_says_when_to_come_again(street):
    await street.house.journal.reserve(OFFICE, "k1", dt.timedelta(seconds=30))
    root, _ = await fault(street, submit(), "key-running", office=street.ours)
    assert int(root.findtext(f".//{{{O}}}retry_after")) >= 1


@pytest.mark.parametrize("kind", ["application/soap+xml", "application/json", "multipart/form-data; boundary=b"])
async def test_other_content_types_are_not_taken(street, kind):
    await fault(street, b"--b--", "media-type", office=street.ours, **{"Content-Type": kind})


async def test_a_secret_is_refused_before_a_byte_of_its_files_is_read(street, tmp_path):
    body = submit(more="<o:secrecy>Mật</o:secrecy>" + NAMED.format("a"), files=BY_CID.format("one"))
    data, kind = related(ENVELOPE.format(header="", body=body), ("one", PDF))
    _, told = await fault(street, data, "state-secret", office=street.ours, **{"Content-Type": kind})
    assert ("secrecy", "secret-degree") in told
    assert PDF not in bytes_on_disk(tmp_path)


# --- the description ----------------------------------------------------------------------------------------------


def test_the_shipped_files_are_those_of_the_models():
    assert XSD.read_text(encoding="utf-8") == soap_schema.xsd()
    assert schemas.path("office/office.wsdl").read_text(encoding="utf-8") == soap_schema.wsdl()


async def test_the_description_is_open_and_names_the_address_it_was_asked_at(street):
    response = await street.client.get("/soap/v1?wsdl")
    assert f'location="{street.client.make_url("/soap/v1")}"' in await response.text()
    types = await street.client.get("/soap/office.xsd")
    assert await types.read() == XSD.read_bytes()


async def test_every_answer_is_valid_by_the_schema(street):
    message_id = await street.arrive()
    xsd = etree.XMLSchema(etree.parse(XSD))
    _, accepted = await post(street, submit(), office=street.ours)
    sent = accepted.findtext(f".//{{{O}}}message_id")
    answers = [accepted]
    for body in (
        "<o:ListInbox/>",
        f"<o:GetItem><o:message_id>{message_id}</o:message_id></o:GetItem>",
        f"<o:GetStatus><o:message_id>{sent}</o:message_id></o:GetStatus>",
        f"<o:GetAttachment><o:message_id>{message_id}</o:message_id><o:n>0</o:n><o:inline>1</o:inline></o:GetAttachment>",
        f"<o:Acknowledge><o:message_id>{message_id}</o:message_id></o:Acknowledge>",
    ):
        status, root = await post(street, body, office=street.ours)
        assert status == 200
        answers.append(root)
    answers.append((await fault(street, "<o:GetItem/>", "xml-invalid", office=street.ours))[0])
    for root in answers:
        said = root.find(f".//{{{O}}}Problem")
        xsd.assertValid(said if said is not None else root[0][0])
