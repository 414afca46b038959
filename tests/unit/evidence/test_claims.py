"""What each file of a bundle proves: altered, taken away or exchanged, exactly its own claim falls."""

import base64
import json
import re
import sqlite3

import pytest

from gateway.edxml.parse import read as read_edxml
from tests import pki
from tests.unit.evidence.made import (
    AGENCY,
    MESSAGE,
    OTHER,
    claim,
    contents_of,
    export,
    lay_out,
    lienthong,
    named,
    rewritten,
    verify,
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("ran"))


@pytest.fixture(scope="module")
def roots(ran):
    return ran / "roots"


@pytest.fixture(scope="module")
def whole(ran):
    return export(ran, MESSAGE, ran / "whole.zip")


def test_a_whole_bundle_proves_the_delivery_and_ends_with_0(whole, roots):
    code, told, false = verify(whole, roots)
    assert (code, told["delivery"], told["grade"], false) == (0, "proven", "signed-receipt", set())
    unproven = {each["claim"]: each["reason"] for each in told["claims"] if each["verdict"] != "proven"}
    assert unproven == {"hops": "one-hop", "head": "missing", "head-timestamp": "missing", "timestamp": "missing"}
    signers = {each["claim"].partition(":")[0]: each["signer"] for each in told["claims"] if each["signer"]}
    assert signers == {"signature": pki.GATEWAY, "receipt": pki.AXIS, "status": AGENCY}


def test_without_trust_roots_right_signatures_are_said_to_be_not_anchored(whole):
    code, told, false = verify(whole)
    assert (code, told["delivery"], false) == (1, "not-proven", set())
    for kind in ("signature", "receipt", "status", "blocks"):
        assert claim(told, kind) == ("not-proven", "not-anchored")
    assert claim(told, "bytes") == claim(told, "journal") == ("proven", None)


def test_with_the_trust_roots_of_strangers_nothing_signed_is_proven(whole, tmp_path):
    code, told, false = verify(whole, pki.write_trust(tmp_path / "roots", pki.stranger()))
    assert (code, told["delivery"], false) == (1, "not-proven", set())
    assert claim(told, "receipt") == ("not-proven", "not-anchored")


def flipped(old, new):
    def change(data):
        assert old in data
        return data.replace(old, new, 1)

    return change


def other_root(data):
    table = json.loads(data)
    table["blocks"][0][4] = "00" * 32
    return json.dumps(table).encode()


def other_time(data):
    table = json.loads(data)
    table["blocks"][-1][5] += 1
    return json.dumps(table).encode()


def forged(data):
    table = json.loads(data)
    table["signatures"][0]["signature"] = base64.b64encode(b"x" * 256).decode()
    return json.dumps(table).encode()


def backdated_last_entry(data):
    rows = json.loads(data)
    rows[-1]["at"] -= 1
    return json.dumps(rows).encode()


ALTERED = [
    ("document.edxml", flipped(b"JVBERi0", b"JVBERi1"), {"bytes", "description", "signature", "receipt"}),
    ("document.edxml", flipped(b"2024", b"2023"), {"bytes", "signature", "receipt"}),
    ("receipts/", flipped(b"<DocumentId>doc", b"<DocumentId>dok"), {"receipt"}),
    ("receipts/", flipped(b"<Time>2026", b"<Time>2020"), {"receipt"}),
    ("receipts/", lambda _: b"not a receipt", {"receipt"}),
    ("statuses/", flipped(b">03<", b">06<"), {"status"}),
    ("statuses/", flipped(b"2026", b"2025"), {"status"}),
    ("journal/entries", flipped(b"node-1", b"node-2"), {"journal"}),
    ("journal/entries", backdated_last_entry, {"blocks"}),
    ("journal/blocks", other_root, {"blocks"}),
    ("journal/blocks", other_time, {"blocks"}),
    ("journal/blocks", forged, {"blocks"}),
    ("journal/blocks", lambda _: b"[]", {"blocks"}),
    ("verdicts", flipped(b"valid", b"voila"), {"verdicts"}),
    ("certificates/", flipped(b"MII", b"MIJ"), {"certificates"}),
    ("tom-tat", flipped("ĐÃ CHỨNG MINH".encode(), b"SAI"), {"summary"}),
]


@pytest.mark.parametrize(("part", "change", "falls"), ALTERED)
def test_a_changed_file_makes_false_what_rests_on_it_and_nothing_else(whole, roots, tmp_path, part, change, falls):
    def alter(files):
        name = named(files, part)
        files[name] = change(files[name])

    code, _, false = verify(rewritten(whole, tmp_path / "forged.zip", alter), roots)
    assert (code, false) == (1, falls)
    code, _, false = verify(rewritten(whole, tmp_path / "clumsy.zip", alter, manifest=False), roots)
    assert (code, false) == (1, falls | {"files"})


def test_each_file_of_a_bundle_is_among_those_that_were_changed(whole):
    parts = {part for part, _, _ in ALTERED}
    left = [name for name in contents_of(whole) if not any(part in name for part in parts)]
    assert left == ["manifest.json"]


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        ("document.edxml", {"bytes", "description", "signature"}),
        ("receipts/", {"receipt", "hops"}),
        ("statuses/", {"status"}),
        ("journal/entries", {"journal", "blocks", "verdicts"}),
        ("journal/blocks", {"blocks"}),
        ("verdicts", {"verdicts"}),
        ("certificates/", {"certificates"}),
        ("tom-tat", {"summary"}),
    ],
)
def test_a_file_that_is_missing_leaves_its_claims_not_proven(whole, roots, tmp_path, part, kinds):
    def take(files):
        del files[named(files, part)]

    _, told, false = verify(rewritten(whole, tmp_path / "less.zip", take, manifest=False), roots)
    assert false == set()
    assert {each["claim"].partition(":")[0] for each in told["claims"] if each["reason"] == "missing"} == {
        *kinds,
        "files",
        "head",
        "head-timestamp",
        "timestamp",
    }


def test_the_receipt_of_another_message_is_false(ran, whole, roots, tmp_path):
    other = contents_of(export(ran, OTHER, tmp_path / "other.zip"))

    def exchange(files):
        files[named(files, "receipts/")] = other[named(other, "receipts/")]

    code, told, false = verify(rewritten(whole, tmp_path / "mixed.zip", exchange), roots)
    assert (code, false, told["delivery"]) == (1, {"receipt"}, "not-proven")
    [receipt] = [each for each in told["claims"] if each["claim"].startswith("receipt")]
    assert (receipt["reason"], receipt["detail"]) == (
        "mismatch",
        "message_id axis_id document_id sha256 attachments",
    )


def test_the_journal_of_another_message_is_false(ran, whole, roots, tmp_path):
    other = contents_of(export(ran, OTHER, tmp_path / "other.zip"))

    def exchange(files):
        files |= {name: data for name, data in other.items() if name.startswith("journal/")}

    assert verify(rewritten(whole, tmp_path / "mixed.zip", exchange), roots)[2] == {"journal"}


def test_the_status_of_another_document_is_false(whole, roots, tmp_path):
    def retell(files):
        told = json.loads(files["manifest.json"])
        told["about"]["document_id"] = "doc-else"
        files["manifest.json"] = json.dumps(told).encode()

    assert {"status", "description"} <= verify(rewritten(whole, tmp_path / "else.zip", retell), roots)[2]


def test_a_manifest_that_claims_more_than_is_proven_is_not_believed(whole, roots, tmp_path):
    def flatter(files):
        told = json.loads(files["manifest.json"])
        told["outcome"]["hops"] = "proven"
        files["manifest.json"] = json.dumps(told).encode()
        line = "Biên nhận của cả hai chặng cho cùng các tệp đính kèm: "
        text = files["tom-tat.txt"].decode()
        files["tom-tat.txt"] = text.replace(line + "CHƯA CHỨNG MINH", line + "ĐÃ CHỨNG MINH").encode()

    _, told, false = verify(rewritten(whole, tmp_path / "flattered.zip", flatter), roots)
    assert false == set()
    assert claim(told, "summary") == ("not-proven", "told-otherwise")


def test_the_bytes_are_those_that_were_packed_and_can_be_taken_out(whole):
    files = contents_of(whole)
    told = json.loads(files["manifest.json"])
    assert len(files["document.edxml"]) == told["about"]["size"]
    document = read_edxml(files["document.edxml"]).document
    assert document.document_id == f"doc-{MESSAGE}"


def test_the_summary_tells_names_times_in_vietnam_and_what_is_not_proven(whole):
    text = contents_of(whole)["tom-tat.txt"].decode()
    assert f"Nơi nhận: Cơ quan Mẫu ({AGENCY})" in text
    assert "Ký và đóng gói lúc 08:30:00 ngày 02/03/2026" in text  # 01:30 UTC
    assert f"- {AGENCY}: 03 (Đã tiếp nhận)" in text
    assert "mức chứng cứ: biên nhận có ký số (signed-receipt)" in text
    assert "Dấu thời gian RFC 3161 của mốc nhật ký: CHƯA CHỨNG MINH" in text


def test_a_sender_cannot_write_a_line_of_the_summary(whole):
    """The subject holds a line break."""
    text = contents_of(whole)["tom-tat.txt"].decode()
    assert re.search(r"^Trích yếu: .* hai dòng$", text, re.MULTILINE)


def test_entries_that_no_block_holds_yet_are_not_proven(ran, roots, tmp_path):
    data = tmp_path / "ran"
    lay_out(data)
    connection = sqlite3.connect(data / "data" / "journal.sqlite")
    connection.execute("DELETE FROM block")
    connection.commit()
    connection.close()
    code, told, false = verify(export(data, MESSAGE, tmp_path / "early.zip"), roots)
    assert (code, false) == (0, set())
    assert claim(told, "blocks") == ("not-proven", "no-block")


def test_the_answer_comes_in_vietnamese_or_english(whole, roots):
    _, vietnamese = lienthong("evidence", "verify", whole, "--trust", roots)
    _, english = lienthong("evidence", "verify", whole, "--trust", roots, "--language", "en")
    assert "ĐÃ CHỨNG MINH" in vietnamese
    assert "PROVEN" in english
    assert len(vietnamese.splitlines()) == len(english.splitlines())


def test_an_unknown_message_and_a_file_that_exists_end_with_one_line(ran, whole):
    config = ("--config", ran / "lienthong.toml")
    for arguments in (("nobody",), (MESSAGE, "--out", whole)):
        code, output = lienthong("evidence", "export", *arguments, *config)
        assert code == 1
        assert output == ""
    assert contents_of(whole)


def test_a_bundle_is_for_its_owner_s_eyes_only(whole):
    assert whole.stat().st_mode & 0o077 == 0
