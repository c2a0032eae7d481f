"""Every event has one row, and what is generated from the rows is up to date."""

from __future__ import annotations

from domain.event import EventType
from domain.event_kind import DEFAULT_EVENTS, ENDPOINT_EVENTS, EVENT_KINDS, MERCHANT_EVENTS, SUBSCRIBABLE_EVENTS
from ops.stack.event_catalogue import GENERATED, event_catalogue


def test_every_event_has_exactly_one_row() -> None:
    assert sorted(kind.type for kind in EVENT_KINDS) == sorted([*EventType, *ENDPOINT_EVENTS])


def test_the_catalogue_of_the_pages_is_not_stale() -> None:
    assert GENERATED.read_text(encoding="utf-8") == event_catalogue(), "run `gateway pages types`"


def test_an_endpoint_without_a_filter_gets_the_four_outcomes() -> None:
    assert DEFAULT_EVENTS == ("payment.success", "payment.failed", "refund.processed", "refund.failed")
    assert set(DEFAULT_EVENTS) < set(MERCHANT_EVENTS) < set(SUBSCRIBABLE_EVENTS)


def test_merchants_are_not_notified_of_steps_of_ours() -> None:
    assert {"order.created", "payment.processing"}.isdisjoint(SUBSCRIBABLE_EVENTS)
