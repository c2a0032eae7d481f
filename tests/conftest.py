"""Session fixtures: real services, and a whole running gateway. Each is started once, when a test first uses it.

`services` and `stack` are two separate stacks: what an integration test writes into the log by hand never reaches the
running roles of the end-to-end tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.stack import ALL_ROLES, Stack, running_stack


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """PostgreSQL, Redis and Kafka: migrated, topics created, test merchant seeded, no role running."""
    with running_stack(failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The whole gateway but for the pages, ready to take payments."""
    with running_stack(roles=ALL_ROLES, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.fixture(scope="session")
def pages(stack: Stack) -> Stack:
    """`stack` with checkout, SDK and dashboard built and served."""
    stack.start_pages()
    return stack


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """Files side by side, except those on `services`: they share one log and one database, in their order."""
    return ByStack(config, log) if config.getoption("dist") == "loadfile" else None


class ByStack(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(("tests/contracts/", "tests/integration/")):
            return "services"
        return str(super()._split_scope(nodeid))
