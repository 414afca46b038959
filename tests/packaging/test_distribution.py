"""What we ship: tested on a wheel built for the purpose, not on the checkout."""

import configparser
import email
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"gateway", "adapters", "schemas", "mock_axis"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_distribution_owns_exactly_its_four_import_names(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == OURS


def test_no_locked_dependency_claims_one_of_our_names():
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    for name in OURS:
        assert set(owners.get(name, [])) <= {"lienthong-gateway"}  # an editable installation owns no files


def test_everything_that_git_has_in_the_packages_is_in_the_wheel(wheel):
    listed = subprocess.run(
        ["git", "ls-files", *OURS], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert set(listed) <= set(wheel.namelist())


@pytest.mark.parametrize(
    "needed",
    [
        r"schemas/axis/axis\.wsdl",
        r"schemas/axis/axis\.xsd",
        r"schemas/receipt/receipt\.xsd",
        r"schemas/edxml/.+\.xsd",
        r"gateway/journal/migrations/versions/.+\.py",
        r"gateway/py\.typed",
        r"[^/]+\.dist-info/licenses/LICENSE",
    ],
)
def test_what_is_needed_beside_the_code_is_in_the_wheel(wheel, needed):
    assert any(re.fullmatch(needed, name) for name in wheel.namelist())


def test_no_tests_and_no_caches_are_in_the_wheel(wheel):
    assert not [name for name in wheel.namelist() if "__pycache__" in name or name.startswith(("tests/", "docs/"))]


def test_every_entry_point_names_a_module_in_the_wheel(wheel):
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser(delimiters=["="])
    points.read_string(wheel.read(entry_points).decode())
    assert points["console_scripts"]["lienthong"] == "gateway.cli:main"
    for group in points.sections():
        for place in points[group].values():
            module = place.split(":")[0].replace(".", "/")
            assert {f"{module}.py", f"{module}/__init__.py"} & set(wheel.namelist()), place


def test_every_entry_point_can_be_loaded():
    from importlib.metadata import distribution

    for point in distribution("lienthong-gateway").entry_points:
        assert callable(point.load()), point.value


def test_the_wheel_says_its_licence_and_its_least_python(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Version"] == PROJECT["project"]["version"]


LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_locks_carry_hashes_and_no_addresses(lock):
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links| @ ", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def pins(name):
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


def test_the_three_locks_agree():
    development = pins("dev.txt")
    for lock in ("runtime.txt", "build.txt"):
        assert pins(lock).items() <= development.items()


def test_every_declared_dependency_is_locked():
    declared = [re.match(r"[\w-]+", entry)[0].lower() for entry in PROJECT["project"]["dependencies"]]
    assert set(declared) <= pins("runtime.txt").keys()
    wanted = [entry for entry in PROJECT["dependency-groups"]["dev"] if isinstance(entry, str)]
    assert {re.match(r"[\w-]+", entry)[0].lower() for entry in wanted} <= pins("dev.txt").keys()


def test_every_declared_dependency_is_used_in_code():
    by_import = {
        "pyhanko": "pyhanko",
        "prometheus-client": "prometheus_client",
        "pydantic-settings": "pydantic_settings",
    }
    code = "\n".join(path.read_text(encoding="utf-8") for name in OURS for path in (ROOT / name).rglob("*.py"))
    for entry in PROJECT["project"]["dependencies"]:
        name = re.match(r"[\w-]+", entry)[0].lower()
        if name == "tzdata":  # data for zoneinfo
            continue
        module = by_import.get(name, name)
        assert re.search(rf"^\s*(?:from|import) {module}\b", code, re.MULTILINE), name
