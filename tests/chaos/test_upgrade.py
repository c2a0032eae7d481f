"""An upgrade under load: the previous release, rolled to this tree role by role, back, and here again."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from bench import previous
from bench.previous import previous_tree
from bench.upgrade import ORDER, previous_stack, upgrade
from ops.console.environment import REPOSITORY
from ops.console.errors import GatewayError

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


def test_an_upgrade_under_load_and_back_loses_nothing() -> None:
    with previous_tree() as tree, previous_stack(tree) as stack:
        done = asyncio.run(upgrade(stack, tree, seed=5))
    assert done.steps == 3 * len(ORDER)
    assert done.promises > 0
    assert done.broken == []


def test_the_runbook_has_the_order_that_is_tested() -> None:
    text = (REPOSITORY / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
    found = re.search(r"## Upgrade\n.*?one role after another: ([^.]+)\.", text, re.DOTALL)
    assert found is not None
    assert tuple(re.findall(r"`(\w+)`", found[1])) == ORDER


def test_a_clone_without_the_history_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = REPOSITORY / "bench" / "previous-release"
    monkeypatch.setattr(previous, "previous_release", lambda: "0" * 40)
    with pytest.raises(GatewayError, match="not in this clone") as refused, previous_tree():
        pass
    assert str(named.relative_to(REPOSITORY)) in str(refused.value)
    assert "git fetch --unshallow" in str(refused.value)
