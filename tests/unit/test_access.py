"""The table of who may do what on the log, compared with the roles, the topics and the groups that there are."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from agents.jobs import counters
from agents.payments import app
from agents.processor import processor
from agents.tracing import tracer
from agents.webhooks import dispatcher, forwarder, planner
from ops.audit.verify import commands as looking
from ops.console.errors import GatewayError
from ops.console.exit_codes import NOT_PERMITTED, run
from runtime.roles import ROLES
from runtime.settings import LIVE_RETRY_DELAYS_SECONDS, Settings
from tests.support.stack import settings_of
from topics.access import ACCESS, EXPORTER, OPERATOR, Kind, Operation, Permission, permissions, users
from topics.acl import LITERAL, PREFIXED, acl_of
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ, topics

NAMES = [topic.name for topic in topics(LIVE_RETRY_DELAYS_SECONDS)]
OWN = {"KAFKA_SASL_USERNAME": "gateway-api", "KAFKA_SASL_PASSWORD": "secret"}
MEMBERS = {
    "payments": app.GROUP,
    "processor": processor.GROUP,
    "jobs": counters.GROUP,
    "sweeper": tracer.GROUP,
    "planner": planner.GROUP,
    "dispatcher": dispatcher.GROUP,
    "forwarder": forwarder.GROUP,
}


def test_every_role_has_a_row_and_those_that_use_the_log_have_a_user() -> None:
    assert ACCESS.keys() == {*ROLES, OPERATOR, EXPORTER}
    assert set(users("")) == ACCESS.keys() - {"pages"}


def test_every_group_belongs_to_exactly_one_role() -> None:
    assert {role: access.groups for role, access in ACCESS.items() if access.groups} == {
        role: (group,) for role, group in MEMBERS.items()
    }
    assert ACCESS["auditor"].looks_at == (looking.GROUP,)


def test_every_name_in_it_is_a_topic_of_the_catalogue() -> None:
    for access in ACCESS.values():
        for pattern in (*access.reads, *access.writes, *access.administers):
            assert any(fnmatchcase(name, pattern) for name in NAMES), pattern


def test_only_the_actors_write_events_and_only_those_who_ask_write_commands() -> None:
    assert writers(EVENTS) == {"payments", OPERATOR}
    assert writers(COMMANDS) == {"api", "payments", "processor", "sweeper", OPERATOR}
    assert writers(DELIVERIES) == {"planner", "dispatcher", "forwarder", OPERATOR}


def test_dead_letters_are_read_by_those_who_count_and_look_into_them() -> None:
    assert {role for role, access in ACCESS.items() if may(access.reads, PAYMENTS_DLQ)} == {
        "jobs", "auditor", EXPORTER, OPERATOR,
    }  # fmt: skip


def test_nobody_may_delete_a_topic_or_change_the_lists() -> None:
    """Kafka's codes: DELETE is 6, and a permission on the cluster would have resource type 4."""
    given = permissions()
    assert not {one.operation for one in given} & {2, 6}
    assert {one.kind for one in given} == {Kind.TOPIC, Kind.GROUP}
    assert {one.user for one in given if one.operation is Operation.CREATE} == {"gateway-operator"}


def test_a_name_with_a_star_becomes_a_prefix_and_a_star_alone_stays_one() -> None:
    tiers = acl_of(Permission("gateway-forwarder", Kind.TOPIC, "webhooks.retry.*", Operation.READ))
    assert (tiers.principal, tiers.name, tiers.pattern) == ("User:gateway-forwarder", "webhooks.retry.", PREFIXED)
    assert str(tiers) == "User:gateway-forwarder may read topic webhooks.retry.*"
    everyone = acl_of(Permission("gateway-exporter", Kind.GROUP, "*", Operation.DESCRIBE))
    assert (everyone.name, everyone.pattern) == ("*", LITERAL)


def writers(topic: str) -> set[str]:
    return {role for role, access in ACCESS.items() if may(access.writes, topic)}


def may(patterns: tuple[str, ...], topic: str) -> bool:
    return any(fnmatchcase(topic, pattern) for pattern in patterns)


@pytest.mark.parametrize("error", NOT_PERMITTED)
def test_a_command_names_the_user_that_may_not_do_it(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of({"TEST_MODE": "true", "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **OWN})
    monkeypatch.setattr("ops.console.exit_codes.enter", lambda _plan: settings)

    async def work(_settings: Settings) -> None:
        raise error

    with pytest.raises(GatewayError, match="does not permit this to gateway-api"):
        run(work)
