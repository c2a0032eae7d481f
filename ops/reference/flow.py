"""docs/images/topics.svg: which role writes to which topic and which reads it, drawn from one table.

Only the path of a payment is drawn, a part of `topics.access`.
"""

from __future__ import annotations

from datetime import timedelta

from ops.reference.diagram import Arrow, Box, drawn
from runtime.roles import ROLES
from runtime.settings import LIVE_RETRY_DELAYS_SECONDS
from topics.access import RETRIES
from topics.catalogue import (
    COMMANDS,
    DELIVERIES,
    EVENTS,
    FOR_EVER,
    PAYMENTS_DLQ,
    RETRY_PREFIX,
    WEBHOOKS_DLQ,
    Topic,
    topics,
)

WRITES: dict[str, tuple[str, ...]] = {
    "api": (COMMANDS,),
    "payments": (EVENTS, PAYMENTS_DLQ),
    "processor": (COMMANDS,),
    "sweeper": (COMMANDS,),
    "planner": (DELIVERIES,),
    "dispatcher": (RETRIES, WEBHOOKS_DLQ),
    "forwarder": (DELIVERIES,),
}
READS: dict[str, tuple[str, ...]] = {
    "payments": (COMMANDS,),
    "processor": (EVENTS,),
    "jobs": (EVENTS,),
    "planner": (EVENTS,),
    "dispatcher": (DELIVERIES,),
    "forwarder": (RETRIES,),
}
PLACES: dict[str, tuple[int, float]] = {
    "api": (0, 0), "sweeper": (0, 1), "processor": (0, 2),
    COMMANDS: (1, 0.5),
    "payments": (2, 0.5), PAYMENTS_DLQ: (2, 1.6),
    EVENTS: (3, 0.5), "jobs": (3, 1.6),
    "planner": (2, 3),
    DELIVERIES: (1, 3),
    "dispatcher": (0, 3), WEBHOOKS_DLQ: (0, 4.2),
    RETRIES: (1, 4.2), "forwarder": (2, 4.2),
}  # fmt: skip
"""Column and row of each box."""


def flow_diagram() -> str:
    """The SVG, of the topics that roles write. The erasures' topic is written and read by commands alone."""
    known = {topic.name: topic for topic in topics(LIVE_RETRY_DELAYS_SECONDS)}
    tiers = [topic for name, topic in known.items() if name.startswith(RETRY_PREFIX)]
    boxes = {name: _role(name) for name in {*WRITES, *READS}}
    boxes |= {name: _topic(name, topic) for name, topic in known.items() if name in PLACES}
    boxes[RETRIES] = _topic(RETRIES, tiers[0], f"{len(tiers)} tiers, ")
    arrows = [Arrow(role, topic) for role, names in WRITES.items() for topic in names]
    arrows += [Arrow(topic, role) for role, names in READS.items() for topic in names]
    return drawn("Which role writes to which topic, and which reads it", {name: boxes[name] for name in PLACES}, arrows)


def _role(name: str) -> Box:
    column, row = PLACES[name]
    return Box(ROLES[name].name, column, row, (), "core" if name == "payments" else "box")


def _topic(name: str, topic: Topic, prefix: str = "") -> Box:
    kept = (
        "kept for ever"
        if topic.retention_ms == FOR_EVER
        else f"kept {timedelta(milliseconds=topic.retention_ms).days} days"
    )
    return Box(name, *PLACES[name], (prefix + kept,), "topic")
