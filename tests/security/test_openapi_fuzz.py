"""docs/openapi.json is kept: generated requests, valid and not, get documented answers and never a server error.

Each operation is asked by a merchant of this module's own, with ids that nobody has and with ids that exist, so that
answers of success are checked against their schemas too. A status counts as documented only where the operation
names it: `default` says what any error looks like, not that any status may come. The examples are the same at every
run. SSE streams never end, so they are not fuzzed: tests/e2e/test_api_public.py reads them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi.document import DOCUMENT
from tests.support.api import CARD
from tests.support.eventually import eventually
from tests.support.signed_up import SignedUp, signed_up
from tests.support.stack import Stack

VALID, INVALID = 5, 5
"""Examples of each kind for each operation."""
SLOW = {"/api/v1/auth/login": 2, "/api/v1/merchants": 2}
"""Hashing a password takes long on purpose, and attempts to sign in are throttled."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text(encoding="utf-8")), config=SchemathesisConfig())
OPERATIONS = [
    operation
    for operation in (found.ok() for found in SCHEMA.get_all_operations())
    if not operation.path.endswith("/stream")
]

OPERATIONS.sort(key=lambda operation: operation.method == "delete")
"""What exists is deleted last."""
WITH_INPUT = [operation for operation in OPERATIONS if operation.body or operation.query]
"""Something in a request can be against the schema; a path of one string cannot."""
PATH_PARAMETER = re.compile(r"\{(\w+)\}")
NOBODY_LISTENS = "http://127.0.0.1:9/hook"


@dataclass(frozen=True, slots=True)
class Client:
    """How requests are sent, and what exists: the name of a path parameter or body field -> an id."""

    url: str
    headers: dict[str, str]
    known: dict[str, str]
    session: requests.Session


@pytest.fixture(scope="module")
async def client(stack: Stack) -> Any:
    """A merchant with one of everything."""
    async with signed_up(stack, "Fuzzed") as merchant:
        endpoint = (await merchant.client.post("/webhook-endpoints", json={"url": NOBODY_LISTENS})).json()
        payment = await merchant.pay()
        refund = await merchant.refund(payment["id"], amount=100)
        link = (await merchant.client.post("/payment-links", json={"amount": 500})).json()
        key = (await merchant.client.post("/merchants/me/keys", json={"name": "spare"})).json()
        session = requests.Session()
        session.trust_env = False
        events = await eventually(lambda: _events(merchant), timeout=30, what="an event in the feed")
        known = {
            "order_id": payment["order_id"],
            "payment_id": payment["id"],
            "refund_id": refund["id"],
            "event_id": events[0]["id"],
            "endpoint_id": endpoint["id"],
            "log_id": await _log_id(merchant),
            "key_id": key["id"],
            "link_id": link["id"],
        }
        yield Client(stack.api_url, merchant.headers, known, session)
        session.close()


async def _log_id(merchant: SignedUp) -> str:
    async def logged() -> str | None:
        found = (await merchant.get("/webhooks"))["data"]
        return found[0]["id"] if found else None

    return str(await eventually(logged, timeout=20, what="a delivery in the log"))


async def _events(merchant: SignedUp) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await merchant.get("/events"))["data"]
    return found


def documented(_context: Any, response: Response, case: Case) -> None:
    """Among the operation's own statuses, `default` aside."""
    named = set(case.operation.definition.raw["responses"])
    assert str(response.status_code) in named, f"{response.status_code} is not documented: {response.text}"


def request(client: Client, case: Case) -> int:
    response = case.call(base_url=client.url, session=client.session, headers=client.headers)
    case.validate_response(response, checks=[*CHECKS, documented])
    return int(response.status_code)


def with_known_ids(client: Client, case: Case) -> Case:
    """The same request about objects that exist."""
    for where in (case.path_parameters, case.body if isinstance(case.body, dict) else {}):
        for name in client.known.keys() & where.keys():
            where[name] = client.known[name]
    return case


def exercise(operation: APIOperation, mode: GenerationMode, examples: int, client: Client, *, known: bool) -> list[int]:
    """The statuses of all answers, each of them checked."""
    statuses = []

    @settings(
        max_examples=SLOW.get(operation.path, examples),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        statuses.append(request(client, with_known_ids(client, case) if known else case))

    run()
    return statuses


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_valid_requests_get_documented_answers(operation: APIOperation, client: Client) -> None:
    statuses = exercise(operation, GenerationMode.POSITIVE, VALID, client, known=False)
    if "{" in operation.path or operation.body:
        statuses += exercise(operation, GenerationMode.POSITIVE, VALID, client, known=True)
    assert statuses


@pytest.mark.parametrize("operation", WITH_INPUT, ids=lambda operation: operation.label)
def test_invalid_requests_get_documented_answers(operation: APIOperation, client: Client) -> None:
    statuses = exercise(operation, GenerationMode.NEGATIVE, INVALID, client, known=False)
    assert any(400 <= status < 500 for status in statuses)


@pytest.mark.parametrize("path", ["/api/v1/payments", "/api/v1/payments/public"])
@pytest.mark.parametrize("method", [{"method": "upi", "vpa": "success@upi"}, {"method": "card", "card": CARD}])
def test_a_payment_that_is_taken_is_as_documented(client: Client, path: str, method: dict[str, Any]) -> None:
    """Generated bodies hardly ever hold a card or address that is valid."""
    orders = f"{client.url}/api/v1/orders"
    order = client.session.post(orders, json={"amount": 500}, headers=client.headers, timeout=10).json()
    bodies = [{"order_id": order["id"], **method}]
    if not path.endswith("/public"):
        bodies.append({"order": {"amount": 500}, **method})
    for body in bodies:
        assert request(client, SCHEMA[path]["POST"].Case(body=body, media_type="application/json")) in (201, 202)


def test_success_is_checked_too_every_id_in_a_path_is_one_that_exists(client: Client) -> None:
    names = {name for operation in OPERATIONS for name in PATH_PARAMETER.findall(operation.path)}
    assert names - client.known.keys() == {"session_id", "job_id", "user_id", "invitation_id"}, (
        "these are only asked about unknown ids"
    )
