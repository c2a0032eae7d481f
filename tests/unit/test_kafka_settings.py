"""The local broker's configuration, where a wrong value costs data or seconds."""

from __future__ import annotations

from pathlib import Path

from ops.services.kafka import server_properties

PORTS = {"KAFKA_PORT": 20005, "KAFKA_CONTROLLER_PORT": 20006}


def properties() -> dict[str, str]:
    lines = server_properties(PORTS, Path("/data")).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_topics_come_from_the_catalogue_alone() -> None:
    assert properties()["auto.create.topics.enable"] == "false"


def test_it_listens_on_this_machine_only() -> None:
    assert properties()["listeners"] == "PLAINTEXT://127.0.0.1:20005,CONTROLLER://127.0.0.1:20006"
    assert properties()["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20005"


def test_groups_start_without_a_pause_and_one_node_holds_every_internal_topic() -> None:
    found = properties()
    assert found["group.initial.rebalance.delay.ms"] == "0"
    factors = [value for key, value in found.items() if key.endswith("replication.factor")]
    assert factors == ["1"] * 4
