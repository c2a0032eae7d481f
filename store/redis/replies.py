"""The actors' messages to the API's processes over Redis PUBLISH. Hints only: the inbox and the tables are the truth.

    reply:<api worker>    answers to waiting requests, a line for each:  command id TAB nonce TAB flag TAB body NEWLINE
                          flag  A accepted · R rejected (body: code, description, field) · D accepted before, repeated
                                · L later: the command is on the log, and waits for an actor that is new enough
    payment:<id>          something happened to the payment (the last event's type): its watchers read it
    merchant:<id>         something happened to a payment of the merchant

Bodies are compact JSON, so neither TAB nor NEWLINE occurs in them, and one can be passed on without parsing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import redis.asyncio as redis
from redis.exceptions import RedisError

CHANNEL_PREFIX = "reply:"


class Flag(StrEnum):
    ACCEPTED = "A"
    REJECTED = "R"
    REPEATED = "D"
    LATER = "L"


FLAGS = frozenset(Flag)


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one request: the command's id, and the request's nonce ('' without an Idempotency-Key).

    `body`: the resource, or the refusal.
    """

    command_id: str
    nonce: str
    flag: Flag
    body: str


def encode_replies(replies: Iterable[Reply]) -> str:
    """Without replies whose id or nonce would break the form: no request of ours has such an id."""
    return "".join(
        f"{reply.command_id}\t{reply.nonce}\t{reply.flag}\t{reply.body}\n" for reply in replies if _fits(reply)
    )


def _fits(reply: Reply) -> bool:
    named = reply.command_id + reply.nonce
    return "\t" not in named and "\n" not in named


def decode_replies(message: str) -> list[Reply]:
    """Malformed lines are ignored: the waiting request falls back to the inbox."""
    replies = []
    for line in message.split("\n"):
        parts = line.split("\t", 3)
        if len(parts) == 4 and parts[2] in FLAGS:
            replies.append(Reply(parts[0], parts[1], Flag(parts[2]), parts[3]))
    return replies


def payment_channel(payment_id: str) -> str:
    """Redis channel of one payment (checkout)."""
    return f"payment:{payment_id}"


def merchant_channel(merchant_id: str) -> str:
    """Redis channel of everything that happens to a merchant's payments (dashboard)."""
    return f"merchant:{merchant_id}"


async def publish_replies(
    client: redis.Redis, by_worker: Mapping[str, list[Reply]], wakes: Mapping[str, str], *, timeout: float
) -> None:
    """Send what each API worker waits for, one message a worker, and each channel's wake (channel -> event type).

    Raises RedisError or TimeoutError.
    """
    async with asyncio.timeout(timeout):
        pipeline = client.pipeline(transaction=False)
        for worker, replies in by_worker.items():
            pipeline.publish(CHANNEL_PREFIX + worker, encode_replies(replies))
        for channel, event_type in wakes.items():
            pipeline.publish(channel, event_type)
        await pipeline.execute()


async def subscribe_replies(
    client: redis.Redis, worker: str, *, on_state: Callable[[bool], None] = lambda _connected: None
) -> AsyncIterator[list[Reply]]:
    """Replies for one API worker, without end; reconnects automatically. What is missed in between is in the inbox.

    `on_state` receives whether the subscription is up.
    """
    while True:
        try:
            async with client.pubsub() as channel:
                await channel.subscribe(CHANNEL_PREFIX + worker)
                on_state(True)
                async for message in channel.listen():
                    if message["type"] == "message":
                        yield decode_replies(message["data"].decode())
        except (RedisError, OSError):
            on_state(False)
            await asyncio.sleep(0.2)
