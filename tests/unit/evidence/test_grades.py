"""What is proven where there is less: a purged document, an axis that signs nothing, a mismatched receipt."""

import asyncio
import json
import sqlite3

import pytest

from gateway.journal import Journal
from gateway.states import Entry, KeepReceipt, Outcome
from tests import pki
from tests.contract.journals import Clock
from tests.unit.evidence.made import MESSAGE, claim, contents_of, export, lay_out, rewritten, verify


@pytest.fixture
def ran(tmp_path):
    return lay_out(tmp_path)


def change(folder, *statements):
    connection = sqlite3.connect(folder / "data" / "journal.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def note(folder, entry, *effects):
    """A further entry, in a block of its own."""

    async def run():
        journal = await Journal.open(folder / "data" / "journal.sqlite", now=Clock())
        await journal.apply(MESSAGE, Outcome(entry, effects=effects), who="node-1")
        await journal.blocks.close(pki.valid(pki.GATEWAY).pair().sign)
        await journal.close()

    asyncio.run(run())


def purged(folder):
    note(folder, Entry("purged"))
    change(
        folder,
        f"DELETE FROM extra WHERE message_id = '{MESSAGE}'",
        "DELETE FROM content_ref",
        "UPDATE message SET detail = NULL",
    )


def test_a_purged_document_is_proven_by_its_digest_and_said_to_be_purged(ran):
    purged(ran)
    file = export(ran, MESSAGE, ran / "purged.zip")
    code, told, false = verify(file, ran / "roots")
    assert (code, told["purged"], told["grade"], false) == (0, True, "signed-receipt", set())
    for kind in ("bytes", "description", "signature"):
        assert claim(told, kind) == ("not-proven", "purged")
    files = contents_of(file)
    assert "document.edxml" not in files
    assert "đã được xóa theo quy định (purged)" in files["tom-tat.txt"].decode()
    assert not any("thử nghiệm" in data.decode(errors="replace") for data in files.values())  # its subject


def test_the_receipt_of_a_purged_document_must_still_match_its_digest(ran):
    purged(ran)

    def other_bytes(files):
        told = json.loads(files["manifest.json"])
        told["about"]["sha256"] = "00" * 32
        files["manifest.json"] = json.dumps(told).encode()

    file = rewritten(export(ran, MESSAGE, ran / "purged.zip"), ran / "other.zip", other_bytes)
    assert verify(file, ran / "roots")[2] >= {"receipt", "journal"}


def test_a_bundle_cannot_pass_for_purged_when_its_journal_knows_of_no_purge(ran):
    def pretend(files):
        del files["document.edxml"]
        told = json.loads(files["manifest.json"])
        told["about"]["purged"] = True
        files["manifest.json"] = json.dumps(told).encode()

    file = rewritten(export(ran, MESSAGE, ran / "whole.zip"), ran / "less.zip", pretend)
    code, told, false = verify(file, ran / "roots")
    assert (code, told["delivery"], "journal" in false) == (1, "not-proven", True)


def test_an_axis_that_signs_nothing_leaves_the_delivery_acknowledged_and_not_proven(ran):
    change(ran, "DELETE FROM receipt")
    reply = b'{"code": 0, "docId": "x"}'
    note(ran, Entry("noted"), KeepReceipt("x", "axis-acknowledged", given=False, body=reply))
    file = export(ran, MESSAGE, ran / "vxp.zip")
    code, told, false = verify(file, ran / "roots")
    assert (code, told["delivery"], told["grade"], false) == (1, "not-proven", "acknowledged", set())
    assert claim(told, "receipt") == ("not-proven", "unsigned-reply")
    files = contents_of(file)
    assert files["receipts/01-axis-acknowledged.bin"] == reply
    assert "không ký số (acknowledged)" in files["tom-tat.txt"].decode()
    assert "signed-receipt" not in files["tom-tat.txt"].decode()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"2024", b"2023", ("not-proven", "rewritten")),
        (b"<ds:SignedInfo>", b"<ds:SignedInfo> ", ("not-proven", "rewritten")),
        (b"JVBERi0", b"JVBERi1", ("false", "signature-invalid")),
    ],
)
def test_where_the_axis_rewrites_headers_only_the_attachments_must_be_as_signed(ran, old, new, told):
    change(ran, "UPDATE receipt SET kind = 'gateway-kept'")

    def rewrite(files):
        files["document.edxml"] = files["document.edxml"].replace(old, new, 1)

    file = rewritten(export(ran, MESSAGE, ran / "vxp.zip"), ran / "rewritten.zip", rewrite)
    assert claim(verify(file, ran / "roots")[1], "signature") == told


def test_an_acknowledged_bundle_cannot_pass_for_one_with_a_signed_receipt(ran):
    change(ran, "DELETE FROM receipt")
    note(ran, Entry("noted"), KeepReceipt("x", "axis-acknowledged", given=False, body=b"yes"))

    def boast(files):
        told = json.loads(files["manifest.json"])
        told |= {"grade": "signed-receipt", "delivery": "proven"}
        files["manifest.json"] = json.dumps(told).encode()

    file = rewritten(export(ran, MESSAGE, ran / "vxp.zip"), ran / "boast.zip", boast)
    code, told, false = verify(file, ran / "roots")
    assert (code, told["grade"], false) == (1, "acknowledged", {"summary"})


def test_a_receipt_cannot_pass_for_one_of_the_other_hop_by_being_named_twice(ran):
    """That the axis took what we sent does not prove that we received it."""

    def borrow(files):
        told = json.loads(files["manifest.json"])
        told["about"]["direction"] = "in"
        [line] = told["receipts"]
        told["receipts"] = [line | {"kind": "gateway-received", "given": True, "mismatch": "kept"}, line]
        files["manifest.json"] = json.dumps(told).encode()

    file = rewritten(export(ran, MESSAGE, ran / "whole.zip"), ran / "twice.zip", borrow)
    code, told, _ = verify(file, ran / "roots")
    assert (code, told["delivery"]) == (1, "not-proven")


def test_a_receipt_kept_as_a_mismatch_is_in_the_bundle_and_claims_nothing(ran):
    change(ran, "UPDATE receipt SET mismatch = 'size' WHERE message_id = 'm-2'")
    change(ran, f"UPDATE receipt SET message_id = '{MESSAGE}' WHERE message_id = 'm-2'")
    code, told, false = verify(export(ran, MESSAGE, ran / "two.zip"), ran / "roots")
    assert (code, told["delivery"], false) == (0, "proven", set())
    assert [each["reason"] for each in told["claims"] if each["claim"].startswith("receipt")] == [None, "mismatch"]


def test_a_retired_key_s_blocks_are_proven_by_the_certificate_in_our_own_trust_folder(ran):
    for path in (ran / "keys").iterdir():
        path.unlink()
    pki.write_keys(ran / "keys", pki.valid("a new key of ours"))
    pki.write_trust(ran / "trust", pki.valid(pki.GATEWAY))
    code, told, _ = verify(export(ran, MESSAGE, ran / "later.zip"), ran / "roots")
    assert (code, claim(told, "blocks")) == (0, ("proven", None))
