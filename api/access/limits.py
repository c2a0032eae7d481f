"""Rate limits and quotas: what one merchant, one client address or one login may do in a minute, counted in Redis.

    a merchant's requests            merchant, and lookups for reads that search, count or add up
    a payer's requests, sign-ups     by client address
    attempts to sign in              api/access/logins.py

A caller that continues above its limit waits for each refusal, and a merchant's requests then begin in rounds
(api/process/slowdown.py). Without Redis there is no limit: a payment must not fail because a counter cannot be kept.
The state is returned as RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset with every counted response
(api/edge.py).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NoReturn

from starlette.requests import Request

from api.access.client_address import network_of
from api.http.errors import RATE_LIMITED, ApiError
from api.process.services import services_of
from api.process.slowdown import HOLD_SECONDS, HOLD_SECONDS_MAX
from store.redis.rate_limits import Bucket, Rate, Standing

MERCHANT_BURST_DIVISOR = 60
"""A merchant may use one second's worth at once: ten seconds' worth kept the others waiting until the machine had
processed it."""
MERCHANT_BURST_MIN = 20
"""What a page of the dashboard or a small batch sends at once, whatever the quota; never more than the quota itself."""
STANDING = "rate_limit"
BOUND = "response_timeout"
"""Names in the request's scope. The second: the asyncio.Timeout until the response begins (api/edge.py)."""


async def limit(
    request: Request, *buckets: Bucket, description: str = "", longest: float = HOLD_SECONDS
) -> Standing | None:
    """Count this request. None: it could not be counted. `longest`: as in `Slowdown.hold`.

    Raises ApiError 429 with Retry-After if a bucket is empty, and then counts nothing.
    """
    standing = await services_of(request).limiter.take(*buckets)
    if standing is None:
        return None
    request.scope[STANDING] = standing
    if standing.wait_seconds > 0:
        message = description or f"At most {standing.bucket.rate.per_minute} requests a minute"
        wait = math.ceil(standing.wait_seconds)
        await refuse(request, standing.bucket.key, message, retry_after=wait, longest=longest)
    return standing


async def refuse(
    request: Request, caller: str, description: str, *, retry_after: int, longest: float = HOLD_SECONDS_MAX
) -> NoReturn:
    """Raise ApiError 429 with Retry-After (seconds): at once, or later for a `caller` that continues."""
    with _held_on_purpose(request):
        await services_of(request).slowdown.hold(caller, retry_after, longest=longest)
    raise ApiError(RATE_LIMITED, description, headers={"Retry-After": str(retry_after)})


async def limit_address(request: Request, name: str, per_minute: int) -> None:
    """Count a request without credentials by its client's network. 0: no limit."""
    if per_minute:
        await limit(request, Bucket(name, client_network(request), Rate(per_minute, per_minute)))


async def limit_merchant(request: Request, merchant_id: str, *, look_up: bool = False) -> None:
    """Count a merchant's request, and also as a lookup if it is one."""
    settings = services_of(request).settings
    quotas = {"merchant": settings.rate_limit_merchant_per_minute}
    if look_up:
        quotas["lookups"] = settings.rate_limit_lookups_per_minute
    buckets = [_merchants(name, merchant_id, quota) for name, quota in quotas.items() if quota]
    standing = await limit(request, *buckets, longest=HOLD_SECONDS_MAX)
    if standing is not None:
        await _join_round(request, standing)


async def _join_round(request: Request, standing: Standing) -> None:
    slowdown, caller = services_of(request).slowdown, standing.bucket.key
    if slowdown.goes_on(caller):
        with _held_on_purpose(request):
            await slowdown.join_round(caller, little_left=standing.remaining < standing.bucket.rate.burst / 2)


def client_network(request: Request) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    return network_of(request.client.host) if request.client else "unknown"


@contextmanager
def _held_on_purpose(request: Request) -> Iterator[None]:
    """The block does not count towards the response's timeout: that is for services that hang."""
    bound: asyncio.Timeout | None = request.scope.get(BOUND)
    when = None if bound is None or bound.expired() else bound.when()
    if bound is None or when is None:
        yield
        return
    left = when - asyncio.get_running_loop().time()
    bound.reschedule(None)
    yield
    bound.reschedule(asyncio.get_running_loop().time() + left)


def standing_headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Headers for the response to a counted request. Reset: seconds until the whole limit is there again."""
    return [
        (b"ratelimit-limit", b"%d" % standing.bucket.rate.burst),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % math.ceil(standing.full_in_seconds)),
    ]


@lru_cache(maxsize=4_096)
def _merchants(name: str, merchant_id: str, per_minute: int) -> Bucket:
    at_once = max(MERCHANT_BURST_MIN, per_minute // MERCHANT_BURST_DIVISOR)
    return Bucket(name, merchant_id, Rate(per_minute, min(at_once, per_minute)))
