"""A merchant's server in the test's own process: keeps every request and responds as configured.

async with receiver() as merchant:
    merchant.responses["/hook"] = [500, 500, 200]     one after the other; the last one stays
    merchant.hang("/slow")                          takes the request, never answers
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Received:
    """One request. `at`: Unix seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(self.body)
        return parsed

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(slots=True)
class Receiver:
    """`url(path)` is what an endpoint is given."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    responses: dict[str, list[int | web.Response]] = field(default_factory=dict)
    decide: Callable[[Received], int | None] = field(default=lambda _: None)
    """A status for this very request, or None: as `responses` says."""
    hanging: set[str] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def hang(self, path: str) -> None:
        self.hanging.add(path)

    def at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    def events(self, path: str = "/hook") -> list[str]:
        """Types of the events received at a path, in order."""
        return [one.json["event"] for one in self.at(path)]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        received = Received(request.path, dict(request.headers), body, time.time())
        self.received.append(received)
        if request.path in self.hanging:
            await self.released.wait()
        decided = self.decide(received)
        if decided is not None:
            return web.Response(status=decided)
        planned = self.responses.get(request.path)
        response = 200 if not planned else planned.pop(0) if len(planned) > 1 else planned[0]
        return web.Response(status=response) if isinstance(response, int) else _copy(response)


def _copy(response: web.Response) -> web.Response:
    """A response object can be sent once."""
    return web.Response(status=response.status, body=response.body, headers=response.headers)


@contextlib.asynccontextmanager
async def receiver(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A running receiver on a free port of 127.0.0.1; with `tls` it speaks HTTPS."""
    merchant = Receiver()
    runner = web.ServerRunner(web.Server(merchant.handle, access_log=None), shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    merchant.port = runner.addresses[0][1]
    try:
        yield merchant
    finally:
        merchant.released.set()
        await runner.cleanup()
