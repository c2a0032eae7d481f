"""A real history that nothing changes any more: made on a stack of its own, with its roles stopped."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from tests.support.command_client import CommandClient, history
from tests.support.stack import Stack, running_stack


@contextlib.asynccontextmanager
async def recorded_history() -> AsyncIterator[tuple[Stack, CommandClient]]:
    """A stack with every kind of event in it, actor and processor down."""
    with running_stack(roles=("payments", "processor"), env={"TEST_PROCESSING_DELAY": "300"}) as stack:
        async with CommandClient(stack.settings) as command_client:
            await history(command_client)
            stack.hold("payments")
            stack.hold("processor")
            yield stack, command_client
