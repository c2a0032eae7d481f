"""Event streams: a merchant's crowd leaves room for the others, every seat is given back, a feed ends with its key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from api.access.caller import Caller
from api.process.live import Watch
from api.process.streams import SeatedResponse, Seats
from api.routes import stream
from store.log.feed import FeedPlace

SCOPE = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "headers": []}


async def test_a_merchant_with_1051_streams_does_not_shut_others_out() -> None:
    seats = Seats(in_all=100, per_merchant=20)
    assert sum(seats.take("noisy") for _ in range(1_051)) == 20
    assert all(seats.take("quiet") for _ in range(10))


async def test_the_seats_of_a_process_are_limited_for_all_merchants_together() -> None:
    seats = Seats(in_all=100, per_merchant=20)
    assert sum(seats.take(f"merchant-{i}") for i in range(300)) == 100


async def test_a_seat_is_given_back_when_the_stream_ends_and_when_its_client_is_gone() -> None:
    seats = Seats(in_all=1, per_merchant=1)

    async def frames() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        return None

    async def gone(_message: Message) -> None:
        raise ConnectionResetError

    for _ in range(3):
        assert seats.take("one")
        await SeatedResponse(frames(), seats, "one")(SCOPE, receive, send)
        assert seats.take("one")
        assert not seats.take("one")
        with pytest.raises(ClientDisconnect):
            await SeatedResponse(frames(), seats, "one")(SCOPE, receive, gone)


class EndlessFeed:
    """A merchant's feed with an event whenever somebody looks."""

    def __init__(self) -> None:
        self.looks = 0

    async def next_events(self, *_where: Any, **_limit: Any) -> list[Any]:
        self.looks += 1
        payload = b'{"id": "evt", "type": "payment.success", "at": "", "body": {}}'
        return [SimpleNamespace(payload=payload, place=SimpleNamespace(cursor=str(self.looks)))]


async def test_a_feed_ends_with_its_key_also_while_events_keep_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, watch = EndlessFeed(), Watch()

    async def revoked(*_caller: Any) -> bool:
        return False

    async def nothing(*_where: Any) -> list[str]:
        return []

    monkeypatch.setattr(stream, "next_events", feed.next_events)
    monkeypatch.setattr(stream, "switches_since", nothing)
    monkeypatch.setattr(stream, "_may_look", revoked)
    for name in ("CHECK_EVERY_SECONDS", "LOOK_EVERY_SECONDS", "GATHER_SECONDS"):
        monkeypatch.setattr(stream, name, 0.0)
    request: Any = SimpleNamespace(scope={"app": SimpleNamespace(services=SimpleNamespace(pool=None))})
    caller, place = Caller("mrc_1", "key"), FeedPlace(0, 0)
    async for _ in stream._changes(request, caller, place, watch):
        assert feed.looks < 100, "nobody asked whether the key may still be used"
