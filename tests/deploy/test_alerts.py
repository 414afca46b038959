import re
import subprocess
from pathlib import Path

import pytest
import yaml

from gateway.metrics import NAMES
from tests.system_tools import needs

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:lienthong|process)_\w+\b", re.sub(r'"[^"]*"', "", expression)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_metrics_that_exist(rule):
    assert metrics_in(rule["expr"]) <= set(NAMES)
    assert metrics_in(rule["expr"]) or rule["expr"].startswith("up")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_a_summary_and_its_runbook_page(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"runbook/{rule['alert']}.md"
    page = (DEPLOY / rule["annotations"]["runbook"]).read_text(encoding="utf-8")
    assert page.startswith(f"# {rule['alert']}\n")
    assert "It is over when" in page


def test_every_runbook_page_belongs_to_an_alert():
    pages = {path.stem for path in (DEPLOY / "runbook").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("page", sorted((DEPLOY / "runbook").glob("*.md")), ids=lambda path: path.stem)
def test_runbook_pages_name_metrics_and_commands_that_exist(page):
    from gateway import cli

    text = page.read_text(encoding="utf-8")
    assert metrics_in(text) <= {*NAMES, *(name.removesuffix("_bucket") for name in NAMES)}
    for command in re.findall(r"`lienthong ([a-z-]+)", text):
        assert command in cli.COMMANDS


def test_every_alert_is_tested_where_it_fires():
    tests = yaml.safe_load((DEPLOY / "prometheus/alerts.test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_itself_takes_the_rules(arguments):
    done = subprocess.run(
        [needs("promtool"), *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
