"""Run the tests in groups, each on a printed budget, and end with one line that counts them all.

`make test` runs every group; names of groups as arguments run only those; `--full` adds the long forms. A folder of
tests that no group names is a group of its own, so a new folder is never forgotten. A group far over its budget is
reported, and does not fail: time is the machine's, and a failing test must mean a fault.
"""

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import system_tools  # noqa: E402 - run as a file, by any Python

BIN = ROOT / ".venv" / "bin"
BUILD = ROOT / "build"
REPORTS = BUILD / "reports"
INSTALLED = BUILD / "installed"
FAR = 1.5


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons += other.reasons


@dataclass(frozen=True)
class Group:
    name: str
    budget: int
    """Seconds on two cores."""
    folders: tuple[str, ...] = ()
    run: Callable[["Group", bool], Count] | None = None
    workers: int = 0
    """Processes side by side; 0: one, for tests that measure or fill the machine themselves."""
    installed: bool = False
    """Run against the wheel, in an environment that holds nothing else."""


def _checks(_group: Group, _full: bool) -> Count:
    """Form, lint, types and layers; side by side, for they share nothing."""
    commands = {
        "ruff format": [BIN / "ruff", "format", "--check", "--quiet", "."],
        "ruff": [BIN / "ruff", "check", "--quiet", "."],
        "mypy": [BIN / "mypy"],
        "import-linter": [BIN / "lint-imports"],
    }
    running = {
        name: subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for name, command in commands.items()
    }
    count = Count()
    for name, process in running.items():
        output, _ = process.communicate()
        if process.returncode:
            print(f"--- {name}\n{output}")
            count.failed += 1
        else:
            count.passed += 1
    return count


def _pytest(group: Group, full: bool) -> Count:
    folders = [folder for folder in group.folders if any((ROOT / folder).rglob("test_*.py"))]
    if not folders:
        return Count()
    environment = dict(os.environ)
    if group.installed:
        environment["LIENTHONG_COMMAND"] = str(_installed() / "bin" / "lienthong")
        environment["PYTHONSAFEPATH"] = "1"
    return _run_pytest(BIN / "python", group, folders, environment, full)


def _run_pytest(python: Path, group: Group, folders: list[str], environment: dict[str, str], full: bool) -> Count:
    report = REPORTS / f"{group.name}.xml"
    report.unlink(missing_ok=True)
    options = ["-q", "--no-header", "-p", "no:cacheprovider", f"--junitxml={report}"]
    if group.workers:
        options += ["-n", str(group.workers), "--dist", "loadfile"]  # a scene serves the tests of its file
    if not full:
        options += ["-m", "not slow"]
    done = subprocess.run([python, "-m", "pytest", *options, *folders], cwd=ROOT, env=environment, check=False)
    count = _read(report)
    if done.returncode not in {0, 5} and not count.failed:  # 5: no test was chosen
        count.failed += 1
    return count


def _read(report: Path) -> Count:
    if not report.exists():
        return Count()
    count = Count()
    for suite in ET.parse(report).getroot().iter("testsuite"):
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        count.add(Count(max(int(suite.get("tests", 0)) - failed - skipped, 0), failed, skipped))
        count.reasons += [f"{case.get('name')}: {s.get('message')}" for case in suite for s in case.iter("skipped")]
    return count


def _installed() -> Path:
    """An environment with the locked dependencies and our wheel, made anew for each run."""
    if str(INSTALLED) in _made:
        return INSTALLED
    shutil.rmtree(INSTALLED, ignore_errors=True)
    wheels = BUILD / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    _quiet(BIN / "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, ".")
    (wheel,) = wheels.glob("*.whl")
    _quiet(BIN / "python", "-m", "venv", INSTALLED)
    pip = (INSTALLED / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    _quiet(*pip, "--require-hashes", "-r", "requirements/runtime.txt")
    _quiet(*pip, "--no-deps", wheel)
    _made.add(str(INSTALLED))
    return INSTALLED


_made: set[str] = set()


def _quiet(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


class Trouble(Exception):
    """A group cannot even begin; it counts as one failure."""


def _interpreters(group: Group, full: bool) -> Count:
    """Unit tests on every further Python from 3.11 up that this machine has."""
    count = Count()
    folders = ["tests/unit"] if full else list(group.folders)
    for python in _further_pythons():
        if subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
            count.add(Count(skipped=1, reasons=[f"{python}: it has no venv (Debian package {python.name}-venv)"]))
            continue
        print(python, flush=True)
        environment = _environment(python)
        count.add(_run_pytest(environment / "bin" / "python", group, folders, dict(os.environ), full))
    return count


def _environment(python: Path) -> Path:
    """The locked environment of `make install` for another interpreter, kept until the lock changes."""
    environment = BUILD / python.name
    stamp = environment / ".installed"
    sources = [ROOT / "requirements" / "dev.txt", ROOT / "pyproject.toml"]
    if not stamp.exists() or any(path.stat().st_mtime > stamp.stat().st_mtime for path in sources):
        _quiet(python, "-m", "venv", "--clear", environment)
        pip = (environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        _quiet(*pip, "--require-hashes", "-r", "requirements/dev.txt")
        _quiet(*pip, "--no-deps", "--no-build-isolation", "--editable", ".")
        stamp.touch()
    return environment


def _further_pythons() -> list[Path]:
    ours = (sys.version_info.major, sys.version_info.minor)
    found: dict[tuple[int, int], Path] = {}
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(":") if "shims" not in folder]
    places += sorted(Path("~/.pyenv/versions").expanduser().glob("3.*/bin"))
    for minor in range(11, 20):
        for place in places:
            python = place / f"python3.{minor}"
            if (3, minor) != ours and python.exists():
                found.setdefault((3, minor), python)
    return list(found.values())


OTHER_INTERPRETERS = tuple(f"tests/unit/{part}" for part in ("edxml", "journal", "pipeline", "rules", "trust"))
"""What the language's version can change; the long form runs all unit tests."""

GROUPS = (
    Group("checks", 25, run=_checks),
    Group("unit", 75, ("tests/unit",), workers=2),
    Group("contract", 48, ("tests/contract",), workers=2),
    Group("pipeline", 44, ("tests/pipeline",), workers=2),
    Group("web", 20, ("tests/web",), workers=2),
    Group("mock_axis", 30, ("tests/mock_axis",), workers=2),
    Group("interop", 15, ("tests/interop",)),
    Group("security", 46, ("tests/security",), workers=2),
    Group("packaging", 8, ("tests/packaging",)),
    Group("deploy", 10, ("tests/deploy",)),
    Group("e2e", 165, ("tests/e2e",), installed=True, workers=2),
    Group("storm", 69, ("tests/crash", "tests/storm"), installed=True),
    Group("interpreters", 45, OTHER_INTERPRETERS, run=_interpreters, workers=2),
)
PLAIN = {"assets", "fakes", "bench"}


def main(arguments: list[str]) -> int:
    full = "--full" in arguments
    wanted = [argument for argument in arguments if not argument.startswith("-")]
    groups = [*GROUPS, *_unnamed()]
    if unknown := set(wanted) - {group.name for group in groups}:
        raise SystemExit(f"no such group: {', '.join(sorted(unknown))}")
    chosen = [group for group in groups if not wanted or group.name in wanted]
    REPORTS.mkdir(parents=True, exist_ok=True)
    if not wanted:
        print(f"budget: {', '.join(f'{group.name} {group.budget} s' for group in chosen)}")
        system_tools.provide()
    total = Count()
    lines = []
    for group in chosen:
        print(f"\n=== {group.name} (budget {group.budget} s)", flush=True)
        began = time.monotonic()
        try:
            count = (group.run or _pytest)(group, full)
        except Trouble as trouble:
            print(trouble)
            count = Count(failed=1)
        took = time.monotonic() - began
        total.add(count)
        over = "  FAR OVER BUDGET" if took > group.budget * FAR and not full else ""
        lines.append(
            f"{group.name:13} {count.passed:5} passed {count.failed:3} failed {count.skipped:3} skipped"
            f" {took:6.1f} s of {group.budget} s{over}"
        )
    print("\n" + "\n".join(lines))
    for reason in dict.fromkeys(total.reasons):
        print(f"skipped: {reason}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or not total.passed else 0


def _unnamed() -> list[Group]:
    named = {folder for group in GROUPS for folder in group.folders}
    return [
        Group(folder.name, 30, (f"tests/{folder.name}",))
        for folder in sorted((ROOT / "tests").iterdir())
        if folder.is_dir() and folder.name not in PLAIN and f"tests/{folder.name}" not in named
        if any(folder.rglob("test_*.py"))
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
