"""Write lienthong.json beside this file: the dashboard is a table of panels, and the JSON is made from it."""

import json
from pathlib import Path

DATASOURCE = {"type": "prometheus", "uid": "prometheus"}

# title, kind, unit, queries as (expression, legend)
PANELS = (
    ("Answers", "stat", "none", [('up{job="lienthong"}', "{{instance}}")]),
    ("Oldest due", "stat", "s", [("max by (direction) (lienthong_oldest_due_seconds)", "{{direction}}")]),
    ("Held", "stat", "none", [("sum(lienthong_held_messages)", "held")]),
    ("In doubt", "stat", "none", [("max(lienthong_in_doubt_messages)", "in doubt")]),
    ("Receipts owed", "stat", "none", [("max(lienthong_receipts_owed)", "owed")]),
    ("Stages stopped", "stat", "none", [("sum(lienthong_stage_breaker_open)", "stopped")]),
    ("Messages by state", "timeseries", "none", [("max by (direction, state) (lienthong_messages)", "{{direction}} {{state}}")]),
    ("Held, by reason", "timeseries", "none", [("max by (reason) (lienthong_held_messages)", "{{reason}}")]),
    ("Stages done a second, by outcome", "timeseries", "ops", [("sum by (stage, outcome) (rate(lienthong_stage_seconds_count[5m]))", "{{stage}} {{outcome}}")]),
    ("Stage time, 95 of 100 below", "timeseries", "s", [("histogram_quantile(0.95, sum by (stage, le) (rate(lienthong_stage_seconds_bucket[5m])))", "{{stage}}")]),
    ("Rejections an hour, by reason", "timeseries", "none", [("sum by (reason) (increase(lienthong_rejections_total[1h]))", "{{reason}}")]),
    ("Virus scans an hour, by verdict", "timeseries", "none", [("sum by (verdict) (increase(lienthong_antivirus_scans_total[1h]))", "{{verdict}}")]),
    ("Receipts that do not match, an hour", "timeseries", "none", [("sum by (axis) (increase(lienthong_receipt_mismatches_total[1h]))", "{{axis}}")]),
    ("Times of the law not met yet, by rule", "timeseries", "none", [("max by (rule, state) (lienthong_deadlines)", "{{rule}} {{state}}")]),
    ("Partners failing for", "timeseries", "s", [("max by (endpoint) (lienthong_endpoint_failing_seconds)", "{{endpoint}}")]),
    ("Oldest entry without a block", "timeseries", "s", [("max(lienthong_block_age_seconds)", "waiting")]),
    ("Newest head of the journal, and waiting for a timestamp", "timeseries", "s", [("max(lienthong_head_age_seconds)", "age"), ("max(lienthong_head_unstamped_seconds)", "unstamped")]),
    ("Certificates: days left", "timeseries", "d", [("min by (certificate) (lienthong_certificate_days_left)", "{{certificate}}")]),
    ("Free space and reserve", "timeseries", "bytes", [("lienthong_free_bytes", "free {{instance}}"), ("lienthong_disk_reserve_bytes", "reserve {{instance}}")]),
    ("Memory", "timeseries", "bytes", [('process_resident_memory_bytes{job="lienthong"}', "{{instance}}")]),
    ("CPU cores used", "timeseries", "none", [('rate(process_cpu_seconds_total{job="lienthong"}[5m])', "{{instance}}")]),
)  # fmt: skip


def dashboard() -> dict[str, object]:
    panels, x, y = [], 0, 0
    for number, (title, kind, unit, queries) in enumerate(PANELS, 1):
        width, height = (4, 4) if kind == "stat" else (12, 8)
        if x + width > 24:
            x, y = 0, y + (4 if y == 0 else 8)
        panels.append(
            {
                "id": number,
                "title": title,
                "type": kind,
                "datasource": DATASOURCE,
                "gridPos": {"x": x, "y": y, "w": width, "h": height},
                "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
                "targets": [
                    {
                        "refId": chr(ord("A") + index),
                        "datasource": DATASOURCE,
                        "expr": expression,
                        "legendFormat": legend,
                    }
                    for index, (expression, legend) in enumerate(queries)
                ],
            }
        )
        x += width
    return {
        "uid": "lienthong",
        "title": "Liên Thông Gateway",
        "schemaVersion": 39,
        "timezone": "Asia/Ho_Chi_Minh",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "panels": panels,
    }


def text() -> str:
    return json.dumps(dashboard(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("lienthong.json").write_text(text(), encoding="utf-8")
