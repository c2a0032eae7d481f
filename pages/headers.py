"""Headers of the two sites: what a page may load, who may frame it, what a cache may keep.

Everything starts from `default-src 'none'`; the API's origin is the only foreign one, and only for connections.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

NO_STORE = "no-store"
IMMUTABLE = "public, max-age=31536000, immutable"
EVERGREEN = "public, max-age=300, must-revalidate"
"""The SDK under its lasting name: a fix reaches every shop within five minutes."""
REVALIDATED = "no-cache"
"""Kept, but compared by its ETag before every use."""
FEATURES_OFF = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "midi", "usb")

_HOST = re.compile(r"(\*\.)?[a-z0-9.-]+|\[[0-9a-f:.]+\]")
"""A value that cannot end a directive of the policy and begin another."""

EVERY_RESPONSE = {
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in FEATURES_OFF),
}
FOR_EVERYONE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""For public files that a merchant's page loads: script, integrity list, public configuration."""


def content_security_policy(*, api_url: str, framed_by: Sequence[str] | None, frames: str = "") -> str:
    """The page's policy. `framed_by`: origins that may frame it; () nobody; None anybody (test mode only)."""
    directives = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        f"connect-src 'self' {origin_of(api_url)}",
        "form-action 'self'",
        "base-uri 'none'",
    ]
    if frames:
        directives.append(f"frame-src {frames}")
    if framed_by is not None:
        directives.append(f"frame-ancestors {' '.join(framed_by) or chr(39) + 'none' + chr(39)}")
    return "; ".join(directives)


def page_headers(policy: str, *, embedded: bool = False) -> dict[str, str]:
    """Headers of an HTML document."""
    return {
        **EVERY_RESPONSE,
        "Content-Security-Policy": policy,
        "Cache-Control": NO_STORE,
        "Referrer-Policy": "strict-origin" if embedded else "no-referrer",
    }


def file_headers(cache: str, *, public: bool = False) -> dict[str, str]:
    """Headers of everything that is not a document."""
    return {**EVERY_RESPONSE, "Cache-Control": cache, **(FOR_EVERYONE if public else {})}


def origin_of(url: str) -> str:
    """`https://pay.example/x` -> `https://pay.example`. Raises ValueError for anything that is not an http(s)
    address."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise ValueError(f"not an http(s) address: {url!r}")
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
