import re
import subprocess
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


def test_the_compose_file_has_the_five_services():
    assert set(services()) == {"gateway", "mock-axis", "prometheus", "alertmanager", "grafana"}


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
