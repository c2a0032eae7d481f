"""docs/reference/CLI.md: every command with its arguments and options, as `--help` shows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer import Context
from typer.core import TyperCommand

from ops.cli import COMMANDS, LazyGroup, Panel
from ops.reference.page import code, page, table

INTRODUCTION = """`gateway` alone prints the five commands to start with; `gateway --help` prints all of them. A dry
run is the default where a command changes data: it shows what would change, and `--apply` changes it. `--json` is for
programs.

Exit codes: 0 nothing to report; 1 something is wrong in the gateway, or there is something to do; 2 the command line
is wrong; 4 a service cannot be reached; 78 a setting is wrong.

`gateway --install-completion` adds completion of commands and options to your shell (bash, zsh, fish, PowerShell);
`gateway --show-completion` prints the script instead."""


def cli_page() -> str:
    """The whole page. Typer brings a click of its own: no types."""
    sections = [f"## {panel}\n\n{_panel(panel)}" for panel in Panel]
    return page("Command line", "`ops/cli.py`", INTRODUCTION, *sections)


def _panel(panel: Panel) -> str:
    group, context = LazyGroup(name="gateway"), Context(TyperCommand("gateway"))
    names = [name for name, entry in COMMANDS.items() if entry.panel is panel]
    return "\n\n".join(part for name in names for part in _command(group.get_command(context, name), f"gateway {name}"))


def _command(command: Any, path: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    yield f"{'####' if path.count(' ') > 1 else '###'} {path}"
    if not children:
        pieces = command.collect_usage_pieces(Context(command, info_name=path))
        yield code(" ".join([path, *pieces]))
    yield inspect.cleandoc(command.help or "")
    yield table(("argument or option", "default", "meaning"), map(_parameter, command.params))
    for name, child in children.items():
        yield from _command(child, f"{path} {name}")


def _parameter(parameter: Any) -> tuple[str, str, str]:
    flags = [*parameter.opts, *parameter.secondary_opts]
    name = ", ".join(map(code, flags)) if parameter.param_type_name == "option" else code(parameter.name.upper())
    return name, _default(parameter), parameter.help or ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if getattr(parameter, "is_flag", False):
        return code(next(iter(parameter.opts))) if default and parameter.secondary_opts else ""
    return "" if default is None or callable(default) else code(str(default))
