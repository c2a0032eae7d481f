"""Live updates inside one process: one Redis subscription, however many streams listen.

    async with live.watch("payment:pay_…") as watch:
        message = await watch.next(timeout=2)        bytes · None: no message

A message is a hint: it can be missed while Redis is unavailable or when a listener is slow. `watch.gap` reports that it
may have been; a listener that must not miss anything reads the database then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio as redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from api.process.metrics import STREAMS_OPEN
from runtime.logs import get_logger

log = get_logger("live")

MESSAGES_MAX = 64
"""Kept for one slow listener; more are dropped and leave a gap."""
RECONNECT_SECONDS = 0.2
FIRST_CHANNEL = "live"
"""Always subscribed, so that the connection exists before the first listener."""


class Watch:
    """One listener of one channel."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue(MESSAGES_MAX)
        self.gap = False
        self.closing = False

    async def next(self, timeout: float) -> bytes | None:
        """The next message; None if none arrived in time, or at once when the process is stopping."""
        if self.closing:
            return None
        try:
            async with asyncio.timeout(timeout):
                return await self._messages.get()
        except TimeoutError:
            return None

    def put(self, message: bytes | None) -> None:
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self.gap = True


class LiveUpdates:
    """The process's one subscription."""

    def __init__(self, subscriber: redis.Redis) -> None:
        self._subscriber = subscriber
        self._watches: dict[str, set[Watch]] = {}
        self._handlers: dict[str, Callable[[bytes], None]] = {}
        self._on_gap: list[Callable[[], None]] = []
        self._channel: PubSub | None = None
        self.closing = False

    def on(self, channel: str, handler: Callable[[bytes], None], *, on_gap: Callable[[], None]) -> None:
        """Call `handler` for each message for the life of the process. Before `run`."""
        self._handlers[channel] = handler
        self._on_gap.append(on_gap)

    @property
    def channels(self) -> list[str]:
        """Channels with a listener."""
        return list(self._watches)

    @asynccontextmanager
    async def watch(self, channel: str) -> AsyncIterator[Watch]:
        """Listen until the end of the block."""
        one = Watch()
        one.closing = self.closing
        others = self._watches.setdefault(channel, set())
        others.add(one)
        STREAMS_OPEN.inc()
        try:
            if len(others) == 1:
                await self._set_subscription(channel, listen=True)
            yield one
        finally:
            STREAMS_OPEN.dec()
            others.discard(one)
            if not others and self._watches.get(channel) is others:
                del self._watches[channel]
                await self._set_subscription(channel, listen=False)

    def hand_out(self, channel: str, message: bytes) -> None:
        """Pass a message to every listener of the channel."""
        for one in self._watches.get(channel, ()):
            one.put(message)

    def close(self) -> None:
        """Wake every listener: the process is stopping."""
        self.closing = True
        for watches in self._watches.values():
            for one in watches:
                one.closing = True
                one.put(None)

    async def run(self) -> None:
        """Receive from Redis until cancelled; reconnects automatically."""
        while True:
            try:
                async with self._subscriber.pubsub() as channel:
                    await channel.subscribe(FIRST_CHANNEL, *self._handlers, *self._watches)
                    self._channel = channel
                    self._mark_gap()
                    await self._receive(channel)
            except (RedisError, OSError) as error:
                log.warning("live_updates_interrupted", error=repr(error))
            finally:
                self._channel = None
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _receive(self, channel: PubSub) -> None:
        async for message in channel.listen():
            if message["type"] != "message":
                continue
            name = message["channel"].decode()
            handler = self._handlers.get(name)
            if handler is not None:
                handler(message["data"])
            self.hand_out(name, message["data"])

    def _mark_gap(self) -> None:
        for call in self._on_gap:
            call()
        for watches in self._watches.values():
            for one in watches:
                one.gap = True
                one.put(None)

    async def _set_subscription(self, name: str, *, listen: bool) -> None:
        channel = self._channel
        if channel is None:
            return  # `run` subscribes to everything that is watched when it connects
        try:
            await (channel.subscribe(name) if listen else channel.unsubscribe(name))
        except (RedisError, OSError) as error:
            log.warning("live_channel_not_changed", channel=name, error=repr(error))
