"""The rights of each role on the log: one row for each, and the broker's access control lists for it.

    ACCESS["dispatcher"] ─► permissions("gateway-") ─► `gateway topics acl --apply` ─► the broker's access control lists

Each role has its own user at the broker. The broker refuses what its row lacks, even if an attacker controls the role:
a stolen dispatcher cannot request a refund. docs/TOPICS.md shows the table, and an end-to-end test runs with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from topics.catalogue import COMMANDS, DELIVERIES, ERASURES, EVENTS, PAYMENTS_DLQ, RETRY_PREFIX, WEBHOOKS_DLQ

ANY_SUFFIX = "*"
"""At the end of a name: every name with this beginning."""
RETRIES = f"{RETRY_PREFIX}{ANY_SUFFIX}"
"""One grant for all tiers: the retry schedule is a setting."""
OUR_TOPICS = (f"payments.{ANY_SUFFIX}", f"webhooks.{ANY_SUFFIX}")
OPERATOR, EXPORTER = "operator", "exporter"
"""Users without a role: the operator of `gateway` commands, and `gateway exporter`."""
USER_PREFIX = "gateway-"


class Kind(IntEnum):
    """The resource of a permission. The values are Kafka's."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """The permitted operation. The values are Kafka's; READ and WRITE include DESCRIBE."""

    READ = 3
    WRITE = 4
    CREATE = 5
    ALTER = 7
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


@dataclass(frozen=True, slots=True)
class Access:
    """One user's row. Names may end with `*`."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Its consumer groups."""
    looks_at: tuple[str, ...] = ()
    """Topics whose settings and groups whose positions it may see, beyond those above."""
    administers: tuple[str, ...] = ()
    """Topics that it may create and alter. No user may delete any."""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One line of an access control list: the user may do this, from any address."""

    user: str
    kind: Kind
    name: str
    operation: Operation


ACCESS: dict[str, Access] = {
    "api": Access(reads=(EVENTS,), writes=(COMMANDS,)),
    "payments": Access(
        # events: to check that the database has what the log has; commands: to forward what an older partition count
        # sent to the wrong actor
        reads=(COMMANDS, EVENTS),
        writes=(EVENTS, COMMANDS, PAYMENTS_DLQ),
        groups=("payment-actors",),
        looks_at=(COMMANDS,),
    ),
    "processor": Access(reads=(EVENTS,), writes=(COMMANDS, PAYMENTS_DLQ), groups=("processor",)),
    "jobs": Access(reads=(EVENTS, PAYMENTS_DLQ), writes=(PAYMENTS_DLQ,), groups=("jobs",)),
    # it reads only for traces
    "sweeper": Access(reads=(COMMANDS, EVENTS), writes=(COMMANDS,), groups=("tracer",), looks_at=(COMMANDS,)),
    "planner": Access(reads=(EVENTS,), writes=(DELIVERIES, PAYMENTS_DLQ), groups=("planner",)),
    "dispatcher": Access(reads=(DELIVERIES,), writes=(DELIVERIES, RETRIES, WEBHOOKS_DLQ), groups=("dispatcher",)),
    "forwarder": Access(reads=(RETRIES,), writes=(DELIVERIES, WEBHOOKS_DLQ), groups=("forwarder",)),
    "auditor": Access(reads=(COMMANDS, EVENTS, PAYMENTS_DLQ, ERASURES), looks_at=("payment-actors",)),
    "pages": Access(),
    EXPORTER: Access(reads=OUR_TOPICS, looks_at=(*OUR_TOPICS, ANY_SUFFIX)),
    OPERATOR: Access(reads=OUR_TOPICS, writes=OUR_TOPICS, looks_at=(*OUR_TOPICS, ANY_SUFFIX), administers=OUR_TOPICS),
}


def permissions(prefix: str = USER_PREFIX) -> list[Permission]:
    """All permissions, in order. `prefix`: of the users' names, before the role's."""
    return sorted({one for role, access in ACCESS.items() for one in _of(f"{prefix}{role}", access)})


def users(prefix: str = USER_PREFIX) -> list[str]:
    """The users at the broker."""
    return [f"{prefix}{role}" for role, access in ACCESS.items() if access != Access()]


def _of(user: str, access: Access) -> Iterator[Permission]:
    for name in access.reads:
        yield Permission(user, Kind.TOPIC, name, Operation.READ)
    for name in access.writes:
        yield Permission(user, Kind.TOPIC, name, Operation.WRITE)
    for name in access.groups:
        yield Permission(user, Kind.GROUP, name, Operation.READ)
    for name in access.looks_at:
        if _is_topic(name):
            yield Permission(user, Kind.TOPIC, name, Operation.DESCRIBE_CONFIGS)
        else:
            yield Permission(user, Kind.GROUP, name, Operation.DESCRIBE)
    for name in access.administers:
        for operation in (Operation.CREATE, Operation.ALTER, Operation.ALTER_CONFIGS):
            yield Permission(user, Kind.TOPIC, name, operation)


def _is_topic(name: str) -> bool:
    return "." in name
