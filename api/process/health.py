"""GET /health: whether the parts that a payment needs answer right now. Each is asked for at most a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from api.process.services import Services, services_of
from runtime.clock import now
from runtime.progress import is_stalled
from store.errors import DatabaseError
from store.redis.heartbeats import alive
from topics.envelope import encode_json
from topics.producer import LogUnavailableError

router = APIRouter(tags=["Operations"])
ASK_SECONDS = 1.0
CONNECTED, DISCONNECTED = "connected", "disconnected"


@router.get("/health", summary="Whether all parts answer")
@router.get("/api/v1/health", include_in_schema=False)
async def health(request: Request) -> Response:
    """200 `healthy`, or 503 `unhealthy` with the part that does not answer."""
    report = await _report(services_of(request))
    status = 200 if report["status"] == "healthy" else 503
    return Response(encode_json(report), status, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _report(services: Services) -> dict[str, Any]:
    database, redis, log, worker = await asyncio.gather(
        _answers(services.pool.ping()),
        _answers(services.redis.ping()),
        _answers(services.producer.check()),
        _worker(services),
    )
    healthy = database and redis and log and worker == "running"
    return {
        "status": "healthy" if healthy else "unhealthy",
        "database": CONNECTED if database else DISCONNECTED,
        "redis": CONNECTED if redis else DISCONNECTED,
        "log": CONNECTED if log else DISCONNECTED,
        "worker": worker,
        "timestamp": now(),
    }


async def _answers(question: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await question
    except (DatabaseError, RedisError, LogUnavailableError, OSError):
        return False
    return True


async def _worker(services: Services) -> str:
    """`running` with a payment actor, `stalled` where one does nothing, `stopped` without; `unknown` without Redis."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            workers = await alive(services.redis)
    except (RedisError, OSError):
        return "unknown"
    actors = workers.get("payments") or {}
    if any(is_stalled(facts) for facts in actors.values()):
        return "stalled"
    return "running" if actors else "stopped"
