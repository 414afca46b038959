"""Programs of the system that some tests run: `needs("xmlsec1")` gives the path, or skips the test by name.

With `CI=true` a missing one is a failure: what CI does not run, nobody runs. `make test` installs them with apt when it
runs as root; `python -m tests.system_tools` does the same by hand.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "build" / "tools"

PACKAGES = {
    "clamd": "clamav-daemon",
    "java": "default-jdk-headless",
    "javac": "default-jdk-headless",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "systemd-analyze": "systemd",
    "xmlsec1": "xmlsec1",
}
"""Program → Debian package."""

UNPACKED = {"promtool": ("prometheus", "usr/bin/promtool")}
"""Program → package, place inside. Unpacked, not installed: installing it would start a Prometheus on this machine."""


def find(tool: str) -> str | None:
    beside = Path(sys.executable).parent
    return shutil.which(tool) or shutil.which(tool, path=f"{beside}:{TOOLS}")


def needs(tool: str) -> str:
    """The path of `tool`; skips the running test where it is missing."""
    import pytest

    if path := find(tool):
        return path
    package = PACKAGES.get(tool) or UNPACKED.get(tool, (tool,))[0]
    reason = f"{tool} is missing (Debian package {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    return pytest.skip(reason)


def provide() -> None:
    """Install with apt what is missing, when root; says in one line what stays missing."""
    wanted = [tool for tool in (*PACKAGES, *UNPACKED) if not find(tool)]
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        _apt("update")
        if packages := sorted({PACKAGES[tool] for tool in wanted if tool in PACKAGES}):
            _apt("install", "--yes", "--no-install-recommends", *packages)
        for tool in wanted:
            if tool in UNPACKED:
                _unpack(tool, *UNPACKED[tool])
    if missing := [tool for tool in wanted if not find(tool)]:
        print(f"missing, tests that need them are skipped by name: {', '.join(missing)}")


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"apt-get {arguments[0]} failed: {done.stderr.strip()[-300:]}")


def _unpack(tool: str, package: str, place: str) -> None:
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # apt drops its rights to fetch, and the user it becomes must be able to write here.
        Path(folder).chmod(0o777)
        done = subprocess.run(
            ["apt-get", "-qq", "download", package], cwd=folder, capture_output=True, text=True, check=False
        )
        found = list(Path(folder).glob("*.deb"))
        if done.returncode or not found:
            print(f"apt-get download {package} failed: {done.stderr.strip()[-300:]}")
            return
        subprocess.run(["dpkg-deb", "--extract", str(found[0]), folder], check=True)
        shutil.copy2(Path(folder) / place, TOOLS / tool)


if __name__ == "__main__":
    provide()
