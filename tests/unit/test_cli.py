"""The command line's front: the overview imports no command, and every entry leads to one."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ops.cli import COMMANDS, Panel, app

HEAVY = {
    "aiohttp", "aiokafka", "asyncpg", "cryptography", "fastapi", "faust", "jsonschema", "mode", "opentelemetry",
    "orjson", "prometheus_client", "pydantic_settings", "redis", "starlette", "structlog", "uvicorn",
    "uvloop",
}  # fmt: skip
"""Slower to import than the overview is to print. Not here: pydantic, which Typer imports to read an option."""
OURS = ("agents.", "api.", "bench.", "domain.", "ops.", "pages.", "runtime.", "simulation.", "store.", "topics.")
LIGHT = {"ops.cli", "ops.console", "ops.console.errors"}
"""The only modules of this project behind the overview and the completion of a shell."""
LIST_MODULES = "sys.stderr.write(' '.join(sys.modules))"


def heavy_among(modules: str) -> set[str]:
    names = set(modules.split())
    return {name for name in names if name.startswith(OURS)} - LIGHT | (names & HEAVY)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_overview_imports_no_command(arguments: list[str]) -> None:
    code = f"import sys; from ops.cli import app\ntry: app({arguments!r})\nexcept SystemExit: pass\n{LIST_MODULES}"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "verify" in shown.stdout
    assert "ops.cli" in shown.stderr.split()
    assert heavy_among(shown.stderr) == set()


def test_a_shell_completes_commands_without_importing_any() -> None:
    code = (
        "import os, sys; from ops.cli import app\n"
        "os.environ |= {'_GATEWAY_COMPLETE': 'complete_bash', 'COMP_WORDS': 'gateway ve', 'COMP_CWORD': '1'}\n"
        "try: app(prog_name='gateway')\nexcept SystemExit: pass\n"
        f"{LIST_MODULES}"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.split() == ["verify"]
    assert "ops.cli" in completed.stderr.split()
    assert heavy_among(completed.stderr) == set()


def test_without_arguments_the_five_commands_of_a_newcomer_are_shown() -> None:
    shown = CliRunner().invoke(app, []).stdout
    assert [name for name in COMMANDS if f"gateway {name} " in shown] == ["up", "status", "trigger", "verify", "down"]
    assert "gateway --help" in shown


def test_the_overview_lists_every_command_under_its_heading() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(panel in shown for panel in Panel)
    assert all(f" {name} " in shown for name in COMMANDS)


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["verfy"]).exit_code == 2


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_entry_leads_to_a_command_that_explains_itself(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")
    assert hasattr(importlib.import_module(module), attribute)
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
    assert COMMANDS[name].summary.endswith(".")
    assert len(COMMANDS[name].summary) <= 50
