"""The Razorpay double's entities and webhook bodies, from our resources."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from api.razorpay.customers import shown as shown_customer
from api.razorpay.payments import shown
from api.razorpay.webhooks import shown as shown_webhook
from domain.card import NETWORKS
from domain.event import EventType
from domain.instrument import Card, Instrument, Netbanking, Upi, UpiScan
from domain.outcome import DECLINES
from domain.payment import Payment, PaymentStatus
from domain.resource import payment_resource
from store.razorpay.customers import Customer
from store.razorpay.payments import ShownPayment
from store.webhooks.endpoints import Endpoint
from tests.e2e.razorpay.fields import BESIDE, RULES, check_entities
from topics.envelope import Envelope
from topics.events import PaymentRecord, event_of
from topics.razorpay.entities import (
    NETWORK_NAMES,
    Payer,
    RefundTerms,
    Totals,
    account_id,
    card_entity,
    fee_and_tax,
    link_entity,
    order_entity,
    payment_entity,
    refund_entity,
)
from topics.razorpay.failures import FAILURES, failure_of
from topics.razorpay.webhooks import NAMES, SENT, body_of, delivery_event_id, ours, paid_order, subscribed_names

NO_CAUSE = {"PAYMENT_FAILED", "ORDER_EXPIRED", "REFUND_FAILED", "PAYMENT_REVERSED", "REFUND_RETURNED"}
"""Codes without a cause that the payer or the bank has named, or of refunds."""
AT = datetime(2026, 1, 15, 10, 30, 0, 999_999, tzinfo=UTC)
ORDER = {"id": "order_1", "amount": 50_000, "currency": "INR", "receipt": None, "notes": {}, "created_at": AT}
PAYMENT: dict[str, Any] = {
    "id": "pay_1", "order_id": "order_1", "merchant_id": "mrc_7", "amount": 50_000, "currency": "INR", "method": "upi",
    "status": "SUCCESS", "captured": True, "amount_refunded": 0, "vpa": "a@b", "error_code": None,
    "created_at": "2026-01-15T10:30:00.999999Z",
}  # fmt: skip
REFUND = {
    "id": "rfnd_1", "payment_id": "pay_1", "amount": 100, "currency": "INR", "status": "PENDING", "created_at": AT,
}  # fmt: skip


@pytest.mark.parametrize(
    ("totals", "status", "due"),
    [(Totals(), "created", 50_000), (Totals(2), "attempted", 50_000), (Totals(1, 50_000), "paid", 0)],
)
def test_an_orders_status_follows_from_its_payments(totals: Totals, status: str, due: int) -> None:
    entity = order_entity(ORDER, totals)
    assert (entity["status"], entity["amount_due"], entity["notes"], entity["created_at"]) == (
        status, due, [], 1_768_473_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status", "refund_status"),
    [
        ({"status": "CREATED", "captured": False}, "created", None),
        ({"status": "PROCESSING", "captured": False}, "created", None),
        ({"captured": False}, "authorized", None),
        ({}, "captured", None),
        ({"amount_refunded": 1}, "captured", "partial"),
        ({"amount_refunded": 50_000}, "refunded", "full"),
        ({"captured": False, "amount_refunded": 50_000}, "refunded", "full"),
        ({"captured": False, "amount_released": 50_000}, "refunded", "full"),
        ({"amount_released": 20_000}, "captured", "partial"),
        ({"status": "FAILED", "captured": False, "error_code": "CARD_DECLINED"}, "failed", None),
        ({"status": "FAILED", "captured": False, "amount_refunded": 50_000, "error_code": "X"}, "failed", None),
    ],
)
def test_a_payments_status_is_one_of_five(changes: dict[str, Any], status: str, refund_status: str | None) -> None:
    entity = payment_entity({**PAYMENT, **changes}, Payer())
    assert (entity["status"], entity["refund_status"]) == (status, refund_status)
    assert (entity["fee"] is None) == (not entity["captured"])
    assert (entity["error_code"] is None) == (status != "failed")


def test_a_row_and_a_record_of_one_payment_make_the_same_entity() -> None:
    assert payment_entity({**PAYMENT, "created_at": AT}, Payer()) == payment_entity(PAYMENT, Payer())


@pytest.mark.parametrize(("amount", "fee", "tax"), [(100, 2, 0), (50_000, 1_180, 180), (12_345, 291, 44)])
def test_fee_and_tax_follow_the_stated_formula(amount: int, fee: int, tax: int) -> None:
    assert fee_and_tax(amount) == (fee, tax)


INSTRUMENTS: dict[type, Instrument] = {
    Upi: Upi("a@b"), UpiScan: UpiScan(), Card: Card("visa", "1007"), Netbanking: Netbanking("HDFC"),
}  # fmt: skip


@pytest.mark.parametrize("kind", get_args(Instrument))
def test_a_payment_by_any_instrument_has_an_entity(kind: type) -> None:
    """The checkout offers them all, whatever the double's own routes take."""
    payment = Payment(
        id="pay_1", order_id="order_1", merchant_id="mrc_7", amount=500, currency="INR", instrument=INSTRUMENTS[kind],
        status=PaymentStatus.SUCCESS, captured=False, amount_refunded=0, error_code=None, error_description=None,
        token="t", bank_reference=None, deadline_at=AT, version=1, created_at=AT, updated_at=None,
    )  # fmt: skip
    entity = payment_entity(payment_resource(payment), Payer(), with_card=True)
    assert check_entities(entity) == (2 if kind is Card else 1)
    assert entity["vpa"] == ("a@b" if kind is Upi else None)
    if kind in (Upi, UpiScan):
        flow = "collect" if kind is Upi else "intent"
        assert (entity["upi"]["vpa"], entity["upi"]["flow"]) == (entity["vpa"], flow)


def test_every_network_of_a_card_has_the_name_that_programs_know() -> None:
    assert set(NETWORK_NAMES) == {network.name for network in NETWORKS}
    card = card_entity({**PAYMENT, "card_last4": "1007", "card_network": "diners"}, Payer())
    assert card["network"] == "Diners Club"


def test_a_netbanking_payment_names_its_bank_and_the_banks_own_reference() -> None:
    entity = payment_entity({**PAYMENT, "method": "netbanking", "bank": "HDFC", "vpa": None}, Payer())
    assert (entity["bank"], entity["vpa"], list(entity["acquirer_data"])) == ("HDFC", None, ["bank_transaction_id"])
    assert payment_entity(PAYMENT, Payer())["bank"] is None
    check_entities(entity)


def test_every_decline_has_its_five_error_fields() -> None:
    assert set(FAILURES) <= set(DECLINES)
    assert {code for code in DECLINES if code not in FAILURES} == NO_CAUSE
    for code in DECLINES:
        failure = failure_of(code)
        assert failure is not None and failure.code in ("BAD_REQUEST_ERROR", "GATEWAY_ERROR")
    assert failure_of(None) is None


def test_a_refund_has_its_arn_once_it_is_processed() -> None:
    assert refund_entity(REFUND, RefundTerms())["acquirer_data"] == {"arn": None}
    processed = refund_entity({**REFUND, "status": "PROCESSED"}, RefundTerms("r", "optimum", {"a": "b"}))
    assert len(processed["acquirer_data"]["arn"]) == 15
    assert (processed["receipt"], processed["speed_requested"], processed["speed_processed"], processed["notes"]) == (
        "r", "optimum", "normal", {"a": "b"},
    )  # fmt: skip


def _event(kind: str, **parts: Any) -> PaymentRecord:
    body = {"order_id": "order_1", "merchant_id": "mrc_7", "sequence": 5, "payment": PAYMENT, **parts}
    return event_of(Envelope(f"evt_1_{5}", kind, 1, "order_1", AT, None, None, body))


def test_a_capture_is_two_events_each_with_an_identity() -> None:
    assert subscribed_names(EventType.PAYMENT_CAPTURED, SENT) == ["payment.captured", "order.paid"]
    assert subscribed_names(EventType.PAYMENT_CAPTURED, ["order.paid"]) == ["order.paid"]
    assert [delivery_event_id("evt_1_5", place) for place in range(2)] == ["evt_1_5", "evt_1_5_1"]


def test_an_endpoint_is_planned_for_exactly_the_events_its_own_come_of() -> None:
    assert ours(["order.paid"]) == [EventType.PAYMENT_CAPTURED]
    assert ours(["payment.authorized", "refund.processed"]) == [
        EventType.PAYMENT_SUCCESS, EventType.REFUND_PROCESSED, EventType.REFUND_LATE_SUCCESS,
    ]  # fmt: skip
    assert len(SENT) == 8 and ours(SENT) == list(NAMES)


def test_the_envelope_holds_what_it_declares() -> None:
    order = paid_order(ORDER, 2, {"a": "b"})
    event = json.loads(body_of("order.paid", _event("payment.captured"), Payer(email="a@b"), RefundTerms(), order))
    assert (event["entity"], event["event"], event["account_id"]) == ("event", "order.paid", "acc_7")
    assert event["contains"] == ["payment", "order"] == list(event["payload"])
    assert event["payload"]["order"]["entity"]["status"] == "paid"
    assert event["payload"]["order"]["entity"]["notes"] == {"a": "b"}
    assert event["payload"]["payment"]["entity"]["email"] == "a@b"
    refunded = json.loads(
        body_of("refund.created", _event("refund.created", refund=REFUND), Payer(), RefundTerms(), None)
    )
    assert refunded["contains"] == ["refund", "payment"]
    assert refunded["created_at"] == 1_768_473_000


LINKED = ORDER | {
    "currency": "INR", "status": "PAID", "updated_at": AT, "expires_at": None,
    "payment_link": {
        "id": "plink_1", "url": "http://pay.example/l/1", "description": None, "resent": 0,
        "customer": {"name": "Asha", "email": None, "contact": None},
    },
}  # fmt: skip


def test_a_link_shows_who_it_is_for_where_it_is_paid_and_what_paid_it() -> None:
    entity = link_entity(LINKED, Totals(1, 50_000), [PAYMENT])
    assert (entity["status"], entity["amount_paid"], entity["customer"], entity["short_url"]) == (
        "paid", 50_000, {"name": "Asha"}, "http://pay.example/l/1",
    )  # fmt: skip
    assert [paid["payment_id"] for paid in entity["payments"]] == ["pay_1"]


@pytest.mark.parametrize(
    ("status", "shown_as", "ended"),
    [("CREATED", "created", None), ("CANCELLED", "cancelled", "cancelled_at"), ("EXPIRED", "expired", "expired_at")],
)
def test_a_links_status_is_its_orders(status: str, shown_as: str, ended: str | None) -> None:
    entity = link_entity({**LINKED, "status": status}, Totals(), ())
    assert (entity["status"], entity["payments"], entity["notes"]) == (shown_as, None, None)
    assert [name for name in ("cancelled_at", "expired_at") if entity[name]] == ([ended] if ended else [])


def test_the_account_is_named_by_the_merchants_id() -> None:
    assert account_id("mrc_0Ab") == "acc_0Ab"
    assert account_id("test_merchant") == "acc_test_merchant"


def test_the_documents_table_has_every_key_and_no_other() -> None:
    """tests/e2e/razorpay checks every answer against it; here it is complete."""
    made = {"order": order_entity(ORDER, Totals()), "payment": payment_entity(PAYMENT, Payer())}
    made["refund"] = refund_entity(REFUND, RefundTerms())
    made["card"] = card_entity({**PAYMENT, "card_last4": "1007", "card_network": "visa"}, Payer())
    made["customer"] = shown_customer(Customer("cust_1", None, None, None, None, {}, AT))
    made["webhook"] = shown_webhook(
        Endpoint("whe_1", "http://a", (), None, "per_payment", True, None, "", (), None, AT, None, ("order.paid",))
    )
    assert set(made) == set(RULES)
    for kind, entity in made.items():
        assert set(RULES[kind]) == set(entity) - BESIDE.get(kind, set())
        assert check_entities(entity) == 1


def test_a_null_key_that_the_table_forbids_is_found() -> None:
    broken = order_entity(ORDER, Totals()) | {"amount_due": None}
    with pytest.raises(AssertionError, match=r"order\.amount_due"):
        check_entities({"items": [broken]})


@pytest.mark.parametrize(
    ("status", "late", "shown_as"),
    [("PROCESSING", True, "failed"), ("PROCESSING", False, "created"), ("SUCCESS", True, "authorized")],
)
def test_a_late_payment_is_shown_as_failed_until_the_bank_has_responded(status: str, late: bool, shown_as: str) -> None:
    payment = Payment(
        id="pay_1", order_id="order_1", merchant_id="mrc_7", amount=500, currency="INR", instrument=Upi("a@b"),
        status=PaymentStatus(status), captured=False, amount_refunded=0, error_code=None, error_description=None,
        token="a@b", bank_reference=None, deadline_at=AT, version=1, created_at=AT, updated_at=None,
    )  # fmt: skip
    entity = shown(ShownPayment(payment, Payer(), late))
    assert entity["status"] == shown_as
    assert entity["error_reason"] == ("payment_timed_out" if shown_as == "failed" else None)
