"""Who pays and for what: checked in form, kept on the payment, and never a reason for a decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.razorpay.bodies import checked
from api.razorpay.schemas import NewPayment as DoublesPayment
from api.routes.public import public_shape
from api.schemas.payments import NewPayment
from domain.decision import Decision
from domain.event import PaymentEvent
from domain.machine import decide, evolve
from domain.order import Order
from domain.payer import is_email, is_one_line, normalized_contact
from domain.payment import Payment
from domain.resource import payment_resource
from ops.audit.verify.fold import fold
from ops.audit.verify.rows import PAYMENT, differing, payment_row
from ops.log.formats import gist_of
from store.rows import PAYMENT_COLUMNS, payment_of
from store.rows import payment_row as written_row
from tests.unit.orders import AT, FIRST, ORDER, SECOND, after, create_order, pay, refund, settle
from topics.codec import encode_event

WORDS = {"name": "Asha Rao", "email": "asha@example.com", "contact": "+919876543210", "description": "Two tickets"}
REQUESTED = replace(create_order(), receipt="invoice-42", notes={"cart": "42"})


@pytest.mark.parametrize("text", ["a@b.co", "a.b+c@sub.example.com", "आशा@उदाहरण.भारत", f"{'a' * 64}@b.co"])
def test_an_address_with_one_at_and_a_domain_is_an_email(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@b", "@b.co", "a@", "a@b@c.co", "a b@c.co", "a@b..co", "a@.co", "a@b.co\n", f"{'a' * 65}@b.co",
     f"a@{'b' * 250}.co"],
)  # fmt: skip
def test_an_address_that_cannot_receive_mail_is_not_valid(text: str) -> None:
    assert not is_email(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+91 98765-43210", "+919876543210"),
        ("(022) 2345 6789", "02223456789"),
        ("98765.43210", "9876543210"),
        ("123456", "123456"),
        ("12345", None),
        ("1" * 16, None),
        ("++123456", None),
        ("98765x43210", None),
        ("९८७६५४३२१०", None),
        ("", None),
    ],
)
def test_a_number_is_kept_without_its_separators(text: str, number: str | None) -> None:
    assert normalized_contact(text) == number


@pytest.mark.parametrize(
    ("text", "one"), [("दो टिकट", True), ("👩‍👩‍👧", True), ("a\nb", False), ("a\u2028b", False), ("a\x1b[31m", False)]
)
def test_a_line_holds_no_line_end_and_nothing_that_steers_a_terminal(text: str, one: bool) -> None:
    assert is_one_line(text) is one


def _body(**fields: Any) -> NewPayment:
    return parse_json(orjson.dumps({"order_id": ORDER, "method": "upi", "vpa": "a@b", **fields}), NewPayment)


def test_the_same_payer_data_written_differently_is_one_request() -> None:
    plain = _body(**WORDS)
    typed = _body(name=" Asha Rao ", email=" asha@example.com", contact="+91 98765 43210", description="Two tickets ")
    assert plain.fields() == typed.fields()
    assert plain.fields() != _body(**WORDS | {"contact": "+919876543211"}).fields()


def test_blank_payer_data_counts_as_absent() -> None:
    blank = _body(name="", email=" ", contact="", description="  ", notes=[])
    assert blank.fields() == _body().fields()
    assert blank.root.given() == {"name": None, "email": None, "contact": None}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a\nb"}, {"name": 7}, {"name": "a" * 256}, {"email": "nobody"}, {"email": f"a@{'b' * 260}.co"},
        {"contact": "call me"}, {"contact": 9876543210}, {"description": "a\tb"}, {"description": "a" * 256},
    ],
)  # fmt: skip
def test_malformed_payer_data_is_refused_by_its_field(fields: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        _body(**fields)
    (field,) = fields
    assert (refused.value.status, refused.value.field) == (400, field)
    assert field in refused.value.description
    assert str(fields[field]) not in refused.value.description


def _paid(order: Order | None, **words: Any) -> Payment:
    decided = decide(order, pay(**words), AT)
    assert isinstance(decided, Decision)
    created, processing = decided.events
    assert isinstance(created, PaymentEvent) and isinstance(processing, PaymentEvent)
    assert created.payment.receipt == processing.payment.receipt
    return processing.payment


def test_a_payment_keeps_its_payers_data_and_its_orders_reference() -> None:
    payment = _paid(after(REQUESTED), **WORDS, notes={"seat": "4"})
    shown = payment_resource(payment)
    assert {name: shown[name] for name in WORDS} == WORDS
    assert (shown["receipt"], shown["notes"]) == ("invoice-42", {"seat": "4"})


def test_a_payment_without_notes_has_its_orders() -> None:
    payment = _paid(after(REQUESTED))
    assert (payment.notes, payment.receipt, payment.email) == ({"cart": "42"}, "invoice-42", None)


def test_no_later_event_changes_them() -> None:
    order = after(REQUESTED, pay(**WORDS), settle(), refund())
    assert order is not None
    (payment,) = order.payments
    shown = payment_resource(payment)
    assert {name: shown[name] for name in WORDS} == WORDS


def test_the_public_payment_reveals_nothing_of_its_payer() -> None:
    shown = public_shape(dict(payment_resource(_paid(after(REQUESTED), **WORDS))))
    assert not {"name", "email", "contact", "notes"} & shown.keys()
    assert (shown["description"], shown["receipt"]) == ("Two tickets", "invoice-42")


def test_a_journey_shows_the_reference_and_not_the_payer() -> None:
    gist = gist_of({"payment": payment_resource(_paid(after(REQUESTED), **WORDS))})
    assert "invoice-42" in gist
    assert not any(word in gist for word in WORDS.values())


def test_the_row_is_written_and_read_as_it_was() -> None:
    payment = _paid(after(REQUESTED), **WORDS)
    row = dict(zip(PAYMENT_COLUMNS, written_row(payment), strict=True))
    assert payment_of(row) == payment


def _events(*commands: Any) -> list[dict[str, Any]]:
    order: Order | None = None
    received = []
    for command in commands:
        decided = decide(order, command, AT)
        assert isinstance(decided, Decision)
        for event in decided.events:
            order = evolve(order, event)
            received.append(orjson.loads(encode_event(event, caused_by="cmd_1", request_id=None)))
    return received


HISTORY = (REQUESTED, pay(**WORDS), settle(), refund())
LATER_FIELDS = ("name", "email", "contact", "description", "receipt", "notes")


def test_the_audit_expects_the_payers_data_in_the_row() -> None:
    book = fold(ORDER, _events(*HISTORY))
    assert book.findings == []
    row = dict(zip(PAYMENT, payment_row(book.payments[FIRST]), strict=True))
    assert (row["name"], row["receipt"], row["notes"]) == ("Asha Rao", "invoice-42", '{"cart":"42"}')


@pytest.mark.parametrize("name", LATER_FIELDS)
def test_the_audit_notices_when_one_of_them_changes(name: str) -> None:
    events = _events(*HISTORY)
    events[-1]["body"]["payment"][name] = {"cart": "43"} if name == "notes" else "another"
    (finding,) = fold(ORDER, events).findings
    assert finding.message == f"{name} changed"


def test_the_audit_notices_a_reference_that_is_not_the_orders() -> None:
    events = _events(REQUESTED, pay())
    for event in events[1:]:
        event["body"]["payment"]["receipt"] = "another"
    assert "receipt is not the order's" in [finding.message for finding in fold(ORDER, events).findings]


def test_events_of_earlier_versions_fold_as_before() -> None:
    events = _events(REQUESTED, pay(SECOND), settle(SECOND))
    for event in events[1:]:
        for name in LATER_FIELDS:
            event["body"].get("payment", {}).pop(name, None)
    book = fold(ORDER, events)
    assert book.findings == []
    row = dict(zip(PAYMENT, payment_row(book.payments[SECOND]), strict=True))
    assert [row[name] for name in LATER_FIELDS] == [None, None, None, None, None, "{}"]


def test_a_finding_does_not_tell_what_a_payer_is_called() -> None:
    received = differing(("name", "status"), ("Asha", "A"), ("Ravi", "B"))
    assert received == "name is another than the events say; status is 'A', the events say 'B'"


@pytest.mark.parametrize("fields", [{"email": "nobody"}, {"contact": "call me"}, {"description": "a\nb"}])
def test_the_double_refuses_what_our_payments_cannot_keep(fields: dict[str, str]) -> None:
    requested = {"amount": 500, "order_id": ORDER, "method": "upi", "vpa": "a@b"}
    assert checked(DoublesPayment, requested | {"email": "", "contact": "+91 98765 43210"}).contact == "+919876543210"
    with pytest.raises(ValueError, match="must"):
        checked(DoublesPayment, requested | fields)
