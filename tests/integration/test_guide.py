"""The documentation as a site: built as `make docs` builds it, served by the pages role under its policy, searched."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import expect
from starlette.applications import Starlette

from ops.console.errors import GatewayError
from ops.site.build import DOCS, build_site
from pages.dashboard import create_dashboard
from pages.guide import guide_routes
from runtime.settings import Settings
from tests.support.chromium import chromium
from tests.support.eventually import eventually

LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
URL = re.compile(r"url\(['\"]?(https?:)?//")
INLINE = re.compile(r"<script>|<style|\sstyle=|\son[a-z]+=\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as it would be built now."""
    built = tmp_path_factory.mktemp("docs") / "site"
    build_site(DOCS, built)
    return built


@pytest.fixture
def documents(site: Path) -> Iterator[dict[str, str]]:
    yield {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


@pytest_asyncio.fixture
async def client(site: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr("pages.dashboard.guide_routes", partial(guide_routes, built=site))
    async with _client(create_dashboard(Settings(test_mode=True))) as found:
        yield found


def _client(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://dashboard.test")


def test_every_document_is_a_page_in_the_navigation(site: Path) -> None:
    expected = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    start = (site / "index.html").read_text(encoding="utf-8")

    assert {path for path in expected if not (site / path).exists()} == set()
    for caption in ("Tutorial", "How-to guides", "Reference", "Explanation"):
        assert f">{caption}<" in start


def test_no_page_loads_anything_from_another_host(site: Path, documents: dict[str, str]) -> None:
    loaded = {url for text in documents.values() for url in LOADED.findall(text)}
    sheets = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]

    assert len(loaded) > 20
    assert [url for url in loaded if url.startswith(("http:", "https:", "//"))] == []
    assert [sheet for sheet in sheets if URL.search(sheet)] == []


def test_no_page_has_inline_code_that_the_policy_forbids(documents: dict[str, str]) -> None:
    assert [name for name, text in documents.items() if INLINE.search(text)] == []


def test_a_link_to_a_file_of_the_repository_leads_to_its_copy(site: Path) -> None:
    assert (site / "files/topics/schemas/order.create.json").read_bytes() == (
        DOCS.parent / "topics/schemas/order.create.json"
    ).read_bytes()


def test_a_link_that_leads_nowhere_ends_the_build_and_the_previous_site_stays(tmp_path: Path) -> None:
    docs, site = tmp_path / "docs", tmp_path / "site"
    docs.mkdir()
    site.mkdir()
    (site / "index.html").write_text("the previous one", encoding="utf-8")
    (docs / "index.md").write_text("# A title\n\n[somewhere](GONE.md) and [further down](#gone)\n", encoding="utf-8")

    with pytest.raises(GatewayError, match=r"(?s)GONE\.md.*gone"):
        build_site(docs, site)

    assert (site / "index.html").read_text(encoding="utf-8") == "the previous one"


async def test_pages_are_served_under_the_policy_of_the_dashboard(client: httpx.AsyncClient) -> None:
    start, page, dashboard = [await client.get(path) for path in ("/docs/", "/docs/PAYMENTS.html", "/dashboard")]

    assert (start.status_code, page.status_code) == (200, 200)
    assert "text/html" in page.headers["content-type"] and "payment" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert "The documentation" not in dashboard.text


async def test_the_guide_and_the_reference_of_the_api_are_linked(client: httpx.AsyncClient) -> None:
    bare, reference, missing = [await client.get(path) for path in ("/docs", "/docs/api", "/docs/GONE.html")]

    assert bare.headers["location"] == "/docs/"
    assert reference.headers["location"] == "http://localhost:8000/docs"
    assert missing.status_code == 404


@pytest.mark.browser
async def test_a_browser_finds_a_page_by_a_word_without_a_violation_of_the_policy(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.dashboard.guide_routes", partial(guide_routes, built=site))
    async with _served(create_dashboard(Settings(test_mode=True))) as address, chromium() as browser:
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{address}/docs/")
        await page.get_by_placeholder("Search").fill("RATE_LIMIT_LOGIN_PER_MINUTE")
        await page.keyboard.press("Enter")
        await page.locator("#search-results").get_by_role("link", name="Settings").click()

        await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        assert complaints == []


@asynccontextmanager
async def _served(app: Starlette) -> AsyncIterator[str]:
    """The application on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    (listening,) = server.servers
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_without_a_build_the_guide_names_the_command(tmp_path: Path) -> None:
    app = Starlette(routes=list(guide_routes(Settings(test_mode=True), {}, built=tmp_path / "nothing")))
    async with _client(app) as client:
        found = await client.get("/docs/")
    assert found.status_code == 503
    assert "make docs" in found.text
