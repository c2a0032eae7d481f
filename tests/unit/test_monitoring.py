"""Alerts, dashboard and runbook agree with the code: metrics exist, alerts have sections, roles are scraped."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from ops.console.environment import REPOSITORY
from ops.health.exporter import REGISTRY
from runtime.roles import ROLES
from runtime.settings import Settings

MONITORING = REPOSITORY / "monitoring"
ALERTS = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
RUNBOOK = (REPOSITORY / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
METRIC = re.compile(r"\bgateway_[a-z_]+")
DEFINITION = re.compile(r'(Counter|Gauge|Histogram)\(\s*"(gateway_[a-z_]+)"')
SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}


def known_metrics() -> set[str]:
    """Names that the processes of this tree serve."""
    sources = [path for folder in ("agents", "api", "ops") for path in (REPOSITORY / folder).rglob("*.py")]
    found = DEFINITION.findall("\n".join(path.read_text(encoding="utf-8") for path in sources))
    return {name + suffix for kind, name in found for suffix in SUFFIXES[kind]}


def test_every_alert_uses_existing_metrics() -> None:
    known = known_metrics()
    for alert in ALERTS:
        requested = set(METRIC.findall(alert["expr"]))
        assert requested <= known, f"{alert['alert']}: nobody serves {requested - known}"


def test_every_panel_uses_existing_metrics() -> None:
    known = known_metrics()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            requested = set(METRIC.findall(target["expr"]))
            assert requested, panel["title"]
            assert requested <= known, f"{panel['title']}: nobody serves {requested - known}"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_has_a_section_in_the_runbook(alert: dict[str, object]) -> None:
    name = str(alert["alert"])
    assert f"\n## {name}\n" in RUNBOOK
    assert alert["annotations"]["runbook"] == f"docs/RUNBOOK.md#{name.lower()}"  # type: ignore[index]  # yaml
    assert alert["labels"]["severity"] in ("page", "ticket")  # type: ignore[index]  # yaml


def test_every_alert_section_belongs_to_an_alert() -> None:
    sections = set(re.findall(r"^## (Gateway\w+)$", RUNBOOK, re.MULTILINE))
    assert sections == {alert["alert"] for alert in ALERTS}


def test_every_role_is_scraped_at_its_port() -> None:
    scraped = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped}
    base = Settings.model_fields["metrics_port"].default
    for role in ROLES.values():
        assert f"127.0.0.1:{base + role.metrics_offset}" in targets[f"gateway-{role.name}"]


def test_every_role_is_scraped_in_containers_too() -> None:
    scraped = yaml.safe_load((MONITORING / "prometheus.compose.yml").read_text(encoding="utf-8"))["scrape_configs"]
    found = {job["job_name"]: job["dns_sd_configs"][0] for job in scraped if "dns_sd_configs" in job}
    base = Settings.model_fields["metrics_port"].default
    expected = {
        f"gateway-{role.name}": {"names": [role.name], "type": "A", "port": base + role.metrics_offset}
        for role in ROLES.values()
    }
    assert found == expected


def test_the_exporter_serves_what_it_defines() -> None:
    served = {family.name for family in REGISTRY.collect()}
    assert {"gateway_part_up", "gateway_group_oldest_unread_seconds", "gateway_stuck"} <= served
