"""Small HTTP calls to our own processes on this machine, from commands that have no event loop."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.console.errors import GatewayError

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy of the environment: these are local addresses."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: Any
    """The decoded JSON, or the text if it is not JSON."""


def call(
    method: str,
    url: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> HttpResponse:
    """One request. An HTTP error is a response; a connection that fails raises GatewayError."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, headers=sent, method=method)
    try:
        with _direct.open(request, timeout=timeout) as response:
            return HttpResponse(response.status, _decoded(response.read()))
    except urllib.error.HTTPError as error:
        with error:
            return HttpResponse(error.code, _decoded(error.read()))
    except OSError as error:
        raise GatewayError(f"{method} {url} got no response: {error}. See `gateway status`.") from error


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
