"""The local broker's configuration, where a wrong value costs data or seconds."""

from __future__ import annotations

from pathlib import Path

from ops.stack.services.kafka import server_properties
from runtime.settings import LIVE_RETRY_DELAYS_SECONDS
from topics.catalogue import topics

PORTS = {"KAFKA_PORT": 20005, "KAFKA_CONTROLLER_PORT": 20006}


def properties(*, number: int = 1, brokers: int = 1) -> dict[str, str]:
    lines = server_properties(PORTS, Path("/data"), number=number, brokers=brokers).splitlines()
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


def test_offsets_of_an_idle_group_outlive_every_record_that_is_ever_deleted() -> None:
    kept_ms = int(properties()["offsets.retention.minutes"]) * 60_000
    ages = [topic.retention_ms + (topic.segment_ms or 0) for topic in topics(LIVE_RETRY_DELAYS_SECONDS)]
    assert kept_ms > max(ages)


def test_of_three_brokers_one_may_die_without_a_loss_or_a_stop() -> None:
    found = properties(number=3, brokers=3)
    factors = [value for key, value in found.items() if key.endswith("replication.factor")]
    assert factors == ["3"] * 4
    assert found["min.insync.replicas"] == found["transaction.state.log.min.isr"] == "2"


def test_three_brokers_know_each_other_and_share_no_port() -> None:
    nodes = [properties(number=number, brokers=3) for number in (1, 2, 3)]
    assert {node["controller.quorum.voters"] for node in nodes} == {
        "1@127.0.0.1:20006,2@127.0.0.1:20008,3@127.0.0.1:20010"
    }
    assert len({node["listeners"] for node in nodes}) == 3
    assert [node["node.id"] for node in nodes] == ["1", "2", "3"]
