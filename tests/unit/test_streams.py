"""Seats for event streams: one merchant's crowd leaves room for the others, and every seat is given back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from api.process.streams import SeatedResponse, Seats

SCOPE = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "headers": []}


async def test_a_merchant_with_1051_streams_shuts_nobody_out() -> None:
    seats = Seats(in_all=100, per_merchant=20)
    assert sum(seats.take("noisy") for _ in range(1_051)) == 20
    assert all(seats.take("quiet") for _ in range(10))


async def test_a_process_has_an_end_to_its_seats_whoever_takes_them() -> None:
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
