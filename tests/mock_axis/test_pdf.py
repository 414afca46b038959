"""The sample PDFs: pyHanko reads them, and believes both signatures of each."""

import io
import re
import unicodedata

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from mock_axis.pdf import BODY, SignedPdfs, draw

TONES = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
VOWELS = ("a", "a\u0306", "a\u0302", "e", "e\u0302", "i", "o", "o\u0302", "o\u031b", "u", "u\u031b", "y")
EVERY_LETTER = "".join(unicodedata.normalize("NFC", vowel + tone) for vowel in VOWELS for tone in TONES) + "đ"


@pytest.fixture(scope="module")
def signed_pdfs():
    return SignedPdfs()


def text_of(pdf):
    """The text, found as a reader finds it: the codes of each page by the font's ToUnicode table."""
    reader = PdfFileReader(io.BytesIO(pdf))
    text = []
    for number in range(reader.root["/Pages"]["/Count"]):
        page = reader.root["/Pages"]["/Kids"][number]
        table = page["/Resources"]["/Font"]["/V"]["/ToUnicode"].data.decode()
        letters = {
            int(code, 16): bytes.fromhex(value).decode("utf-16-be")
            for code, value in re.findall(r"<(..)> <(.+?)>", table.partition("endcodespacerange")[2])
        }
        rows = re.findall(rb"<([0-9a-f]*)> Tj", page["/Contents"].data)
        text += ["".join(letters[code] for code in bytes.fromhex(row.decode())) for row in rows]
    return text


def verdicts(pdf, ca):
    (root,) = load_certs_from_pemder_data(ca.certificate.public_bytes(Encoding.DER))
    reader = PdfFileReader(io.BytesIO(pdf))
    return [
        validate_pdf_signature(signature, ValidationContext(trust_roots=[root], allow_fetching=False), skip_diff=False)
        for signature in reader.embedded_signatures
    ]


def test_every_vietnamese_letter_can_be_read_again():
    lines = [EVERY_LETTER, EVERY_LETTER.upper()]
    assert text_of(draw(lines)) == lines


def test_long_documents_run_over_several_pages():
    assert text_of(draw([f"dòng {number}" for number in range(150)])) == [f"dòng {number}" for number in range(150)]


def test_a_document_of_no_lines_is_still_a_page():
    assert text_of(draw([])) == []


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_padding_brings_a_drawing_to_about_its_size(size):
    assert abs(len(draw(BODY, size=size)) - size) < 100


def test_the_same_drawing_is_the_same_octets_and_another_seed_is_not():
    assert draw(BODY, size=50_000, seed=1) == draw(BODY, size=50_000, seed=1)
    assert draw(BODY, size=50_000, seed=1) != draw(BODY, size=50_000, seed=2)


def test_a_person_signed_and_the_organisation_signed_over_that(signed_pdfs):
    pdf = signed_pdfs.make(BODY)
    by_person, by_organisation = verdicts(pdf, signed_pdfs.ca)
    assert by_person.bottom_line
    assert by_organisation.bottom_line
    assert by_person.signing_cert.subject.native["common_name"] == "Nguyễn Văn Mẫu"
    assert by_organisation.signing_cert.subject.native["common_name"] == "Sở Thử nghiệm"
    assert by_person.coverage == SignatureCoverageLevel.ENTIRE_REVISION
    assert by_person.modification_level == ModificationLevel.FORM_FILLING
    assert by_organisation.coverage == SignatureCoverageLevel.ENTIRE_FILE
    subfilters = {
        signature.sig_object["/SubFilter"] for signature in PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    }
    assert subfilters == {SigSeedSubFilter.PADES.value}


def test_a_signed_pdf_still_has_its_text(signed_pdfs):
    assert text_of(signed_pdfs.make(["Số: 15/SNV-VP"])) == ["Số: 15/SNV-VP"]


def test_another_authority_is_not_believed(signed_pdfs):
    stranger = SignedPdfs()
    assert not any(verdict.trusted for verdict in verdicts(signed_pdfs.make(BODY), stranger.ca))


def test_a_changed_octet_spoils_both_signatures(signed_pdfs):
    pdf = signed_pdfs.make(BODY, size=20_000)
    place = pdf.index(b"BT /V 10 Tf") + 8
    spoiled = pdf[:place] + b"2" + pdf[place + 1 :]
    assert [verdict.intact for verdict in verdicts(spoiled, signed_pdfs.ca)] == [False, False]


def test_a_pool_deals_different_pdfs_in_turn(signed_pdfs):
    pool = signed_pdfs.pool(3)
    dealt = [pool.deal() for _ in range(6)]
    assert len(set(dealt)) == 3
    assert dealt[:3] == dealt[3:]
