"""submission.yml has the five stages, each a plain list of commands; `make compose-test` runs them."""

from __future__ import annotations

import yaml

from ops.console.environment import REPOSITORY

STAGES = yaml.safe_load((REPOSITORY / "submission.yml").read_text(encoding="utf-8"))


def test_it_has_the_five_stages_in_order() -> None:
    assert list(STAGES) == ["setup", "start", "test", "verify", "shutdown"]


def test_every_stage_is_a_list_of_command_lines() -> None:
    for commands in STAGES.values():
        assert commands
        assert all(isinstance(command, str) and "\n" not in command for command in commands)


def test_the_stack_is_started_and_ended_by_compose() -> None:
    assert STAGES["start"] == ["docker-compose up -d"]
    assert STAGES["shutdown"] == ["docker-compose down -v"]
