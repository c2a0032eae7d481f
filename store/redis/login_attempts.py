"""How often somebody tried to sign in: counted in Redis for a minute, for an e-mail address from one network address,
and for that network address whatever the e-mail.

Counted before the password is looked at, so that many guesses at once do not slip through together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import redis.asyncio as redis

WINDOW_SECONDS = 60
ADDRESS_FACTOR = 10
"""One network address may fail with this many times as many attempts in all: an office signs in from one."""

# Adds one to each counter. The seconds to wait, where any of them is above its limit.
COUNT = """
local wait = 0
for i, key in ipairs(KEYS) do
  local count = redis.call('INCR', key)
  if count == 1 then redis.call('EXPIRE', key, ARGV[1]) end
  if count > tonumber(ARGV[i + 1]) then wait = math.max(wait, redis.call('TTL', key), 1) end
end
return wait
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to sign in. Names of keys are hashes: e-mail addresses do not belong into Redis."""

    email: str
    address: str

    @property
    def keys(self) -> tuple[str, str]:
        return _key(self.email.lower(), self.address), _key("", self.address)


async def count_attempt(client: redis.Redis, attempt: Attempt, *, per_minute: int) -> int:
    """Seconds to wait before the next attempt, 0 where this one may go on. Raises RedisError."""
    if per_minute == 0:
        return 0
    limits = (per_minute, per_minute * ADDRESS_FACTOR)
    return int(await client.eval(COUNT, 2, *attempt.keys, WINDOW_SECONDS, *limits))


async def forgive_attempts(client: redis.Redis, attempt: Attempt) -> None:
    """The password was right: what was counted for this e-mail from this address is void. Raises RedisError."""
    await client.delete(attempt.keys[0])


def _key(email: str, address: str) -> str:
    return "login:" + hashlib.sha256(f"{email}\0{address}".encode()).hexdigest()[:32]
