"""An order's events where two versions wrote in turn, as in an upgrade that is rolled back: the earlier one lacks what
came later, and the audit's fold keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ops.audit.verify.fold import LATER_FIXED, LATER_FIXED_OF_ORDER, LATER_FIXED_REFUND, fold
from ops.audit.verify.rows import order_row, payment_row, refund_row
from tests.unit.orders import AT, FIRST, ORDER, REFUND, create_order, pay, refund, settle, settle_refund
from tests.unit.test_audited_replies import Json, grown

LATER = {"order": LATER_FIXED_OF_ORDER, "payment": LATER_FIXED, "refund": LATER_FIXED_REFUND}
CREATED = replace(create_order(expires_at=AT + timedelta(days=1)), receipt="invoice-42", notes={"cart": "42"})
PAYER = {"name": "Asha", "email": "a@example.com", "contact": "+919876543210", "description": "Tea"}
HISTORY = (CREATED, pay(**PAYER), settle(), replace(refund(), receipt="back-1", notes={"why": "cold"}), settle_refund())
EVENTS = len(grown(HISTORY)[1])


def events() -> list[Json]:
    return grown(HISTORY)[1]


def by_an_earlier_version(event: Json) -> None:
    body = event["body"]
    assert isinstance(body, dict)
    for name, later in LATER.items():
        for one in later:
            body.get(name, {}).pop(one, None)


def rows(history: list[Json]) -> tuple[object, ...]:
    book = fold(ORDER, history)
    assert book.findings == []
    return order_row(book), payment_row(book.payments[FIRST]), refund_row(book.refunds[REFUND], ORDER)


@pytest.mark.parametrize("first", range(2, EVENTS))
def test_what_an_earlier_version_leaves_unsaid_stays(first: int) -> None:
    expected = rows(events())
    for last in range(first, EVENTS):
        history = events()
        # Each resource's first event is this version's: an earlier one would not have known the request's words.
        for event in history[first : last + 1]:
            if event["type"] != "refund.created":
                by_an_earlier_version(event)
        assert rows(history) == expected


def test_what_changes_behind_an_earlier_versions_event_is_noticed() -> None:
    history = events()
    by_an_earlier_version(history[2])
    body = history[3]["body"]
    assert isinstance(body, dict)
    body["payment"]["name"] = "Another"
    assert [finding.message for finding in fold(ORDER, history).findings] == ["name changed"] * 2
