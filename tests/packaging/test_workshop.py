"""The bench itself: what the Makefile, the hooks and the runner promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway import cli

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_ci_calls_make_test():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert "make test" in script


DOCUMENTS = [
    "README.md",
    "README.vi.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_our_documents_name_exists(document):
    """`make …` and `lienthong …`, in a line of code or between back-ticks."""
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for named in re.findall(r"(?:`|^ *)make ([a-z-]+)", text, re.MULTILINE):
        assert named in targets, named
    known = set(cli.Commands().list_commands(None))
    for named in re.findall(r"(?:`|^ *|/)lienthong ([a-z-]{3,})", text, re.MULTILINE):
        assert named in known, named


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_our_documents_link_to_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / document).parent / link).exists(), link


def test_the_readme_in_vietnamese_has_all_that_the_english_one_has():
    english, vietnamese = (
        (ROOT / name).read_text(encoding="utf-8").replace("README.vi.md", "README.md")
        for name in ("README.md", "README.vi.md")
    )
    for part in (r"\]\(([^)]+)\)", r"^(#+) ", r"^((?:\.venv/bin/lienthong|make) [^#\n]*?) *(?:#.*)?$", r"`([^`\n]+)`"):
        told = [sorted(set(re.findall(part, text, re.MULTILINE))) for text in (english, vietnamese)]
        assert told[0] == told[1], part
    assert len(re.findall(r"^(?:## |\| |\* )", english, re.MULTILINE)) == len(
        re.findall(r"^(?:## |\| |\* )", vietnamese, re.MULTILINE)
    )


def test_hooks_call_only_tools_of_the_locked_environment():
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]:
        assert repository["repo"] == "local"
        assert all(hook["entry"].startswith(".venv/bin/") for hook in repository["hooks"])


def test_budgets_of_all_groups_fit_in_ten_minutes():
    from tests.run import GROUPS

    assert sum(group.budget for group in GROUPS) <= 600


def test_a_failing_test_makes_the_runner_fail_and_the_last_line_counts_it(tmp_path):
    done = subprocess.run([sys.executable, "-c", RUN, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed, 1 skipped"


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from tests import run
folder = Path(sys.argv[1]); (folder / "reports").mkdir()
(folder / "test_x.py").write_text(
    "import pytest\\ndef test_a(): pass\\ndef test_b(): assert False\\n@pytest.mark.skip(reason='no xmlsec1')\\ndef test_c(): pass\\n"
)
run.REPORTS = folder / "reports"
run.GROUPS = (run.Group("x", 9, (str(folder),)),)
sys.exit(run.main(["x"]))
"""


def test_a_missing_tool_skips_by_name_and_fails_under_ci(monkeypatch):
    from tests import system_tools

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is missing"):
        system_tools.needs("no-such-tool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is missing"):
        system_tools.needs("no-such-tool")
