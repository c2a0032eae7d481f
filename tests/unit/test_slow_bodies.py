"""A body that takes long to arrive: its sender is authenticated again when it is complete."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from api.access import auth
from api.access.caller import Caller
from api.http import bodies
from api.http.errors import ApiError, unauthenticated

OWNER = Caller("mrc_1", "key", "key_1")


def request_of(method: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Request:
    """A request whose body arrives after so many seconds of a clock that nothing else moves."""
    clock = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(bodies, "time", SimpleNamespace(monotonic=lambda: clock.seconds))

    async def receive() -> Any:
        clock.seconds += seconds
        return {"type": "http.request", "body": b"{}", "more_body": False}

    return Request({"type": "http", "method": method, "headers": [], "path": "/", "query_string": b""}, receive)


async def identified(request: Request, responses: list[Caller | ApiError], monkeypatch: pytest.MonkeyPatch) -> Caller:
    async def presented(_: Request) -> Caller:
        response = responses.pop(0)
        if isinstance(response, ApiError):
            raise response
        return response

    monkeypatch.setattr(auth, "_presented", presented)
    return await auth.identified(request)


async def test_a_key_that_was_revoked_while_the_body_was_held_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of("POST", bodies.ON_ITS_WAY_SECONDS * 2, monkeypatch)
    with pytest.raises(ApiError, match="Invalid API credentials"):
        await identified(request, [OWNER, unauthenticated()], monkeypatch)


async def test_a_body_that_is_there_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    responses: list[Caller | ApiError] = [OWNER, unauthenticated()]
    assert await identified(request_of("POST", 0.0, monkeypatch), responses, monkeypatch) == OWNER
    assert len(responses) == 1


async def test_a_request_without_a_body_waits_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    responses: list[Caller | ApiError] = [OWNER, unauthenticated()]
    request = request_of("GET", bodies.ON_ITS_WAY_SECONDS * 2, monkeypatch)
    assert await identified(request, responses, monkeypatch) == OWNER
    assert len(responses) == 1


async def test_credentials_are_looked_at_before_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of("POST", 0.0, monkeypatch)
    with pytest.raises(ApiError, match="Invalid API credentials"):
        await identified(request, [unauthenticated()], monkeypatch)
    assert getattr(request.state, "body", None) is None
