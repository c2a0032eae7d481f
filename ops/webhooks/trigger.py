"""`gateway trigger EVENT`: makes a real order, payment or refund that causes the event, through the public API.

Nothing is faked: merchants, dashboard and webhooks get the same as from a customer. Outcomes
come from the test instruments, so it needs TEST_MODE. `webhook.test` belongs to no payment: it goes to one endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from domain.event import EventType
from domain.event_kind import TEST_EVENT
from ops.console.environment import enter, single_plan
from ops.console.errors import GatewayError
from ops.console.exit_codes import UNREACHABLE, UsageError
from ops.console.local_http import HttpResponse, call
from ops.console.output import Json, console, print_json
from runtime.settings import Settings

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.1
SUCCESS, FAILURE, LATE, REVERSED = "success@upi", "failure@upi", "late@upi", "reversed@upi"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The customer's actions that cause an event. `refund_reason` None: no refund is requested."""

    vpa: str | None
    capture: bool = False
    refund_reason: str | None = None


RECIPES: dict[str, Recipe] = {
    EventType.ORDER_CREATED: Recipe(vpa=None),
    EventType.PAYMENT_CREATED: Recipe(SUCCESS),
    EventType.PAYMENT_PROCESSING: Recipe(SUCCESS),
    EventType.PAYMENT_SUCCESS: Recipe(SUCCESS),
    EventType.PAYMENT_FAILED: Recipe(FAILURE),
    EventType.PAYMENT_LATE_SUCCESS: Recipe(LATE),
    EventType.PAYMENT_REVERSED: Recipe(REVERSED),
    EventType.PAYMENT_CAPTURED: Recipe(SUCCESS, capture=True),
    EventType.REFUND_CREATED: Recipe(SUCCESS, refund_reason="triggered"),
    EventType.REFUND_PROCESSED: Recipe(SUCCESS, refund_reason="triggered"),
    EventType.REFUND_FAILED: Recipe(SUCCESS, refund_reason="fail_refund"),
    EventType.REFUND_LATE_SUCCESS: Recipe(SUCCESS, refund_reason="late_refund"),
}


def trigger(
    event: Annotated[str, typer.Argument(help="payment.success, refund.failed, …")],
    amount: Annotated[int, typer.Option(min=100, help="Minor units (paise).")] = 50_000,
    endpoint: Annotated[
        str | None, typer.Option(help="For webhook.test: this endpoint (whe_…); default: the webhook URL.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a real payment or refund that causes an event, or send a webhook.test, and wait for the event."""
    recipe = RECIPES.get(event)
    if recipe is None and event != TEST_EVENT:
        raise UsageError(f"{event!r} is not an event type; the types are {', '.join([*RECIPES, TEST_EVENT])}.")
    if endpoint is not None and event != TEST_EVENT:
        raise UsageError(f"--endpoint is for {TEST_EVENT} only.")
    settings = enter(single_plan())
    if not settings.test_mode:
        raise GatewayError("trigger needs TEST_MODE=true, where the outcome of a payment can be chosen.")
    client = _Client(settings)
    found = client.test(endpoint) if recipe is None else client.cause(event, recipe, amount)
    if as_json:
        print_json(found)
    elif recipe is None:
        console.print(f"{found['type']}  {found['id']}  {found['status']}, delivery {found['log_id']}")
    else:
        console.print(f"{found['type']}  {found['id']}  of {found['order_id']}; gateway journey {found['order_id']}")


class _Client:
    """A merchant with the seeded key pair."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"{settings.api_url}/api/v1"
        self._headers = {
            "X-Api-Key": settings.test_api_key,
            "X-Api-Secret": settings.test_api_secret.get_secret_value(),
        }

    def cause(self, event: str, recipe: Recipe, amount: int) -> dict[str, Any]:
        """Follow the recipe until the event has happened: its type, id and order. Raises GatewayError."""
        order = {"amount": amount, "receipt": "triggered"}
        if recipe.vpa is None:
            order_id = str(self._post("/orders", order)["id"])
            return {"type": event, "id": f"evt_{order_id[-16:]}_1", "order_id": order_id, "payment_id": None}
        payment = self._post("/payments", {"order": order, "method": "upi", "vpa": recipe.vpa})
        order_id, payment_id = str(payment["order_id"]), str(payment["id"])
        if recipe.capture or recipe.refund_reason:
            self._wait(payment_id, EventType.PAYMENT_SUCCESS)
        if recipe.capture:
            self._post(f"/payments/{payment_id}/capture", {})
        if recipe.refund_reason:
            self._post(f"/payments/{payment_id}/refunds", {"amount": amount, "reason": recipe.refund_reason})
        event_id = self._wait(payment_id, event)
        return {"type": event, "id": event_id, "order_id": order_id, "payment_id": payment_id}

    def test(self, endpoint_id: str | None) -> dict[str, Any]:
        """Send a `webhook.test` and wait for its first attempt. Raises GatewayError."""
        path = "/webhooks/test" if endpoint_id is None else f"/webhook-endpoints/{endpoint_id}/test"
        log_id = str(self._post(path, {})["id"])
        url = f"{self._base}/webhooks/{log_id}"
        ends_at = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < ends_at:
            response = self._called(lambda: call("GET", url, headers=self._headers, timeout=10.0))
            if response.status == 200 and response.body["last_attempt_at"] is not None:
                row = response.body
                return {
                    "type": TEST_EVENT,
                    "id": row["event_id"],
                    "log_id": log_id,
                    "status": row["status"],
                    "response_code": row["response_code"],
                }
            time.sleep(POLL_SECONDS)
        raise GatewayError(
            f"No attempt at {TEST_EVENT} within {WAIT_SECONDS:.0f} s; its delivery is {log_id}. See `gateway stuck`."
        )

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        response = self._called(lambda: call("POST", self._base + path, body=body, headers=self._headers, timeout=10.0))
        if response.status not in (200, 201, 202):
            raise GatewayError(f"POST {path} returned {response.status}: {str(response.body)[:300]}")
        return response.body

    def _wait(self, payment_id: str, event: str) -> str:
        """Id of this payment's event, once it has happened."""
        url = f"{self._base}/payments/{payment_id}/timeline"
        ends_at = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < ends_at:
            response = self._called(lambda: call("GET", url, headers=self._headers, timeout=10.0))
            happened = response.body.get("data", []) if response.status == 200 else []
            for one in happened:
                if one["type"] == event:
                    return str(one["id"])
            time.sleep(POLL_SECONDS)
        raise GatewayError(f"No {event} within {WAIT_SECONDS:.0f} s; see gateway journey {payment_id}.")

    def _called(self, request: Callable[[], HttpResponse]) -> HttpResponse:
        try:
            return request()
        except GatewayError as error:
            raise GatewayError(str(error), exit_code=UNREACHABLE) from error
