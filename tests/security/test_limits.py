"""Slow, endless, oversized and numerous: what one client does never stops the others, and is cut off in bounded time.

Raw sockets, for no client library sends what is sent here.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest

from api.http.bodies import BODY_BYTES_MAX
from api.server import HEAD_SECONDS_MAX
from tests.support.api import Api, error_of
from tests.support.extra_api import extra_api
from tests.support.refused import until_refused
from tests.support.stack import Stack

CUT_SECONDS = HEAD_SECONDS_MAX + 6
PROMPT_SECONDS = 3.0
STREAMS, STREAMS_MANY = 1_000, 10_000
POST = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.plan.ports["PORT"])
    try:
        yield reader, writer
    finally:
        writer.close()


async def fed(connection: Connection, first: bytes, drops: bytes, *, every_seconds: float) -> tuple[float, bytes]:
    """Send, then go on dripping until the server ends the connection: (seconds it took, all it said)."""
    reader, writer = connection
    began = time.monotonic()
    message = asyncio.create_task(_all_received(reader))
    writer.write(first)
    while not message.done():
        writer.write(drops)
        await asyncio.wait([message], timeout=every_seconds)
        assert time.monotonic() - began < CUT_SECONDS, f"still open, having said {reader!r}"
    return time.monotonic() - began, message.result()


async def _all_received(reader: asyncio.StreamReader) -> bytes:
    parts = []
    try:
        while part := await reader.read(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


async def received(stack: Stack, request: bytes) -> bytes:
    """What the server says to these bytes until it ends the connection or says nothing for a second."""
    async with connected(stack) as (reader, writer):
        writer.write(request)
        message = b""
        try:
            while part := await asyncio.wait_for(reader.read(65_536), 1.0 if message else PROMPT_SECONDS):
                message += part
        except (TimeoutError, ConnectionResetError):
            pass
        return message


async def responds_promptly(api: Api) -> None:
    began = time.monotonic()
    assert (await api.order())["status"] == "CREATED"
    assert time.monotonic() - began < PROMPT_SECONDS


async def test_whoever_never_ends_a_request_is_cut_off_and_nobody_waits_for_it(api: Api, stack: Stack) -> None:
    """All at once, for each takes the whole time: a head in drops, silence, blank lines, bodies without an end."""
    slow: list[tuple[str, bytes, bytes, float]] = [
        ("a head in drops", b"GET /health HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n", 0.5),
        ("one byte at a time", b"G", b"E", 5.0),
        ("nothing at all", b"", b"", 1.0),
        ("blank lines", b"\r\n", b"\r\n", 0.5),
        ("blank lines after an answer", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", 0.5),
        ("chunks without an end", CHUNKED + b"\r\n", b"1\r\n{\r\n", 0.2),
        ("a long body in drops", POST + b"Content-Length: 60000\r\n\r\n", b" ", 0.5),
    ]

    async def cut(first: bytes, drops: bytes, every_seconds: float) -> tuple[float, bytes]:
        async with connected(stack) as connection:
            return await fed(connection, first, drops, every_seconds=every_seconds)

    async with asyncio.TaskGroup() as group:
        cuts = {name: group.create_task(cut(*rest)) for name, *rest in slow}
        crowd = [group.create_task(cut(b"GET /slow HTTP/1.1\r\n", b"X: y\r\n", 1.0)) for _ in range(300)]
        await asyncio.sleep(1)
        for _ in range(5):
            await responds_promptly(api)
    took = {name: task.result()[0] for name, task in cuts.items()} | {"crowd": max(t.result()[0] for t in crowd)}
    assert max(took.values()) < CUT_SECONDS, took


async def test_a_body_above_the_limit_is_refused_however_it_is_sent(api: Api, stack: Stack) -> None:
    credentials = f"X-Api-Key: {api.key}\r\nX-Api-Secret: {api.secret}\r\n".encode()
    large = b" " * (BODY_BYTES_MAX + 1)
    declared = POST + credentials + b"Content-Length: %d\r\n\r\n" % len(large) + large
    chunked = CHUNKED + credentials + b"\r\n%x\r\n" % len(large) + large + b"\r\n"
    for request in (declared, chunked):
        assert (await received(stack, request)).startswith(b"HTTP/1.1 413 ")
    fits = b'{"amount": 500' + b" " * (BODY_BYTES_MAX - 15) + b"}"
    assert len(fits) == BODY_BYTES_MAX
    assert (await api.call("POST", "/orders", content=fits)).status_code == 201


@pytest.mark.parametrize(
    ("what", "head"),
    [
        ("one header of a megabyte", b"X-Long: " + b"x" * 1_000_000),
        ("a long address", b""),
        ("a hundred thousand headers", b"\r\n".join([b"a: b"] * 100_000)),
        ("a cookie of half a megabyte", b"Cookie: gateway_session=" + b"x" * 500_000),
    ],
)
async def test_a_large_head_is_refused(stack: Stack, api: Api, what: str, head: bytes) -> None:
    address = b"/health?" + b"q" * 500_000 if not head else b"/health"
    message = await received(stack, b"GET " + address + b" HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
    assert message.startswith(b"HTTP/1.1 431 ") or not message, message[:200]  # the reset may overtake the answer
    await responds_promptly(api)


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /health HTTP/9.9\r\n\r\n",
    b"NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nNo colon\r\n\r\n",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n",
    CHUNKED + b"\r\nZZZ\r\n{}\r\n",
    POST.replace(b"\r\n", b"\n") + b"\n",
    secrets.token_bytes(2_000),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[*(repr(garbage[:24]) for garbage in GARBAGE[:-1]), "random bytes"])
async def test_bytes_that_are_no_http_are_refused_alone_and_behind_a_request(
    stack: Stack, api: Api, garbage: bytes
) -> None:
    """Never a 5xx; two lengths for one body, which is how requests are smuggled, are not taken."""
    for before in (b"", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * 3):
        message = await received(stack, before + garbage)
        statuses = {line.split(b" ")[1] for line in message.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")}
        assert statuses <= {b"400", b"401", b"404", b"405", b"431"}, message
        if not before:
            assert b"200" not in statuses
    await responds_promptly(api)


async def test_a_thousand_payers_who_wait_do_not_slow_a_request(api: Api, stack: Stack) -> None:
    await _many_streams(api, stack, STREAMS)


@pytest.mark.chaos
async def test_ten_thousand_payers_who_wait_do_not_slow_a_request(api: Api, stack: Stack) -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < STREAMS_MANY + 1_000:
        pytest.skip(f"`ulimit -n` is {allowed}; {STREAMS_MANY} connections need more")
    await _many_streams(api, stack, STREAMS_MANY)


async def _many_streams(api: Api, stack: Stack, count: int) -> None:
    """Streams of one payment while the bank is not asked, other requests in between; then all hear the outcome."""
    before = await _streams_open(stack)
    stack.freeze("processor-0")
    connections: list[Connection] = []
    try:
        payment = await api.pay((await api.order())["id"])
        path = f"/api/v1/payments/{payment['id']}/public/stream".encode()
        for _ in range(count // 100):
            connections += await asyncio.gather(*(_stream(stack, path) for _ in range(100)))
        assert await _streams_open(stack) == before + count
        for _ in range(20):
            await responds_promptly(api)
    finally:
        stack.thaw("processor-0")
    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*(_all_received(reader) for reader, _ in connections))
    assert all(b'"status":"SUCCESS"' in outcome for outcome in outcomes)
    for _, writer in connections:
        writer.close()


async def _stream(stack: Stack, path: bytes) -> Connection:
    """Open, with its first event read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.plan.ports["PORT"])
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"event: status")
    return reader, writer


async def _streams_open(stack: Stack) -> int:
    total = 0.0
    async with httpx.AsyncClient(trust_env=False) as http:
        for index in range(stack.plan.worker_count("api")):
            lines = (await http.get(f"{stack.metrics_url('api', index)}/metrics")).text.splitlines()
            total += sum(float(line.split()[-1]) for line in lines if line.startswith("gateway_api_streams_open"))
    return int(total)


@pytest.fixture(scope="module")
async def strict(stack: Stack) -> AsyncIterator[str]:
    """The address of one more API process, with low limits."""
    async with extra_api(stack, "strict", {"RATE_LIMIT_PUBLIC_PER_MINUTE": "3"}) as url:
        yield url


async def test_a_payers_address_has_so_many_requests_a_minute(strict: str, stack: Stack) -> None:
    """Counted in Redis: what other workers have answered to this address counts too."""
    async with httpx.AsyncClient(base_url=f"{strict}/api/v1", trust_env=False, timeout=10) as http:
        for method, path, body in (
            ("POST", "/orders/public", {"amount": 500}),
            ("POST", "/payments/public", {}),
            ("GET", "/orders/order_0000000000000000/public", None),
        ):
            held = (await until_refused(partial(http.request, method, path, json=body)))[-1]
            assert error_of(held)["code"] == "RATE_LIMITED"
            assert 1 <= int(held.headers["Retry-After"]) <= 60
    async with httpx.AsyncClient(base_url=f"{stack.api_url}/api/v1", trust_env=False, timeout=10) as http:
        assert (await http.post("/orders/public", json={"amount": 500})).status_code == 201
