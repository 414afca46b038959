import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from gateway.commands.inspect import inspect
from gateway.edxml import build
from tests.assets import make_edxml as assets
from tests.unit.edxml.making import FILES, SIGNATURE, full_document, full_status, held, written

app = Typer()
app.command()(inspect)


def run(data, tmp_path, *options):
    file = tmp_path / "tệp.edxml"
    file.write_bytes(data)
    return CliRunner().invoke(app, [str(file), *options])


def packed(files=FILES):
    return written(build.pack_document(full_document(files), sign=lambda _: SIGNATURE), files)


def test_json_is_one_object_with_every_field_and_digest(tmp_path):
    result = run(packed(), tmp_path, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["kind"], found["form"], found["root"]) == ("document", "qcvn102", "edXML")
    assert found["sha256"] == hashlib.sha256(packed()).hexdigest()
    assert found["document"]["sender"]["code"] == "000.00.00.H08"
    assert found["document"]["promulgation_date"] == "2024-05-06"
    assert found["document"]["business"]["replacements"][0] == {"document_id": "old-1", "organs": ["H41", "H14"]}
    assert [(a["content_id"], a["size"], a["sha256"]) for a in found["attachments"]] == [
        (cid, len(data), held(data).sha256) for cid, data in FILES.items()
    ]
    assert [a["sniffed_type"] for a in found["attachments"]] == ["application/pdf"] * 2 + ["application/octet-stream"]
    assert found["findings"] == []


def test_a_status_is_shown_in_json_too(tmp_path):
    found = json.loads(run(written(build.pack_status(full_status(), sign=lambda _: b"")), tmp_path, "--json").stdout)
    assert found["kind"] == "status"
    assert (found["status"]["code"], found["status"]["timestamp"]) == ("02", "2024-05-06T18:30:01+00:00")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("vi", ["Nơi gửi", "3 Hỏa tốc", "Tệp đính kèm (3)", "Thay thế"]),
        ("en", ["From", "3 Express", "Attachments (3)"]),
    ],
)
def test_the_page_speaks_the_readers_language(tmp_path, language, words):
    result = run(packed(), tmp_path, "--language", language)
    assert result.exit_code == 0
    for word in [*words, "Tệp số 210 & phụ lục.pdf", held(FILES["209"]).sha256]:
        assert word in result.stdout


def test_thousands_are_parted_as_the_language_parts_them(tmp_path):
    size = f"{len(packed()):,}"
    assert "," in size
    assert f"{size.replace(',', '.')} byte " in run(packed(), tmp_path, "--language", "vi").stdout
    assert f"{size} bytes " in run(packed(), tmp_path, "--language", "en").stdout


def test_an_unknown_language_is_refused(tmp_path):
    assert run(packed(), tmp_path, "--language", "fr").exit_code == 2


@pytest.mark.parametrize("name", assets.ODD)
def test_every_oddity_is_told_and_the_file_still_counts_as_readable(tmp_path, name):
    code, data = assets.ODD[name]
    result = run(data, tmp_path, "--json")
    assert result.exit_code == 0
    assert code in {finding["code"] for finding in json.loads(result.stdout)["findings"]}
    assert f"[{code}]" in run(data, tmp_path).stdout


@pytest.mark.parametrize("name", assets.REFUSED)
def test_an_unreadable_file_ends_with_one_line_that_names_the_reason(tmp_path, name):
    code, data = assets.REFUSED[name]
    result = run(data, tmp_path, "--extract", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert f"[{code}]" in result.stderr
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_opened_is_one_line_as_well(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        result = CliRunner().invoke(app, [str(path)])
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_a_text_cannot_steer_the_terminal(tmp_path):
    data = assets.with_header("V/v", "V\x9b31m\u202eđỏ")
    assert not set(run(data, tmp_path).stdout) & {"\x9b", "\x1b", "\u202e"}


def test_attachments_are_taken_out_as_they_were(tmp_path):
    found = json.loads(run(packed(), tmp_path, "--json", "--extract", str(tmp_path / "out")).stdout)
    assert [Path(a["extracted"]).read_bytes() for a in found["attachments"]] == list(FILES.values())
    assert (tmp_path / "out" / "Tệp số 210 & phụ lục.pdf").read_bytes() == FILES["210"]


def test_a_wrapping_zip_is_opened_on_the_way_and_the_declared_name_kept(tmp_path):
    wrapped = assets.zipped(assets.PDF, name="../../x.exe")
    data = assets.sound(attachments=assets.attachment(wrapped, kind="application/zip"))
    found = json.loads(run(data, tmp_path, "--json", "--extract", str(tmp_path / "out")).stdout)["attachments"][0]
    assert found["sha256"] == hashlib.sha256(wrapped).hexdigest()
    assert found["unwrapped"] == {
        "type": "application/pdf",
        "size": len(assets.PDF),
        "sha256": hashlib.sha256(assets.PDF).hexdigest(),
    }
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tờ trình.pdf"]
    assert (tmp_path / "out" / "tờ trình.pdf").read_bytes() == assets.PDF


@pytest.mark.parametrize("name", assets.NAMES)
def test_no_declared_name_leads_out_of_the_folder(tmp_path, name):
    data = assets.sound(attachments=assets.attachment(name=assets.NAMES[name]))
    out = tmp_path / "deep" / "out"
    assert run(data, tmp_path, "--extract", str(out)).exit_code == 0
    assert [path.read_bytes() for path in out.iterdir()] == [assets.PDF]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "tệp.edxml"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_nothing_that_stands_there_is_written_over_or_through(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "tờ trình.pdf").symlink_to(tmp_path / "elsewhere")
    (out / "tờ trình (2).pdf").write_bytes(b"mine")
    data = assets.ODD["name_twice"][1]
    assert run(data, tmp_path, "--extract", str(out)).exit_code == 0
    assert not (tmp_path / "elsewhere").exists()
    assert (out / "tờ trình (2).pdf").read_bytes() == b"mine"
    assert (out / "tờ trình (3).pdf").read_bytes() == (out / "tờ trình (4).pdf").read_bytes() == assets.PDF


BASES = [packed({"1": b"%PDF-1.7 x", "2": assets.zipped(b"x")}), assets.sound(), assets.sound(header=assets.STATUS)]


@st.composite
def mutated(draw):
    data = bytearray(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        other = draw(st.integers(0, len(data)))
        data[at : at + length] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(bytes(data[other : other + 200])),
                st.sampled_from(
                    [
                        b"<",
                        b">",
                        b"&",
                        b"]]>",
                        b"<![CDATA[",
                        b"<!--",
                        b"<?x",
                        b"\xef\xbf\xbd",
                        b"&#0;",
                        b"</edXML:From>",
                    ]
                ),
            )
        )
    return bytes(data)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(mutated(), st.binary(max_size=200)))
def test_whatever_the_bytes_are_there_is_a_report_or_one_line(tmp_path, data):
    result = run(data, tmp_path)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if result.exit_code == 0:
        assert result.stdout
        assert result.stderr == ""
    else:
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1


def test_the_command_runs_where_the_output_is_not_unicode(tmp_path):
    (tmp_path / "a.edxml").write_bytes(packed())
    command = [sys.executable, "-m", "gateway.cli", "inspect", str(tmp_path / "a.edxml")]
    for options in ([], ["--json"]):
        env = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
        done = subprocess.run([*command, *options], env=env, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_50_mb_attachment_passes_in_little_memory(tmp_path):
    script = textwrap.dedent("""
        import resource, sys
        from gateway.edxml.parse import AttachmentData, Splitter
        from gateway.edxml import check
        before, line = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, b"QUJD" * (64 << 10)
        head, tail = open(sys.argv[1], "rb").read().split(b"HERE")
        splitter, size = Splitter(), 0
        for piece in [head, *[line] * 267, tail]:
            size += sum(len(e.data) for e in splitter.feed(piece) if isinstance(e, AttachmentData))
        splitter.close()
        print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    (tmp_path / "file").write_bytes(assets.sound(attachments=assets.attachment(text="HERE")))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "file")], capture_output=True, check=True)
    size, grown_kib = map(int, done.stdout.split())
    assert size == 267 * (64 << 10) * 3 > 50_000_000
    assert grown_kib < 12 << 10
