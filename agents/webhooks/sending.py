"""One attempt over HTTP: signed, guarded, and with an end to everything it waits for or reads.

The guard sits where a socket is made for a resolved address: whatever the URL says and whatever DNS answers this
time, a private address gets no connection. Redirects are not followed, so no answer can lead us elsewhere.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from domain.delivery import RESPONSE_BYTES_MAX, RESPONSE_CHARACTERS_MAX, Answer, Prepared, Sent
from domain.retry import retry_after_seconds
from domain.signature import signature_headers
from domain.target import address_is_public
from runtime.clock import now
from runtime.settings import Settings

CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 2.0
"""Shorter than common servers' own: a connection that the receiver is just closing costs an attempt."""
ERROR_CHARACTERS_MAX = 300
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "PaymentGateway-Webhooks/1",
    "Accept-Encoding": "identity",
}


class TargetRefusedError(OSError):
    """The address that the name resolved to may not be reached."""


class Sender:
    """Makes attempts. `open` and `close` belong to one event loop.

    `verify_tls` False is for `gateway listen` alone: a developer's server with a certificate that it signed itself.
    """

    def __init__(self, settings: Settings, *, verify_tls: bool = True) -> None:
        self._verify_tls = verify_tls
        self._private_allowed = settings.private_targets_allowed
        self._timeout = aiohttp.ClientTimeout(total=settings.delivery_timeout_ms / 1000, connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,
            socket_factory=self._guarded_socket,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ttl_dns_cache=10,
            ssl=self._verify_tls,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, prepared: Prepared) -> Sent:
        """Make the attempt; never raises for what the receiver or the network does."""
        at = now()
        headers = _headers(prepared, int(at.timestamp()))
        started = time.perf_counter()
        answer, error = await self._post(prepared, headers)
        duration_ms = round((time.perf_counter() - started) * 1_000)
        return Sent(prepared, at, duration_ms, headers, answer, error)

    async def _post(self, prepared: Prepared, headers: dict[str, str]) -> tuple[Answer | None, str | None]:
        assert self._session is not None, "open() comes first"
        try:
            async with self._session.post(
                _url(prepared.url), data=prepared.body, headers=headers, allow_redirects=False
            ) as response:
                text = await _read(response)
                return Answer(response.status, text, _wait_asked_for(response)), None
        except TimeoutError as error:
            return None, _timed_out(error, self._timeout)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX].replace("\0", "\ufffd")

    def _guarded_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = address
        if not self._private_allowed and not address_is_public(place[0]):
            raise TargetRefusedError(errno.EACCES, "the target's address is private or local and is refused")
        return socket.socket(family=family, type=kind, proto=protocol)


def _wait_asked_for(response: aiohttp.ClientResponse) -> float | None:
    header = response.headers.get("Retry-After")
    return None if header is None else retry_after_seconds(header, now=now())


async def _read(response: aiohttp.ClientResponse) -> str:
    """The body's beginning. The status line has decided already: a body that breaks off changes nothing."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < RESPONSE_BYTES_MAX:
            part = await response.content.read(RESPONSE_BYTES_MAX - size)
            if not part:
                break
            parts.append(part)
            size += len(part)
        else:
            response.close()
    except (aiohttp.ClientError, TimeoutError, OSError):
        response.close()
    text = b"".join(parts).decode("utf-8", "replace")
    return text[:RESPONSE_CHARACTERS_MAX].replace("\0", "\ufffd")


def _headers(prepared: Prepared, timestamp: int) -> dict[str, str]:
    headers = {
        **HEADERS,
        **signature_headers(prepared.secrets, message_id=prepared.event_id, timestamp=timestamp, body=prepared.body),
        "webhook-attempt": str(prepared.due.attempt),
    }
    if prepared.replay:
        headers["webhook-replay"] = "true"
    return headers


def _timed_out(error: TimeoutError, timeout: aiohttp.ClientTimeout) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {CONNECT_SECONDS:g} s"
    assert isinstance(error, asyncio.TimeoutError)
    return f"no answer within {timeout.total:g} s"


@lru_cache(maxsize=4_096)
def _url(text: str) -> URL:
    return URL(text)
