"""The bench itself: what the Makefile, the hooks and the runner promise."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_ci_calls_make_test():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert "make test" in script


def test_every_make_target_that_our_documents_name_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for named in re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.MULTILINE):
            assert named in targets, (document, named)


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
    import pytest

    from tests import system_tools

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is missing"):
        system_tools.needs("no-such-tool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is missing"):
        system_tools.needs("no-such-tool")
