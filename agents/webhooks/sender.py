"""One attempt over HTTP: signed, guarded, and with a limit on every wait and read.

    Prepared ─► connection (names.py, guard) ─► request, byte for byte as saved ─► status line (responses.py) ─► Sent

The guard checks the resolved address when the socket is made: whatever the URL contains and DNS returns this time, no
connection is made to a private address. Redirects are not followed, so no response can lead us elsewhere. Behind an
egress proxy names are resolved by the proxy: there the URL's text is checked, and the proxy guards the addresses.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from agents.webhooks.names import Names, resolving_for
from agents.webhooks.responses import FIELD_BYTES_MAX, BrokenResponseError, Connector, LenientResponse
from domain.delivery import (
    RESPONSE_BYTES_MAX,
    RESPONSE_CHARACTERS_MAX,
    RESPONSE_HEADERS_CHARACTERS_MAX,
    RESPONSE_HEADERS_MAX,
    HttpResponse,
    Prepared,
    Sent,
)
from domain.retry import retry_after_seconds
from domain.signature import razorpay_headers, signature_headers
from domain.target import address_is_public, check_url
from runtime.clock import now
from runtime.logs import get_logger
from runtime.settings import Settings

log = get_logger("sending")

CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 2.0
"""Shorter than common servers' own: a connection that the receiver is just closing costs an attempt."""
ERROR_CHARACTERS_MAX = 300
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "PaymentGateway-Webhooks/1",
    "Accept-Encoding": "identity",
}


SEALED = "••••"
"""In the delivery log, replaces the values of the merchant's own headers: one may be a password."""


class TargetRefusedError(OSError):
    """The address that the name resolved to may not be reached."""


class Sender:
    """Makes attempts. `open` and `close` belong to one event loop. `nameservers`: see Names.

    `verify_tls` False is for `gateway listen` alone: a developer's server with a certificate that it signed itself.
    """

    def __init__(self, settings: Settings, *, verify_tls: bool = True, nameservers: tuple[str, ...] = ()) -> None:
        self._verify_tls = verify_tls
        self._private_allowed = settings.private_targets_allowed
        self._proxy = settings.webhook_proxy_url.get_secret_value() or None
        self._extra_ca_file = settings.webhook_extra_ca_file
        self._nameservers = nameservers
        self._timeout = aiohttp.ClientTimeout(total=settings.delivery_timeout_ms / 1000, connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._names = Names(self._nameservers)
        connector = Connector(
            limit=0,
            resolver=self._names,
            use_dns_cache=False,
            socket_factory=self._guarded_socket,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ssl=_ssl_context(self._extra_ca_file) if self._verify_tls else False,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            response_class=LenientResponse,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            proxy=self._proxy,
            max_field_size=FIELD_BYTES_MAX,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await self._names.close()

    async def send(self, prepared: Prepared) -> Sent:
        """Make the attempt. Any exception becomes the outcome: only a cancellation is raised."""
        at = now()
        headers: dict[str, str] = {}
        started = time.perf_counter()
        try:
            resolving_for.set(prepared.merchant_id)
            headers = _headers(prepared, int(at.timestamp()))
            response, error = await self._post(prepared, headers)
        except Exception as defect:
            log.error("attempt_raised", log_id=str(prepared.due.log_id), exc_info=True)
            response, error = None, f"the attempt failed inside the gateway: {type(defect).__name__}"
        duration_ms = round((time.perf_counter() - started) * 1_000)
        return Sent(prepared, at, duration_ms, _as_logged(prepared, headers), response, error)

    async def _post(self, prepared: Prepared, headers: dict[str, str]) -> tuple[HttpResponse | None, str | None]:
        assert self._session is not None, "open() comes first"
        try:
            self._check_text(prepared.url)
            async with self._session.post(
                _url(prepared.url), data=prepared.body, headers=headers, allow_redirects=False
            ) as response:
                text, broken = await _read(response)
                return _http_response(response, text), broken
        except BrokenResponseError as error:
            return HttpResponse(error.status, "", None), _clean(str(error))[:ERROR_CHARACTERS_MAX]
        except TimeoutError as error:
            return None, _timed_out(error, self._timeout)
        except aiohttp.ClientConnectorDNSError as error:
            return None, _clean(error.os_error.strerror or str(error))[:ERROR_CHARACTERS_MAX]
        except aiohttp.ClientHttpProxyError as error:
            return None, f"the egress proxy refused the connection with status {error.status}"
        except aiohttp.ClientProxyConnectionError:
            return None, "the egress proxy is unavailable"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return None, _clean(f"{type(error).__name__}: {error}")[:ERROR_CHARACTERS_MAX]

    def _check_text(self, url: str) -> None:
        """Behind a proxy no address is seen here; an address in the URL itself still is."""
        if self._proxy is not None and (bad := check_url(url, private_allowed=self._private_allowed)) is not None:
            raise TargetRefusedError(errno.EACCES, bad.description)

    def _guarded_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = address
        guarded = not self._private_allowed and self._proxy is None
        if guarded and not address_is_public(place[0]):
            raise TargetRefusedError(errno.EACCES, "the target's address is private or local and is refused")
        return socket.socket(family=family, type=kind, proto=protocol)


def _http_response(response: aiohttp.ClientResponse, text: str) -> HttpResponse:
    retry_after = response.headers.get("Retry-After")
    return HttpResponse(response.status, text, retry_after_seconds(retry_after, now=now()), _kept_headers(response))


def _kept_headers(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """The first headers, up to RESPONSE_HEADERS_CHARACTERS_MAX; the last one may be cut."""
    kept: list[tuple[str, str]] = []
    room = RESPONSE_HEADERS_CHARACTERS_MAX
    for name, value in response.headers.items():
        if len(kept) == RESPONSE_HEADERS_MAX or len(name) >= room:
            break
        room -= len(name)
        kept.append((_clean(name), _clean(value)[:room]))
        room -= len(kept[-1][1])
    return tuple(kept)


async def _read(response: aiohttp.ClientResponse) -> tuple[str, str | None]:
    """The beginning of the body, and the error that ended it. The status line has decided already: an error changes
    nothing."""
    parts: list[bytes] = []
    size = 0
    broken = None
    try:
        while size < RESPONSE_BYTES_MAX:
            part = await response.content.read(RESPONSE_BYTES_MAX - size)
            if not part:
                break
            parts.append(part)
            size += len(part)
        else:
            response.close()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        response.close()
        broken = _clean(f"the body of the answer broke off: {type(error).__name__}: {error}")[:ERROR_CHARACTERS_MAX]
    return _clean(b"".join(parts).decode("utf-8", "replace"))[:RESPONSE_CHARACTERS_MAX], broken


def _clean(text: str) -> str:
    """Text that PostgreSQL and JSON can hold: no NUL, no lone surrogates (aiohttp decodes headers with them)."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _as_logged(prepared: Prepared, headers: dict[str, str]) -> dict[str, str]:
    return headers | {name: SEALED for name, _ in prepared.headers if name in headers}


@lru_cache(maxsize=1)
def _ssl_context(extra_ca_file: str) -> ssl.SSLContext:
    """Trusts the system's authorities, and those in the file (PEM)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    if extra_ca_file:
        context.load_verify_locations(cafile=extra_ca_file)
    return context


def _headers(prepared: Prepared, timestamp: int) -> dict[str, str]:
    headers = {
        **dict(prepared.headers),
        **HEADERS,
        **_signed(prepared, timestamp),
        "webhook-attempt": str(prepared.due.attempt),
    }
    if prepared.replay:
        headers["webhook-replay"] = "true"
    return headers


def _signed(prepared: Prepared, timestamp: int) -> dict[str, str]:
    secrets, event_id, body = prepared.secrets, prepared.event_id, prepared.body
    if prepared.razorpay:
        return razorpay_headers(secrets, message_id=event_id, body=body)
    return signature_headers(secrets, message_id=event_id, timestamp=timestamp, body=body)


def _timed_out(error: TimeoutError, timeout: aiohttp.ClientTimeout) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {CONNECT_SECONDS:g} s"
    assert isinstance(error, asyncio.TimeoutError)
    return f"no answer within {timeout.total:g} s"


@lru_cache(maxsize=4_096)
def _url(text: str) -> URL:
    """`encoded`: the request holds path and query byte for byte as they were saved."""
    return URL(text, encoded=True)
