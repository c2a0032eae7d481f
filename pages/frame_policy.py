"""Who may frame the checkout of an order: its merchant's allowed origins, read from the API and cached for a moment.

test mode, merchant named none    anybody
live mode, merchant named none    our own origin
the API does not respond          test mode: anybody; live mode: nobody
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import aiohttp

from domain.ids import ORDER, is_id
from pages.headers import origin_of
from runtime.logs import get_logger

log = get_logger("pages")
TIMEOUT = aiohttp.ClientTimeout(total=2.0)
KEPT_SECONDS = 10.0
KEPT_MAX = 10_000
Framers = Sequence[str] | None
"""Origins for `frame-ancestors`; None: anybody."""


class Framing:
    """Queries the API who may frame an order's checkout. Close it at the end."""

    def __init__(self, api_url: str, *, test_mode: bool) -> None:
        self._api_url = api_url.rstrip("/")
        self._test_mode = test_mode
        self._kept: OrderedDict[str, tuple[float, Framers]] = OrderedDict()
        self._session: aiohttp.ClientSession | None = None

    async def framers(self, order_id: str) -> Framers:
        """Who may frame this order's checkout. An id that cannot exist is not queried."""
        if not is_id(ORDER, order_id):
            return self._of([])
        kept = self._kept.get(order_id)
        if kept and kept[0] > time.monotonic():
            return kept[1]
        try:
            found = self._of(await self._fetch(order_id))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("allowed_origins_unknown", order_id=order_id, error=str(error))
            return None if self._test_mode else ()
        self._keep(order_id, found)
        return found

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _of(self, origins: Iterable[str]) -> Framers:
        named = tuple(origin_of(origin) for origin in origins)
        return None if self._test_mode and not named else ("'self'", *named)

    async def _fetch(self, order_id: str) -> list[str]:
        """The allowed origins. An unknown order has none. Raises if the API has no clear response."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        async with self._session.get(f"{self._api_url}/api/v1/orders/public/{order_id}") as response:
            if response.status == 404:
                return []
            response.raise_for_status()
            return list((await response.json()).get("allowed_origins") or [])

    def _keep(self, order_id: str, framers: Framers) -> None:
        self._kept[order_id] = (time.monotonic() + KEPT_SECONDS, framers)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
