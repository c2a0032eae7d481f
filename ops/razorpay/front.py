"""The front: a forward proxy and a TLS server for two host names, each passed on to a port of our own.

    CONNECT api.razorpay.com:443      ─► 200 ─► TLS with our leaf ─► bytes to the API
    POST https://api.razorpay.com/…   ─► the same request without the host (old clients) ─► the API
    TLS to the second port            ─► leaf by server name ─► bytes to the API or the pages
    any other host                    ─► 403 with an explanation

It listens on loopback, or, in a container, on that container's own address. It does not inspect the traffic: the API
handles requests and responses.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

LOOPBACK = "127.0.0.1"
HEAD_BYTES_MAX = 65_536
HEAD_SECONDS = 15.0
IDLE_SECONDS = 120.0
"""Timeout of an idle connection; a checkout's stream sends heartbeats more often."""
CONNECT_SECONDS = 5.0
CONNECTIONS_MAX, REFUSED_MAX = 512, 1_024
"""Open at a time: beyond the first number they are refused with an explanation, beyond the second without."""
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Upstream:
    """One of our own ports and the TLS context of the host that it plays."""

    port: int
    context: ssl.SSLContext
    host: str = LOOPBACK


class RefusedError(Exception):
    """The request is refused with this status and explanation."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


class Front:
    """`hosts`: host name -> where its requests go."""

    def __init__(self, hosts: Mapping[str, Upstream]) -> None:
        self._hosts = hosts
        self._open = 0

    @contextlib.asynccontextmanager
    async def serving(
        self, *, proxy_port: int, tls_port: int, listen: str = LOOPBACK
    ) -> AsyncIterator[tuple[int, int]]:
        """(proxy's port, TLS port) while it serves. Raises OSError if a port is in use."""
        proxy = await asyncio.start_server(self._on_proxy, listen, proxy_port, limit=HEAD_BYTES_MAX)
        async with proxy:
            tls = await asyncio.start_server(self._on_tls, listen, tls_port, ssl=self._by_name())
            async with tls:
                yield proxy.sockets[0].getsockname()[1], tls.sockets[0].getsockname()[1]

    def _by_name(self) -> ssl.SSLContext:
        first = next(iter(self._hosts.values())).context

        def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
            upstream = self._hosts.get(name or "")
            if upstream is None:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            connection.context = upstream.context
            return None

        first.sni_callback = choose
        return first

    async def _on_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = _server_name(writer, self._hosts)
        async with self._admitted(writer):
            await self._check_room(reader)
            await _relay(reader, writer, self._hosts[name])

    async def _on_proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._admitted(writer):
            await self._check_room(reader)
            await self._pass_on(await _head(reader), reader, writer)

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, rest = head.partition(b"\r\n")
        parts = line.decode("latin-1").split(" ")
        if len(parts) != 3:
            raise RefusedError("400 Bad Request", "This is not an HTTP request.")
        method, target, version = parts
        if method == "CONNECT":
            upstream = self._upstream(target.rpartition(":")[0])
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            await writer.start_tls(upstream.context, ssl_handshake_timeout=HEAD_SECONDS)
            await _relay(reader, writer, upstream)
            return
        url = urlsplit(target)
        upstream = self._upstream(url.hostname or "")
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        # Another request on this connection may name another host, so there is none.
        request = f"{method} {path} {version}\r\nConnection: close\r\n".encode("latin-1")
        await _relay(reader, writer, upstream, first=request + _without_connection(rest))

    def _upstream(self, host: str) -> Upstream:
        found = self._hosts.get(host.lower())
        if found is None:
            names = " and ".join(self._hosts)
            raise RefusedError("403 Forbidden", f"This front stands in for {names} alone, not for {host[:100]!r}.")
        return found

    async def _check_room(self, reader: asyncio.StreamReader) -> None:
        """Raises RefusedError, or OSError if there is no capacity for a response."""
        if self._open > REFUSED_MAX:
            raise ConnectionResetError(f"more than {REFUSED_MAX} connections")
        if self._open > CONNECTIONS_MAX:
            async with asyncio.timeout(HEAD_SECONDS):
                await reader.read(CHUNK)  # see _head
            raise RefusedError("503 Service Unavailable", f"This front takes {CONNECTIONS_MAX} connections at a time.")

    @contextlib.asynccontextmanager
    async def _admitted(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """One of CONNECTIONS_MAX, closed at the end. A refusal gets a response; a broken connection is ignored."""
        self._open += 1
        try:
            with contextlib.suppress(OSError, TimeoutError):
                try:
                    yield
                except RefusedError as refusal:
                    writer.write(_refusal(refusal))
                    await writer.drain()
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The request line and the header. Raises RefusedError, or OSError if the client sent nothing and disconnected."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        raise RefusedError("408 Request Timeout", f"The request took more than {HEAD_SECONDS:.0f} seconds.") from None
    except asyncio.LimitOverrunError:
        await reader.read(HEAD_BYTES_MAX * 2)  # closing a connection with unread bytes would discard the response
        text = f"The request's header is longer than {HEAD_BYTES_MAX} bytes."
        raise RefusedError("431 Request Header Fields Too Large", text) from None
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise ConnectionResetError from error
        raise RefusedError("400 Bad Request", "This is not an HTTP request.") from None


def _server_name(writer: asyncio.StreamWriter, hosts: Mapping[str, Upstream]) -> str:
    """The host whose leaf the client received; the first one if it named none."""
    shown = writer.get_extra_info("ssl_object").context
    return next((name for name, upstream in hosts.items() if upstream.context is shown), next(iter(hosts)))


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream, *, first: bytes = b""
) -> None:
    """Pass bytes on in both directions until one side ends. An unavailable upstream is a 502 with an explanation."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            responses, requests = await asyncio.open_connection(upstream.host, upstream.port)
    except (OSError, TimeoutError):
        text = f"No service responds on port {upstream.port}; start the gateway with `make up`."
        raise RefusedError("502 Bad Gateway", text) from None
    try:
        requests.write(first)
        moved = _Moved()
        sides = [
            asyncio.ensure_future(_pump(source, sink, moved))
            for source, sink in ((reader, requests), (responses, writer))
        ]
        _, others = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()
        await asyncio.gather(*sides, return_exceptions=True)
    finally:
        requests.close()


class _Moved:
    """When anything last moved on a connection, in either direction: a stream's requests never do."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def is_idle(self) -> bool:
        return time.monotonic() - self.at >= IDLE_SECONDS


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, moved: _Moved) -> None:
    while not moved.is_idle():
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await source.read(CHUNK)
        except TimeoutError:
            continue
        if not chunk:
            return
        moved.at = time.monotonic()
        sink.write(chunk)
        await sink.drain()


def _without_connection(head: bytes) -> bytes:
    """The header lines without those about the connection to the proxy."""
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"proxy-"))]
    return b"\r\n".join(kept)


def _refusal(refusal: RefusedError) -> bytes:
    """As the clients read errors: without an HTTP response the Node client crashes."""
    body = orjson.dumps({"error": {"code": "BAD_REQUEST_ERROR", "description": str(refusal), "metadata": {}}})
    head = f"HTTP/1.1 {refusal.status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"X-Test-Double: payment-gateway\r\nConnection: close\r\n\r\n" + body
