"""The `gateway` command: a table of its sub-commands, each loaded only when it is called.

A new sub-command is one line in COMMANDS: `"name": "module:attribute"`, where the attribute is a function with Typer
annotations or a `typer.Typer` with commands of its own. What fails on purpose is a `GatewayError`: one sentence, no
traceback, its exit code.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ops.errors import GatewayError

COMMANDS: dict[str, str] = {
    "up": "ops.up:up",
    "down": "ops.down:down",
    "status": "ops.status:status",
    "logs": "ops.logs:logs",
    "restart": "ops.restart:restart",
    "run": "ops.foreground:run",
    "install": "ops.install:install",
    "prepare": "ops.prepare:prepare",
    "migrate": "ops.prepare:migrate",
    "seed": "ops.prepare:seed",
    "topics": "ops.inspection.topics:topics",
    "pages": "ops.pages_build:pages",
    "health": "ops.inspection.health:health",
    "exporter": "ops.inspection.exporter:exporter",
    "journey": "ops.inspection.journey:journey",
    "dlq": "ops.inspection.dlq:dlq",
    "replay": "ops.inspection.resend:replay",
    "stuck": "ops.inspection.stuck:stuck",
    "listen": "ops.inspection.listen:listen",
    "trigger": "ops.inspection.trigger:trigger",
    "smoke": "ops.smoke:smoke",
    "env": "ops.show_environment:env",
    "verify": "ops.verify.command:verify",
    "rebuild": "ops.rebuild.command:command",
    "recount": "ops.recount:recount",
}


class LazyGroup(TyperGroup):
    """Looks sub-commands up in COMMANDS; a module is imported when its command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        return _as_command(found, cmd_name)


def _as_command(found: Any, name: str) -> Any:
    command: Any
    if isinstance(found, typer.Typer):
        command = typer.main.get_group(found)
    else:
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    return command


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(help="Run, watch and check the payment gateway.")
def gateway() -> None:
    """The options that all commands share: none."""


def main() -> None:
    try:
        app()
    except GatewayError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
