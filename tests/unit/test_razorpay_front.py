"""`gateway razorpay`: whom the front serves, whom it refuses, and what its authority may sign."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from ops.console.exit_codes import UsageError
from ops.razorpay import front as front_module
from ops.razorpay.authority import AUTHORITY_DAYS, Authority, context_for, open_authority
from ops.razorpay.command import API_HOST, CHECKOUT_HOST, directions, upstream_at
from ops.razorpay.front import LOOPBACK, Front, Upstream

BEATS = 10
"""Of a stream that lasts for two seconds and a half."""
HOSTS = (API_HOST, CHECKOUT_HOST)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    yield open_authority(tmp_path_factory.mktemp("razorpay") / "kept", HOSTS, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Served:
    """A front whose API says which path it was called by. `nowhere`: a port on which nothing listens."""

    authority: Authority
    proxy: int
    tls: int


@asynccontextmanager
async def _upstream() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        return web.json_response({"path": request.path_qs, "host": request.host, "body": body})

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(BEATS):
            await response.write(b"beat")
            await asyncio.sleep(0.25)
        return response

    app = web.Application()
    app.router.add_get("/stream", stream)
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def served(authority: Authority) -> AsyncIterator[Served]:
    at = datetime.now(UTC)
    async with _upstream() as port:
        front = Front(
            {
                API_HOST: Upstream(port, context_for(authority, API_HOST, at)),
                CHECKOUT_HOST: Upstream(1, context_for(authority, CHECKOUT_HOST, at)),
            }
        )
        async with front.serving(proxy_port=0, tls_port=0) as (proxy, tls):
            yield Served(authority, proxy, tls)


async def _curl(served: Served, *arguments: str) -> tuple[int, str]:
    """(exit code, what curl printed)"""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "20", "--cacert", str(served.authority.certificate), *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_client_behind_the_proxy_reaches_the_api_under_the_originals_name(served: Served) -> None:
    code, said = await _curl(
        served, "-x", f"http://{LOOPBACK}:{served.proxy}", "-d", "amount=1", f"https://{API_HOST}/v1/orders?a=b"
    )
    assert code == 0, said
    assert '"path": "/v1/orders?a=b"' in said and f'"host": "{API_HOST}"' in said and '"body": "amount=1"' in said


async def test_a_client_without_a_proxy_is_shown_the_leaf_of_the_host_it_names(served: Served) -> None:
    resolve = f"{API_HOST}:{served.tls}:{LOOPBACK}"
    code, said = await _curl(served, "--resolve", resolve, f"https://{API_HOST}:{served.tls}/v1/methods")
    assert code == 0 and '"path": "/v1/methods"' in said, said


async def test_an_old_client_that_sends_the_whole_address_is_served_once(served: Served) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, served.proxy)
    writer.write(
        f"GET https://{API_HOST}/v1/orders?x=1 HTTP/1.1\r\nHost: {API_HOST}\r\nProxy-Connection: x\r\n\r\n".encode()
    )
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 200") and b'"path": "/v1/orders?x=1"' in said


@pytest.mark.parametrize(
    "host", ["example.com", "api.razorpay.com.example.com", "localhost", "127.0.0.1", "169.254.169.254"]
)
async def test_any_other_host_is_refused_with_a_sentence(served: Served, host: str) -> None:
    for head in (f"CONNECT {host}:443 HTTP/1.1\r\n\r\n", f"GET http://{host}/ HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection(LOOPBACK, served.proxy)
        writer.write(head.encode())
        async with asyncio.timeout(20):
            said = await reader.read()
        writer.close()
        assert said.startswith(b"HTTP/1.1 403") and b"stands in for" in said


async def test_an_unavailable_gateway_is_a_response_not_a_broken_connection(served: Served) -> None:
    code, said = await _curl(
        served, "-x", f"http://{LOOPBACK}:{served.proxy}", f"https://{CHECKOUT_HOST}/v1/checkout.js"
    )
    assert code == 0 and "start the gateway with `make up`" in said


async def _answer(port: int, request: bytes, *, context: ssl.SSLContext | None = None) -> bytes:
    """All that is said to these bytes, and to no more than these."""
    name = None if context is None else API_HOST
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context, server_hostname=name)
    writer.write(request)
    if context is None:
        writer.write_eof()
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


async def test_unreadable_bytes_do_not_end_the_front_and_get_a_response(served: Served) -> None:
    for nonsense, status in (
        (b"\r\n\r\n", b"400"), (b"\xff" * 100 + b"\r\n\r\n", b"400"), (b"CONNECT\r\n\r\n", b"400"),
        (b"a" * 70_000, b"431"), (b"GET / HTTP/1.1\r\nHost", b"400"),
    ):  # fmt: skip
        said = await _answer(served.proxy, nonsense)
        assert said.startswith(b"HTTP/1.1 " + status) and b"X-Test-Double" in said and b"BAD_REQUEST_ERROR" in said
    code, _ = await _curl(served, "-x", f"http://{LOOPBACK}:{served.proxy}", f"https://{API_HOST}/v1/methods")
    assert code == 0


async def test_a_request_that_takes_too_long_gets_408(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "HEAD_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection(LOOPBACK, served.proxy)
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 408")


async def test_a_connection_above_the_limit_gets_a_response_on_both_ports(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_module, "CONNECTIONS_MAX", 0)
    trusting = ssl.create_default_context(cafile=served.authority.certificate)
    request = f"GET https://{API_HOST}/v1/orders HTTP/1.1\r\n\r\n".encode()
    for said in (await _answer(served.proxy, request), await _answer(served.tls, request, context=trusting)):
        assert said.startswith(b"HTTP/1.1 503") and b"connections at a time" in said


async def test_a_stream_of_responses_lasts_longer_than_its_request_is_idle(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout's page listens for minutes and says nothing itself."""
    monkeypatch.setattr(front_module, "IDLE_SECONDS", 1.0)
    code, said = await _curl(served, "-x", f"http://{LOOPBACK}:{served.proxy}", f"https://{API_HOST}/stream")
    assert code == 0 and said.count("beat") == BEATS, said
    connected = b"HTTP/1.1 200 Connection established\r\n\r\n"
    reader, writer = await asyncio.open_connection(LOOPBACK, served.proxy)
    writer.write(f"CONNECT {API_HOST}:443 HTTP/1.1\r\n\r\n".encode())
    async with asyncio.timeout(20):
        assert await reader.readexactly(len(connected)) == connected
        trusting = ssl.create_default_context(cafile=served.authority.certificate)
        await writer.start_tls(trusting, server_hostname=API_HOST)
        assert await reader.read() == b"", "a connection on which nothing moves is closed"
    writer.close()


async def test_a_python_program_with_a_bundle_of_its_own_trusts_the_authority_by_its_path(served: Served) -> None:
    program = "import razorpay; client = razorpay.Client(auth=('k', 's'));print(client.request('get', '/v1/orders'))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={
            "PATH": os.environ["PATH"], "HTTPS_PROXY": f"http://{LOOPBACK}:{served.proxy}",
            "PYTHONPATH": str(served.authority.python),
        },
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0 and b"/v1/orders" in said, said.decode()


async def test_a_front_in_a_container_listens_elsewhere_and_finds_the_api_by_its_name(authority: Authority) -> None:
    at = datetime.now(UTC)
    async with _upstream() as port:
        front = Front({API_HOST: Upstream(port, context_for(authority, API_HOST, at), host="localhost")})
        async with front.serving(proxy_port=0, tls_port=0, listen="127.0.0.2") as (proxy, tls):
            found = Served(authority, proxy, tls)
            resolve = f"{API_HOST}:{tls}:127.0.0.2"
            code, said = await _curl(found, "--resolve", resolve, f"https://{API_HOST}:{tls}/v1/methods")
            assert code == 0 and '"path": "/v1/methods"' in said, said
            code, _ = await _curl(found, "-x", f"http://{LOOPBACK}:{proxy}", f"https://{API_HOST}/v1/methods")
            assert code != 0, "it listens on the address that it was given alone"


@pytest.mark.parametrize("address", ["api", "api:", ":80", "api:0", "api:65536", "api:http"])
def test_an_address_that_is_none_is_refused_with_a_sentence(address: str) -> None:
    with pytest.raises(UsageError, match="is not HOST:PORT"):
        upstream_at(address, 1, ssl.create_default_context())


def test_the_authority_cannot_sign_for_any_other_host(authority: Authority) -> None:
    """Not a client's goodwill: a name outside its constraints fails the verification."""
    context = context_for(authority, "example.com", datetime.now(UTC))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(outgoing, incoming, server_side=True)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    client = trusting.wrap_bio(incoming, outgoing, server_hostname="example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        for _ in range(10):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue


def test_the_key_is_its_owners_alone(authority: Authority) -> None:
    assert stat.S_IMODE(authority.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_an_authority_is_kept_and_renewed_before_it_expires(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    first = open_authority(tmp_path, HOSTS, at).certificate.read_bytes()
    assert open_authority(tmp_path, HOSTS, at + timedelta(days=1)).certificate.read_bytes() == first
    assert open_authority(tmp_path, HOSTS, at + timedelta(days=AUTHORITY_DAYS - 1)).certificate.read_bytes() != first


def test_the_printed_lines_name_the_ports_and_the_files(authority: Authority) -> None:
    lines = directions(authority, 1234, 5678)
    assert "export HTTPS_PROXY=http://127.0.0.1:1234" in lines
    assert f"export NODE_EXTRA_CA_CERTS={authority.certificate}" in lines
    assert f"php -d curl.cainfo={authority.certificate}" in lines
    assert "MAP checkout.razorpay.com 127.0.0.1:5678" in lines
