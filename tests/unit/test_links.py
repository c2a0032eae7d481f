"""A payment link: notified and paid with its order, without a state of its own."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.routes.links import link_url
from api.schemas.links import NewPaymentLink
from domain.decision import Decision
from domain.link import PaymentLink, link_id, order_of_link
from domain.machine import decide, evolve
from domain.order import Order
from domain.resource import order_resource
from ops.audit.verify.fold import fold
from ops.audit.verify.rows import ORDER as AUDITED
from ops.audit.verify.rows import order_row
from pages.checkout import create_checkout
from pages.settings import PagesSettings
from runtime.settings import Settings
from store.rows import ORDER_COLUMNS as STORED
from store.rows import order_of
from store.rows import order_row as written_row
from tests.unit.orders import AT, FIRST, LINK, ORDER, after, cancel, create_order, pay, resend, settle
from topics.codec import encode_event
from topics.envelope import decode
from topics.events import any_event_of


def _events(*commands: Any) -> list[dict[str, Any]]:
    order: Order | None = None
    received = []
    for number, command in enumerate(commands):
        decided = decide(order, command, AT)
        assert isinstance(decided, Decision)
        for event in decided.events:
            order = evolve(order, event)
            received.append(orjson.loads(encode_event(event, caused_by=f"cmd_{number}", request_id=None)))
    return received


HISTORY = (create_order(link=LINK), resend(), pay(), settle())


def test_a_link_and_its_order_are_one_identity() -> None:
    assert link_id(ORDER) == "plink_AAAAAAAAAAAAAAAA"
    assert order_of_link(link_id(ORDER)) == ORDER
    assert (
        link_url(Settings(test_mode=True, checkout_url="http://pay.example/"), ORDER)
        == "http://pay.example/l/AAAAAAAAAAAAAAAA"
    )


def test_a_paid_link_has_its_event_after_its_orders() -> None:
    *_, paid, link = _events(*HISTORY)
    assert (paid["type"], link["type"], link["body"]["sequence"]) == ("order.paid", "payment_link.paid", 7)
    assert link["body"]["order"]["status"] == "PAID"
    assert "payment_link" not in order_resource(after(create_order()))  # type: ignore[arg-type]  # it is there


@pytest.mark.parametrize("kind", ["payment_link.resent", "payment_link.paid"])
def test_its_webhooks_carry_the_link(kind: str) -> None:
    (event,) = [one for one in _events(*HISTORY) if one["type"] == kind]
    shown = any_event_of(decode(orjson.dumps(event))).subject()["payment_link"]
    assert (shown["id"], shown["order_id"], shown["url"], shown["amount"]) == (link_id(ORDER), ORDER, LINK.url, 50_000)
    assert shown["customer"] == {"name": "Asha", "email": "a@example.com", "contact": "+919876543210"}
    assert (shown["status"], shown["resent"]) == ("CREATED" if kind == "payment_link.resent" else "PAID", 1)


def test_a_payment_has_the_links_customer_unless_it_has_its_own() -> None:
    order = after(create_order(link=LINK), pay(name="Ravi"))
    assert order is not None
    payment = order.payment(FIRST)
    assert payment is not None
    assert (payment.name, payment.email, payment.description) == ("Ravi", "a@example.com", "Tea")


def test_the_row_of_a_link_is_read_as_it_was_and_is_what_the_audit_expects() -> None:
    order = after(*HISTORY)
    assert order is not None and order.link is not None
    written = dict(zip(STORED, written_row(order), strict=True))
    expected = dict(zip(AUDITED, order_row(fold(ORDER, _events(*HISTORY))), strict=True))
    assert written["link"] == expected["link"]
    assert (order_of(written).link, order.link.resent) == (order.link, 1)


def test_the_audit_is_silent_about_a_link_that_was_paid_or_cancelled() -> None:
    assert fold(ORDER, _events(*HISTORY)).findings == []
    assert fold(ORDER, _events(create_order(link=LINK), cancel())).findings == []


def _message(events: list[dict[str, Any]]) -> list[str]:
    return [finding.message for finding in fold(ORDER, events).findings]


def test_the_audit_notices_a_link_that_was_paid_in_silence() -> None:
    events = _events(*HISTORY)
    assert _message(events[:-1]) == ["payment_link.paid does not follow the payment's success"]


@pytest.mark.parametrize(
    "change", [{"amount": 1}, {"url": "https://evil.example"}, {"status": "CREATED"}, {"reference": "another"}]
)
def test_the_audit_finds_a_link_that_differs_from_its_order(change: dict[str, Any]) -> None:
    events = _events(*HISTORY)
    events[-1]["body"]["payment_link"] |= change
    assert "tells another link than its order is" in _message(events)


@pytest.mark.parametrize(
    ("place", "change"),
    [(1, {"resent": 2}), (1, {"url": "https://evil.example"}), (5, {"description": "Coffee"}), (6, {"resent": 0})],
)
def test_the_audit_notices_a_link_that_changes_by_itself(place: int, change: dict[str, Any]) -> None:
    events = _events(*HISTORY)
    events[place]["body"]["order"]["payment_link"] |= change
    assert "its payment link does not follow from the events" in _message(events)


def test_the_audit_notices_an_order_that_becomes_a_link() -> None:
    events = _events(*HISTORY)
    del events[0]["body"]["order"]["payment_link"]
    assert "is about a payment link that the order is not" in _message(events)


def test_the_audit_notices_a_link_that_is_paid_before_its_order() -> None:
    events = _events(*HISTORY)
    events[-2]["type"], events[-1]["type"] = events[-1]["type"], events[-2]["type"]
    events[-2]["body"]["payment_link"] = events[-1]["body"]["payment_link"]
    assert any(message.startswith("payment_link.paid from PAID") for message in _message(events))


def _link(**fields: Any) -> NewPaymentLink:
    return parse_json(orjson.dumps({"amount": 500, **fields}), NewPaymentLink)


def test_links_are_compared_by_meaning() -> None:
    plain = _link(reference="r-1", customer={"name": "Asha", "contact": "+919876543210"})
    typed = _link(receipt="r-1", customer={"name": " Asha ", "contact": "+91 98765 43210", "email": ""})
    assert plain.fields() == typed.fields()
    assert plain.fields() != _link(reference="r-1", customer={"name": "Ravi", "contact": "+919876543210"}).fields()
    assert plain.face("u") == PaymentLink("u", None, "Asha", None, "+919876543210")


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"customer": {"email": "nobody"}}, "customer.email"), ({"description": "a\nb"}, "description"),
     ({"customer": "Asha"}, "customer"), ({"amount": 99}, "amount")],
)  # fmt: skip
def test_a_link_of_another_form_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiError) as refused:
        _link(**fields)
    assert (refused.value.status, refused.value.field) == (400, field)


@pytest.mark.parametrize(
    ("path", "status", "leads_to"),
    [("/l/0Xk3bQ9sLmT2vRcY", 302, "/checkout?order_id=order_0Xk3bQ9sLmT2vRcY"), ("/l/short", 404, None),
     ("/l/0Xk3bQ9sLmT2vRc%20", 404, None), ("/l/0Xk3bQ9sLmT2vRcYx", 404, None)],
)  # fmt: skip
async def test_the_address_leads_to_the_checkout_of_its_order(path: str, status: int, leads_to: str | None) -> None:
    site = create_checkout(Settings(test_mode=True), PagesSettings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://pay.example") as http:
        response = await http.get(path)
    assert (response.status_code, response.headers.get("location")) == (status, leads_to)
