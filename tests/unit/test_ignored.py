"""The parts of a request that no route reads: named in the response, or refused in strict handling. Never silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import httpx
import orjson
import pytest
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.app import Application, create_app
from api.edge import Edge
from api.http.bodies import read_json, read_optional_json
from api.http.ignored import NAMES_MAX
from api.openapi.annotations import BODIES
from api.openapi.document import openapi_of
from api.schemas.merchants import ChangeBody
from api.schemas.orders import NewOrder
from api.schemas.payments import NewPayment
from api.schemas.webhook_endpoints import NewEndpointBody
from runtime.settings import Settings

STRICT = {"Prefer": "handling=strict"}
CARD = "4111111111111111"
router = APIRouter()


def bounds(from_: Annotated[str | None, Query(alias="from")] = None) -> None:
    return None


@router.get("/list", dependencies=[Depends(bounds)])
async def listed(status: str | None = None) -> Response:
    return Response()


@router.post("/merchant")
async def changed(request: Request) -> Response:
    return Response((await read_optional_json(request, ChangeBody)).model_dump_json())


@router.post("/endpoint")
async def endpoint(request: Request) -> Response:
    return Response((await read_json(request, NewEndpointBody)).url)


async def order(request: Request) -> Response:
    return Response(orjson.dumps((await read_json(request, NewOrder)).fields()))


async def payment(request: Request) -> Response:
    return Response(repr(await read_json(request, NewPayment)))


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = create_app(Settings(test_mode=True, metrics_port=0))
    assert isinstance(app, Application)
    app.include_router(router)
    edge = app.build_middleware_stack()
    assert isinstance(edge, Edge)
    hot = {("POST", "/orders"): order, ("POST", "/payments"): payment}
    app.middleware_stack = Edge(edge._app, hot, frozenset(), response_seconds=100)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


async def test_unknown_query_parameters_are_named(http: httpx.AsyncClient) -> None:
    response = await http.get("/list?statuss=FAILED&from=x&status=FAILED&q=&statuss=PAID")
    assert (response.status_code, response.headers["X-Ignored"]) == (200, "statuss, q")


@pytest.mark.parametrize("path", ["/list", "/list?status=FAILED&from=x", "/list?"])
async def test_nothing_is_named_where_everything_is_known(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers=STRICT)
    assert response.status_code == 200
    assert "X-Ignored" not in response.headers


@pytest.mark.parametrize(
    "prefer", ["handling=strict", 'respond-async, handling="strict"', "wait=10; foo, Handling = STRICT; bar"]
)
async def test_strict_handling_refuses_a_parameter_with_the_nearest_name(http: httpx.AsyncClient, prefer: str) -> None:
    response = await http.get("/list?statuss=FAILED", headers={"Prefer": prefer})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (400, "BAD_REQUEST_ERROR", "statuss")
    assert error["description"] == "'statuss' is not a known query parameter; did you mean 'status'?"
    assert "X-Ignored" not in response.headers


@pytest.mark.parametrize("prefer", ["handling=lenient", "strict", "handling", "x=handling=strict", ""])
async def test_other_preferences_change_nothing(http: httpx.AsyncClient, prefer: str) -> None:
    response = await http.get("/list?statuss=FAILED", headers={"Prefer": prefer})
    assert (response.status_code, response.headers["X-Ignored"]) == (200, "statuss")


async def test_a_parameter_that_is_sent_twice_is_not_dropped_in_silence(http: httpx.AsyncClient) -> None:
    path = "/list?status=FAILED&from=a&status=SUCCESS"
    assert (await http.get(path)).headers["x-ignored"] == "status"
    refused = await http.get(path, headers=STRICT)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "status")
    assert refused.json()["error"]["description"] == "'status' was sent more than once with different values"
    assert "x-ignored" not in (await http.get("/list?status=FAILED&status=FAILED")).headers


async def test_a_hot_route_names_query_parameters_and_body_fields(http: httpx.AsyncClient) -> None:
    body = {"amount": 500, "recipt": "a", "notes": {"any": "name"}}
    response = await http.post("/orders?dry_run=1", json=body)
    assert (response.status_code, response.headers["X-Ignored"]) == (200, "dry_run, recipt")
    assert set(response.json()) == set(NewOrder.model_fields)
    refused = await http.post("/orders", json=body, headers=STRICT)
    assert refused.status_code == 400
    assert refused.json()["error"]["description"] == "'recipt' is not a known field; did you mean 'receipt'?"
    assert (await http.post("/orders?dry_run=1", json={"amount": 500}, headers=STRICT)).status_code == 400


async def test_fields_within_fields_are_named_by_their_path(http: httpx.AsyncClient) -> None:
    body = {"order_id": "o", "method": "card", "card": {"number": CARD, "cvv": "123", "expiryMonth": 1}, "saved": True}
    response = await http.post("/payments", json=body)
    assert response.headers["X-Ignored"] == "saved, card.expiryMonth"
    refused = await http.post("/payments", json={**body, "saved": None} | {"card": body["card"]}, headers=STRICT)
    assert refused.status_code == 400
    nested = await http.post("/merchant", json={"browser_orders": {"enabled": True, "maximum": 5}}, headers=STRICT)
    assert nested.json()["error"]["field"] == "browser_orders.maximum"
    assert "did you mean 'browser_orders.maximum_minor'?" in nested.json()["error"]["description"]


async def test_the_value_of_an_unknown_field_is_not_kept(http: httpx.AsyncClient) -> None:
    body = {"order_id": "o", "method": "upi", "vpa": "a@upi", "card": {"number": CARD}, "pan": CARD}
    response = await http.post("/payments", json=body)
    assert (response.status_code, response.headers["X-Ignored"]) == (200, "card, pan")
    assert CARD not in response.text


async def test_hostile_names_can_neither_break_the_header_nor_fill_it(http: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"amount": 500, "a\r\nSet-Cookie: x=1": 1, "é, b": 1, "n" * 5_000: 1}
    body |= {f"x{i}": 1 for i in range(100)}
    named = (await http.post("/orders", json=body)).headers["X-Ignored"].split(", ")
    assert named[:3] == ["a%0D%0ASet-Cookie%3A%20x%3D1", "%C3%A9%2C%20b", "n" * 64]
    assert len(named) == NAMES_MAX
    refused = await http.post("/orders", json={"amount": 500, "n" * 5_000: 1}, headers=STRICT)
    assert len(refused.text) < 500


async def test_a_body_that_refuses_unknown_fields_suggests_the_nearest_too(http: httpx.AsyncClient) -> None:
    response = await http.post("/endpoint", json={"url": "https://shop.example", "header": {}})
    assert response.json()["error"]["description"] == "'header' is not a known field; did you mean 'headers'?"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation, and those of their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for argument in get_args(annotation):
        yield from _models(argument)


def test_no_body_ignores_a_field_in_silence() -> None:
    create_app(Settings(test_mode=True))
    bodies = {model for body in BODIES.values() for model in _models(body)}
    assert len(bodies) > len(BODIES) > 10
    silent = [m.__name__ for m in bodies if not m.__pydantic_root_model__ and m.model_config.get("extra") == "ignore"]
    unset = [m.__name__ for m in bodies if not m.__pydantic_root_model__ and "extra" not in m.model_config]
    assert (silent, unset) == ([], [])


def test_every_operation_that_can_ignore_something_documents_it() -> None:
    document = openapi_of(create_app(Settings(test_mode=True)))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = operation.get("parameters", [])
            takes = "requestBody" in operation or any(one["in"] == "query" for one in parameters)
            documented = any(one["name"] == "Prefer" for one in parameters)
            assert takes == documented, (method, path)
            if takes:
                success = json.dumps({k: v for k, v in operation["responses"].items() if k.startswith("2")})
                assert "X-Ignored" in success, (method, path)
