"""One browser for all page tests, a watched payer for each, and a merchant's web server on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.chromium import WAIT_MS, Payer, Seen, chromium, close_context, open_payer
from tests.support.stack import Stack

expect.set_options(timeout=WAIT_MS)


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@dataclass(slots=True)
class Shop:
    """A merchant's site. `pages`: path -> (document, headers)."""

    url: str
    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    def publish(self, document: str, headers: dict[str, str] | None = None) -> str:
        """Serve a document; its address."""
        path = f"/{len(self.pages)}.html"
        self.pages[path] = (document, headers or {})
        return self.url + path


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    site = Shop("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = site.pages.get(urlsplit(self.path).path)
            document, headers = found or ("", {})
            self.send_response(200 if found else 204)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, *_message: object) -> None:
            """Requests are the browser's log's business."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield site
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture
async def payer(browser: Browser, pages: Stack, shop: Shop) -> AsyncIterator[Payer]:
    """A payer's browser; at the end its errors, violations and requests are accounted for."""
    seen = Seen()
    one = await open_payer(browser, pages, seen, viewport={"width": 1100, "height": 800})
    yield one
    print(seen.story())
    await close_context(one.context)
    ours = (pages.checkout_url, pages.settings.api_url, pages.dashboard_url, shop.url)
    seen.check({urlsplit(url).netloc for url in ours})
