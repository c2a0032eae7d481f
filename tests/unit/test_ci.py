"""The scripts of continuous integration run what the Makefile has, each step within a bound."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / ".ci").iterdir())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
STEP = re.compile(r"^step (\d+) (.+)$", re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_each_step_is_a_target_of_the_makefile(script: Path) -> None:
    steps = STEP.findall(script.read_text(encoding="utf-8"))
    assert steps and os.access(script, os.X_OK)
    for minutes, command in steps:
        make, target, *_ = command.split()
        assert make == "make" and target in TARGETS, command
        assert 0 < int(minutes) <= 240, command


def test_the_nightly_run_changes_every_expression_of_the_domain() -> None:
    """Beside the guards that are changed by hand at every run (test_guards.py)."""
    assert "make domain-mutants" in (ROOT / ".ci" / "nightly").read_text(encoding="utf-8")
