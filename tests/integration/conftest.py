"""A real history for the tests of verify and rebuild: made once, its roles held, nothing moves any more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.actor import Bench
from tests.support.asking import Asker, history
from tests.support.stack import Stack, running_stack


@pytest.fixture(scope="package")
async def recorded() -> AsyncIterator[tuple[Stack, Asker]]:
    """A stack of its own with every kind of event in it, actor and processor down."""
    with running_stack(roles=("payments", "processor"), env={"TEST_PROCESSING_DELAY": "300"}) as stack:
        async with Asker(stack.settings) as asker:
            await history(asker)
            stack.hold("payments")
            stack.hold("processor")
            yield stack, asker


@pytest.fixture
async def bench(services: Stack) -> AsyncIterator[Bench]:
    """Payment actors to be driven by hand, on services without any role."""
    async with Asker(services.settings) as asker:
        made = Bench(asker)
        yield made
        await made.close()
