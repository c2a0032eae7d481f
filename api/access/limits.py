"""Rate limits: a fixed window of a minute for each client address and name, counted in Redis for all workers together.

Redis away: no limit, for a payment must not fail because a counter cannot be kept.
"""

from __future__ import annotations

import asyncio
import time

from redis.exceptions import RedisError
from starlette.requests import Request

from api.http.errors import RATE_LIMITED, ApiError
from api.process.services import services_of
from runtime.logs import get_logger

log = get_logger("limits")
WINDOW_SECONDS = 60
PATIENCE_SECONDS = 0.5


async def limit(request: Request, name: str, per_minute: int) -> None:
    """Count this request. Raises ApiError 429 with Retry-After above `per_minute`; 0: no limit."""
    if per_minute <= 0:
        return
    window, elapsed = divmod(time.time(), WINDOW_SECONDS)
    address = request.client.host if request.client else "unknown"
    key = f"rate:{name}:{address}:{int(window)}"
    try:
        pipeline = services_of(request).redis.pipeline(transaction=False)
        pipeline.incr(key)
        pipeline.expire(key, WINDOW_SECONDS * 2, nx=True)
        async with asyncio.timeout(PATIENCE_SECONDS):
            count, _ = await pipeline.execute()
    except (RedisError, OSError) as error:
        log.warning("limit_not_counted", name=name, error=repr(error))
        return
    if count > per_minute:
        wait = str(max(1, int(WINDOW_SECONDS - elapsed)))
        raise ApiError(RATE_LIMITED, f"At most {per_minute} requests a minute", headers={"Retry-After": wait})
