import unicodedata

import pytest

from gateway.model import Document, Organ
from gateway.rules import secrecy


def document(*, number="15", notation="UBND-VX", document_id="x"):
    organ = Organ("000.00.00.H99")
    return Document(sender=organ, to=(organ,), document_id=document_id, number=number, notation=notation, subject="s")


def codes(degree="", **of):
    return [(problem.field, problem.code) for problem in secrecy.refuse(degree, document(**of))]


@pytest.mark.parametrize("degree", [None, "", "  ", "thường", "Thường", "NONE", unicodedata.normalize("NFD", "Thường")])
def test_a_record_without_a_degree_may_travel(degree):
    assert codes(degree) == []


@pytest.mark.parametrize("degree", ["Mật", "mat", "Tối mật", "TUYỆT MẬT", "1", "0", "không rõ", "\u200bM\u200b"])
def test_any_other_degree_is_refused_whatever_it_says(degree):
    assert codes(degree) == [("secrecy", "secret-degree")]


@pytest.mark.parametrize(
    "notation",
    [
        *("M-UBND", "UBND-VX-M", "BC/M", "m-ubnd", "BC_M", "BC–M", "UBND.M", "Ｍ-UBND", "M\u200b-UBND"),
        *("UBND (MẬT)", "TỐI MẬT-BC", "TUYETMAT", unicodedata.normalize("NFD", "BC-MẬT")),
    ],
)
def test_a_notation_marked_as_secret_is_refused(notation):
    assert codes(notation=notation) == [("notation", "secret-notation")]


@pytest.mark.parametrize("notation", ["UBND-VX", "MTTQ-BTT", "VM-UBND", "KHCN-CM", "STNMT", "BTM-KH", "HM-TC", "TTg"])
def test_a_notation_that_merely_has_the_letter_may_travel(notation):
    assert codes(notation=notation) == []


def test_number_and_document_id_are_looked_at_too():
    assert codes(number="15-M", document_id="H99,2026/01/31,15/M-UBND") == [
        ("number", "secret-notation"),
        ("document_id", "secret-notation"),
    ]


def test_no_problem_repeats_what_caused_it():
    problems = secrecy.refuse("Tối mật đặc biệt", document(notation="M-KẾHOẠCH"))
    assert problems
    for problem in problems:
        assert not problem.facts
        assert "đặc biệt" not in problem.message
        assert "KẾHOẠCH" not in problem.message
