"""The roles of the system: one line each, read by the runner, the status page, metrics and compose alike.

role      module started as `python -m …`     metrics port = METRICS_PORT + offset + worker index
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of process. `module` runs one worker of it in the foreground until SIGTERM."""

    name: str
    module: str
    metrics_offset: int
    summary: str


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("api", "api", 0, "REST API"),
        Role("payments", "agents.payments", 20, "payment actors: decide every command"),
        Role("processor", "agents.processor", 40, "asks the bank, answers with settle commands"),
        Role("jobs", "agents.jobs", 45, "job counters and live status"),
        Role("sweeper", "agents.sweeper", 50, "asks about whatever is past its deadline"),
        Role("planner", "agents.webhooks.planner", 55, "event -> deliveries"),
        Role("dispatcher", "agents.webhooks.dispatcher", 60, "delivers webhooks"),
        Role("forwarder", "agents.webhooks.forwarder", 65, "brings retries back when due"),
        Role("auditor", "ops.audit.continuous", 68, "compares everything with everything, all the time"),
        Role("pages", "pages", 70, "checkout, SDK and dashboard files"),
    )
}
