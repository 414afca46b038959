"""The form of `http://www.e-doc.vn/Schema/`: what is written reads back as the same document."""

import dataclasses
import datetime as dt

import pytest
from lxml import etree

from gateway.edxml import older, parse
from gateway.edxml.findings import EdxmlError
from gateway.model import Business, Document, Organ, ReceiverChange, Replacement
from tests.unit.edxml.making import FILES, full_document, full_status, written

E = f"{{{older.NAMESPACE}}}"
NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)


def new_document():
    return dataclasses.replace(full_document(), business=Business())


def bare(document):
    """Without its bytes."""
    return dataclasses.replace(
        document, attachments=tuple(dataclasses.replace(each, content=None) for each in document.attachments)
    )


def split(data):
    """The parsed file and its attachments' bytes."""
    splitter = parse.Splitter()
    found = {}
    for event in splitter.feed(data):
        if isinstance(event, parse.AttachmentData):
            found[event.index] = found.get(event.index, b"") + event.data
    parsed = splitter.close()
    return parsed, [found.get(index, b"") for index in range(len(parsed.attachments))]


STAFF = full_document().business.staff
BUSINESS = {
    "new": Business(),
    "new, with its clerk": Business(paper=1, staff=STAFF),
    "a recall": Business(1, "Gửi nhầm nơi nhận", staff=STAFF),
    "an update": Business(
        2,
        "Sửa phụ lục",
        paper=0,
        document_id="000.00.00.H08,2024/05/05,14/UBND-VX",
        document_changed=True,
        receivers_changed=True,
        receiver_changes=(ReceiverChange("H41", added=True), ReceiverChange("H14", added=False)),
    ),
    "a replacement": Business(3, "Thay thế", replacements=(Replacement("old-1", ("H41", "H14")), Replacement("old-2"))),
    "all at once": full_document().business,
}


@pytest.mark.parametrize("business", BUSINESS.values(), ids=BUSINESS)
def test_a_full_document_reads_back_the_same_with_its_attachments(business):
    document = dataclasses.replace(full_document(), business=business)
    parsed, contents = split(written(older.pack_document(document)))
    assert parsed.form == "e-doc"
    read = dataclasses.replace(parsed.document, traces=document.traces)
    assert dataclasses.replace(read, attachments=()) == dataclasses.replace(bare(document), attachments=())
    assert [(each.content_id, each.name, each.content_type) for each in read.attachments] == [
        (each.content_id, each.name, each.content_type) for each in document.attachments
    ]
    assert contents == list(FILES.values())
    assert [each for each in parsed.findings if each.severity == "error"] == []


def test_a_change_stands_with_the_traces_under_the_misspelling_that_all_of_its_programs_read():
    root = etree.fromstring(written(older.pack_document(full_document())))
    assert [etree.QName(child).localname for child in root.find(f".//{E}TraceHeaderList")] == [
        *("TraceHeader", "TraceHeader", "Bussiness")
    ]
    assert {etree.QName(each).namespace for each in root.find(f".//{E}Bussiness").iter()} == {older.NAMESPACE}
    assert etree.fromstring(written(older.pack_document(new_document()))).find(f".//{E}Bussiness") is None


@pytest.mark.parametrize("spelling", [b"Bussiness", b"Business"])
def test_either_spelling_of_its_programs_is_read(spelling):
    data = written(older.pack_document(full_document())).replace(b"Bussiness", spelling)
    assert parse.read(data).document.business == full_document().business


def test_dates_stand_day_first_and_traces_too():
    root = etree.fromstring(written(older.pack_document(new_document())))
    assert root.findtext(f".//{E}PromulgationDate") == "06/05/2024"
    assert root.findtext(f".//{E}DueDate") == "01/06/2024"
    assert root.findtext(f".//{E}TraceHeader/{E}Timestamp") == "06/05/2024 08:00:00"


def test_every_element_that_its_checkers_demand_is_there_even_when_nothing_is_known():
    little = Document(Organ("H1"), (Organ("G1"), Organ("G2")), "d1", "1", "A", "V/v")
    root = etree.fromstring(written(older.pack_document(little, now=NOW), {}))
    header = root.find(f".//{E}MessageHeader")
    names = [etree.QName(child).localname for child in header]
    demanded = list(older._WHOLE)
    assert [name for name in dict.fromkeys(names) if name in demanded] == demanded
    assert names.count("To") == 2
    for name, inside in older._WHOLE.items():
        for element in header.findall(f"{E}{name}"):
            assert {etree.QName(child).localname for child in element} >= set(inside)
    assert root.find(f".//{E}ErrorList") is not None
    assert root.findtext(f".//{E}TraceHeader/{E}Timestamp") == "02/03/2026 08:30:00"


def test_the_checkers_order_holds_for_what_is_inside():
    header = etree.fromstring(written(older.pack_document(new_document()))).find(f".//{E}MessageHeader")
    organ = [etree.QName(child).localname for child in header.find(f"{E}From")]
    assert organ == list(older._WHOLE["From"])


def test_references_name_their_attachment_by_xlink():
    root = etree.fromstring(written(older.pack_document(new_document())))
    links = [each.get("{http://www.w3.org/1999/xlink}href") for each in root.iter(f"{E}Reference")]
    assert links == [f"cid:{content_id}" for content_id in FILES]


def test_a_status_reads_back_the_same():
    status = full_status()
    data = written(older.pack_status(status))
    parsed = parse.read(data)
    assert (parsed.form, parsed.document) == ("e-doc", None)
    assert parsed.status == status
    assert etree.fromstring(data).findtext(f".//{E}Timestamp") == "07/05/2024 01:30:01"


def test_an_attachment_without_bytes_and_a_text_that_xml_cannot_carry_are_refused():
    with pytest.raises(ValueError, match="has no content"):
        older.pack_document(bare(new_document()))
    with pytest.raises(EdxmlError):
        older.pack_document(dataclasses.replace(new_document(), subject="a\x00b"))
