"""The signatures inside a document's PDFs: reported, tied to the journal, and examined again without us."""

import asyncio
import json

import pytest

from gateway.journal import Journal
from tests import pki
from tests.assets.make_edxml import zipped
from tests.contract.journals import Clock
from tests.issuer import desk
from tests.unit.evidence.made import (
    SETTINGS,
    claim,
    contents_of,
    export,
    lienthong,
    named,
    rewritten,
    send,
)
from tests.unit.trust_pdf.pki import ORGAN, PERSON


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A document with a PDF of good signatures and one of a revoked signer, and what the issuer said of them."""
    folder = tmp_path_factory.mktemp("ran")
    us, axis = pki.valid(pki.GATEWAY), pki.valid(pki.AXIS)
    pki.write_keys(folder / "keys", us)
    pki.write_trust(folder / "trust", axis)
    pki.write_trust(folder / "roots", us, axis)
    (folder / "lienthong.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "data").mkdir()

    async def run():
        async with desk(folder / "data", policy="hard") as at:
            signed = await at.issuer.pki.sign(at.issuer.pki.drawing, PERSON, ORGAN)
            revoked = await at.issuer.pki.sign(at.issuer.pki.drawing, "revoked")
            held = [await at.contents.store_bytes(each) for each in (signed, b"plain", revoked)]
            looked = await at.pdfs.look(held, ["mild"])
            journal = await Journal.open(folder / "data" / "journal.sqlite", now=Clock())
            files = {"a-1": signed, "a-2": b"plain", "a-3": revoked}
            await send(journal, at.contents, Clock(), "m-1", us.pair(), axis.pair(), files, looked)
            inside = await at.pdfs.look(held[:1], ["mild"])
            wrapped = {"a-1": zipped(signed, name="x.pdf")}
            await send(journal, at.contents, Clock(), "m-2", us.pair(), axis.pair(), wrapped, inside)
            await journal.blocks.close(us.pair().sign)
            await journal.close()

    asyncio.run(run())
    return folder


@pytest.fixture(scope="module")
def whole(ran):
    return export(ran, "m-1", ran / "whole.zip")


def test_a_pdf_that_a_zip_wrapped_is_examined_again_as_what_was_inside(ran, tmp_path):
    """The bundle has the document as it came; what was examined is what the office got."""
    code, told, false = proven(export(ran, "m-2", tmp_path / "wrapped.zip"), ran)
    assert (code, false) == (0, set())
    found = [(each["claim"], each["verdict"]) for each in told["claims"] if each["claim"].startswith("pdf:")]
    assert found == [("pdf:attachments[0]", "proven")]


def proven(file, ran, *, again=True):
    more = ("--pdf-trust", ran / "data" / "trust") if again else ()
    code, output = lienthong("evidence", "verify", file, "--trust", ran / "roots", *more, "--json")
    told = json.loads(output)
    return code, told, {each["claim"].partition(":")[0] for each in told["claims"] if each["verdict"] == "false"}


def test_reports_are_tied_to_the_journal_and_the_answers_they_rest_on_are_enclosed(ran, whole):
    names = {name.partition("/")[0] + name[-4:] for name in contents_of(whole) if name.startswith("revocation/")}
    assert names == {"revocation.crl", "revocationocsp"}
    code, told, false = proven(whole, ran, again=False)
    assert (code, false) == (0, set())
    assert claim(told, "pdf-reports") == claim(told, "revocation") == ("proven", None)
    (found,) = [each for each in told["claims"] if each["claim"] == "pdf-reports"]
    assert found["detail"] == "valid invalid"


def test_with_ca_certificates_the_pdfs_are_examined_again_offline(ran, whole):
    code, told, false = proven(whole, ran)
    assert (code, false) == (0, set())
    found = {each["claim"]: (each["verdict"], each["reason"], each["detail"]) for each in told["claims"] if each["claim"].startswith("pdf:")}  # fmt: skip
    assert found == {
        "pdf:attachments[0]": ("proven", None, "valid"),
        "pdf:attachments[2]": ("not-proven", "pdf-invalid", "invalid certificate-revoked"),
    }


def test_without_the_answers_nothing_is_known_of_revocation(ran, whole, tmp_path):
    def take(files):
        for name in [each for each in files if each.startswith("revocation/")]:
            del files[name]

    _, told, false = proven(rewritten(whole, tmp_path / "less.zip", take), ran)
    assert claim(told, "revocation") == ("not-proven", "missing")
    found = [(each["verdict"], each["detail"]) for each in told["claims"] if each["claim"].startswith("pdf:")]
    assert (found, false) == ([("not-proven", "indeterminate revocation-unknown")] * 2, set())


def flattered(files):
    told = json.loads(files["pdf-reports.json"])
    told["pdfs"][1]["verdict"] = "valid"
    files["pdf-reports.json"] = json.dumps(told, ensure_ascii=False).encode()


def test_a_report_that_was_changed_is_false_and_so_is_the_pdf_it_tells_of(ran, whole, tmp_path):
    assert proven(rewritten(whole, tmp_path / "x.zip", flattered), ran)[2] == {"pdf-reports", "pdf"}


@pytest.mark.parametrize(
    ("part", "change", "falls"),
    [
        ("pdf-reports", lambda _: b"{}", {"pdf-reports"}),
        ("revocation/", lambda data: data + b"\0", {"revocation"}),
        (".crl", lambda _: b"no list", {"revocation"}),
    ],
)
def test_a_changed_file_makes_its_own_claim_false(ran, whole, tmp_path, part, change, falls):
    def alter(files):
        files[named(files, part)] = change(files[named(files, part)])

    code, _, false = proven(rewritten(whole, tmp_path / "x.zip", alter), ran, again=False)
    assert (code, false) == (1, falls)


def test_reports_that_are_missing_are_not_proven(ran, whole, tmp_path):
    file = rewritten(whole, tmp_path / "x.zip", lambda files: files.pop("pdf-reports.json"))
    _, told, false = proven(file, ran)
    assert (claim(told, "pdf-reports"), false) == (("not-proven", "missing"), set())


def test_a_report_that_the_journal_never_promised_is_false(ran, whole, tmp_path):
    def resalt(files):
        told = json.loads(files["pdf-reports.json"])
        told["salt"] = "00" * 16
        files["pdf-reports.json"] = json.dumps(told).encode()

    assert proven(rewritten(whole, tmp_path / "x.zip", resalt), ran, again=False)[2] == {"pdf-reports"}
