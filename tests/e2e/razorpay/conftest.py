"""The official clients against the double on a stack of its own, and one shop for each module.

The original has no 202, and its clients do not retry: so here a decision may take as long as a busy machine needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from ops.console.environment import REPOSITORY
from tests.e2e.razorpay.shop import DoubleShop, Front, opened
from tests.support.api import signed_up
from tests.support.stack import ALL_ROLES, Stack, running_stack

ROLES = tuple(role for role in ALL_ROLES if role != "auditor")
ENVIRONMENT = {"DECISION_TIMEOUT_MS": "20000", "API_WORKERS": "1"}


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with running_stack(roles=ROLES, env=ENVIRONMENT, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.fixture(scope="package")
def pages(stack: Stack) -> Stack:
    """`stack` with checkout and SDK built and served."""
    stack.start_pages()
    return stack


@pytest_asyncio.fixture(scope="module")
async def shop(stack: Stack) -> AsyncIterator[DoubleShop]:
    """A merchant that calls the double through the official client."""
    async with await signed_up(stack) as api:
        yield opened(stack, api.key, api.secret)


@pytest_asyncio.fixture(scope="module")
async def other_shop(stack: Stack) -> AsyncIterator[DoubleShop]:
    """Another merchant."""
    async with await signed_up(stack) as api:
        yield opened(stack, api.key, api.secret)


@pytest.fixture(scope="module")
def front(stack: Stack) -> Iterator[Front]:
    """`gateway razorpay` beside the stack, on any free ports."""
    command = [sys.executable, "-m", "ops.cli", "razorpay", "--port", "0", "--tls-port", "0"]
    environment = {**os.environ, **stack.plan.environment, "GATEWAY_RUN_DIR": str(stack.plan.run_dir)}
    environment |= {name: str(port) for name, port in stack.plan.ports.items()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        yield Front(tuple(lines))
        process.terminate()
