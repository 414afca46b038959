import io
import unicodedata
import zipfile

import pytest

from gateway.edxml import names, sniff
from gateway.edxml.findings import EdxmlError
from gateway.edxml.look import Look
from tests.assets import make_edxml as assets


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (assets.PDF, "application/pdf"),
        (b"\n\n" + assets.PDF, "application/pdf"),
        (assets.zipped(b"x"), "application/zip"),
        (b"PK\x05\x06" + bytes(18), "application/zip"),
        (
            assets.zipped(b"<x/>", name="word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (
            assets.zipped(b"application/vnd.oasis.opendocument.text", name="mimetype", method=zipfile.ZIP_STORED),
            "application/vnd.oasis.opendocument.text",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        (b"MZ\x90\0", "application/vnd.microsoft.portable-executable"),
        (b"<?xml version='1.0'?><a/>", "application/xml"),
        ("Kính gửi".encode(), "text/plain"),
        ("Kính".encode()[:2], "text/plain"),
        (b"", "application/octet-stream"),
        (b"a\0b", "application/octet-stream"),
    ],
)
def test_the_type_is_told_by_the_first_bytes(head, kind):
    assert sniff.sniff(head) == kind


@pytest.mark.parametrize(
    ("declared", "found", "agree"),
    [
        ("application/pdf", "application/pdf", True),
        ("Application/PDF; x=1", "application/pdf", True),
        ("application/pdf", "application/zip", False),
        ("application/msword", "application/pdf", False),
        ("application/octet-stream", "application/zip", True),
        ("image/png", "text/plain", False),
    ],
)
def test_a_declared_type_is_compared_with_what_is_there(declared, found, agree):
    assert sniff.agrees(declared, found) is agree


def test_bytes_lost_in_a_text_conversion_show():
    pdf = assets.PDF + bytes(range(128, 256))
    assert sniff.is_damaged(pdf.decode(errors="replace").encode())
    assert not sniff.is_damaged(pdf)


def unwrapped(data, name, **kwargs):
    wrapped = sniff.unwrap(io.BytesIO(data), name, **kwargs)
    return b"".join(wrapped.chunks()) if wrapped else None


def test_a_one_entry_zip_is_only_a_wrapping_unless_its_name_says_zip():
    data = assets.zipped(assets.PDF, name="../../etc/passwd")
    assert unwrapped(data, "tờ trình.pdf") == assets.PDF
    assert unwrapped(data, "tờ trình.ZIP") is None


@pytest.mark.parametrize(
    "data", [assets.PDF, b"", assets.zipped(b"a", b"b"), b"PK\x05\x06" + bytes(18), assets.zipped(b"", name="d/")]
)
def test_anything_else_is_left_as_it_is(data):
    assert unwrapped(data, "tệp.docx") is None


def test_a_zip_that_grows_past_the_limits_is_not_opened():
    with pytest.raises(EdxmlError, match="zip-bomb"):
        unwrapped(assets.zipped(bytes(16 << 20)), "a.doc")
    with pytest.raises(EdxmlError, match="zip-bomb"):
        unwrapped(assets.zipped(b"abc", method=zipfile.ZIP_STORED), "a.doc", limit=2)


def test_a_zip_that_lies_about_its_size_does_not_get_past_the_limit():
    data = bytearray(assets.zipped(bytes(16 << 20)))
    small = (1000).to_bytes(4, "little")
    directory = data.rfind(b"PK\x01\x02")
    data[22:26], data[directory + 24 : directory + 28] = small, small
    with pytest.raises(EdxmlError, match="zip-"):
        unwrapped(bytes(data), "a.doc")


def test_a_zip_with_a_wrong_checksum_is_damaged():
    data = assets.zipped(assets.PDF, method=zipfile.ZIP_STORED).replace(b"obj", b"OBJ")
    with pytest.raises(EdxmlError, match="zip-damaged"):
        unwrapped(data, "a.doc")


@pytest.mark.parametrize("declared", assets.NAMES.values())
def test_a_file_name_is_one_component_with_nothing_hidden_in_it(declared):
    declared = declared.replace("&#x9b;", "\x9b")
    name = names.safe_name(declared)
    assert name
    assert not set(name) & set('/\\<>:"|?*')
    assert name not in {".", ".."}
    assert not name.startswith(".")
    assert len(name.encode()) <= 200
    assert all(unicodedata.category(c)[0] != "C" for c in name)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("Tờ trình số 15 – Ủy ban.pdf", "Tờ trình số 15 – Ủy ban.pdf"),
        (unicodedata.normalize("NFD", "Tờ trình.pdf"), "Tờ trình.pdf"),
        ("../../../etc/cron.d/evil.pdf", "evil.pdf"),
        ("C:\\x\\y.pdf", "y.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("ảnh\u202efdp.exe", "ảnhfdp.exe"),
        ("..", "attachment"),
        ("ơ" * 400 + ".pdf", "ơ" * 98 + ".pdf"),
    ],
)
def test_names_keep_their_letters_and_their_extension(declared, name):
    assert names.safe_name(declared) == name


def test_an_entry_without_a_name_is_an_entry_all_the_same():
    assert unwrapped(assets.zipped(assets.PDF, name=""), "a.pdf") == assets.PDF


def test_numbers_stand_before_the_extension():
    assert names.numbered("a.b.pdf", 2) == "a.b (2).pdf"
    assert names.numbered("không", 3) == "không (3)"


def looked_at(data, name="a.pdf", declared="application/pdf", piece=None):
    passing = Look()
    for start in range(0, len(data), piece or len(data) or 1):
        passing.take(data[start : start + (piece or len(data))])
    passing.end()
    return passing.codes(name, declared)


@pytest.mark.parametrize("piece", [1, 7, 1000, None])
def test_a_file_is_told_whole_or_cut_in_pieces_of_any_size(piece):
    docx = assets.DOCX
    assert looked_at(assets.PDF, piece=piece) == looked_at(docx, "a.docx", assets.WORD, piece) == []
    assert looked_at(assets.PDF[:-20], piece=piece) == ["attachment-cut"]
    assert looked_at(docx[:-30], "a.docx", assets.WORD, piece) == ["attachment-cut"]
    assert looked_at(assets.zipped(b"x"), "a.xlsx", "application/zip", piece) == ["attachment-wrapped"]
    assert looked_at(assets.zipped(b"x"), "a.zip", "application/zip", piece) == []
    assert looked_at(b"", piece=piece) == []


def test_really_made_pdfs_are_whole():
    from mock_axis.pdf import SignedPdfs, draw

    assert looked_at(draw(["Kính gửi"])) == []
    assert looked_at(SignedPdfs().make(["Kính gửi"])) == []


def test_a_zip_with_the_longest_comment_is_whole():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("1", b"x" * 100_000)
        archive.writestr("2", b"y")
        archive.comment = b"c" * 65_535
    assert looked_at(buffer.getvalue(), "a.zip", "application/zip", 5000) == []


def test_looking_holds_no_more_than_the_ends_of_a_file():
    passing = Look()
    for _ in range(200):
        passing.take(bytes(64 << 10))
    assert passing._held <= 3 * (64 << 10)
    passing.end()
    assert not passing._last
    assert not passing._head
