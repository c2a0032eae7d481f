"""One attempt against a real server that fails in every known way."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.webhooks.names import LOOKUPS_MAX
from agents.webhooks.responses import HEAD_BYTES_MAX
from agents.webhooks.sender import Sender
from domain.delivery import (
    RESPONSE_BYTES_MAX,
    RESPONSE_CHARACTERS_MAX,
    RESPONSE_HEADERS_CHARACTERS_MAX,
    Delivered,
    Due,
    HttpResponse,
    Prepared,
    RetryLater,
    Sent,
    SwitchedOff,
    classify,
)
from domain.retry import RETRY_AFTER_STEPS_MAX
from domain.signature import Secrets
from domain.target import check_url
from runtime.settings import Settings
from tests.support.authority import make_authority
from tests.support.dns import name_server
from tests.support.eventually import eventually
from tests.support.receiver import receiver

SECRET = "whsec_AQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vsXM09o="
BODY = '{"event":"payment.success","data":{"note":"₹"}}'.encode()
TIMEOUT_MS = 700


async def test_the_stored_bytes_are_what_arrives() -> None:
    async with receiver() as merchant:
        sent = await _send(merchant.url())
        assert sent.response is not None and sent.response.code == 200
        assert merchant.received[0].body == BODY
        assert dict(merchant.received[0].headers).items() >= sent.request_headers.items()
        assert SECRET not in str(merchant.received[0].headers)


async def test_a_redirect_is_not_followed() -> None:
    async with receiver() as merchant:
        merchant.responses["/hook"] = [web.Response(status=307, headers={"Location": merchant.url("/elsewhere")})]
        sent = await _send(merchant.url())
        assert sent.response is not None and sent.response.code == 307
        assert merchant.at("/elsewhere") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_a_private_address_gets_no_connection_whatever_its_name(host: str) -> None:
    async with receiver() as merchant:
        url = merchant.url().replace("127.0.0.1", host)
        refused = await _send(url, private_allowed=False)
        assert refused.response is None
        assert refused.error is not None and "private or local" in refused.error
        assert merchant.received == []
        allowed = await _send(url, private_allowed=True)
        assert allowed.response is not None and len(merchant.received) == 1


async def test_a_server_that_never_responds_costs_only_the_timeout() -> None:
    async with receiver() as merchant:
        merchant.hang("/hook")
        began_at = time.monotonic()
        sent = await _send(merchant.url())
        assert sent.response is None
        assert sent.error == "no answer within 0.7 s"
        assert time.monotonic() - began_at < 3


async def test_a_body_without_end_is_read_up_to_the_cap() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()

    async with _raw_server(endless) as server:
        sent = await _send(server.url())
        assert sent.response is not None and sent.response.code == 200
        assert sent.response.text == "x" * RESPONSE_CHARACTERS_MAX


async def test_a_body_that_drips_does_not_undo_the_status_line() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with _raw_server(drip) as server:
        began_at = time.monotonic()
        sent = await _send(server.url())
        assert sent.response is not None and sent.response.code == 200
        assert time.monotonic() - began_at < 3


async def test_compressed_bodies_are_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < RESPONSE_BYTES_MAX

    async with receiver() as merchant:
        merchant.responses["/hook"] = [web.Response(body=bomb, headers={"Content-Encoding": "gzip"})]
        sent = await _send(merchant.url())
        assert sent.response is not None and sent.response.code == 200
        assert "\0" not in sent.response.text, "PostgreSQL's text cannot hold NUL"
        assert len(sent.response.text) <= RESPONSE_CHARACTERS_MAX


@pytest.mark.parametrize(
    "junk",
    [
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 999999 ?\r\n\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n",
        b"",
    ],
    ids=["no HTTP", "no status", "half a status line", "only an interim answer", "nothing"],
)
async def test_junk_is_a_failed_attempt_with_a_reason(junk: bytes) -> None:
    async with _raw_server(_sending(junk)) as server:
        sent = await _send(server.url())
        assert sent.response is None
        assert sent.error


@pytest.mark.parametrize(
    "rest",
    [
        b"X: " + b"y" * 9_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"X: y\r\n" * 40_000 + b"\r\n",
        b"no colon at all\r\n\r\n",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: 10\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nbroken",
        b"X: the connection ends in the middle of the headers",
        b"",
    ],
    ids=[
        "a header of 9,000 bytes", "a header of 100,000 bytes", "40,000 headers", "no header", "no length",
        "a short body", "a malformed chunk", "half of the headers", "no headers",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("status", "verdict"), [(200, Delivered), (503, RetryLater)])
async def test_the_status_line_decides_whatever_follows_it(rest: bytes, status: int, verdict: type[object]) -> None:
    async with _raw_server(_sending(b"HTTP/1.1 %d Any\r\n" % status + rest)) as server:
        sent = await _send(server.url())
    assert sent.response is not None and sent.response.code == status, sent.error
    assert isinstance(classify(sent, (0, 5), draw=0.5), verdict)


async def test_what_broke_off_after_the_status_line_is_noted() -> None:
    async with _raw_server(_sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")) as server:
        sent = await _send(server.url())
    assert sent.error is not None and "broke off" in sent.error


async def test_the_head_of_a_response_takes_a_bounded_share_of_memory() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 20_000) for number in range(100))
    async with _raw_server(_sending(head + b"Content-Length: 0\r\n\r\n")) as server:
        sent = await _send(server.url())
    assert sent.response is not None and sent.response.code == 200
    assert sent.error is not None and f"exceed {HEAD_BYTES_MAX} bytes" in sent.error


async def test_an_interim_response_is_not_the_response() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
    async with _raw_server(_sending(interim + b"HTTP/1.1 204 No Content\r\nbroken\r\n\r\n")) as server:
        sent = await _send(server.url())
    assert sent.response is not None and sent.response.code == 204


@pytest.mark.parametrize(
    "expected",
    ["Mon, 01 Jan 99999999999 00:00:00 GMT", "9" * 5_000, "Sun Nov  6 08:49:37 2094", "-1", "\x80\xff soon"],
)
async def test_whatever_retry_after_holds_the_attempt_is_tried_again(expected: str) -> None:
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {expected}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    async with _raw_server(_sending(head)) as server:
        sent = await _send(server.url())
    assert sent.response is not None and sent.response.code == 503
    verdict = classify(sent, (0, 5), draw=0.5)
    assert isinstance(verdict, RetryLater)
    assert verdict.retry.due_at - sent.ended_at <= timedelta(seconds=5 * RETRY_AFTER_STEPS_MAX)


HEADER_BYTES = st.binary(max_size=60).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))
HEADERS_MET = st.sampled_from(
    [b"Retry-After", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Content-Encoding", b"Connection",
     b"Set-Cookie", b"Location", b"Upgrade", b"X-\xff"]
)  # fmt: skip
RESPONSES = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda status, headers, body: (
            b"HTTP/1.1 " + status + b"\r\n" + b"".join(n + b": " + v + b"\r\n" for n, v in headers) + b"\r\n" + body
        ),
        st.one_of(st.integers(0, 1_000).map(lambda code: b"%d" % code), HEADER_BYTES),
        st.lists(st.tuples(st.one_of(HEADERS_MET, HEADER_BYTES), HEADER_BYTES), max_size=5),
        st.binary(max_size=300),
    ),
)


async def test_every_response_of_a_receiver_becomes_an_outcome_that_can_be_recorded() -> None:
    responses: list[bytes] = []
    loop = asyncio.get_running_loop()

    async def send_next(writer: asyncio.StreamWriter) -> None:
        writer.write(responses[-1])

    async with _raw_server(send_next) as server, _sender(timeout_ms=300) as sender:

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
        @given(RESPONSES)
        def check(response: bytes) -> None:
            responses.append(response)
            sent = asyncio.run_coroutine_threadsafe(sender.send(_prepared(server.url())), loop).result(timeout=10)
            verdict = classify(sent, (0, 5, 30), draw=0.5)
            assert isinstance(verdict, Delivered | RetryLater | SwitchedOff)
            assert sent.response is not None or sent.error
            assert "inside the gateway" not in (sent.error or "")
            _check_storable(sent)

        await asyncio.to_thread(check)


def _check_storable(sent: Sent) -> None:
    """What PostgreSQL's text and JSON refuse: NUL and lone surrogates."""
    response = sent.response or HttpResponse(0, "", None)
    kept = [sent.error or "", response.text, *(part for header in response.headers for part in header)]
    assert not any("\0" in text for text in kept)
    "".join(kept).encode()
    assert sum(len(name) + len(value) for name, value in response.headers) <= RESPONSE_HEADERS_CHARACTERS_MAX


async def test_a_defect_of_our_own_is_the_attempts_outcome_too() -> None:
    async with _raw_server(_sending(b"HTTP/1.1 200 OK\r\n\r\n")) as server, _sender() as sender:
        sent = await sender.send(replace(_prepared(server.url()), secrets=Secrets("whsec_not base64!")))
        assert sent.response is None
        assert sent.error == "the attempt failed inside the gateway: ValueError"
        assert server.received == []


@pytest.mark.parametrize(
    "target",
    ["/hook?next=%2Fa", "/a/../b", "/a/./b//c", "/%7Euser?q=%41+b%20c", "/?x=1&&y", "/a%2fb;c=d?e=[f]|{g}", "/%zz?%"],
)
async def test_path_and_query_are_sent_byte_for_byte_as_saved(target: str) -> None:
    async with _raw_server(_sending(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        url = server.url(target)
        assert check_url(url, private_allowed=True) is None
        sent = await _send(url)
    assert server.received[0].startswith(f"POST {target} HTTP/1.1\r\n".encode())
    assert sent.prepared.url == url


async def test_the_merchants_own_headers_are_sent_and_logged_without_their_values() -> None:
    async with receiver() as merchant, _sender() as sender:
        own = (("Authorization", "Bearer s3cret"), ("X-Shop", "one"))
        sent = await sender.send(replace(_prepared(merchant.url()), headers=own))
        received = merchant.received[0].headers
    assert received["Authorization"] == "Bearer s3cret" and received["X-Shop"] == "one"
    assert sent.request_headers["Authorization"] == "••••"
    assert "s3cret" not in str(sent.request_headers)


async def test_the_responses_headers_are_kept_up_to_a_bound() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Trace: abc\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Bad: \xff\r\n"
    head += b"X-Long: " + b"y" * 8_000 + b"\r\nX-After: z\r\nContent-Length: 0\r\n\r\n"
    async with _raw_server(_sending(head)) as server:
        sent = await _send(server.url())
    assert sent.response is not None
    names = [name for name, _ in sent.response.headers]
    assert names == ["X-Trace", "Set-Cookie", "Set-Cookie", "X-Bad", "X-Long"]
    assert sent.response.headers[0] == ("X-Trace", "abc")
    assert sum(len(name) + len(value) for name, value in sent.response.headers) <= RESPONSE_HEADERS_CHARACTERS_MAX
    _check_storable(sent)


async def test_names_that_never_resolve_cost_their_own_merchant_alone() -> None:
    async with (
        name_server({"shop.test": "127.0.0.1"}) as dns,
        receiver() as merchant,
        _sender(timeout_ms=10_000, nameservers=(dns.address,)) as sender,
    ):
        greedy = [
            asyncio.create_task(sender.send(_prepared(f"http://silent-{number}.test/", merchant_id="greedy")))
            for number in range(3 * LOOKUPS_MAX)
        ]
        await eventually(lambda: any("silent" in name for name in dns.requested))
        good = await sender.send(_prepared(merchant.url().replace("127.0.0.1", "shop.test"), merchant_id="good"))
        assert good.response is not None, good.error
        looked_up = {name for name in dns.requested if "silent" in name}
        assert not any(task.done() for task in greedy)
        assert len(looked_up) <= LOOKUPS_MAX, "a merchant's further names wait for its own turn"
        failed = await asyncio.gather(*greedy)
    errors = {sent.error for sent in failed}
    assert "silent-0.test was not resolved within 1.5 s" in errors
    assert all(sent.response is None for sent in failed)


async def test_a_name_that_failed_is_not_looked_up_again_for_a_moment() -> None:
    async with name_server({}) as dns, _sender(timeout_ms=10_000, nameservers=(dns.address,)) as sender:
        sent = [await sender.send(_prepared("http://silent.test/")) for _ in range(2)]
        requested = len(dns.requested)
        sent += await asyncio.gather(*[sender.send(_prepared("http://silent.test/")) for _ in range(20)])
    assert {one.error for one in sent} == {"silent.test was not resolved within 1.5 s"}
    assert len(dns.requested) == requested


async def test_many_requests_to_a_new_name_look_it_up_once() -> None:
    async with (
        name_server({"shop.test": "127.0.0.1"}) as dns,
        receiver() as merchant,
        _sender(timeout_ms=10_000, nameservers=(dns.address,)) as sender,
    ):
        url = merchant.url().replace("127.0.0.1", "shop.test")
        sent = await asyncio.gather(*[sender.send(_prepared(url)) for _ in range(30)])
    assert all(one.response is not None for one in sent), sent[0].error
    assert len(dns.requested) == 2, "one question for each kind of address"


async def test_a_name_that_resolves_to_a_private_address_gets_no_connection() -> None:
    async with (
        name_server({"rebound.test": "127.0.0.1"}) as dns,
        receiver() as merchant,
        _sender(private_allowed=False, nameservers=(dns.address,)) as sender,
    ):
        sent = await sender.send(_prepared(merchant.url().replace("127.0.0.1", "rebound.test")))
        assert sent.error is not None and "private or local" in sent.error
        assert merchant.received == []


async def test_an_egress_proxy_carries_every_request_and_resolves_the_names() -> None:
    response = _sending(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    async with _raw_server(response) as proxy:
        with_password = proxy.url("").replace("http://", "http://user:password@")
        async with _sender(private_allowed=False, proxy=with_password) as sender:
            sent = await sender.send(_prepared("http://shop.test/hook?next=%2Fa"))
            refused = [
                await sender.send(_prepared(url))
                for url in ("http://169.254.169.254/latest", "http://localhost/", "http://[fec0::1]/")
            ]
    assert sent.response is not None and sent.response.code == 200, sent.error
    assert len(proxy.received) == 1
    head = proxy.received[0].decode()
    assert head.startswith("POST http://shop.test/hook?next=%2Fa HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==" in head
    assert "Proxy-Authorization" not in sent.request_headers
    assert all(one.response is None and "private or local" in (one.error or "") for one in refused)


async def test_a_proxy_that_is_unavailable_or_refuses_is_an_error_without_its_address() -> None:
    async with _sender(proxy="http://user:password@127.0.0.1:9") as sender:
        away = await sender.send(_prepared("http://shop.test/"))
    forbidden = _sending(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with _raw_server(forbidden) as proxy, _sender(proxy=proxy.url("")) as sender:
        refused = await sender.send(_prepared("https://shop.test/"))
    assert away.error == "the egress proxy is unavailable"
    assert refused.error == "the egress proxy refused the connection with status 403"


async def test_an_extra_authority_is_trusted_beside_the_systems(tmp_path: Path) -> None:
    authority, context = make_authority(tmp_path)
    async with receiver(tls=context) as merchant:
        url = merchant.url().replace("http://", "https://")
        async with _sender() as sender:
            untrusted = await sender.send(_prepared(url))
        async with _sender(extra_ca_file=str(authority)) as sender:
            trusted = await sender.send(_prepared(url))
    assert untrusted.response is None and untrusted.error is not None and "certificate" in untrusted.error
    assert trusted.response is not None and trusted.response.code == 200, trusted.error


async def test_nobody_listening_is_a_failed_attempt() -> None:
    sent = await _send("http://127.0.0.1:9/hook")
    assert sent.response is None
    assert sent.error is not None and "Cannot connect" in sent.error


async def _send(url: str, *, private_allowed: bool = True) -> Sent:
    async with _sender(private_allowed=private_allowed) as sender:
        return await sender.send(_prepared(url))


@contextlib.asynccontextmanager
async def _sender(
    *,
    private_allowed: bool = True,
    timeout_ms: int = TIMEOUT_MS,
    nameservers: tuple[str, ...] = (),
    proxy: str = "",
    extra_ca_file: str = "",
) -> AsyncIterator[Sender]:
    chosen = Settings(
        test_mode=True,
        webhook_timeout_ms=timeout_ms,
        webhook_allow_private_networks=private_allowed,
        webhook_proxy_url=SecretStr(proxy),
        webhook_extra_ca_file=extra_ca_file,
    )
    sender = Sender(chosen, nameservers=nameservers)
    await sender.open()
    try:
        yield sender
    finally:
        await sender.close()


def _prepared(url: str, *, merchant_id: str = "merchant_1") -> Prepared:
    due = Due(uuid.uuid4(), "whe_0Ab3xZQwErTyUiOp", "order_0Ab3xZQwErTyUiOp", 1)
    secrets = Secrets(SECRET)
    return Prepared(due, "evt_0Ab3xZQwErTyUiOp_4", None, url, BODY, secrets, 0, False, merchant_id)


@dataclass(slots=True)
class _RawServer:
    """`received`: the head of each request, byte for byte."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)

    def url(self, target: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{target}"


def _sending(response: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(response)
        await writer.drain()

    return send


@contextlib.asynccontextmanager
async def _raw_server(response: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[_RawServer]:
    raw = _RawServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            raw.received.append(await reader.readuntil(b"\r\n\r\n"))
            await response(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
