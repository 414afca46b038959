"""What may be handed to `evidence verify`: anything. One clear line, and exit 2."""

import json
import stat
import warnings
import zipfile

import pytest

from tests.unit.evidence.made import MESSAGE, contents_of, export, lay_out, lienthong, rewritten, verify


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = lay_out(tmp_path_factory.mktemp("ran"))
    return export(folder, MESSAGE, folder / "whole.zip")


def refused(file, code):
    """Whether it is refused in one line in both languages, each with the same code."""
    for language in ("vi", "en"):
        ended, output = lienthong("evidence", "verify", file, "--language", language)
        assert (ended, output.count("\n")) == (2, 1), output
        assert output.endswith(f"[{code}]\n")
    return True


def put(file, name, data=b"x", *, mode=0, method=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = method
    with zipfile.ZipFile(file, "a") as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice
        opened.writestr(info, data)
    return file


@pytest.fixture
def copy(whole, tmp_path):
    return rewritten(whole, tmp_path / "copy.zip", lambda files: None)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "receipts/../../x.xml",
        "receipts\\..\\x.xml",
        "certificates/../x/" + "a" * 64 + ".pem",
        "certificates/x/../" + "a" * 64 + ".pem",
        "receipts/",
        "statuses/a/b.edxml",
        "run-me.sh",
        "document.edxml\n",
    ],
)
def test_a_name_that_has_no_place_in_a_bundle_is_refused(copy, name):
    assert refused(put(copy, name), "name")


def test_a_name_that_is_there_twice_is_refused(copy):
    assert refused(put(copy, "document.edxml"), "twice")


def test_a_symbolic_link_is_refused(copy):
    assert refused(put(copy, "timestamp.tsr", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "kind")


def test_a_compression_that_nobody_needs_is_refused(copy):
    assert refused(put(copy, "timestamp.tsr", method=zipfile.ZIP_LZMA), "kind")


def test_a_bomb_is_refused_before_it_is_unpacked(copy):
    bomb = put(copy, "timestamp.tsr", bytes(64 << 20), method=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    assert refused(bomb, "bomb")


def test_a_zip_of_very_many_files_is_refused(copy):
    with zipfile.ZipFile(copy, "a") as opened:
        for number in range(5_000):
            opened.writestr(f"receipts/{number}.xml", b"")
    assert refused(copy, "too-many")


def test_a_receipt_of_many_megabytes_is_refused(whole, tmp_path):
    def swell(files):
        name = next(name for name in files if name.startswith("receipts/"))
        files[name] = b"<a/>" + b" " * (2 << 20)

    assert refused(rewritten(whole, tmp_path / "large.zip", swell), "too-large")


def test_a_zip_that_is_damaged_inside_is_refused(copy):
    with zipfile.ZipFile(copy) as opened:
        info = opened.getinfo("document.edxml")
    data = bytearray(copy.read_bytes())
    data[info.header_offset + 200] ^= 1
    copy.write_bytes(data)
    assert refused(copy, "damaged")


def test_what_is_no_zip_or_no_bundle_is_refused(tmp_path):
    plain, other = tmp_path / "plain.zip", tmp_path / "other.zip"
    plain.write_bytes(b"PK\x03\x04 not really")
    put(other, "document.edxml")
    assert refused(plain, "not-zip")
    assert refused(other, "no-manifest")
    ended, output = lienthong("evidence", "verify", tmp_path / "nowhere.zip")
    assert (ended, output.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 200_000, b'{"format": "lienthong-evidence/2"}', b'{"\x1b[31m": 1}'],
)
def test_a_manifest_of_another_form_is_refused(whole, tmp_path, manifest):
    def replace(files):
        files["manifest.json"] = manifest

    assert refused(rewritten(whole, tmp_path / "other.zip", replace, manifest=False), "manifest")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("journal/entries.json", b"[" * 200_000),
        ("journal/entries.json", b"[1]"),
        ("journal/entries.json", b'[{"seq": 1}]'),
        ("journal/blocks.json", b"{}"),
        ("verdicts.json", b"[" * 200_000),
        ("verdicts.json", b"\xff"),
        ("document.edxml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("document.edxml", b""),
    ],
)
def test_a_file_of_another_form_makes_its_claim_false_and_nothing_worse(whole, tmp_path, name, data):
    def replace(files):
        files[name] = data

    code, _, false = verify(rewritten(whole, tmp_path / "odd.zip", replace))
    assert code == 1
    assert false & {"journal", "blocks", "verdicts", "bytes"}


def test_a_bundle_cannot_steer_the_terminal(whole, tmp_path):
    def rename(files):
        told = json.loads(files["manifest.json"])
        told["about"]["message_id"] = "\x1b[2J\x07"
        files["manifest.json"] = json.dumps(told).encode()

    _, output = lienthong("evidence", "verify", rewritten(whole, tmp_path / "odd.zip", rename))
    assert "\x1b" not in output
    assert "\x07" not in output
    assert contents_of(whole)
