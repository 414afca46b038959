import dataclasses
import datetime as dt
import threading

import pytest

from gateway.edxml import build, check, parse
from gateway.model import Business, Organ
from tests.unit.edxml.making import SIGNATURE, full_document, full_status, written


def changed(**changes):
    return dataclasses.replace(full_document(), **changes)


def problems(document, **kwargs):
    return {(p.field, p.code) for p in check.check_document(document, **kwargs)}


def test_a_whole_document_and_a_whole_status_have_no_problem():
    assert check.check_document(full_document()) == []
    assert check.check_status(full_status()) == []


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"to": ()}, "to", "missing"),
        ({"to": (Organ("H08"), Organ("H08"))}, "to", "repeated"),
        ({"to": (Organ("H08 "),)}, "to[0].code", "organ-code"),
        ({"to": (Organ("H08"), Organ(""))}, "to[1].code", "missing"),
        ({"to": (Organ("H" * 36),)}, "to[0].code", "too-long"),
        ({"number": " "}, "number", "missing"),
        ({"number": "1" * 12}, "number", "too-long"),
        ({"promulgation_date": None}, "promulgation_date", "missing"),
        ({"subject": "x" * 501}, "subject", "too-long"),
        ({"subject": "a\x00b"}, "subject", "control-character"),
        ({"subject": "a\ud800b"}, "subject", "control-character"),
        ({"to_places": ("ok", "a\x1fb")}, "to_places[1]", "control-character"),
        ({"priority": 5}, "priority", "unknown-value"),
        ({"type": 18}, "type", "unknown-value"),
        ({"page_amount": -1}, "page_amount", "negative"),
        ({"business": Business(type=4)}, "business.type", "unknown-value"),
        ({"business": Business(type=1), "response_for": ()}, "response_for", "missing"),
        ({"business": Business(type=2)}, "business.document_id", "missing"),
        ({"business": Business(type=3)}, "business.replacements", "missing"),
    ],
)
def test_each_way_a_document_can_be_wrong_is_named(changes, field, code):
    assert (field, code) in problems(changed(**changes))


def test_a_date_of_promulgation_ahead_of_today_is_named_only_where_today_is_known():
    assert problems(full_document(), today=dt.date(2024, 5, 5)) == {("promulgation_date", "date-in-future")}
    assert problems(full_document(), today=dt.date(2024, 5, 6)) == set()


def test_two_attachments_with_one_content_id_are_refused():
    first, *rest = full_document().attachments
    twice = changed(attachments=(first, *(dataclasses.replace(a, content_id=first.content_id) for a in rest)))
    assert problems(twice) == {("attachments", "repeated")}


@pytest.mark.parametrize("content_id", ["", "a b", "a/b", '"', "a>b"])
def test_a_content_id_unfit_for_a_reference_is_refused(content_id):
    first = dataclasses.replace(full_document().attachments[0], content_id=content_id)
    assert problems(changed(attachments=(first,))) == {("attachments[0].content_id", "content-id")}


@pytest.mark.parametrize("code", ["02", "13"])
def test_a_status_that_needs_a_reason_is_refused_without_one(code):
    status = dataclasses.replace(full_status(), code=code, description=" ")
    assert [(p.field, p.code) for p in check.check_status(status)] == [("description", "missing")]


@pytest.mark.parametrize("code", ["14", "1", "07"])
def test_a_status_code_that_is_never_written_is_refused(code):
    status = dataclasses.replace(full_status(), code=code)
    assert [(p.field, p.code) for p in check.check_status(status)] == [("code", "unknown-value")]


def envelope():
    return parse.read(written(build.pack_document(full_document(), sign=lambda _: SIGNATURE))).envelope


def test_our_schema_accepts_what_we_write_whole_and_without_attachments():
    whole = written(build.pack_document(full_document(), sign=lambda _: SIGNATURE))
    status = written(build.pack_status(full_status(), sign=lambda _: SIGNATURE))
    assert [check.validate_xsd(data) for data in (whole, envelope(), status)] == [[], [], []]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b"2024/05/06<", b"06/05/2024<", "PromulgationInfo/PromulgationDate"),
        (b"Priority>3", b"Priority>9", "OtherInfo/Priority"),
        (b"<edXML:Paper>1", b"<edXML:Paper>2", "Bussiness/Paper"),
        (b"UBND-VX</edXML:CodeN", b"U" * 40 + b"</edXML:CodeN", "Code/CodeNotation"),
        (b"edXML:Subject>", b"edXML:Subjekt>", "MessageHeader/Subjekt"),
        (b"<edXML:Subject>", b"<edXML:Subject>a</edXML:Subject><edXML:Subject>", "MessageHeader/Subject[2]"),
        (b"H37.DN.001<", b"000.00.00.G22<", "MessageHeader/To[2]"),
        (b"edXML:From>", b"edXML:ToPlaces>", "MessageHeader"),
    ],
)
def test_our_schema_says_where_a_file_breaks_it(old, new, where):
    data = envelope()
    assert old in data
    found = check.validate_xsd(data.replace(old, new))
    assert any(finding.where.endswith(where) for finding in found), found


def test_a_schema_finding_never_quotes_the_file():
    found = check.validate_xsd(envelope().replace(b"2024/05/06<", b"tuyet mat<"))
    assert found
    assert all("mat" not in finding.message for finding in found)


def test_threads_do_not_see_each_others_schema_findings():
    good, bad, wrong = envelope(), envelope().replace(b"Priority>3", b"Priority>9"), []

    def look(data, expected):
        wrong.extend(expected for _ in range(100) if len(check.validate_xsd(data)) != expected)

    threads = [threading.Thread(target=look, args=case) for case in ((good, 0), (bad, 1)) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
