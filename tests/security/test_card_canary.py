"""No card number and no CVV stays anywhere: known ones go in at every door, then all that was kept is searched.

In scope is whatever a payer or a careless integration may send as card data: the documented fields in all spellings,
fields that do not exist, queries, paths, bodies that are no JSON, the Idempotency-Key (it is hashed into an id).
Out of scope is what is the merchant's own text by contract and is kept as it was given: `notes`, `receipt`, a refund's
`reason`, `X-Request-Id`, the part of a UPI address before the @. A merchant who writes a card number there has stored
it; SECURITY.md says so.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest_asyncio

from tests.security.planted import planted
from tests.security.remains import card_forms, everything, forms_of, hits
from tests.support.api import Api, error_of, taken, when_keys_are_promised
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.stack import Stack

Json = dict[str, Any]

CARDS = {
    "4111111111111111": "737",
    "5555555555554444": "919",
    "378282246310005": "8573",
    "4000000000000002": "646",
    "4000000000009995": "383",
    "6011111111111117": "292",
}
"""Well known test numbers, each with a CVV that is right in form."""
WRONG_NUMBERS = ("4111111111111112", "55555555555544441234567", "9" * 19)
WRONG_CVVS = ("73791984", "60517x3388", "918273645546372819")
"""Long enough to be searched for by themselves."""
HOLDER = "Canary Holder Zwölfkommafünf"
YEAR = "2075"
CVV_BY_NAME = re.compile(rb"""(cvv|cvc|security_code)["'\\]*\s*[:=]\s*["'\\]*\d""", re.IGNORECASE)
REPORTED_SECONDS = 20
RUN = secrets.token_hex(4)
"""In every Idempotency-Key, so that the tests can be run against one stack again."""


def grouped(number: str, joint: str) -> str:
    return joint.join(number[start : start + 4] for start in range(0, len(number), 4))


def nested(number: Any, cvv: Any, **more: Any) -> Json:
    card = {"number": number, "cvv": cvv, "expiry_month": "11", "expiry_year": YEAR, "holder_name": HOLDER}
    return {"method": "card", "card": card | more}


def spellings(number: str, cvv: str) -> Iterator[Json]:
    """Every documented way to send the same card."""
    yield nested(number, cvv)
    yield nested(grouped(number, " "), cvv, name=HOLDER)
    yield nested(grouped(number, "-"), int(cvv), expiry=f"11/{YEAR}")
    yield nested(int(number), cvv)
    yield {"method": "card", "card_number": number, "card_expiry": f"11/{YEAR}", "card_cvv": cvv}
    yield {
        "method": "card", "card_number": grouped(number, " "), "cvv": cvv, "expiry_month": "11", "expiry_year": YEAR,
    }  # fmt: skip


def mistakes(number: str, cvv: str) -> Iterator[Json]:
    """What is refused: by the card rules, by the schema, or because the fields are elsewhere."""
    yield from (nested(wrong, cvv) for wrong in WRONG_NUMBERS)
    yield from (nested(number, wrong) for wrong in WRONG_CVVS)
    yield nested(number, cvv, expiry_year="2019")
    yield nested(number, cvv, expiry_month=number)
    yield nested(number, cvv, holder_name=[number, cvv])
    yield nested([number], {"cvv": cvv})
    yield {"method": "card", "card": f"{number} {cvv}"}
    yield {"method": number, "card": {"number": number, "cvv": cvv}}
    yield {"method": "card", "card_expiry": 2097, "card_number": number, "card_cvv": cvv}
    yield {"method": "upi", "vpa": number, "card": {"number": number, "cvv": cvv}}
    yield {"method": "upi", "vpa": {"number": number, "cvv": cvv}}
    yield {**nested(number, cvv), "amount": number}
    yield {**nested(number, cvv), "amount": int(number)}
    yield {**nested(number, cvv), "currency": number}
    yield {**nested(number, cvv), "order_id": number}
    yield {**nested(number, cvv), "order_id": int(number)}


def elsewhere(number: str, cvv: str) -> Iterator[tuple[str, str, Json]]:
    """(method, path, what httpx is given): card data where none belongs."""
    card = {"number": number, "cvv": cvv}
    text = json.dumps({"order_id": "order_0000000000000000", **nested(number, cvv)})
    for path in ("/payments", "/payments/public"):
        yield "POST", f"{path}?card_number={number}&cvv={cvv}", {"json": {}}
        yield "POST", path, {"content": text[:-2]}
        yield "POST", path, {"content": f"card_number={number}&cvv={cvv}"}
        yield "POST", path, {"data": {"card_number": number, "cvv": cvv}}
        yield "POST", path, {"json": [card]}
        yield "POST", path, {"json": f"{number} {cvv}"}
        yield "POST", path, {"content": text + " " * 70_000}
        yield "POST", path, {"content": text.encode("utf-16")}
        yield "PUT", path, {"json": card}
        yield "POST", path, {"json": {}, "headers": {"Idempotency-Key": f"{number} {cvv} é".encode("latin-1")}}
    yield "GET", f"/payments?q={number}", {}
    yield "GET", f"/payments?limit={number}&status={number}&from={number}", {}
    yield "GET", f"/payments/{number}", {}
    yield "GET", f"/orders/{number}/public?cvv={cvv}", {}
    yield "GET", f"/{number}", {}
    yield "POST", f"/payments/{number}/capture", {"json": card}
    yield "POST", f"/payments/{number}/refunds", {"json": {"amount": 100, "card": card}}
    yield "POST", "/orders", {"json": {"amount": 500, "card": card, "card_number": number}}
    yield "POST", "/orders", {"json": {"amount": number, "currency": number}}
    yield "POST", "/orders", {"json": {"amount": int(number)}}
    yield "POST", "/orders", {"json": {"amount": 500, "currency": number}}
    yield "POST", "/orders/public", {"json": {"amount": 500, "key": number, "card": card}}
    yield "POST", "/auth/login", {"json": {"email": number, "password": number}}
    yield "POST", "/webhook-endpoints", {"json": {"url": number, "events": [number], "card": card}}
    yield "GET", "/payments", {"headers": {"X-Api-Key": number, "X-Api-Secret": number + cvv}}
    yield "GET", "/payments", {"headers": {"Cookie": f"gateway_session={number}", "Origin": f"https://{number}"}}


async def pay_with(api: Api, body: Json, *, public: bool, key: str | None) -> httpx.Response:
    order = await api.order()
    path = "/payments/public" if public else "/payments"
    return await api.post(path, {"order_id": order["id"], **body}, key=key)


async def accepted(api: Api) -> list[str]:
    """Each card in each spelling, by merchant and by payer, every second one with an Idempotency-Key and repeated."""
    payment_ids = []
    for number, cvv in CARDS.items():
        for index, body in enumerate(spellings(number, cvv)):
            key = f"{number}-{index}-{RUN}" if index % 2 else None
            response = await pay_with(api, body, public=index in (1, 4), key=key)
            payment = taken(response)
            assert payment["card_last4"] == number[-4:]
            assert number not in response.text
            payment_ids.append(payment["id"])
            if key is not None:
                again = {**body, "order_id": payment["order_id"]}
                path = "/payments/public" if index in (1, 4) else "/payments"
                assert taken(await api.post(path, again, key=key))["id"] == payment["id"]
                other = {**nested("4242424242424242", "123"), "order_id": payment["order_id"]}
                mismatch = await api.post(path, other, key=key)
                assert (mismatch.status_code, "card.number" in error_of(mismatch)["description"]) == (422, True)
    return payment_ids


async def refused(api: Api) -> None:
    for number, cvv in CARDS.items():
        for index, body in enumerate(mistakes(number, cvv)):
            response = await pay_with(
                api, body, public=bool(index % 2), key=f"{number}{index}{RUN}" if index % 3 else None
            )
            assert response.status_code in (400, 404), response.text
            error_of(response)
            assert not [one for one in (number, *WRONG_NUMBERS, *WRONG_CVVS) if one[:12] in response.text], (
                response.text
            )


async def misplaced(api: Api) -> None:
    for number, cvv in list(CARDS.items())[:2]:
        for method, path, more in elsewhere(number, cvv):
            response = await api.call(method, path, **more)
            assert response.status_code < 500, (method, path, response.text)
            assert number not in response.text, (method, path, response.text)


async def while_broken(api: Api, stack: Stack) -> None:
    """The error paths: the log away (503), the actors silent (202, decided later)."""
    number, cvv = next(iter(CARDS.items()))
    orders = [await api.order() for _ in range(3)]
    await when_keys_are_promised()
    for index in range(stack.plan.worker_count("payments")):
        stack.freeze(f"payments-{index}")
    try:
        late = await api.post(
            "/payments", {"order_id": orders[0]["id"], **nested(number, cvv)}, key=f"late-{number}-{RUN}"
        )
        assert late.status_code == 202, late.text
    finally:
        for index in range(stack.plan.worker_count("payments")):
            stack.thaw(f"payments-{index}")
    stack.hold("postgres")
    try:

        async def unavailable() -> bool:
            body = {"order_id": orders[1]["id"], **nested(number, cvv)}
            return (await api.post("/payments", body)).status_code == 503

        await eventually(unavailable, what="503 without the database")
    finally:
        stack.release("postgres")

    async def back() -> bool:
        response = await api.post(
            "/payments", {"order_id": orders[2]["id"], **nested(number, cvv)}, key=f"back-{cvv}-{RUN}"
        )
        return response.status_code == 201

    await eventually(back, timeout=30, interval=0.3, what="the API to take payments again")
    await asyncio.to_thread(stack.wait_until_ready)


@pytest_asyncio.fixture(scope="module")
async def driven(api: Api, stack: Stack) -> AsyncIterator[None]:
    """Every card at every door; the payments decided, the merchant told by webhook."""
    async with receiver() as merchant:
        endpoint = (await api.post("/webhook-endpoints", {"url": merchant.url()})).json()
        payment_ids = await accepted(api)
        await refused(api)
        await misplaced(api)
        await while_broken(api, stack)
        statuses = {(await api.decided(f"/payments/{one}", timeout=30))["status"] for one in payment_ids}
        assert statuses == {"SUCCESS", "FAILED"}

        def reported() -> bool:
            decided = [one.json for one in merchant.at("/hook") if one.json["event"] != "payment.created"]
            ids = {one["data"]["payment"]["id"] for one in decided if "payment" in one["data"]}
            return ids >= set(payment_ids)

        await eventually(reported, timeout=REPORTED_SECONDS, what="the merchant to be told of every payment")
        received = b"".join(one.body for one in merchant.received)
        assert not [number for number in CARDS if number.encode() in received]
        await api.call("DELETE", f"/webhook-endpoints/{endpoint['id']}")
        yield


def expected() -> dict[str, dict[str, bytes]]:
    """What to look for. A CVV of three digits is everywhere by chance: it is searched for beside its number."""
    forms = {number: card_forms(number) for number in (*CARDS, *WRONG_NUMBERS[:2])}
    for number, cvv in CARDS.items():
        for joint in ("", " ", "|", ":", '","', "/"):
            forms[f"{number}{joint}{cvv}"] = forms_of(f"{number}{joint}{cvv}")
    forms |= {cvv: forms_of(cvv) for cvv in WRONG_CVVS}
    return forms | {"expiry": forms_of(f"11/{YEAR}"), "holder": {**forms_of(HOLDER), "ASCII": b"Canary Holder"}}


async def test_the_search_finds_a_number_planted_in_any_place_in_any_spelling(stack: Stack) -> None:
    """Given in every place what looks like each spelling, the search names every place and spelling."""
    forms = card_forms("6759649826438453")
    async with planted(stack, b" ".join(forms.values())) as places:
        found = hits(await everything(stack), {"planted": forms})
    assert found == {f"{place}: planted, {form}" for place in places for form in forms}


async def test_the_search_reads_every_process_log_and_every_metrics_page(stack: Stack, driven: None) -> None:
    remains = await everything(stack)
    places = {remain.place for remain in remains}
    running = [name for name in stack.processes() if not name.startswith("pages")]
    assert {f"log {name}.log" for name in running} <= places
    assert hits(remains, {"metric": {"api": b'route="/api/v1/payments",status="201"'}})
    assert {"table public.payments", "table public.commands", "table bank.ledger"} <= places
    assert {"topic payments.commands.v1", "topic payments.events.v1", "topic webhooks.deliveries.v1"} <= places


async def test_no_card_number_and_no_cvv_is_kept_anywhere(stack: Stack, driven: None) -> None:
    assert hits(await everything(stack), expected()) == set()


async def test_no_field_named_like_a_cvv_is_kept_with_a_value(stack: Stack, driven: None) -> None:
    assert CVV_BY_NAME.search(b'{"cvv": "737"}')
    assert CVV_BY_NAME.search(b"card_cvv=737")
    found = {remain.place for remain in await everything(stack) if CVV_BY_NAME.search(remain.content)}
    assert found == set()


async def test_the_merchants_own_text_stays_and_is_found(stack: Stack) -> None:
    """By contract (see above): here the search has to find what really went through the gateway."""
    own_text = "6304-1234-5678-9010"
    async with httpx.AsyncClient(base_url=stack.api_url, trust_env=False) as http:
        key, secret = stack.settings.test_api_key, stack.settings.test_api_secret.get_secret_value()
        order = {"amount": 500, "receipt": own_text}
        headers = {"X-Api-Key": key, "X-Api-Secret": secret}
        taken(await http.post("/api/v1/orders", json=order, headers=headers))
    expected_text = {"own text": {"plain": own_text.encode()}}

    async def seen() -> bool:
        found = hits(await everything(stack), expected_text)
        return {"table public.orders: own text, plain", "topic payments.events.v1: own text, plain"} <= found

    await eventually(seen, interval=0.5, what="the receipt in the database and in the log of events")
