"""The outermost layer: a defect of our own is 500 in the common form, a response that does not begin in time 503."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.app import Application, create_app
from api.edge import Edge
from runtime.order_keys import OrderKey, key_below, opened, path_of
from runtime.settings import Settings
from store.errors import DatabaseUnavailableError

SECRET_DETAIL = "a detail that must stay inside"
ORDER = "order_0Ab3xZQwErTyUiOp"
KEY = key_below(bytes(32), path_of(ORDER), ORDER)
TEXT = KEY.seal("Asha Rao, who has a name that is longer than its marker, or shorter: the length must be right")
router = APIRouter()


@dataclass
class Opening:
    """In place of a process's keys: one key, or a database that is unavailable."""

    key: OrderKey | None = None
    error: Exception | None = None

    async def opened(self, content: bytes) -> bytes:
        if self.error is not None:
            raise self.error
        return opened(content, {ORDER: self.key})


@router.get("/defect")
async def defect() -> Response:
    raise ValueError(SECRET_DETAIL)


@router.get("/hangs")
async def hangs() -> Response:
    await asyncio.sleep(30)
    return Response()


@router.get("/sealed")
async def sealed() -> Response:
    return Response(f'{{"name":"{TEXT}","other":1}}', media_type="application/json")


async def hot_defect(_request: Request) -> Response:
    raise ValueError(SECRET_DETAIL)


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = create_app(Settings(test_mode=True, metrics_port=0))
    assert isinstance(app, Application)
    app.include_router(router)
    edge = app.build_middleware_stack()
    assert isinstance(edge, Edge)
    quick = Edge(edge._app, {("GET", "/hot"): hot_defect}, frozenset(), response_seconds=0.1)
    app.middleware_stack = quick
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


def test_fastapi_reads_no_telemetry_settings_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(test_mode=True, metrics_port=0))
    monkeypatch.setattr("fastapi.telemetry._asgi._unconfigured", lambda _provider: pytest.fail("looked for a provider"))
    assert not app._native_telemetry.enabled()


@pytest.mark.parametrize("path", ["/defect", "/hot"])
async def test_a_defect_is_500_in_the_error_form_and_reveals_nothing(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers={"X-Request-Id": "mine"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "INTERNAL_SERVER_ERROR"
    assert response.json()["error"]["request_id"] == "mine" == response.headers["X-Request-Id"]
    assert SECRET_DETAIL not in response.text


async def test_a_response_that_does_not_begin_in_time_is_503(http: httpx.AsyncClient) -> None:
    response = await http.get("/hangs")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert response.json()["error"]["code"] == "SERVICE_UNAVAILABLE"


def with_keys(http: httpx.AsyncClient, keys: Opening) -> None:
    app = cast(Any, http._transport).app
    app.services = SimpleNamespace(order_keys=keys)


@pytest.mark.parametrize("key", [KEY, None])
async def test_a_responses_sealed_fields_are_opened_and_its_length_is_right(
    http: httpx.AsyncClient, key: OrderKey | None
) -> None:
    with_keys(http, Opening(key))
    response = await http.get("/sealed")
    assert int(response.headers["Content-Length"]) == len(response.content)
    erased = {"name": None, "other": 1, "erased": True}
    assert response.json() == (erased if key is None else {"name": opened_name(), "other": 1})


def opened_name() -> str:
    return opened(f'"{TEXT}"'.encode(), {ORDER: KEY}).decode().strip('"')


async def test_a_response_that_cannot_be_opened_is_503_and_shows_nothing(http: httpx.AsyncClient) -> None:
    with_keys(http, Opening(error=DatabaseUnavailableError("away")))
    response = await http.get("/sealed")
    assert response.status_code == 503
    assert "sealed:1:" not in response.text
