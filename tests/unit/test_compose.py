"""docker-compose.yml and its overlays say what the roles, the settings and the rules of a container ask for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ops.stack.environment import OPERATIONS_VARIABLES, REPOSITORY
from pages.settings import PagesSettings
from runtime.roles import ROLES
from runtime.settings import Settings
from tests.compose.images import wanted_images
from tests.unit.test_env_example import COMPOSE_ONLY
from topics.catalogue import OFFSETS_RETENTION_DAYS

TEXT = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
THREE_BROKERS = (REPOSITORY / "docker-compose.three-brokers.yml").read_text(encoding="utf-8")
DATA = ("postgres", "redis", "redpanda")
OURS = ("prepare", *ROLES)
FIXED_IN_CONTAINERS = {
    "API_INTERNAL_URL",
    "DATABASE_URL",
    "REDIS_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "METRICS_HOST",
    "METRICS_PORT",
}
NOT_FOR_CONTAINERS = {"TOPIC_REPLICATION", "WORKER_ID"}
"""The first belongs to the three-broker overlay, the second is made from the container's host name."""


def test_every_role_is_a_service_that_runs_it() -> None:
    assert set(SERVICES) == {*DATA, "console", *OURS}
    for role in ROLES:
        assert SERVICES[role]["command"] == ["run", role]


def test_every_setting_reaches_the_containers() -> None:
    fields = {*Settings.model_fields, *PagesSettings.model_fields}
    known = {name.upper() for name in fields} - NOT_FOR_CONTAINERS
    assert set(SERVICES["api"]["environment"]) == known


def test_every_variable_that_it_reads_is_documented() -> None:
    read = set(re.findall(r"\$\{([A-Z_]+)", TEXT + THREE_BROKERS))
    documented = {name.upper() for name in Settings.model_fields} | set(OPERATIONS_VARIABLES) | COMPOSE_ONLY
    assert read <= documented
    assert not read & FIXED_IN_CONTAINERS


@pytest.mark.parametrize("text", [TEXT, THREE_BROKERS])
def test_every_broker_keeps_offsets_for_as_long_as_the_catalogue_says(text: str) -> None:
    found = re.findall(r"--set=redpanda\.group_offset_retention_sec=(\d+)", text)
    assert len(found) == text.count("      - redpanda\n      - start\n") > 0
    assert set(found) == {str(OFFSETS_RETENTION_DAYS * 86_400)}


def test_no_default_holds_another_variable_which_compose_v1_cannot_read() -> None:
    assert not re.search(r"\$\{[^}]*\$\{", TEXT + THREE_BROKERS)


@pytest.mark.parametrize("name", [*ROLES, *DATA])
def test_every_lasting_service_has_a_health_check_a_memory_limit_and_a_restart_policy(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["mem_limit"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_change_nothing_but_tmp(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_starts_before_schema_topics_and_data_services_are_there(role: str) -> None:
    waits = SERVICES[role]["depends_on"]
    assert waits["prepare"]["condition"] == "service_completed_successfully"
    assert all(waits[name]["condition"] == "service_healthy" for name in DATA)


def test_only_the_api_and_the_pages_listen_beyond_this_machine() -> None:
    open_to_all = {name for name in SERVICES for port in SERVICES[name].get("ports", []) if "127.0.0.1:" not in port}
    assert open_to_all == {"api", "pages"}


def test_the_log_keeps_what_it_acknowledged() -> None:
    command = SERVICES["redpanda"]["command"]
    assert not any("dev-container" in word or "bypass-fsync" in word for word in command)
    assert "--set=redpanda.auto_create_topics_enabled=false" in command


def test_every_image_is_pinned_and_has_a_stand_in_for_the_compose_test() -> None:
    images = {*wanted_images(), *(service["image"] for service in SERVICES.values())} - {"payment-gateway:local"}
    assert all(re.search(r":v?\d+\.\d+", image) for image in images)


def test_monitoring_adds_the_exporter_under_the_rules_of_our_containers() -> None:
    text = (REPOSITORY / "docker-compose.monitoring.yml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"exporter", "prometheus", "grafana"}
    exporter = services["exporter"]
    assert exporter["image"] == SERVICES["api"]["image"]
    assert exporter["read_only"] is True
    assert exporter["cap_drop"] == ["ALL"]
    assert set(exporter["environment"]) <= set(SERVICES["api"]["environment"])
    assert all(re.search(r":v?\d+\.\d+", services[name]["image"]) for name in ("prometheus", "grafana"))
    assert all("127.0.0.1:" in port for service in services.values() for port in service.get("ports", []))


def test_three_brokers_reach_every_role_and_share_one_cluster() -> None:
    overlay = yaml.safe_load(THREE_BROKERS)["services"]
    for name in ("prepare", *(role for role in ROLES if role != "pages")):
        assert overlay[name]["environment"]["KAFKA_BOOTSTRAP_SERVERS"].count(":9092") == 3
        assert overlay[name]["environment"]["TOPIC_REPLICATION"] == "3"
    brokers = [SERVICES["redpanda"], overlay["redpanda-2"], overlay["redpanda-3"]]
    assert len({next(word for word in broker["command"] if "node-id" in word) for broker in brokers}) == 3
    assert all(broker["image"] == SERVICES["redpanda"]["image"] for broker in brokers)


def test_nothing_secret_is_copied_into_the_image() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not any(".env" in rule or ".git" in rule or ".run" in rule or "tests" in rule for rule in rules)


def test_a_killed_health_check_cannot_look_like_a_crash_of_the_database() -> None:
    assert SERVICES["postgres"]["init"] is True
