"""The outermost layer of every request: its id, its headers, its measure, and the last net under a defect of ours.

    request ─► id ─► CORS ─► a hot route directly, or the application ─► headers ─► answer
                                        └─ raises ─► 500 envelope, the trace in our log only

Pure ASGI and small: it runs for every request.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, answer_of
from api.metrics import REQUEST_SECONDS
from runtime.logs import get_logger

log = get_logger("api")

Handler = Callable[[Request], Awaitable[Response]]
Header = tuple[bytes, bytes]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}\Z")
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
NO_CONTENT_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
NOT_STORED: Header = (b"cache-control", b"no-store")


class Edge:
    """ASGI application around the FastAPI one. `hot`: (method, path) -> handler that skips the router."""

    def __init__(self, app: ASGIApp, hot: Mapping[tuple[str, str], Handler]) -> None:
        self._app = app
        self._hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        try:
            await self._route(scope, receive, answer.send)
        except Exception as error:
            if answer.status:
                log.error("answer_broken_off", request_id=scope["request_id"], exc_info=error)
                raise
            await answer_of(Request(scope), error)(scope, receive, answer.send)
        finally:
            answer.measure()

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._hot.get((scope["method"], scope["path"]))
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["route_name"] = scope["path"]
        request = Request(scope, receive, send)
        try:
            response = await handler(request)
        except ApiError as error:
            response = answer_of(request, error)
        await response(scope, receive, send)


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._request_id = _request_id(scope)
        scope["request_id"] = self._request_id.decode()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Header] = message["headers"]
            given = {name for name, _ in headers}
            headers.append((b"x-request-id", self._request_id))
            headers.extend(SECURITY_HEADERS)
            for extra in (NO_CONTENT_POLICY, NOT_STORED):
                if extra[0] not in given:
                    headers.append(extra)
        await self._send(message)

    def measure(self) -> None:
        route = self._scope.get("route_name") or getattr(self._scope.get("route"), "path", "none")
        REQUEST_SECONDS.labels(self._scope["method"], route, self.status or 500).observe(
            time.perf_counter() - self._began
        )


def _request_id(scope: Scope) -> bytes:
    """The caller's, where it is of a form that can go into logs and records; else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value if REQUEST_ID.match(value) else b"req_" + secrets.token_hex(12).encode()
    return b"req_" + secrets.token_hex(12).encode()
