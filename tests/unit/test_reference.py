"""The generated pages of the documentation are what their generators write, and those leave nothing out."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from domain.event import EventType
from domain.event_kind import EVENT_KINDS
from domain.order import OrderStatus
from domain.payment import PaymentStatus
from domain.refund import RefundStatus
from ops.cli import COMMANDS
from ops.reference import errors
from ops.reference.__main__ import DOCS, GENERATED
from ops.reference.flow import PLACES, READS, WRITES
from ops.reference.states import NOTHING, steps
from runtime.roles import ROLES
from runtime.settings import LIVE_RETRY_DELAYS_SECONDS, Settings
from topics.access import ACCESS, RETRIES
from topics.catalogue import ERASURES, RETRY_PREFIX, topics

ALERTED = re.compile(r"\bgateway_[a-z_]+")


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_is_not_stale(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8") if (DOCS / name).exists() else ""
    assert written == GENERATED[name](), f"docs/{name} is stale; write it anew: .venv/bin/python -m ops.reference"


def test_every_command_and_every_setting_has_its_place() -> None:
    commands, settings = GENERATED["reference/CLI.md"](), GENERATED["reference/SETTINGS.md"]()
    assert [name for name in COMMANDS if f"### gateway {name}\n" not in commands] == []
    assert [name for name in Settings.model_fields if f"| `{name.upper()}` |" not in settings] == []


def test_every_event_is_explained() -> None:
    page = GENERATED["reference/EVENTS.md"]()
    assert [kind.type for kind in EVENT_KINDS if f"| `{kind.type}` |" not in page] == []


def test_the_metrics_of_alerts_and_dashboard_are_all_described() -> None:
    page, folder = GENERATED["reference/METRICS.md"](), DOCS.parent / "monitoring"
    used = {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for path in (*folder.rglob("*.yml"), *folder.rglob("*.json"))
        for name in ALERTED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(used) > 10
    assert [name for name in sorted(used) if f"`{name}`" not in page] == []


def test_a_refusal_without_advice_stops_the_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(errors.REFUSALS, "REFUND_EXCEEDS")
    with pytest.raises(ValueError, match="REFUND_EXCEEDS"):
        errors.errors_page()


@pytest.mark.parametrize(
    ("name", "statuses"), [("order", OrderStatus), ("payment", PaymentStatus), ("refund", RefundStatus)]
)
def test_every_status_is_reached(name: str, statuses: type[StrEnum]) -> None:
    reached = {status.split(",")[0] for step in steps()[name] for status in (step.before, step.after)}
    assert reached == {*statuses, NOTHING}


def test_every_event_of_orders_payments_and_refunds_is_a_step() -> None:
    found = {step.event for of_it in steps().values() for step in of_it}
    links = {event for event in EventType if event.startswith("payment_link.")}
    assert found == {*EventType} - links


def test_the_flow_draws_every_topic_and_the_roles_that_the_log_connects() -> None:
    known = {
        RETRIES if topic.name.startswith(RETRY_PREFIX) else topic.name for topic in topics(LIVE_RETRY_DELAYS_SECONDS)
    } - {ERASURES}
    assert set(PLACES) & known == known
    assert {*WRITES, *READS} == set(ROLES) - {"auditor", "pages"}
    assert all(set(names) <= set(ACCESS[role].writes) for role, names in WRITES.items())
    assert all(set(names) <= set(ACCESS[role].reads) for role, names in READS.items())
    assert {topic for names in (*WRITES.values(), *READS.values()) for topic in names} == known
