"""Notes in Redis about what was accepted but not decided in time (answered 202), so that no later read says 404.

accepted:<resource id>      the resource as accepted, whose it is, which command asks for it
undecided:<command id>      the resource id that was promised for this Idempotency-Key
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson
import redis.asyncio as redis

KEPT_SECONDS = 7 * 86_400
"""As long as the commands topic keeps the command."""
CLAIMED_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Accepted:
    """`resource`: JSON in the public shape."""

    command_id: str
    order_id: str
    merchant_id: str
    resource: str


async def note_accepted(client: redis.Redis, resource_id: str, accepted: Accepted) -> None:
    """Raises RedisError or OSError: then nothing may be promised."""
    await client.set(f"accepted:{resource_id}", orjson.dumps(asdict(accepted)), ex=KEPT_SECONDS)


async def claim(client: redis.Redis, command_id: str, resource_id: str) -> bool:
    """Promise this resource for the command; False where an earlier request has a promise."""
    earlier = await client.set(f"undecided:{command_id}", resource_id, nx=True, get=True, ex=CLAIMED_SECONDS)
    return earlier is None


async def find_claim(client: redis.Redis, command_id: str) -> str | None:
    """The resource that was promised for the command."""
    stored = await client.get(f"undecided:{command_id}")
    return stored.decode() if isinstance(stored, bytes) else stored


async def find_accepted(client: redis.Redis, resource_id: str) -> Accepted | None:
    stored = await client.get(f"accepted:{resource_id}")
    return None if stored is None else Accepted(**orjson.loads(stored))
