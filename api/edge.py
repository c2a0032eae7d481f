"""The outermost layer of every request: client, id, headers, metrics, and the last net under a defect of our own.

    request ─► client, id, CORS ─► its caller's turn ─► a hot route directly, or the application ─► headers ─► answer
                                                         └─ raises ─► 500 envelope, the trace in our log only

Pure ASGI and small: it runs for every request.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.client_address import TrustedProxies
from api.access.limits import BOUND, STANDING, standing_headers
from api.access.origins import cors_headers
from api.access.turns import Turns
from api.http.errors import ApiError, bad_request, response_of
from api.http.ignored import IGNORED, ignored_header, note_query
from api.process.metrics import request_seconds
from runtime.clock import random_token
from runtime.logs import get_logger
from runtime.order_keys import MARK
from store.order_keys import OrderKeys

log = get_logger("api")

Handler = Callable[[Request], Awaitable[Response]]
ErrorResponder = Callable[[Request, Exception], Response]
Header = tuple[bytes, bytes]

REQUEST_ID = re.compile(rb"(?!sealed:)[A-Za-z0-9._:/+=@-]{1,128}\Z")
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
NO_CONTENT_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
VARIES: Header = (b"vary", b"Origin")
PUBLIC = "/public"
"""Routes for any merchant's page have this in their path."""
PAYERS_APP = "/api/v1/test/payments/"
"""The payer's app of test mode, which a checkout calls under whatever name it was opened: no credentials either."""
PASSWORD_ROUTES = ("/api/v1/auth/", "/api/v1/merchants")
PASSWORD_SECONDS = 15.0
"""Password hashing is slow by design, and slower on a busy machine."""
NOT_STORED: Header = (b"cache-control", b"no-store")
OPENED = (b"application/json", b"text/event-stream")
"""Content in which sealed fields are opened here; files of other formats open theirs before they are written."""
CREDENTIALS = frozenset({b"x-api-key", b"authorization", b"cookie"})
NO_PARAMETERS: frozenset[str] = frozenset()
"""Of the hot routes' queries."""


class Edge:
    """ASGI application around the FastAPI one.

    `hot`: (method, path) -> handler that skips the router. A response that has not begun after `response_seconds` is
    503: a service that hangs is treated like one that is unavailable. `error_response`: what an exception becomes.
    """

    def __init__(
        self,
        app: ASGIApp,
        hot: Mapping[tuple[str, str], Handler],
        own_origins: frozenset[str],
        response_seconds: float,
        proxies: TrustedProxies | None = None,
        error_response: ErrorResponder = response_of,
    ) -> None:
        self._app = app
        self._error_response = error_response
        self._hot = hot
        self._own_origins = own_origins
        self._response_seconds = response_seconds
        self._proxies = proxies
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._proxies and scope["client"]:
            peer, port = scope["client"]
            scope["client"] = (self._proxies.client_of(peer, scope["headers"]), port)
        response = _Response(scope, send, self._own_origins)
        try:
            if response.preflight:
                await Response(status_code=204)(scope, receive, response.send)
                return
            if b"%00" in scope["query_string"] or "\0" in scope["path"]:
                raise bad_request("The address must not contain NUL characters")
            patient = scope["path"].startswith(PASSWORD_ROUTES)
            async with asyncio.timeout(PASSWORD_SECONDS if patient else self._response_seconds) as bound:
                response.bound = scope[BOUND] = bound
                await self._turns.take(response.caller)
                await self._route(scope, receive, response.send)
        except Exception as error:
            response.bound = None
            if response.status:
                log.error("response_broken_off", request_id=scope["request_id"], exc_info=error)
                raise
            await self._error_response(Request(scope), response.not_opened or error)(scope, receive, response.send)
        finally:
            response.measure()

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._hot.get((scope["method"], scope["path"]))
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["route_name"] = scope["path"]
        request = Request(scope, receive, send)
        try:
            note_query(request, NO_PARAMETERS)
            response = await handler(request)
        except ApiError as error:
            response = response_of(request, error)
        await response(scope, receive, send)


class _Response:
    """One response on its way out."""

    def __init__(self, scope: Scope, send: Send, own_origins: frozenset[str]) -> None:
        self._scope = scope
        self._send = send
        self._own_origins = own_origins
        self._began = time.perf_counter()
        self._request_id, self._origin, self.caller, self.preflight = _read_headers(scope)
        scope["request_id"] = self._request_id.decode()
        self.status = 0
        self.bound: asyncio.Timeout | None = None
        self.not_opened: Exception | None = None
        """Why the body could not be opened: then nothing of the response was sent."""
        self._is_json = False
        self._held: Message | None = None
        """The start of a response of known length, until its body is complete: opening it changes the length."""

    async def send(self, message: Message) -> None:
        """Pass the response on, with the sealed fields of its body opened. Raises DatabaseError if that needs keys."""
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            self._is_json = headers.get(b"content-type", b"").startswith(OPENED)
            if self._is_json and b"content-length" in headers:
                self._held = message
            else:
                await self._pass_on(message)
            return
        if self._is_json and MARK in message.get("body", b""):
            message = {**message, "body": await self._opened(message["body"])}
            if self._held is not None:
                self._held["headers"] = _with_length(self._held["headers"], len(message["body"]))
        if self._held is not None:
            held, self._held = self._held, None
            await self._pass_on(held)
        await self._pass_on(message)

    async def _opened(self, body: bytes) -> bytes:
        keys: OrderKeys = self._scope["app"].services.order_keys
        try:
            return await keys.opened(body)
        except Exception as error:
            self.not_opened = error  # the layers between would raise another, because they have begun their response
            raise

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.bound is not None and not self.bound.expired():
                self.bound.reschedule(None)  # a response that has begun is not bounded: streams, exports
            headers: list[Header] = message["headers"]
            given = {name for name, _ in headers}
            headers.append((b"x-request-id", self._request_id))
            headers.extend(SECURITY_HEADERS)
            for extra in (NO_CONTENT_POLICY, NOT_STORED):
                if extra[0] not in given:
                    headers.append(extra)
            headers.append(VARIES)
            if STANDING in self._scope:
                headers.extend(standing_headers(self._scope[STANDING]))
            if IGNORED in self._scope:
                headers.append(ignored_header(self._scope))
            if self._origin:
                headers.extend(self._cors(self._origin))
        await self._send(message)

    def _cors(self, origin: str) -> list[Header]:
        own = origin in self._own_origins
        path = self._scope["path"]
        if not own and PUBLIC not in path and not path.startswith(PAYERS_APP):
            return []
        return cors_headers(origin, own=own, preflight=self.preflight)

    def measure(self) -> None:
        route = self._scope.get("route_name") or getattr(self._scope.get("route"), "path", "none")
        request_seconds(self._scope["method"], route, self.status or 500).observe(time.perf_counter() - self._began)


def _with_length(headers: list[Header], length: int) -> list[Header]:
    return [(name, b"%d" % length if name == b"content-length" else value) for name, value in headers]


def _read_headers(scope: Scope) -> tuple[bytes, str, bytes, bool]:
    """(request id, origin of the calling page or nothing, caller, whether this is a CORS preflight).

    The caller's request id is used if its form is safe for logs and records; otherwise a new one is made. The caller is
    its address plus the key or session that it presents, for a fair turn and nothing else: a stranger who names
    somebody's key is in another queue.
    """
    request_id, origin, caller, is_preflight = b"", "", b"", False
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.match(value):
            request_id = value
        elif name == b"origin":
            origin = value.decode("latin-1")
        elif name in CREDENTIALS:
            caller = value
        elif name == b"access-control-request-method":
            is_preflight = True
    made = request_id or b"req_" + random_token()[:24].encode()
    if scope["client"]:
        caller += b"\0" + scope["client"][0].encode()
    return made, origin, caller, bool(is_preflight and origin and scope["method"] == "OPTIONS")
