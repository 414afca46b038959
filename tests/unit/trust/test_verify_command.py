import json

import pytest
from typer.testing import CliRunner

from gateway import cli
from tests import pki
from tests.unit.trust.signed import FILES, document_file, issued, secured, status_file

AT = pki.NOW.strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture
def verify(tmp_path):
    trust = pki.write_trust(tmp_path / "trust", pki.valid(pki.AXIS), pki.valid(pki.GATEWAY))

    def run(data, *options, at=AT):
        file = tmp_path / "file.xml"
        file.write_bytes(data)
        return CliRunner().invoke(cli.app, ["verify", str(file), "--trust", str(trust), "--at", at, *options])

    return run


def test_a_whole_edxml_file_verifies_with_its_attachments(verify):
    done = verify(document_file(), "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["kind"], told["verified"], told["signer"]) == ("edxml", True, pki.GATEWAY)
    assert [line["what"] for line in told["covered"]] == ["MessageHeader", "edXMLManifest", "cid:1", "cid:2"]


def test_a_changed_attachment_is_named(verify):
    import base64

    first = next(iter(FILES.values()))
    done = verify(document_file().replace(base64.b64encode(first), base64.b64encode(first + b"!")))
    assert done.exit_code == 1
    assert "cid:1: CHANGED" in done.output
    assert "cid:2: as signed" in done.output


def test_a_status_verifies(verify):
    assert verify(status_file()).exit_code == 0


def test_an_envelope_verifies_and_says_what_its_body_is(verify):
    done = verify(secured())
    assert done.exit_code == 0
    assert pki.AXIS in done.output
    assert "Body: Ask" in done.output


def test_a_receipt_verifies_and_says_what_it_vouches_for(verify):
    done = verify(issued())
    assert done.exit_code == 0
    assert "ab" * 32 in done.output


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (issued().replace(b"A-77", b"A-78"), "signature-bad"),
        (issued(pki.stranger()), "signer-unknown"),
        (secured().replace(b"RequestId>", b"RequestIx>"), "signature-bad"),
        (secured(pki.stranger()), "signer-unknown"),
        (document_file(pki.stranger()), "signer-unknown"),
        (b"", "not-xml"),
        (b"\x00\x01\x02", "not-xml"),
        (b"<a", "not-xml"),
        (b"<a/>", "root"),
        (b"<Receipt/>", "form"),
        (b"<Receipt", "not-xml"),
        (document_file()[:-30], "not-xml"),
        (b'<!DOCTYPE edXML [<!ENTITY a "b">]><edXML>&a;</edXML>', "dtd"),
        (b'<!DOCTYPE Receipt [<!ENTITY a "b">]><Receipt>&a;</Receipt>', "not-xml"),
    ],
)
def test_what_does_not_verify_is_one_line_with_a_code_in_both_languages(verify, data, code):
    for language in ("en", "vi"):
        done = verify(data, "--language", language)
        assert done.exit_code == 1
        assert f"[{code}]" in done.output
        assert done.output.count("\n") == 1
        assert "Traceback" not in done.output
        assert isinstance(done.exception, SystemExit)


def test_the_answer_can_be_in_vietnamese(verify):
    assert "XÁC THỰC ĐÚNG" in verify(issued(), "--language", "vi").output


def test_an_unsigned_file_does_not_verify(verify):
    data = document_file()
    start, end = data.index(b"<ds:Signature"), data.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    done = verify(data[:start] + data[end:])
    assert done.exit_code == 1
    assert "NOT SIGNED" in done.output


def test_freshness_and_dates_are_judged_at_the_time_asked(verify):
    assert "[stale]" in verify(secured(), at="2026-03-02T09:00:00").output
    assert "[certificate-expired]" in verify(issued(), at="2030-01-01T00:00:00").output
    assert "[certificate-not-yet-valid]" in verify(issued(), at="2020-01-01T00:00:00").output


def test_names_from_the_file_cannot_steer_the_terminal(verify):
    done = verify(issued(document_id="x\x9b31mred\u202e"))
    assert done.exit_code == 0
    assert "\x9b" not in done.output
    assert "\u202e" not in done.output


def test_a_trust_folder_that_is_not_there_is_said(tmp_path):
    file = tmp_path / "file.xml"
    file.write_bytes(issued())
    done = CliRunner().invoke(cli.app, ["verify", str(file), "--trust", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "is not a folder" in str(done.exception)
