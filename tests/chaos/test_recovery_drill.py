"""The drill: a backup under load, the database destroyed, restored and recovered; nothing that was promised is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.drill import drill
from ops.console.environment import REPOSITORY
from tests.support.stack import ALL_ROLES, running_stack

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]


async def test_a_destroyed_database_comes_back_with_everything_that_was_promised(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    roles = tuple(role for role in ALL_ROLES if role != "auditor")
    with running_stack(roles=roles, failed=lambda: request.session.testsfailed > 0) as stack:
        done = await drill(stack, tmp_path, seconds=5.0, seed=7, steps=runbook_steps())
    assert done.promises > 0
    assert done.decided_after_backup > 0, "a drill without anything to recover proves nothing"
    assert done.broken == []
    assert "byte for byte" in done.report


def runbook_steps() -> list[str]:
    """The commands of the runbook's section."""
    text = (REPOSITORY / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
    found = re.search(r"## The database is lost or damaged\n.*?```sh drill\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1].strip().splitlines()
