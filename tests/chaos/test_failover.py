"""Every part that there is twice dies under load, and then a whole machine: nothing is lost or doubled, and writes are
taken again soon."""

from __future__ import annotations

import asyncio

import pytest

from bench.failover import ENVIRONMENT, FAULTS, ROLES, failover, shown
from ops.stack.install import CannotInstallError
from tests.support.stack import running_stack

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
UNDECIDED_SECONDS_MAX = 30.0
"""Patroni misses a machine after 20 s, promotes the standby within two rounds of 2 s, and the roles find it."""


def test_the_death_of_any_part_under_load_costs_seconds_and_nothing_else(request: pytest.FixtureRequest) -> None:
    try:
        with running_stack(roles=ROLES, env=ENVIRONMENT, failed=lambda: request.session.testsfailed > 0) as stack:
            survived = asyncio.run(failover(stack, seed=3))
    except CannotInstallError as error:
        pytest.skip(f"Patroni and etcd cannot be installed here: {error}")
    print(shown(survived))
    assert survived.broken == []
    assert [one.name for one in survived.struck] == [fault.name for fault in FAULTS]
    assert max(one.undecided_seconds for one in survived.struck) < UNDECIDED_SECONDS_MAX
