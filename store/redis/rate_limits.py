"""Rate limits in Redis, shared by all processes: the generic cell rate algorithm (GCRA), one number for each bucket.

    take(client, [bucket, …])     all of them take the request, or none does

A bucket holds `burst` requests and refills at `per_minute`. Redis keeps the instant at which it is full again, so a
bucket costs one short key however many requests it counts, and no window has an edge at which twice the rate passes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import redis.asyncio as redis
from redis.exceptions import NoScriptError

MINUTE_US = 60_000_000

# For each bucket: ARGV holds the microseconds between two requests and the burst. Answers two or more numbers for each:
# requests left, microseconds to wait (0: taken), microseconds until the bucket is full. The clock is Redis's own.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at, refused = {}, false
local answer = {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local before = math.max(tonumber(redis.call('GET', key) or '0'), now)
  full_at[i] = before + interval
  local wait = math.max(0, full_at[i] - now - interval * burst)
  refused = refused or wait > 0
  answer[i] = {interval, burst, before, wait}
end
local result = {}
for i, key in ipairs(KEYS) do
  local interval, burst, before, wait = unpack(answer[i])
  local after = before
  if not refused then
    after = full_at[i]
    redis.call('SET', key, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
  end
  local left = math.max(0, math.floor(burst - (after - now) / interval))
  result[#result + 1] = left
  result[#result + 1] = math.ceil(wait)
  result[#result + 1] = math.ceil(after - now)
end
return result
"""
TAKE_SHA = hashlib.sha1(TAKE.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_minute` requests on average, `burst` of them at once; both at least 1."""

    per_minute: int
    burst: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """One counter: what is counted (`name`), for whom (`subject`), and how much of it there may be.

    The key holds a hash of the subject: neither addresses nor e-mail addresses belong into Redis.
    """

    name: str
    subject: str
    rate: Rate

    @property
    def key(self) -> str:
        return f"rate:{self.name}:{hashlib.sha256(self.subject.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A bucket after a request. `wait_seconds` 0: this bucket has room for it."""

    bucket: Bucket
    remaining: int
    wait_seconds: float
    full_in_seconds: float


async def take(client: redis.Redis, buckets: Sequence[Bucket]) -> Standing:
    """Count one request in every bucket, or in none if any is empty; the standing of the one closest to refusing.

    Raises RedisError.
    """
    keys = [bucket.key for bucket in buckets]
    numbers = [n for bucket in buckets for n in (MINUTE_US / bucket.rate.per_minute, bucket.rate.burst)]
    try:
        counted = await client.evalsha(TAKE_SHA, len(keys), *keys, *numbers)
    except NoScriptError:
        counted = await client.eval(TAKE, len(keys), *keys, *numbers)
    standings = [
        Standing(bucket, counted[3 * i], counted[3 * i + 1] / 1e6, counted[3 * i + 2] / 1e6)
        for i, bucket in enumerate(buckets)
    ]
    return max(standings, key=lambda standing: (standing.wait_seconds, -standing.remaining))


async def refill(client: redis.Redis, bucket: Bucket) -> None:
    """Forget what the bucket has counted. Raises RedisError."""
    await client.delete(bucket.key)
