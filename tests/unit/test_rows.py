"""The columns of a row follow from the fields of its dataclass."""

from __future__ import annotations

import pytest

from domain.payment import Payment
from domain.refund import Refund
from store.actor import CommandRow, EventRow
from store.rows import (
    ORDER_COLUMNS,
    PAYMENT_COLUMNS,
    REFUND_COLUMNS,
    column_names,
    column_types,
    order_row,
    payment_row,
    refund_row,
)
from tests.unit.orders import STATES, after


def test_a_field_that_is_not_text_has_the_type_of_its_values() -> None:
    assert column_types(Refund) == {
        "amount": "bigint",
        "automatic": "boolean",
        "bank_turn": "bigint",
        "created_at": "timestamptz",
        "deadline_at": "timestamptz",
        "processed_at": "timestamptz",
        "updated_at": "timestamptz",
        "version": "bigint",
    }
    assert column_types(Payment)["instrument"] == "jsonb"
    numbers = dict.fromkeys(("first_sequence", "event_count", "log_partition", "log_offset"), "bigint")
    assert column_types(CommandRow) == {"rejected": "boolean", **numbers}
    assert column_types(EventRow) == {"sequence": "bigint", "at": "timestamptz"}


def test_the_payments_of_an_order_are_not_columns_of_it() -> None:
    assert "payments" not in ORDER_COLUMNS
    assert set(column_names(Payment)) < set(PAYMENT_COLUMNS)


@pytest.mark.parametrize("state", [name for name in STATES if name != "no order"])
def test_a_row_has_a_value_for_each_column_in_its_order(state: str) -> None:
    order = after(*STATES[state])
    assert order is not None
    found = dict(zip(ORDER_COLUMNS, order_row(order), strict=True))
    assert (found["id"], found["version"], found["notes"]) == (order.id, order.version, "{}")
    for payment in order.payments:
        row = dict(zip(PAYMENT_COLUMNS, payment_row(payment), strict=True))
        assert (row["id"], row["vpa"], row["method"], row["bank_turn"]) == (
            payment.id,
            "a@upi",
            "upi",
            payment.bank_turn,
        )
        assert row["instrument"] == '{"vpa":"a@upi"}'
    for refund in order.refunds:
        values = dict(zip(REFUND_COLUMNS, refund_row(refund), strict=True))
        assert (values["id"], values["amount"], values["status"]) == (refund.id, refund.amount, refund.status)
