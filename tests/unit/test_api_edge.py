"""The outermost layer: a defect of ours is 500 in the one form, an answer that does not begin in time 503."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.app import Application, create_app
from api.edge import Edge
from runtime.settings import Settings

SECRET_DETAIL = "a detail that must stay inside"
router = APIRouter()


@router.get("/defect")
async def defect() -> Response:
    raise ValueError(SECRET_DETAIL)


@router.get("/hangs")
async def hangs() -> Response:
    await asyncio.sleep(30)
    return Response()


async def hot_defect(_request: Request) -> Response:
    raise ValueError(SECRET_DETAIL)


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = create_app(Settings(test_mode=True, metrics_port=0))
    assert isinstance(app, Application)
    app.include_router(router)
    edge = app.build_middleware_stack()
    assert isinstance(edge, Edge)
    quick = Edge(edge._app, {("GET", "/hot"): hot_defect}, frozenset(), answer_seconds=0.1)
    app.middleware_stack = quick
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


@pytest.mark.parametrize("path", ["/defect", "/hot"])
async def test_a_defect_is_500_in_the_error_form_and_says_nothing(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers={"X-Request-Id": "mine"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "INTERNAL_SERVER_ERROR"
    assert answer.json()["error"]["request_id"] == "mine" == answer.headers["X-Request-Id"]
    assert SECRET_DETAIL not in answer.text


async def test_an_answer_that_does_not_begin_in_time_is_503(http: httpx.AsyncClient) -> None:
    answer = await http.get("/hangs")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
