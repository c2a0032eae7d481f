"""What a page may offer for a payment or an order is what the rules accept: the table of the dashboard's own tests.

tests/unit/orders.py (every state) ─► decide ─► tests/vectors/payment_actions.json ─► dashboard/…/*.test.ts
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from domain.decision import Command, Decision
from domain.event import PaymentEvent, RefundEvent
from domain.machine import decide
from domain.order import Order
from domain.payment import Payment
from domain.resource import payment_resource
from tests.unit.orders import AT, OTHER_REFUND, STATES, after, cancel, capture, refund, void

TABLE = Path(__file__).parent.parent / "vectors" / "payment_actions.json"
FACTS = (
    *("status", "amount", "captured", "amount_captured", "amount_refunded", "amount_released"),
    *("voided", "reversed", "capture_before"),
)
"""The fields of a payment that decide what can be done with it."""


def event_of(order: Order, command: Command) -> Any:
    """The first event that the command leads to; None if it is refused."""
    decided = decide(order, command, AT)
    return decided.events[0] if isinstance(decided, Decision) and decided.events else None


def most_captured(order: Order, payment: Payment) -> int:
    event = event_of(order, capture(payment.id))
    return event.payment.amount_captured if isinstance(event, PaymentEvent) else 0


def most_refunded(order: Order, payment: Payment) -> int:
    event = event_of(order, refund(None, OTHER_REFUND, payment.id))
    return event.refund.amount if isinstance(event, RefundEvent) else 0


def row(state: str, order: Order, payment: Payment) -> dict[str, Any]:
    shown = orjson.loads(orjson.dumps(payment_resource(payment)))
    return {
        "state": f"{state}: {payment.id}",
        "payment": {name: shown[name] for name in FACTS},
        "capture": most_captured(order, payment),
        "void": event_of(order, void(payment.id)) is not None,
        "refund": most_refunded(order, payment),
    }


def orders() -> list[tuple[str, Order]]:
    made = ((state, after(*commands)) for state, commands in STATES.items())
    return [(state, order) for state, order in made if order]


def rows() -> list[dict[str, Any]]:
    return [row(state, order, payment) for state, order in orders() for payment in order.payments]


def order_rows() -> list[dict[str, Any]]:
    return [
        {
            "state": state,
            "order": {"status": order.status},
            "payments": [{"status": payment.status} for payment in order.payments],
            "cancel": event_of(order, cancel()) is not None,
        }
        for state, order in orders()
    ]


def test_the_table_is_what_the_rules_accept() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    assert table == {"at": AT.isoformat(), "rows": rows(), "orders": order_rows()}


def test_an_order_can_be_cancelled_in_some_states_and_not_in_others() -> None:
    assert {one["cancel"] for one in order_rows()} == {True, False}


@pytest.mark.parametrize("action", ["capture", "void", "refund"])
def test_each_action_is_accepted_somewhere_and_refused_elsewhere(action: str) -> None:
    assert {bool(one[action]) for one in rows()} == {True, False}


def write_table() -> None:
    """`python -m tests.unit.test_payment_actions` writes the table anew, one line a payment or order."""
    parts = (
        (name, ",\n".join(f"    {json.dumps(one)}" for one in made))
        for name, made in (("rows", rows()), ("orders", order_rows()))
    )
    tables = ",\n".join(f'  "{name}": [\n{lines}\n  ]' for name, lines in parts)
    TABLE.write_text(f'{{\n  "at": "{AT.isoformat()}",\n{tables}\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    write_table()
