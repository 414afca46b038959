import json
import runpy
import subprocess
from pathlib import Path

import yaml

from gateway.metrics import NAMES
from tests.deploy.test_alerts import metrics_in
from tests.system_tools import needs

GRAFANA = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "lienthong.json"


def expressions():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_every_query_names_an_existing_metric():
    for expression in expressions():
        assert metrics_in(expression) <= set(NAMES), expression
        assert metrics_in(expression) or expression.startswith("up"), expression


def test_every_metric_of_ours_is_somewhere_on_the_dashboard():
    shown = set().union(*(metrics_in(expression) for expression in expressions()))
    counted = {name for name in NAMES if name.startswith("lienthong_") and not name.endswith("_sum")}
    assert counted <= shown


def test_prometheus_can_parse_every_query(tmp_path):
    rules = tmp_path / "queries.yml"
    rules.write_text(
        yaml.safe_dump(
            {
                "groups": [
                    {
                        "name": "dashboard",
                        "rules": [{"record": f"q{i}", "expr": e} for i, e in enumerate(expressions())],
                    }
                ]
            }
        )
    )
    subprocess.run([needs("promtool"), "check", "rules", rules], check=True, capture_output=True)


def test_the_dashboard_is_what_its_script_writes():
    assert runpy.run_path(str(GRAFANA / "dashboards" / "make.py"))["text"]() == DASHBOARD.read_text(encoding="utf-8")


def test_the_dashboard_asks_the_data_source_that_is_provisioned():
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
