"""The command line's front: the overview imports no command, and every entry leads to one."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import COMMANDS, Panel, app
from ops.console import command_help

HEAVY = {
    "aiohttp", "aiokafka", "asyncpg", "cryptography", "fastapi", "faust", "jsonschema", "mode", "opentelemetry",
    "orjson", "prometheus_client", "pydantic_settings", "redis", "starlette", "structlog", "uvicorn",
    "uvloop",
}  # fmt: skip
"""Slower to import than the overview is to print. Not here: pydantic, which Typer imports to read an option."""
OURS = ("agents.", "api.", "bench.", "domain.", "ops.", "pages.", "runtime.", "simulation.", "store.", "topics.")
LIGHT = {"ops.cli", "ops.console", "ops.console.command_help", "ops.console.errors"}
"""The only modules of this project behind the overview, every help text and the completion of a shell."""
LIST_MODULES = "sys.stderr.write(' '.join(sys.modules))"


def heavy_among(modules: str) -> set[str]:
    names = set(modules.split())
    return {name for name in names if name.startswith(OURS)} - LIGHT | (names & HEAVY)


def run_alone(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with the modules that it has imported on stderr."""
    code = f"import sys; from ops.cli import app\ntry: app({arguments!r})\nexcept SystemExit: pass\n{LIST_MODULES}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_overview_imports_no_command(arguments: list[str]) -> None:
    shown = run_alone(arguments)
    assert "verify" in shown.stdout
    assert "ops.cli" in shown.stderr.split()
    assert heavy_among(shown.stderr) == set()


@pytest.mark.parametrize("arguments", [["verify", "--help"], ["topics", "tail", "--help"], ["owed", "--help"]])
def test_the_help_of_a_command_is_printed_without_importing_the_command(arguments: list[str]) -> None:
    shown = run_alone(arguments)
    assert "Options" in shown.stdout
    assert "ops.console.command_help" in shown.stderr.split()
    assert heavy_among(shown.stderr) == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_stored_help_of_a_command_is_what_the_command_itself_prints(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    children = json.loads(command_help.FILE.read_text(encoding="utf-8"))[name].get("commands", {})
    texts = [[name, "--help"], *([name, child, "--help"] for child in children)]
    stored = [CliRunner().invoke(app, arguments).stdout for arguments in texts]
    monkeypatch.setattr(command_help, "FILE", tmp_path / "missing.json")
    assert stored == [CliRunner().invoke(app, arguments).stdout for arguments in texts]
    assert all("Usage: " in text for text in stored)


@pytest.mark.parametrize("arguments", [[], ["x"], ["ls", "x", "--help"], ["--apply", "--help"], ["x", "--help"]])
def test_arguments_that_request_more_than_help_reach_the_command(arguments: list[str]) -> None:
    assert command_help.described("dlq", arguments) is None
    assert command_help.described("dlq", ["ls", "--help"]) is not None
    assert command_help.described("unknown", ["--help"]) is None


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
