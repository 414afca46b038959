import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway import cli, config
from tests.system_tools import needs

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/systemd/lienthong.service"
COMPOSE = ROOT / "deploy/compose/compose.yaml"
MOST_EXPOSED = 1.5


@pytest.fixture
def unit(tmp_path):
    """The unit with a command that exists here, for the analysis looks for it."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/lienthong/bin/lienthong", "/bin/true"))
    return path


def test_systemd_finds_no_fault_in_the_unit(unit):
    done = subprocess.run(
        [needs("systemd-analyze"), "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


def test_systemd_calls_the_unit_hardly_exposed(unit):
    done = subprocess.run(
        [needs("systemd-analyze"), "security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert level
    assert float(level[1]) <= MOST_EXPOSED


def test_the_libraries_live_without_memory_that_is_writable_and_executable():
    """What `MemoryDenyWriteExecute=yes` of the unit takes away."""
    assert "MemoryDenyWriteExecute=yes" in UNIT.read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", DENIED], capture_output=True, text=True, check=False)
    if done.returncode == NO_SUCH_DENIAL:
        pytest.skip("this kernel cannot deny it to a process (Linux 6.3+)")
    assert done.returncode == 0, done.stderr


NO_SUCH_DENIAL = 77
DENIED = f"""
import ctypes, mmap, sys
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit({NO_SUCH_DENIAL})
import gateway.app, gateway.cli, adapters.axis.soap, adapters.office.webhook, adapters.office.folder
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
key = rsa.generate_private_key(65537, 2048)
key.public_key().verify(key.sign(b"x", padding.PKCS1v15(), hashes.SHA256()), b"x", padding.PKCS1v15(), hashes.SHA256())
import lxml.etree, pybase64
lxml.etree.fromstring(b"<a/>"), pybase64.b64encode(b"x" * 100_000)
"""


def test_the_service_and_the_container_import_nothing_from_the_folder_they_run_in():
    assert "PYTHONSAFEPATH=1" in UNIT.read_text(encoding="utf-8")
    assert "PYTHONSAFEPATH=1" in (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")


def test_unit_container_and_compose_file_call_commands_that_exist():
    known = {*cli.COMMANDS, "mock-axis"}
    called = re.findall(r"bin/lienthong (\S+)", UNIT.read_text(encoding="utf-8"))
    called += re.findall(r'CMD \["([a-z-]+)", "--config', (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8"))
    called += [service["command"][0] for service in services().values() if "command" in service]
    assert len(called) >= 4
    assert set(called) <= known


def test_the_container_file_is_clean():
    done = subprocess.run([needs("hadolint"), ROOT / "deploy/Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_container_runs_as_nobody_in_particular():
    users = re.findall(r"^USER (\S+)", (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert users == ["10001"]


def test_what_the_container_file_copies_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for line in (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name
                assert f"!{name.split('/')[0]}" in ignored, name


@pytest.mark.parametrize("path", ["deploy/lienthong.toml", "deploy/compose/lienthong.toml"])
def test_example_configurations_load(path):
    settings = config.load(ROOT / path)
    assert settings.axis
    assert settings.office
    assert settings.route


def services():
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]


def test_the_compose_file_has_its_services():
    assert set(services()) == {"gateway", "mock-axis", "clamav", "prometheus", "alertmanager", "grafana"}


def test_the_scanner_of_the_compose_file_is_on_and_takes_what_the_gateway_shows_it():
    section = config.load(COMPOSE.parent / "lienthong.toml").antivirus
    options = dict(
        line.split() for line in (COMPOSE.parent / "clamd.conf").read_text().splitlines() if not line.startswith("#")
    )
    assert section.address == (options["TCPAddr"], int(options["TCPSocket"]))
    for limit in ("StreamMaxLength", "MaxFileSize", "MaxScanSize"):
        assert int(options[limit].removesuffix("M")) << 20 >= section.largest_bytes
    assert options["AlertExceedsMax"] == options["AlertEncrypted"] == "yes"
    assert services()["clamav"]["network_mode"] == services()["gateway"]["network_mode"]
    assert services()["clamav"]["healthcheck"]


def test_every_file_that_the_compose_file_mounts_is_there():
    named = set(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"])
    for service in services().values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in named or (COMPOSE.parent / source).exists(), source


def test_foreign_images_are_pinned_and_ports_stay_on_this_machine():
    for service in services().values():
        assert re.search(r":v?\d+\.\d+", service["image"]) or "build" in service
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_alerts_are_sent_to_the_alertmanager_of_the_compose_file():
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (target,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert target.split(":")[0] in services()
    alertmanager = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    assert alertmanager["route"]["receiver"] in {receiver["name"] for receiver in alertmanager["receivers"]}


def test_prometheus_asks_the_gateway_where_its_configuration_listens():
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    assert job["job_name"] == "lienthong"
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in services()
    assert int(port) == config.load(COMPOSE.parent / "lienthong.toml").operators.port
