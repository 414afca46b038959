import io

from gateway.trust.pdf import Limits
from gateway.trust.pdf.text import extract
from mock_axis.pdf import draw
from tests.unit.trust_pdf import hostile
from tests.unit.trust_pdf.pki import PERSON


def read(pdf, **limits):
    return extract(io.BytesIO(pdf), Limits(**limits))


def test_vietnamese_text_comes_whole():
    text = read(draw(["ỦY BAN NHÂN DÂN TỈNH THỬ NGHIỆM", "", "Số: 12/UBND-VX"]))
    assert (text.verdict, text.pages, text.pages_without_text) == ("read", 1, 0)
    assert "ỦY BAN NHÂN DÂN TỈNH THỬ NGHIỆM" in text.content


async def test_a_signed_file_reads_like_an_unsigned_one(pki):
    assert "Kính gửi" in read(await pki.sign(pki.drawing, PERSON)).content


def test_a_scan_has_no_text_and_says_so():
    assert read(draw([])).verdict == "none"
    assert read(draw(["- 1 -"])).verdict == "none"


def test_a_page_without_text_among_others_is_told():
    text = read(draw([*["một dòng văn bản"] * 58, *["."] * 58]))
    assert (text.verdict, text.pages, text.pages_without_text) == ("partly", 2, 1)


def test_beyond_a_limit_it_is_read_in_part():
    pdf = draw(["một dòng văn bản"] * 58 * 3)
    assert (read(pdf).verdict, read(pdf).pages) == ("read", 3)
    assert read(pdf, text_pages=2).verdict == "partly"
    short = read(pdf, text_characters=100)
    assert (short.verdict, len(short.content) <= 200) == ("partly", True)


def test_a_title_and_a_note_count_as_text():
    pdf = hostile._file(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Annots[<</Type/Annot/Subtype/FreeText/Contents(TOI MAT)>>]>>",
            b"<</Title(TUYET MAT)>>",
        ],
        trailer=b"/Info 4 0 R",
    )
    assert {"TOI MAT", "TUYET MAT"} <= set(read(pdf).content.splitlines())


def test_what_is_no_pdf_could_not_be_examined():
    assert read(b"nothing of the kind").verdict == "could-not-be-examined"
