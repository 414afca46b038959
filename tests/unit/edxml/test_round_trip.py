import base64
import dataclasses
import datetime as dt
import json

import pytest
from lxml import etree

from gateway.edxml import build, parse
from schemas import EDXML_NAMESPACE
from tests.unit.edxml.making import FILES, SIGNATURE, full_document, full_status, held, written

NS = {"e": EDXML_NAMESPACE, "ds": "http://www.w3.org/2000/09/xmldsig#"}


def split(data, step):
    splitter, files, ended = parse.Splitter(), {}, []
    for at in range(0, len(data), step):
        for event in splitter.feed(data[at : at + step]):
            if isinstance(event, parse.AttachmentData):
                files[event.index] = files.get(event.index, b"") + event.data
            else:
                ended.append(event.index)
    return splitter.close(), files, ended


def bare(document):
    return dataclasses.replace(
        document, attachments=tuple(dataclasses.replace(a, content=None) for a in document.attachments)
    )


@pytest.mark.parametrize("step", [1, 13, 64 << 10])
def test_every_field_of_a_document_comes_back_whatever_the_slices(step):
    document = full_document()
    data = written(build.pack_document(document, sign=lambda _: SIGNATURE))
    parsed, files, ended = split(data, step)
    assert parsed.document == bare(document)
    assert parsed.status is None
    assert (parsed.root, parsed.form, parsed.findings) == ("edXML", "qcvn102", ())
    assert [files.get(i, b"") for i in range(3)] == list(FILES.values())
    assert ended == [0, 1, 2]


def test_every_field_of_a_status_comes_back():
    status = full_status()
    parsed = parse.read(written(build.pack_status(status, sign=lambda _: SIGNATURE)))
    assert parsed.status == status
    assert parsed.document is None
    assert parsed.findings == ()


def test_what_is_signed_is_the_canonical_form_of_what_is_written():
    signed = []
    document = full_document()
    data = written(build.pack_document(document, sign=lambda parts: signed.append(parts) or SIGNATURE))
    for text in (data, parse.read(data).envelope):
        root = etree.fromstring(text)
        header, manifest = root.find(".//e:MessageHeader", NS), root.find(".//e:edXMLManifest", NS)
        assert etree.tostring(header, method="c14n", exclusive=True) == signed[0].message_header
        assert etree.tostring(manifest, method="c14n", exclusive=True) == signed[0].manifest
    assert signed[0].message_header == build.document_header(document)
    assert signed[0].attachments == tuple((cid, held(file).sha256) for cid, file in FILES.items())


def test_the_signed_status_header_is_canonical_too():
    signed = []
    data = written(build.pack_status(full_status(), sign=lambda parts: signed.append(parts) or SIGNATURE))
    header = etree.fromstring(data).find(".//e:MessageHeader", NS)
    assert etree.tostring(header, method="c14n", exclusive=True) == signed[0].message_header
    assert signed[0].manifest is None


def test_the_signature_stands_under_the_header_after_the_traces():
    data = written(build.pack_document(full_document(), sign=lambda _: SIGNATURE))
    header = etree.fromstring(data).find(".//e:edXMLHeader", NS)
    assert [etree.QName(child).localname for child in header] == ["MessageHeader", "TraceHeaderList", "Signature"]


def test_every_element_of_the_envelope_carries_the_literal_prefix():
    data = written(build.pack_document(full_document(), sign=lambda _: b""))
    envelope, _, rest = data.partition(b"</edXML:edXMLEnvelope>")
    tags = [tag for tag in envelope.split(b"<")[3:] if not tag.startswith(b"/")]
    assert tags
    assert all(tag.startswith(b"edXML:") for tag in tags)
    assert rest.startswith(b"<AttachmentEncoded><Attachment><ContentType>")


def test_a_document_without_a_trace_gets_the_senders():
    document = dataclasses.replace(full_document(), traces=())
    now = dt.datetime(2024, 5, 6, 18, 0, tzinfo=dt.UTC)
    parsed = parse.read(written(build.pack_document(document, sign=lambda _: b"", now=now)))
    assert [(t.organ, t.timestamp) for t in parsed.document.traces] == [("000.00.00.H08", "2024/05/07 01:00:00")]


def test_the_envelope_is_the_files_own_bytes_without_its_attachments():
    data = written(build.pack_document(full_document(), sign=lambda _: SIGNATURE))
    start, end = data.index(b"<edXML "), data.index(b"<AttachmentEncoded>")
    assert parse.read(data).envelope == data[start:end] + b"</edXML>\n"


async def test_a_recipe_survives_storage_and_says_its_size():
    pieces = build.pack_document(full_document(), sign=lambda _: SIGNATURE)
    again = build.recipe_from(json.loads(json.dumps(build.recipe_table(pieces))))
    assert again == pieces
    assert build.recipe_size(again) == len(written(pieces))


def test_a_recipe_is_still_read_in_the_form_it_was_kept_in_at_first():
    pieces = build.pack_document(full_document(), sign=lambda _: SIGNATURE)
    first = json.dumps(
        [
            {"literal": base64.b64encode(piece.data).decode()}
            if isinstance(piece, build.Literal)
            else {"content": dataclasses.asdict(piece.content)}
            for piece in pieces
        ]
    )
    assert build.recipe_from_json(first) == pieces


@pytest.mark.parametrize("step", [1, 2, 3, 4, 1000])
async def test_base64_of_a_stream_is_one_line_whatever_the_chunks(step):
    data = FILES["210"]

    async def chunks():
        for at in range(0, len(data), step):
            yield data[at : at + step]

    encoded = b"".join([chunk async for chunk in build.base64_chunks(chunks())])
    whole = build.Encoded(held(data))
    assert encoded == written((whole,))


def test_a_character_that_xml_cannot_carry_is_refused_before_anything_is_written():
    document = dataclasses.replace(full_document(), subject="a\x0bb")
    with pytest.raises(parse.EdxmlError) as caught:
        build.document_header(document)
    assert caught.value.code == "control-character"
