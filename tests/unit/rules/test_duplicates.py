import datetime as dt

from gateway.model import Business, Document, Organ
from gateway.rules import duplicates

NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)


def document(number="15", notation="UBND-VX", **fields):
    return Document(Organ("H1"), (Organ("G1"),), "d", number, notation, "V/v", **fields)


def number(**fields):
    return duplicates.number_of(document(**fields), NOW)


def test_one_number_has_one_spelling():
    assert number(notation="UBND-VX") == number(notation=" ubnd-vx ")
    assert number(notation="QĐ-TTg") == number(notation="QĐ-TTg".replace("Đ", "đ"))
    assert number(number="15", notation="A") != number(number="16", notation="A")


def test_numbers_are_given_out_anew_each_year():
    assert number(promulgation_date=dt.date(2025, 12, 31)) != number(promulgation_date=dt.date(2026, 1, 1))


def test_without_a_date_the_year_is_vietnams_at_the_moment():
    assert duplicates.number_of(document(), dt.datetime(2025, 12, 31, 17, 30, tzinfo=dt.UTC)).year == 2026
    assert duplicates.number_of(document(), dt.datetime(2025, 12, 31, 16, 30, tzinfo=dt.UTC)).year == 2025


def test_a_document_without_a_number_has_none_to_share():
    assert number(number="") is None


def test_updates_and_replacements_carry_earlier_numbers_by_right():
    assert duplicates.looked_at(document())
    assert not any(duplicates.looked_at(document(business=Business(type=kind))) for kind in (1, 2, 3))


def test_each_warning_names_the_earlier_message_and_one_document_is_warned_of_once():
    assert duplicates.warnings(None, None) == ()
    [same_id] = duplicates.warnings("m1", "m1")
    assert (same_id.code, same_id.facts) == ("duplicate-document-id", {"earlier": "m1"})
    assert [each.code for each in duplicates.warnings("m1", "m2")] == ["duplicate-document-id", "duplicate-number"]
    [by_number] = duplicates.warnings(None, "m2")
    assert (by_number.field, by_number.facts) == ("number", {"earlier": "m2"})
