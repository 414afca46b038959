import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway import cli
from gateway.errors import NeedsOperator


def lienthong(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_the_version_is_the_distribution_s():
    from importlib.metadata import version

    assert lienthong("--version").stdout.strip() == f"lienthong {version('lienthong-gateway')}"


def test_an_unknown_command_ends_with_2_and_names_it():
    done = lienthong("fly")
    assert done.returncode == 2
    assert "fly" in done.stderr


def test_running_one_command_imports_no_other():
    code = "import sys, gateway.cli; print([m for m in sys.modules if m.startswith(('gateway.commands', 'mock_axis', 'aiohttp'))])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NeedsOperator("key-missing", "no key pair is valid today"), "lienthong: no key pair is valid today\n"),
        (
            FileNotFoundError(2, "No such file or directory", "a.edxml"),
            "lienthong: a.edxml: No such file or directory\n",
        ),
    ],
)
def test_a_failure_is_one_line_and_exit_1(monkeypatch, capsys, error, said):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == said


def test_a_command_from_an_entry_point_is_listed_beside_our_own():
    listed = CliRunner().invoke(cli.app, ["--help"]).output
    for name in ("serve", "check-config", "inspect", "verify", "journal", "mock-axis", "demo"):
        assert name in listed
