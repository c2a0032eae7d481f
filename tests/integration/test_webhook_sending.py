"""One attempt against a real server that misbehaves in every way we know of."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from agents.webhooks.sending import Sender
from domain.delivery import RESPONSE_BYTES_MAX, RESPONSE_CHARACTERS_MAX, Due, Prepared, Sent
from domain.signature import Secrets
from runtime.settings import Settings
from tests.support.receiver import receiver

SECRET = "whsec_AQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vsXM09o="
BODY = '{"event":"payment.success","data":{"note":"₹"}}'.encode()
TIMEOUT_MS = 700


async def test_the_stored_bytes_are_what_arrives() -> None:
    async with receiver() as merchant:
        sent = await _send(merchant.url())
        assert sent.answer is not None and sent.answer.code == 200
        assert merchant.received[0].body == BODY
        assert dict(merchant.received[0].headers).items() >= sent.request_headers.items()
        assert SECRET not in str(merchant.received[0].headers)


async def test_a_redirect_is_not_followed() -> None:
    async with receiver() as merchant:
        merchant.answers["/hook"] = [web.Response(status=307, headers={"Location": merchant.url("/elsewhere")})]
        sent = await _send(merchant.url())
        assert sent.answer is not None and sent.answer.code == 307
        assert merchant.at("/elsewhere") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_a_private_address_gets_no_connection_whatever_the_name_says(host: str) -> None:
    async with receiver() as merchant:
        url = merchant.url().replace("127.0.0.1", host)
        refused = await _send(url, private_allowed=False)
        assert refused.answer is None
        assert refused.error is not None and "private or local" in refused.error
        assert merchant.received == []
        allowed = await _send(url, private_allowed=True)
        assert allowed.answer is not None and len(merchant.received) == 1


async def test_a_server_that_never_answers_costs_the_time_out_and_no_more() -> None:
    async with receiver() as merchant:
        merchant.hang("/hook")
        began_at = time.monotonic()
        sent = await _send(merchant.url())
        assert sent.answer is None
        assert sent.error == "no answer within 0.7 s"
        assert time.monotonic() - began_at < 3


async def test_a_body_without_end_is_read_up_to_the_cap() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()

    async with _raw_server(endless) as url:
        sent = await _send(url)
        assert sent.answer is not None and sent.answer.code == 200
        assert sent.answer.text == "x" * RESPONSE_CHARACTERS_MAX


async def test_a_body_that_drips_does_not_undo_the_status_line() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with _raw_server(drip) as url:
        began_at = time.monotonic()
        sent = await _send(url)
        assert sent.answer is not None and sent.answer.code == 200
        assert time.monotonic() - began_at < 3


async def test_compressed_bodies_are_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < RESPONSE_BYTES_MAX

    async with receiver() as merchant:
        merchant.answers["/hook"] = [web.Response(body=bomb, headers={"Content-Encoding": "gzip"})]
        sent = await _send(merchant.url())
        assert sent.answer is not None and sent.answer.code == 200
        assert "\0" not in sent.answer.text, "PostgreSQL's text cannot hold NUL"
        assert len(sent.answer.text) <= RESPONSE_CHARACTERS_MAX


@pytest.mark.parametrize(
    "junk",
    [
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 999999 ?\r\n\r\n",
        b"",
    ],
    ids=["no HTTP", "a header without end", "no status", "nothing"],
)
async def test_junk_is_a_failed_attempt_with_a_reason(junk: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(junk)
        await writer.drain()

    async with _raw_server(answer) as url:
        sent = await _send(url)
        assert sent.answer is None or sent.answer.code >= 300
        assert sent.answer is not None or sent.error


async def test_nobody_listening_is_a_failed_attempt() -> None:
    sent = await _send("http://127.0.0.1:9/hook")
    assert sent.answer is None
    assert sent.error is not None and "Cannot connect" in sent.error


async def _send(url: str, *, private_allowed: bool = True) -> Sent:
    settings = Settings(test_mode=True, webhook_timeout_ms=TIMEOUT_MS, webhook_allow_private_networks=private_allowed)
    due = Due(uuid.uuid4(), "whe_0Ab3xZQwErTyUiOp", "order_0Ab3xZQwErTyUiOp", 1)
    sender = Sender(settings)
    await sender.open()
    try:
        return await sender.send(Prepared(due, "evt_0Ab3xZQwErTyUiOp_4", None, url, BODY, Secrets(SECRET), 0, False))
    finally:
        await sender.close()


@contextlib.asynccontextmanager
async def _raw_server(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
