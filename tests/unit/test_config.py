import datetime as dt
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from typer.testing import CliRunner

from gateway import cli, config
from gateway.commands.config import check
from gateway.errors import Misconfigured
from tests import pki

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "lienthong.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path):
    with pytest.raises(Misconfigured) as raised:
        config.load(path)
    return {(problem.field, problem.code) for problem in raised.value.problems}


def test_an_empty_file_gives_loopback_listeners_and_folders_beside_the_file(write, tmp_path):
    settings = config.load(write(""))
    assert settings.office_api.host == settings.operators.host == "127.0.0.1"
    assert settings.data_dir == tmp_path / "data"
    assert settings.keys == tmp_path / "keys"


def test_the_environment_overrides_the_file(write, monkeypatch):
    monkeypatch.setenv("LIENTHONG_OFFICE_API__PORT", "9000")
    assert config.load(write("[office_api]\nport = 8000")).office_api.port == 9000


def test_unknown_keys_are_named_at_every_depth_with_the_nearest_known_one(write):
    path = write(
        "lnaguage = 'vi'\n[office_api]\nprot = 1\n[[axis]]\nname = 'n'\ndriver = 'soap'\nsystem_id = 'a'\n"
        "axis_system_id = 'b'\npoll_second = 2\n[[route]]\norgan = '*'\naxis = 'n'\nform = 2026-01-01\n"
    )
    with pytest.raises(Misconfigured) as raised:
        config.load(path)
    said = {problem.field: problem.message for problem in raised.value.problems}
    assert said == {
        "lnaguage": "no such key; did you mean 'language'?",
        "office_api.prot": "no such key; did you mean 'port'?",
        "axis.0.poll_second": "no such key; did you mean 'poll_seconds'?",
        "route.0.form": "no such key; did you mean 'from'?",
    }


def test_all_problems_come_at_once_contradictions_beside_faulty_values(write):
    path = write("node = 'Not A Name'\n[office_api]\nhost = '0.0.0.0'\nport = 99999\n[times]\nlease_seconds = 10\n")
    assert problems(path) == {
        ("node", "string-pattern-mismatch"),
        ("office_api.port", "less-than-equal"),
        ("office_api", "plain-http"),
        ("times.longest_call_seconds", "too-long"),
    }


def test_when_we_took_over_is_told_with_its_zone(write):
    axis = "[[axis]]\nname = 'n'\ndriver = 'soap'\nsystem_id = 'a'\naxis_system_id = 'b'\nstart_at = "
    assert problems(write(axis + "2026-12-01T00:00:00")) == {("axis.0.start_at", "timezone-aware")}
    (section,) = config.load(write(axis + "2026-12-01T00:00:00+07:00")).axis
    assert section.start_at == dt.datetime(2026, 11, 30, 17, tzinfo=dt.UTC)


def test_a_misplaced_secret_is_not_printed_back(write):
    path = write("secret = 'hunter2'\n[office_api]\nport = 'hunter2'\n")
    with pytest.raises(Misconfigured) as raised:
        config.load(path)
    assert "hunter2" not in str(raised.value)


def test_a_value_of_the_environment_that_cannot_be_read_is_a_problem_not_a_crash(write, monkeypatch):
    monkeypatch.setenv("LIENTHONG_AXIS", "[{")
    assert problems(write("")) == {("environment", "unreadable")}


@pytest.mark.parametrize(("text", "code"), [("a = ", "not-toml"), ("a = 1\na = 2", "not-toml")])
def test_a_file_that_is_not_toml_is_refused(write, text, code):
    assert {found for _, found in problems(write(text))} == {code}


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes("node = 'Hà Nội'".encode("utf-16"))
    with pytest.raises(Misconfigured, match="save it as UTF-8") as raised:
        config.load(path)
    assert [found.code for found in raised.value.problems] == ["not-utf-8"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert problems(tmp_path / "none.toml") == {(str(tmp_path / "none.toml"), "unreadable")}


AXIS = "[[axis]]\nname = 'national'\ndriver = '{driver}'\nsystem_id = 'tinh-a'\naxis_system_id = 'truc'\n"
URL = "url = 'https://axis.example/soap'"
AXIS += f"options.{URL}\n"


def test_the_name_of_the_road_between_own_offices_is_taken(write):
    assert ("axis", "reserved") in problems(write(AXIS.format(driver="soap").replace("national", "local")))


def test_an_organ_belongs_to_one_office(write):
    office = "[[office]]\nname = '{}'\nadapter = 'pull'\norgans = ['000.00.01.H08']\n"
    assert problems(write(office.format("a") + office.format("b"))) == {("office.organs", "doubled")}


@pytest.mark.parametrize("pattern", ["*a*", "a*b", "**"])
def test_a_route_has_one_star_at_most_at_an_end(write, pattern):
    text = AXIS.format(driver="soap") + f"[[route]]\norgan = '{pattern}'\naxis = 'national'\n"
    assert problems(write(text)) == {("route.0.organ", "pattern")}


def test_a_route_to_no_axis_is_refused(write):
    assert problems(write("[[route]]\norgan = '*'\naxis = 'nowhere'\n")) == {("route.0.axis", "unknown")}


# --- what a configuration leaves out ------------------------------------------------------------------------------


def left_out(path):
    return {(found.field, found.code) for found in config.advice(config.load(path))}


def test_what_an_office_would_hardly_want_left_out_is_told(write):
    assert left_out(write("")) == {
        ("axis", "none"),
        ("office", "none"),
        ("route", "none"),
        ("secrecy.officer_certificate", "left-out"),
        ("antivirus.clamd", "left-out"),
        ("timestamps.url", "left-out"),
        ("journal.heads", "left-out"),
    }


def test_what_was_decided_is_not_told(write):
    text = """
        [secrecy]
        officer_certificate = '/etc/officer.pem'
        [antivirus]
        clamd = '/run/clamav/clamd.ctl'
        [timestamps]
        url = 'https://tsa.example.vn'
        [journal]
        heads = '/mnt/worm'
        """ + AXIS.format(driver="soap")
    text += "[[office]]\nname = 'so'\nadapter = 'pull'\norgans = ['000.00.01.H08']\n" + ROUTE.format("*", "")
    assert left_out(write(text)) == set()


def test_a_configuration_that_is_only_begun_is_told_what_it_lacks_to_carry_documents(write, tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "trust").mkdir()
    result = CliRunner().invoke(cli.app, ["check-config", str(write(""))])
    assert result.exit_code == 0, result.output
    for field in ("axis", "office", "route", "keys"):
        assert f"note: {field}: " in result.stdout
    make_pair(tmp_path / "keys", "own", NOW + dt.timedelta(days=100))
    assert ("keys", "none") not in left_out(write(""))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[secrecy]\nbuiltin_patterns = false\n", ("secrecy.pattern", "nothing-looked-for")),
        ("[runner]\nask_before_repeating = false\n", ("runner.ask_before_repeating", "doubles")),
        (
            "[[axis]]\nname = 'national'\ndriver = 'soap'\nsystem_id = 'a'\naxis_system_id = 't'\nedxml_signature = 'ignore'\n",
            ("axis.0.edxml_signature", "unchecked"),
        ),
    ],
)
def test_what_weakens_the_gateway_is_told(write, text, told):
    assert told in left_out(write(text))


def test_notes_are_told_and_are_no_reason_to_fail(equipped, write):
    path = write(AXIS.format(driver="soap"))
    result = CliRunner().invoke(cli.app, ["check-config", str(path), "--json"])
    told = json.loads(result.stdout)
    assert (told["ok"], told["problems"], [note["field"] for note in told["notes"]][:1]) == (
        True,
        [],
        ["office"],
    )
    assert "note: antivirus.clamd: " in CliRunner().invoke(cli.app, ["check-config", str(path)]).stdout


# --- check-config: what the file names ---------------------------------------------------------------------------


def make_pair(folder: Path, name: str, ends: dt.datetime) -> x509.Certificate:
    key = pki.private_key(name)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - dt.timedelta(days=365))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    pem = serialization.Encoding.PEM
    (folder / f"{name}.crt.pem").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}.key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate


@pytest.fixture
def equipped(tmp_path):
    make_pair(tmp_path / "keys", "own", NOW + dt.timedelta(days=100))
    certificate = make_pair(tmp_path / "theirs", "truc", NOW + dt.timedelta(days=100))
    (tmp_path / "trust" / "truc").mkdir(parents=True)
    (tmp_path / "trust" / "truc" / "a.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return tmp_path


def codes(path):
    return {(found.field, found.code) for found in check(path, NOW)}


def test_what_is_named_and_there_is_no_problem(equipped, write):
    assert codes(write(AXIS.format(driver="soap"))) == set()


def test_our_certificate_known_by_another_name_than_the_axis_is_to_know_is_noted(equipped, write):
    ours = (equipped / "keys" / "own.crt.pem").read_bytes()
    for folder, noted in (("tinh-b", True), ("tinh-a", False)):
        (equipped / "trust" / folder).mkdir()
        (equipped / "trust" / folder / "own.pem").write_bytes(ours)
        said = CliRunner().invoke(cli.app, ["check-config", str(write(AXIS.format(driver="soap")))]).stdout
        assert ("note: axis.0.system_id: " in said) == noted, said
        (equipped / "trust" / folder / "own.pem").unlink()


ROUTE = "[[route]]\norgan = '{}'\naxis = 'national'\n{}\n"


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("", "", {("route.1.organ", "overlaps")}),
        ("until = 2026-06-30", "from = 2026-06-30", {("route.1.organ", "overlaps")}),
        ("from = 2026-06-30", "until = 2026-07-01", {("route.1.organ", "overlaps")}),
        ("until = 2026-06-30", "from = 2026-07-01", set()),
        ("from = 2026-07-01", "until = 2026-06-30", set()),
    ],
)
def test_of_two_routes_for_one_pattern_one_ends_before_the_other_begins(equipped, write, first, second, found):
    text = AXIS.format(driver="soap") + ROUTE.format("*.G98", first) + ROUTE.format("*.G98", second)
    assert codes(write(text)) == found
    other = AXIS.format(driver="soap") + ROUTE.format("*.G98", first) + ROUTE.format("*.G97", second)
    assert codes(write(other)) == set()


def test_a_route_to_an_organ_of_our_own_is_never_used(equipped, write):
    office = "[[office]]\nname = 'so'\nadapter = 'pull'\norgans = ['000.00.01.H08']\n"
    text = AXIS.format(driver="soap") + office + ROUTE.format("000.00.01.H08", "") + ROUTE.format("*.H08", "")
    assert codes(write(text)) == {("route.0.organ", "never-used")}


def test_faults_of_form_and_contradictions_are_told_together(equipped, write):
    office = "[[office]]\nname = 'so'\nadapter = 'pull'\norgans = ['000.00.01.H08']\n"
    text = "prot = 1\n" + AXIS.format(driver="soap") + office + office + ROUTE.format("*", "") + ROUTE.format("*", "")
    text += "[limits]\nrequests_per_second = 0\n[times]\nlease_seconds = 5\n"
    assert codes(write(text)) == {
        ("prot", "unknown-key"),
        ("limits.requests_per_second", "greater-than"),
        ("office", "doubled"),
        ("office.organs", "doubled"),
        ("route.1.organ", "overlaps"),
        ("times.longest_call_seconds", "too-long"),
    }


def test_a_section_that_lacks_what_it_needs_keeps_no_other_problem_from_being_told(equipped, write):
    """Of the same section too: its faulty name is still what a route leads to, and its options are still looked at."""
    office = "[[office]]\nadapter = 'folder'\norgans = ['000.00.01.H08', '!']\n[office.options]\npath = 'relative'\n"
    axis = AXIS.format(driver="soup").replace("'national'", "'Not A Name'").replace('"national"', '"Not A Name"')
    text = axis + office + office + ROUTE.format("*.*", "").replace("'national'", "'Not A Name'")
    text += ROUTE.format("*", "").replace("'national'", "'none'")
    text += "[limits]\nattachments = 'many'\n[times]\nlease_seconds = 1\nexpires_hours = 1e300\n"
    assert codes(write(text)) == {
        ("axis.0.name", "string-pattern-mismatch"),
        ("axis.0.driver", "unknown"),
        ("office.0.name", "missing"),
        ("office.1.name", "missing"),
        ("office.0.organs.1", "string-pattern-mismatch"),
        ("office.1.organs.1", "string-pattern-mismatch"),
        ("office.organs", "doubled"),
        ("office.0.options.path", "value-error"),
        ("office.1.options.path", "value-error"),
        ("route.0.axis", "string-pattern-mismatch"),
        ("route.0.organ", "pattern"),
        ("route.1.axis", "unknown"),
        ("limits.attachments", "int-parsing"),
        ("times.expires_hours", "less-than-equal"),
        ("times.longest_call_seconds", "too-long"),
    }


@pytest.mark.parametrize(
    ("general", "own", "found"),
    [
        ("attachment_bytes = 2000000\nsubmission_bytes = 1000000", "", ("limits.attachment_bytes", "never-reached")),
        ("attachments = 5", "attachments = 6", ("axis.0.limits.attachments", "never-reached")),
        ("attachment_bytes = 5", "attachment_bytes = 6", ("axis.0.limits.attachment_bytes", "never-reached")),
        ("", "submission_bytes = 5\nattachment_bytes = 6", ("axis.0.limits.attachment_bytes", "never-reached")),
        ("", "attachment_bytes = 1000000\nedxml_bytes = 1200000", ("axis.0.limits.edxml_bytes", "too-small")),
        ("", "attachment_bytes = 1000000\nedxml_bytes = 1500000", None),
        ("", "name_length = 50\nname_characters = 'plain'", None),
        ("", "name_length = 0", ("axis.0.limits.name_length", "greater-than")),
        ("", "name_lenght = 50", ("axis.0.limits.name_lenght", "unknown-key")),
    ],
)
def test_limits_that_contradict_each_other_are_explained(equipped, write, general, own, found):
    text = f"[limits]\n{general}\n{AXIS.format(driver='soap')}[axis.limits]\n{own}\n"
    assert codes(write(text)) == ({found} if found else set())


def test_folders_and_trusted_parties_that_are_not_there_are_problems(write):
    said = {found.field: found for found in check(write(AXIS.format(driver="soap")), NOW)}
    assert (said["keys"].code, said["trust"].code) == ("missing", "missing")
    for name, belongs in (("keys", "NAME.key.pem and NAME.crt.pem"), ("trust", "SYSTEM_ID/*.pem")):
        assert "make it, or mount it: " in said[name].message
        assert belongs in said[name].message


def test_a_key_that_ends_before_the_longest_wait_is_a_problem(tmp_path, write):
    make_pair(tmp_path / "keys", "own", NOW + dt.timedelta(hours=5))
    assert ("keys", "key-ends-soon") in codes(write(AXIS.format(driver="soap")))


def test_an_axis_whose_certificate_is_not_trusted_is_a_problem(equipped, write):
    (equipped / "trust" / "truc" / "a.pem").unlink()
    assert codes(write(AXIS.format(driver="soap"))) == {("axis.0.axis_system_id", "not-trusted")}


def test_an_unknown_adapter_is_named_with_the_nearest_one(equipped, write):
    (found,) = check(write(AXIS.format(driver="saop")), NOW)
    assert found.field == "axis.0.driver"
    assert "did you mean 'soap'" in found.message


def test_an_adapter_s_options_are_checked_by_the_adapter(equipped, write):
    text = "[[office]]\nname = 'so'\nadapter = 'folder'\norgans = ['000.00.01.H08']\n[office.options]\npth = 'x'\n"
    assert any(field.startswith("office.0.options.") for field, _ in codes(write(text)))


@pytest.mark.parametrize("kind", ["axis", "office"])
def test_every_adapter_checks_its_options(kind):
    for point in entry_points(group=f"gateway.adapters.{kind}"):
        assert callable(getattr(sys.modules[point.load().__module__], "check", None)), point.value


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("url = 'ftp://axis.example'", {("url", "value-error")}),
        ("url = 'http://axis.example'", {("", "value-error")}),
        (f"{URL}\ndeduplicate = false", {("deduplicate", "unknown-key")}),
        (f"{URL}\ndeduplicates = 'maybe'\nfinds = 'sometimes'", {("deduplicates", "bool-parsing"), ("finds", "enum")}),
        (f"{URL}\nca = 'ca.pem'", {("ca", "value-error")}),
        (f"{URL}\nca = '/no/ca.pem'", {("ca", "missing")}),
        (f"{URL}\ncertificate = '/no/a.pem'\nkey = '/no/b.pem'", {("certificate", "missing"), ("key", "missing")}),
        (f"{URL}\nca = '{__file__}'", {("ca", "tls-files")}),
        (f"{URL}\ncertificate = '{__file__}'\nkey = '{__file__}'", {("certificate", "tls-files")}),
    ],
)
def test_what_serve_would_refuse_of_a_soap_axis_is_told_before(equipped, write, options, found):
    text = AXIS.format(driver="soap").replace(f"options.{URL}", f"[axis.options]\n{options}")
    assert codes(write(text)) == {(f"axis.0.options.{field}".removesuffix("."), code) for field, code in found}


def test_an_option_unknown_to_an_adapter_is_told_with_the_nearest_one_and_no_word_of_pydantic(equipped, write):
    text = AXIS.format(driver="soap") + "options.find = 'no'\noptions.ca = 'ca.pem'\n"
    said = {found.field: found.message for found in check(write(text), NOW)}
    assert said == {
        "axis.0.options.find": "no such key; did you mean 'finds'?",
        "axis.0.options.ca": "an absolute path is needed",
    }


def test_a_listener_s_certificate_that_cannot_be_used_is_a_problem(equipped, write):
    (equipped / "no.pem").write_text("no certificate")
    text = "[office_api]\ncertificate = 'no.pem'\nkey = 'no.pem'\n"
    assert codes(write(text)) == {("office_api.certificate", "unusable")}


def test_the_command_ends_with_0_when_nothing_is_wrong_and_with_1_when_something_is(equipped, write):
    run = CliRunner()
    assert run.invoke(cli.app, ["check-config", str(write(""))]).exit_code == 0
    done = run.invoke(cli.app, ["check-config", "--json", str(write("prot = 1"))])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["ok"] is False
    assert said["problems"][0]["field"] == "prot"


# --- timestamps, heads and revocation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://tsa.example", "plain-http"),
        ("http://127.0.0.1.evil.example", "plain-http"),
        ("http://127.evil", "plain-http"),
        ("https://user:secret@tsa.example", "not-url"),
        ("ftp://tsa.example", "not-url"),
        ("tsa.example", "not-url"),
        ("https://[::1", "not-url"),
    ],
)
def test_a_time_stamping_authority_is_asked_by_https_or_on_loopback(write, url, code):
    assert problems(write(f'[timestamps]\nurl = "{url}"')) == {("timestamps.url", code)}


@pytest.mark.parametrize(
    "url", ["https://tsa.example/tsa", "http://127.0.0.1:318/", "http://[::1]:318/", "http://localhost/"]
)
def test_an_authority_by_https_or_on_loopback_is_taken(write, url):
    assert config.load(write(f'[timestamps]\nurl = "{url}"')).timestamps.url == url


def test_an_authority_that_no_certificate_leads_to_and_an_address_for_a_host_are_named(write):
    told = """
        [timestamps]
        url = "https://tsa.example/"
        [pdf]
        revocation_hosts = ["crl.example", "ocsp.example:8080", "http://ocsp.example/"]
    """
    found = {(each.field, each.code) for each in check(write(told), NOW)}
    assert found >= {("timestamps.trust", "empty"), ("pdf.revocation_hosts.2", "not-host")}
    assert not {field for field, _ in found} & {"pdf.revocation_hosts.0", "pdf.revocation_hosts.1"}


def test_heads_lie_in_the_data_folder_unless_told_otherwise(write, tmp_path):
    assert config.load(write("")).journal.heads == tmp_path / "data" / "heads"
    assert config.load(write('[journal]\nheads = "/mnt/worm"')).journal.heads == Path("/mnt/worm")
