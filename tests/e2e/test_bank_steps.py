"""A bank that needs its payer first, on the whole gateway: the test bank's page, its notifications, the books."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest

from agents.bank.port import BankResult
from agents.bank.simulated import SimulatedBank
from domain.outcome import Outcome
from ops.audit.verify.audit import audit, second_process
from tests.support.api import CARD, Api, Json, error_of, taken
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)
OTP_CARD = CARD | {"number": "4000 0000 0000 3220"}
NOTIFICATIONS = "/bank/notifications"
GIVE_UP_NOW = "UPDATE bank.ledger SET late_at = clock_timestamp() WHERE attempt_id = $1 AND outcome = 'waiting'"


async def waiting(api: Api) -> Json:
    """A card payment that shows its payer's step."""
    order = await api.order()
    accepted = taken(await api.post("/payments", {"order_id": order["id"], "method": "card", "card": OTP_CARD}))

    async def shown() -> Json | None:
        found: Json = (await api.get(f"/payments/{accepted['id']}")).json()
        return found if found["next_action"] else None

    return dict(await eventually(shown, timeout=40, what="a next_action"))


async def press(payment: Json, **form: str) -> httpx.Response:
    """What the payer sends from the bank's page."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as browser:
        return await browser.post(payment["next_action"]["url"], data=form)


async def opened(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as browser:
        return await browser.get(url)


async def events_of(api: Api, payment_id: str) -> list[str]:
    timeline = (await api.get(f"/payments/{payment_id}/timeline")).json()
    return [event["type"] for event in timeline["data"]]


async def test_a_payment_waits_for_its_payer_who_decides_it_at_the_bank(
    api: Api, stack: Stack, database: asyncpg.Connection
) -> None:
    payment = await waiting(api)
    action = payment["next_action"]
    assert (payment["status"], action["type"]) == ("PROCESSING", "otp")
    assert action["url"].startswith(f"{stack.settings.api_url}/bank/{payment['id']}")
    as_payer = (await api.public("GET", f"/payments/{payment['id']}/public")).json()
    assert as_payer["next_action"] == action
    page = await opened(action["url"])
    assert 'data-test-id="otp-input"' in page.text
    response = await press(payment, press="otp", otp="123456")
    assert response.status_code == 303
    assert response.headers["location"] == f"{stack.settings.checkout_url}/checkout?order_id={payment['order_id']}"
    decided = await api.decided(f"/payments/{payment['id']}", timeout=40)
    assert (decided["status"], decided["next_action"]) == ("SUCCESS", None)
    assert await events_of(api, payment["id"]) == [
        "payment.created",
        "payment.processing",
        "payment.action_required",
        "payment.success",
    ]
    # The bank repeats the payer's word until it is confirmed, and then no more.
    notified = "SELECT notified FROM bank.ledger WHERE attempt_id = $1"
    await eventually(lambda: database.fetchval(notified, payment["id"]), timeout=40, what="the confirmation")


@pytest.mark.parametrize(
    ("form", "error_code"),
    [
        ({"press": "otp", "otp": "0000"}, "AUTHENTICATION_FAILED"),
        ({"press": "cancel"}, "PAYMENT_CANCELLED"),
    ],
)
async def test_a_payer_can_fail_or_cancel_at_the_bank(api: Api, form: dict[str, str], error_code: str) -> None:
    payment = await waiting(api)
    assert (await press(payment, **form)).status_code == 303
    decided = await api.decided(f"/payments/{payment['id']}", timeout=40)
    assert (decided["status"], decided["error_code"]) == ("FAILED", error_code)


async def test_what_is_not_a_one_time_password_decides_nothing(api: Api) -> None:
    payment = await waiting(api)
    for otp in ("", "12", "123456789", "12a4", "一二三四"):
        response = await press(payment, press="otp", otp=otp)
        assert (response.status_code, "bank-page" in response.text) == (400, True), otp
    assert (await press(payment, press="success")).status_code == 400
    assert (await api.get(f"/payments/{payment['id']}")).json()["next_action"] == payment["next_action"]
    await press(payment, press="cancel")


async def test_pressing_again_and_going_back_change_nothing(api: Api) -> None:
    payment = await waiting(api)
    await press(payment, press="otp", otp="1234")
    await api.decided(f"/payments/{payment['id']}", timeout=40)
    events = await events_of(api, payment["id"])
    assert (await press(payment, press="cancel")).status_code == 303
    assert (await opened(payment["next_action"]["url"])).status_code == 303
    assert await events_of(api, payment["id"]) == events


async def test_the_banks_page_opens_only_with_its_signature(api: Api) -> None:
    payment = await waiting(api)
    url = payment["next_action"]["url"]
    for wrong in (url.partition("?")[0], url[:-1], url.replace(payment["id"], "pay_9999999999999999")):
        assert (await opened(wrong)).status_code == 404
    async with httpx.AsyncClient(timeout=20, trust_env=False) as browser:
        assert (await browser.post(url[:-1], data={"press": "cancel"})).status_code == 404
    assert (await api.get(f"/payments/{payment['id']}")).json()["status"] == "PROCESSING"
    await press(payment, press="cancel")


async def test_an_order_takes_no_other_payment_while_one_waits_for_its_payer(api: Api) -> None:
    payment = await waiting(api)
    body = {"order_id": payment["order_id"], "method": "upi", "vpa": "success@upi"}
    assert error_of(await api.post("/payments", body))["description"] == "Order has a payment in progress"
    await press(payment, press="cancel")
    await api.decided(f"/payments/{payment['id']}", timeout=40)
    assert (await api.paid(payment["order_id"]))["status"] == "SUCCESS"


async def test_a_payment_that_its_payer_abandons_fails(api: Api, database: asyncpg.Connection) -> None:
    payment = await waiting(api)
    await database.execute(GIVE_UP_NOW, payment["id"])
    decided = await api.decided(f"/payments/{payment['id']}", timeout=90)
    assert (decided["status"], decided["error_code"]) == ("FAILED", "PAYMENT_ABANDONED")


# The door


def word(payment: Json, outcome: Outcome, turn: int = 0) -> BankResult:
    code = None if outcome is Outcome.SUCCESS else "CARD_DECLINED"
    return BankResult(payment["id"], outcome, code, None, f"bank_{payment['id'].rpartition('_')[2]}", turn)


async def notified(api: Api, headers: dict[str, str], body: bytes) -> httpx.Response:
    return await api.public("POST", NOTIFICATIONS, headers=headers, content=body)


async def test_a_repeated_or_late_notification_changes_nothing(api: Api, stack: Stack) -> None:
    payment = await api.paid()
    bank, events = SimulatedBank(stack.settings), await events_of(api, payment["id"])
    for outcome in (Outcome.SUCCESS, Outcome.SUCCESS, Outcome.FAILED):
        response = await notified(api, *bank.notification(word(payment, outcome)))
        assert (response.status_code, response.json()) == (200, {"status": "received"})

    async def decided() -> bool:
        database = await asyncpg.connect(stack.database_url)
        try:
            found = await database.fetchval(
                "SELECT count(*) FROM commands WHERE id = $1", f"stl_{payment['id']}_failed"
            )
        finally:
            await database.close()
        return bool(found)

    await eventually(decided, timeout=40, what="the last notification to be decided")
    assert await events_of(api, payment["id"]) == events


@pytest.mark.parametrize("change", ["no signature", "another signature", "another body", "nothing"])
async def test_a_forged_notification_reaches_nothing(api: Api, stack: Stack, change: str) -> None:
    payment = await waiting(api)
    headers, body = SimulatedBank(stack.settings).notification(word(payment, Outcome.FAILED))
    sent: dict[str, Any] = {
        "no signature": ({}, body),
        "another signature": ({name: value[::-1] for name, value in headers.items() if name.startswith("x-")}, body),
        "another body": (headers, body.replace(b"failed", b"success")),
        "nothing": ({}, b""),
    }
    response = await notified(api, *sent[change])
    assert (response.status_code, error_of(response)["code"]) == (401, "AUTHENTICATION_ERROR")
    await press(payment, press="otp", otp="4321")
    assert (await api.decided(f"/payments/{payment['id']}", timeout=40))["status"] == "SUCCESS"


async def test_a_notification_about_nobodys_attempt_is_not_found(api: Api, stack: Stack) -> None:
    strangers = BankResult("pay_9999999999999999", Outcome.SUCCESS, None, None, "bank_1")
    response = await notified(api, *SimulatedBank(stack.settings).notification(strangers))
    assert (response.status_code, error_of(response)["description"]) == (404, "Payment not found")


async def test_a_notification_that_is_too_large_is_refused_unread(api: Api) -> None:
    response = await notified(api, {}, b"x" * 70_000)
    assert response.status_code == 413


async def test_after_all_these_steps_nothing_differs(stack: Stack) -> None:
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
