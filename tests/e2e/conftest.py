"""Clients of the running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from tests.support.api import Api, seeded, signed_up
from tests.support.stack import Stack


@pytest_asyncio.fixture(scope="session")
async def api(stack: Stack) -> AsyncIterator[Api]:
    """The seeded merchant's client."""
    async with seeded(stack) as client:
        yield client


@pytest_asyncio.fixture(scope="session")
async def stranger(stack: Stack) -> AsyncIterator[Api]:
    """Another merchant's client. Its settings stay the defaults."""
    async with await signed_up(stack) as client:
        yield client


@pytest_asyncio.fixture
async def newcomer(stack: Stack) -> AsyncIterator[Api]:
    """The client of a merchant of the test's own, whose settings are the defaults and may be changed."""
    async with await signed_up(stack) as client:
        yield client


@pytest_asyncio.fixture
async def database(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """A look into the stack's database."""
    connection = await asyncpg.connect(stack.database_url)
    yield connection
    await connection.close()
