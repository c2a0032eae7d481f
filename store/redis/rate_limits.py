"""Rate limits in Redis, shared by all processes: the generic cell rate algorithm (GCRA), one number for each bucket.

    take(client, [[bucket, …], …])     all buckets of a request take it, or none does

A bucket holds `burst` requests and refills at `per_minute`. Redis keeps the instant at which it is full again, so a
bucket costs one short key however many requests it counts, and no window has an edge at which twice the rate passes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis.asyncio as redis
from redis.exceptions import NoScriptError

MINUTE_US = 60_000_000

# ARGV: for each request the number of its buckets, then the microseconds between two requests and the burst of each.
# KEYS: all the buckets in the same order. Requests are counted one after another. Answers three numbers a bucket:
# requests left, microseconds to wait (0: taken), microseconds until it is full. The clock is Redis's own.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local result = {}
local key, arg = 1, 1

local function count(buckets)
  local full_at, refused = {}, false
  local answer = {}
  for i = 1, buckets do
    local interval, burst = tonumber(ARGV[arg + 2 * i - 1]), tonumber(ARGV[arg + 2 * i])
    local before = math.max(tonumber(redis.call('GET', KEYS[key + i - 1]) or '0'), now)
    full_at[i] = before + interval
    local wait = math.max(0, full_at[i] - now - interval * burst)
    refused = refused or wait > 0
    answer[i] = {interval, burst, before, wait}
  end
  for i = 1, buckets do
    local interval, burst, before, wait = unpack(answer[i])
    local after = before
    if not refused then
      after = full_at[i]
      redis.call('SET', KEYS[key + i - 1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
    end
    local left = math.max(0, math.floor(burst - (after - now) / interval))
    result[#result + 1] = left
    result[#result + 1] = math.ceil(wait)
    result[#result + 1] = math.ceil(after - now)
  end
end

while arg <= #ARGV do
  local buckets = tonumber(ARGV[arg])
  count(buckets)
  key, arg = key + buckets, arg + 1 + 2 * buckets
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


async def take(client: redis.Redis, requests: Sequence[Sequence[Bucket]]) -> list[Standing]:
    """Count each request in every one of its buckets, or in none if any is empty.

    For each request, which has at least one bucket, the standing of the bucket closest to refusing. Raises RedisError.
    """
    keys = [bucket.key for buckets in requests for bucket in buckets]
    numbers: list[float] = []
    for buckets in requests:
        numbers.append(len(buckets))
        for bucket in buckets:
            numbers += (MINUTE_US / bucket.rate.per_minute, bucket.rate.burst)
    try:
        counted = await client.evalsha(TAKE_SHA, len(keys), *keys, *numbers)
    except NoScriptError:
        counted = await client.eval(TAKE, len(keys), *keys, *numbers)
    values = iter(counted)
    return [_closest([_standing(bucket, values) for bucket in buckets]) for buckets in requests]


def _standing(bucket: Bucket, values: Iterator[int]) -> Standing:
    return Standing(bucket, next(values), next(values) / 1e6, next(values) / 1e6)


def _closest(standings: list[Standing]) -> Standing:
    return max(standings, key=lambda standing: (standing.wait_seconds, -standing.remaining))


async def refill(client: redis.Redis, bucket: Bucket) -> None:
    """Forget what the bucket has counted. Raises RedisError."""
    await client.delete(bucket.key)
