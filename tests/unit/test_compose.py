"""docker-compose.yml and its overlays match the roles, the settings and the rules of a container."""

from __future__ import annotations

import fnmatch
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.console.environment import OPERATIONS_VARIABLES, REPOSITORY
from ops.razorpay.command import API_HOST, CHECKOUT_HOST, razorpay
from ops.stack.services.patroni import LEASE, PARAMETERS
from pages.settings import PagesSettings
from runtime.roles import ROLES
from runtime.settings import Settings
from tests.compose.images import required_images
from tests.unit.test_env_example import COMPOSE_ONLY
from topics.access import users
from topics.catalogue import OFFSETS_RETENTION_DAYS

LINK = re.compile(r"\]\(((?![a-z]+:)[^)#\s]+)")
"""A link to a file, without its fragment."""
TEXT = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
THREE_BROKERS = (REPOSITORY / "docker-compose.three-brokers.yml").read_text(encoding="utf-8")
LOCKED = (REPOSITORY / "docker-compose.tls.yml").read_text(encoding="utf-8")
TWO_DATABASES = (REPOSITORY / "docker-compose.ha.yml").read_text(encoding="utf-8")
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
    read = set(re.findall(r"\$\{([A-Z_]+)", TEXT + THREE_BROKERS + TWO_DATABASES))
    documented = {name.upper() for name in Settings.model_fields} | set(OPERATIONS_VARIABLES) | COMPOSE_ONLY
    assert read <= documented
    assert not read & FIXED_IN_CONTAINERS


@pytest.mark.parametrize("text", [TEXT, THREE_BROKERS, LOCKED])
def test_every_broker_keeps_offsets_for_as_long_as_the_catalogue_requires(text: str) -> None:
    found = re.findall(r"--set=redpanda\.group_offset_retention_sec=(\d+)", text)
    assert len(found) == text.count("      - redpanda\n      - start\n") > 0
    assert set(found) == {str(OFFSETS_RETENTION_DAYS * 86_400)}


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("docker-compose.*.yml")), ids=lambda path: path.name)
def test_an_overlay_repeats_no_item_of_a_list_that_compose_joins(path: Path) -> None:
    """Compose refuses the two files together: "security_opt items at 0 and 1 are equal"."""
    text = re.sub(r"!(?:reset|override)\b", "", path.read_text(encoding="utf-8"))  # Compose's own tags
    services = yaml.safe_load(text)["services"]
    for name in services.keys() & SERVICES.keys():
        for joined in ("security_opt", "cap_add", "dns"):
            assert not set(services[name].get(joined, [])) & set(SERVICES[name].get(joined, [])), f"{name}.{joined}"


def test_no_default_holds_another_variable_which_compose_v1_cannot_read() -> None:
    assert not re.search(r"\$\{[^}]*\$\{", TEXT + THREE_BROKERS + TWO_DATABASES)


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
    images = {*required_images(), *(service["image"] for service in SERVICES.values())} - {"payment-gateway:local"}
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


def test_the_razorpay_front_has_both_names_inside_the_network_alone() -> None:
    services = yaml.safe_load((REPOSITORY / "docker-compose.razorpay.yml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {"razorpay-front"}
    front = services["razorpay-front"]
    assert front["networks"]["default"]["aliases"] == [API_HOST, CHECKOUT_HOST]
    assert "ports" not in front
    assert front["image"] == SERVICES["api"]["image"]
    assert (front["read_only"], front["cap_drop"], front["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert front["volumes"] == ["razorpay-authority:/authority"]
    # the command as it is typed: every option exists
    options = {word.partition("=")[0] for word in front["command"][1:]}
    assert options <= {f"--{name.replace('_', '-')}" for name in inspect.signature(razorpay).parameters}


def test_two_databases_reach_every_role_and_agree_by_one_etcd() -> None:
    overlay = yaml.safe_load(TWO_DATABASES)["services"]
    for name in ("prepare", *(role for role in ROLES if role != "pages")):
        url = overlay[name]["environment"]["DATABASE_URL"]
        assert "@postgres:5432,postgres-2:5432/" in url
        assert url.endswith("?target_session_attrs=read-write")
    for name in ("postgres", "postgres-2"):
        node = overlay[name]
        assert node["environment"]["PATRONI_NAME"] == name
        assert node["environment"]["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] == f"{name}:5432"
        assert node["environment"]["PATRONI_ETCD3_HOSTS"].count(":2379") == 3
    members = [overlay[name] for name in ("etcd", "etcd-2", "etcd-3")]
    assert len({member["environment"]["ETCD_NAME"] for member in members}) == 3
    assert len({member["environment"]["ETCD_INITIAL_CLUSTER"] for member in members}) == 1
    for service in (overlay["postgres"], overlay["postgres-2"], *members):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["mem_limit"]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["volumes"][0].partition(":")[0] in yaml.safe_load(TWO_DATABASES)["volumes"]


def test_with_tls_every_role_has_a_user_of_its_own_and_nothing_goes_in_plain_text() -> None:
    overlay = yaml.safe_load(LOCKED)["services"]
    roles = [role for role in ROLES if role != "pages"]
    for name in (*roles, "prepare", "acl"):
        given = overlay[name]["environment"]
        assert given["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
        assert "sslmode=verify-full&sslrootcert=/tls/authority.pem" in given["DATABASE_URL"]
        assert given["REDIS_URL"].startswith("rediss://")
        assert "./tls/authority.pem:/tls/authority.pem:ro" in overlay[name]["volumes"]
    for role in roles:
        given = overlay[role]["environment"]
        assert given["KAFKA_SASL_USERNAME"] == f"gateway-{role}"
        assert given["KAFKA_SASL_PASSWORD"] == f"${{{role.upper()}__KAFKA_SASL_PASSWORD:?}}"
        assert overlay[role]["depends_on"]["acl"]["condition"] == "service_completed_successfully"
    assert {name.replace("_", "-") for name in overlay["users"]["environment"]} == set(users())


def test_with_tls_every_service_is_started_as_without_it_but_for_its_locks() -> None:
    overlay = yaml.safe_load(LOCKED)["services"]
    assert set(overlay) - set(SERVICES) == {"users", "acl"}
    for name in ("redis", "redpanda"):
        assert set(SERVICES[name]["command"]) <= set(overlay[name]["command"])
    assert overlay["postgres"]["command"].startswith(SERVICES["postgres"]["command"].strip())
    assert overlay["users"]["image"] == SERVICES["redpanda"]["image"]
    assert overlay["acl"]["image"] == SERVICES["api"]["image"]


def test_every_password_of_the_tls_overlay_is_made_by_the_lines_at_its_head() -> None:
    head, _, rest = LOCKED.partition("x-tls:")
    named = set(re.findall(r"for user in ([A-Z ]+);", head)[0].split())
    assert set(re.findall(r"\$\{([A-Z]+)__KAFKA_SASL_PASSWORD:\?\}", rest)) == named
    assert {user.lower() for user in named} - {"admin"} == {user.removeprefix("gateway-") for user in users()}


def test_patroni_decides_alike_in_containers_and_on_the_local_stack() -> None:
    text = (REPOSITORY / "deploy" / "postgres" / "patroni.yml").read_text(encoding="utf-8")
    configured = yaml.safe_load(text)["bootstrap"]["dcs"]
    assert {name: configured[name] for name in LEASE} == LEASE
    assert configured["postgresql"]["use_pg_rewind"] is True
    own = configured["postgresql"]["parameters"]
    shared = own.keys() & PARAMETERS.keys() - {"shared_buffers", "max_wal_size"}
    assert {"fsync", "synchronous_commit", "max_connections"} <= shared
    assert {name: own[name] for name in shared} == {name: PARAMETERS[name] for name in shared}


def test_nothing_secret_is_copied_into_the_image() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not any(".env" in rule or ".git" in rule or ".run" in rule or "tests" in rule for rule in rules)


def test_a_killed_health_check_cannot_look_like_a_crash_of_the_database() -> None:
    assert SERVICES["postgres"]["init"] is True


def test_what_the_documents_link_to_is_in_the_image_that_builds_them() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    left_out = set()
    for document in (REPOSITORY / "docs").rglob("*.md"):
        for target in LINK.findall(document.read_text(encoding="utf-8")):
            first = (document.parent / target).resolve().relative_to(REPOSITORY).parts[0]
            if not any(fnmatch.fnmatch(first, pattern) for pattern in kept):
                left_out.add((document.name, target))
    assert left_out == set()
