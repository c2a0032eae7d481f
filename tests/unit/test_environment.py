"""What one local stack is made of, as derived from the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.console.environment import REPOSITORY, parse_env_file, plan_stack, read_env_file
from ops.console.errors import GatewayError
from runtime.roles import ROLES


def test_an_empty_environment_starts_all_three_services_in_test_mode_on_the_documented_ports() -> None:
    plan = plan_stack({})
    assert plan.own_services == ("postgres", "redis", "kafka")
    assert plan.run_dir == REPOSITORY / ".run"
    assert plan.environment["TEST_MODE"] == "true"
    assert plan.environment["API_URL"] == "http://localhost:8000"
    assert plan.environment["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:9092"


def test_addresses_follow_the_ports() -> None:
    plan = plan_stack({"PORT": "20000", "POSTGRES_PORT": "20003", "DASHBOARD_PORT": "20002"})
    assert plan.environment["API_URL"] == "http://localhost:20000"
    assert plan.environment["DASHBOARD_URL"] == "http://localhost:20002"
    assert plan.environment["DATABASE_URL"].endswith("@127.0.0.1:20003/payment_gateway")


def test_a_given_address_wins_and_its_service_is_not_started() -> None:
    plan = plan_stack({"DATABASE_URL": "postgresql://elsewhere/x", "API_URL": "https://pay.example"})
    assert plan.external == {"postgres"}
    assert plan.own_services == ("redis", "kafka")
    assert plan.environment["DATABASE_URL"] == "postgresql://elsewhere/x"
    assert plan.environment["API_URL"] == "https://pay.example"
    assert "POSTGRES_PORT" not in plan.ports_to_take(()).values()


def test_an_empty_value_counts_as_not_given() -> None:
    assert plan_stack({"DATABASE_URL": "", "PORT": ""}).external == frozenset()


def test_a_plan_made_from_a_plans_own_environment_is_the_same() -> None:
    first = plan_stack({"PORT": "20000", "REDIS_URL": "redis://elsewhere/0"})
    again = plan_stack(first.environment)
    assert again.external == first.external == {"redis"}
    assert again.environment == first.environment


def test_test_mode_is_never_assumed() -> None:
    assert "TEST_MODE" not in plan_stack({"DATABASE_URL": "x"}, test_mode_default=False).environment


def test_a_bad_port_is_named() -> None:
    with pytest.raises(GatewayError, match="PORT must be a whole number, not 'eight'"):
        plan_stack({"PORT": "eight"})
    with pytest.raises(GatewayError, match="REDIS_PORT must be a port number, not 70000"):
        plan_stack({"REDIS_PORT": "70000"})


def test_every_listening_port_is_checked_with_the_variable_that_moves_it() -> None:
    plan = plan_stack({"API_WORKERS": "2", "PORT": "20000"})
    taken = plan.ports_to_take(("api", "payments", "pages"))
    assert taken[20000] == "PORT"
    assert taken[3001] == "CHECKOUT_PORT"
    assert taken[9093] == "KAFKA_CONTROLLER_PORT"
    assert [port for port, name in taken.items() if name == "METRICS_PORT"] == [9100, 9101, 9120, 9170]


def test_several_databases_are_one_address_that_takes_writes() -> None:
    plan = plan_stack({"POSTGRES_NODES": "2", "POSTGRES_PORT": "20003"})
    url = "postgresql://gateway_user:gateway_pass@127.0.0.1:20003,127.0.0.1:20004/payment_gateway"
    assert plan.environment["DATABASE_URL"] == f"{url}?target_session_attrs=read-write"
    taken = plan.ports_to_take(())
    assert [port for port, name in taken.items() if name == "POSTGRES_PORT"] == [20003, 20004]
    assert [port for port, name in taken.items() if name == "PATRONI_PORT"] == [8008, 8009]
    assert [port for port, name in taken.items() if name == "ETCD_PORT"] == [*range(2379, 2385)]
    assert not {"PATRONI_PORT", "ETCD_PORT"} & {*plan_stack({}).ports_to_take(()).values()}
    with pytest.raises(GatewayError, match="POSTGRES_NODES must be between 1 and 3, not 4"):
        plan_stack({"POSTGRES_NODES": "4"})


def test_no_two_workers_share_an_internal_port() -> None:
    plan = plan_stack({"API_WORKERS": "20", "ACTOR_WORKERS": "12"})
    ports = [plan.metrics_port(role, index) for role in ROLES for index in range(plan.worker_count(role))]
    assert len(ports) == len(set(ports))


def test_the_number_of_workers_is_configured_for_api_and_actors_only() -> None:
    plan = plan_stack({"ACTOR_WORKERS": "3"})
    assert plan.worker_count("api") == os.cpu_count()
    assert plan.worker_count("payments") == 3
    assert plan.worker_count("jobs") == 1


def test_env_files_are_simple_lines() -> None:
    text = "# a comment\n\nPORT=20000\nexport A = 'x y'\nB=\"q\"\nURL=postgresql://u:p@h/d?x=1#y\nEMPTY=\n"
    assert parse_env_file(text) == {
        "PORT": "20000",
        "A": "x y",
        "B": "q",
        "URL": "postgresql://u:p@h/d?x=1#y",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x # a comment", "x"),
        ("A='x # no comment'", "x # no comment"),
        ('A="two\\nlines"', "two\nlines"),
        ("A=a$b", "a$b"),
        ("A=", ""),
    ],
)
def test_env_files_are_read_as_docker_compose_reads_them(line: str, value: str) -> None:
    assert parse_env_file(line) == {"A": value}


def test_a_line_that_is_none_is_named_with_its_number() -> None:
    with pytest.raises(GatewayError, match=r"\.env line 2 is not KEY=VALUE: what is this"):
        parse_env_file("A=1\nwhat is this")


def test_no_env_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}
