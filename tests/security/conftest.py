"""Clients of the running gateway, and the flow of everything that takes a card."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.api import Api, seeded
from tests.support.stack import Stack


@pytest_asyncio.fixture(scope="session")
async def api(stack: Stack) -> AsyncIterator[Api]:
    """The seeded merchant's client."""
    async with seeded(stack) as client:
        yield client
