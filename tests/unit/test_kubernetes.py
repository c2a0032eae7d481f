"""deploy/kubernetes: every object is valid by Kubernetes' own schemas, and fits the roles and their settings."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ops.console.environment import OPERATIONS_VARIABLES, PORT_DEFAULTS, REPOSITORY, parse_env_file
from pages.settings import PagesSettings
from runtime.roles import ROLES
from runtime.settings import Settings

FOLDER = REPOSITORY / "deploy" / "kubernetes"
VERSION = "1.33"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
SETTINGS = parse_env_file((FOLDER / "settings.env").read_text(encoding="utf-8"))
BY_REQUESTS = {"api", "pages"}
"""They are not members of a consumer group, so their pods need no lasting names."""
Object = dict[str, Any]


def objects() -> Iterator[tuple[str, Object]]:
    for name in KUSTOMIZATION["resources"]:
        for one in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")):
            yield f"{name}: {one['kind']} {one['metadata']['name']}", one


OBJECTS = dict(objects())
WORKLOADS: dict[str, Object] = {
    one["metadata"]["name"]: one for one in OBJECTS.values() if one["kind"] in ("Deployment", "StatefulSet", "Job")
}


def container(name: str) -> Object:
    (only,) = WORKLOADS[name]["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_is_valid(name: str) -> None:
    kubernetes_validate.validate(OBJECTS[name], VERSION, strict=True)


def test_the_schemas_notice_a_field_that_does_not_exist() -> None:
    broken = copy.deepcopy(OBJECTS["payments.yaml: StatefulSet payments"])
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_the_kustomization_names_every_file() -> None:
    assert set(KUSTOMIZATION["resources"]) == {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}


def test_every_role_runs_and_those_that_read_the_log_keep_their_names() -> None:
    assert WORKLOADS.keys() == {*ROLES, "prepare"}
    for role in ROLES:
        assert container(role)["args"] == ["run", role]
        assert WORKLOADS[role]["kind"] == ("Deployment" if role in BY_REQUESTS else "StatefulSet")


@pytest.mark.parametrize("role", ROLES)
def test_the_probes_use_the_roles_own_ports(role: str) -> None:
    ports = {port["name"]: port["containerPort"] for port in container(role)["ports"]}
    assert ports["metrics"] == PORT_DEFAULTS["METRICS_PORT"] + ROLES[role].metrics_offset
    assert container(role)["livenessProbe"]["httpGet"]["port"] == "metrics"
    assert ("readinessProbe" in container(role)) is (role in BY_REQUESTS)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_pod_can_change_nothing_and_has_no_access_to_the_cluster(name: str) -> None:
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    # Kubernetes would say where a service listens in the very variables that we read ports from (REDIS_PORT).
    assert pod["enableServiceLinks"] is False
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(name)["resources"]["limits"]["memory"]


def test_redundant_pods_are_not_removed_at_the_same_time() -> None:
    budgets = {one["metadata"]["name"] for one in OBJECTS.values() if one["kind"] == "PodDisruptionBudget"}
    assert budgets == {name for name, one in WORKLOADS.items() if one["spec"].get("replicas", 1) > 1}


def test_the_settings_exist_and_none_is_a_secret() -> None:
    fields = Settings.model_fields | PagesSettings.model_fields
    assert SETTINGS.keys() <= {name.upper() for name in fields} | set(OPERATIONS_VARIABLES)
    secret = {name.upper() for name, field in fields.items() if "Secret" in str(field.annotation)}
    assert not SETTINGS.keys() & secret
    assert {"DATABASE_URL", "SECRET_KEY"} <= secret
    assert not any(one["kind"] == "Secret" for one in OBJECTS.values())


def test_a_network_policy_refuses_what_no_other_allows() -> None:
    nobody = OBJECTS["network.yaml: NetworkPolicy nobody"]["spec"]
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
