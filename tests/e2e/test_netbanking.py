"""Netbanking on the whole gateway: the test banks, a real bank's page, and the currencies it takes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.api import Api, Json, error_of, taken
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(300)


async def paid_by(api: Api, bank: str, **order: Any) -> Json:
    """The payment as it was accepted."""
    made = await api.order(**order)
    return taken(await api.post("/payments", {"order_id": made["id"], "method": "netbanking", "bank": bank}))


@pytest.mark.parametrize(
    ("bank", "status", "error_code"),
    [("SUCC", "SUCCESS", None), ("FAIL", "FAILED", "BANK_DECLINED"), ("SLOW", "SUCCESS", None)],
)
async def test_the_banks_of_test_mode_have_certain_outcomes(
    api: Api, bank: str, status: str, error_code: str | None
) -> None:
    payment = await paid_by(api, bank)
    assert (payment["method"], payment["bank"]) == ("netbanking", bank)
    decided = await api.decided(f"/payments/{payment['id']}", timeout=120)
    assert (decided["status"], decided["error_code"], decided["bank"]) == (status, error_code, bank)


@pytest.mark.parametrize(
    ("press", "status", "error_code"),
    [
        ("success", "SUCCESS", None),
        ("failure", "FAILED", "BANK_DECLINED"),
        ("cancel", "FAILED", "PAYMENT_CANCELLED"),
    ],
)
async def test_a_real_bank_sends_the_payer_to_its_page(
    api: Api, press: str, status: str, error_code: str | None
) -> None:
    payment = await paid_by(api, "HDFC")

    async def shown() -> Json | None:
        found: Json | None = (await api.get(f"/payments/{payment['id']}")).json()["next_action"]
        return found

    action = await eventually(shown, timeout=40, what="a next_action")
    assert action is not None and action["type"] == "redirect"
    async with httpx.AsyncClient(timeout=20, trust_env=False) as browser:
        page = await browser.get(action["url"])
        assert all(f'data-test-id="bank-{name}"' in page.text for name in ("page", "success", "failure", "cancel"))
        assert (await browser.post(action["url"], data={"press": press})).status_code == 303
    decided = await api.decided(f"/payments/{payment['id']}", timeout=40)
    assert (decided["status"], decided["error_code"], decided["next_action"]) == (status, error_code, None)


async def test_an_unknown_bank_is_refused_by_name(api: Api) -> None:
    order = await api.order()
    response = await api.post("/payments", {"order_id": order["id"], "method": "netbanking", "bank": "XXXX"})
    assert (response.status_code, error_of(response)["field"]) == (400, "bank")


async def test_an_order_in_another_currency_neither_offers_nor_takes_netbanking(api: Api) -> None:
    order = await api.order(currency="USD")
    offered = (await api.public("GET", f"/orders/public/{order['id']}")).json()["methods"]
    assert "netbanking" not in offered
    response = await api.post("/payments", {"order_id": order["id"], "method": "netbanking", "bank": "HDFC"})
    assert (response.status_code, error_of(response)["field"]) == (400, "method")
    in_rupees = await api.order()
    assert "netbanking" in (await api.public("GET", f"/orders/public/{in_rupees['id']}")).json()["methods"]


async def test_a_refund_of_netbanking_goes_the_usual_way(api: Api) -> None:
    payment = await paid_by(api, "SUCC")
    await api.decided(f"/payments/{payment['id']}", timeout=40)
    refund = taken(await api.post(f"/payments/{payment['id']}/refunds", {"amount": 20_000}))
    assert (await api.decided(f"/refunds/{refund['id']}", timeout=40))["status"] == "PROCESSED"
