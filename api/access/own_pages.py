"""Where the gateway's own pages are served: their origins may call every route with credentials."""

from __future__ import annotations

from urllib.parse import urlsplit

from runtime.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1")


def own_origins(settings: Settings) -> frozenset[str]:
    """Origins of the gateway's own pages; on one machine by either name."""
    found = set()
    for url in (settings.checkout_url, settings.dashboard_url):
        parts = urlsplit(url)
        found.add(f"{parts.scheme}://{parts.netloc}")
        if parts.hostname in LOOPBACK:
            port = f":{parts.port}" if parts.port else ""
            found |= {f"{parts.scheme}://{host}{port}" for host in LOOPBACK}
    return frozenset(found)
