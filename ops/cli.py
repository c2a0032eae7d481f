"""The `gateway` command: a table of its sub-commands, each loaded only when it is called.

A new sub-command is one entry in COMMANDS: the function with Typer annotations (or a `typer.Typer` with commands of
its own) as `module:attribute`, and one sentence for the overview, so that `gateway --help` imports none of them.
`gateway COMMAND --help` imports none either: ops/console/command_help.py.
Expected failures are a `GatewayError`: one sentence, no traceback, its exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ops.console.command_help import described
from ops.console.errors import GatewayError


class Panel(StrEnum):
    """A heading of the overview."""

    START = "Start here"
    WATCH = "Watch"
    WEBHOOKS = "Webhooks"
    CHECK = "Check and repair"
    RUN = "Set up and run"


@dataclass(frozen=True, slots=True)
class Entry:
    """One sub-command: where its code is, what the overview shows."""

    target: str
    summary: str
    panel: Panel


COMMANDS: dict[str, Entry] = {
    "up": Entry("ops.stack.up:up", "Start everything and make a test payment.", Panel.START),
    "status": Entry("ops.health.status:status", "Show processes, health, lag and rates.", Panel.START),
    "trigger": Entry("ops.webhooks.trigger:trigger", "Cause an event with a real payment or refund.", Panel.START),
    "verify": Entry("ops.audit.verify.command:verify", "Prove nothing was lost, duplicated or changed.", Panel.START),
    "down": Entry("ops.stack.down:down", "Stop everything. Data and logs are kept.", Panel.START),
    "logs": Entry("ops.stack.logs:logs", "Print the log of a role or service.", Panel.WATCH),
    "health": Entry("ops.health.command:health", "Check the API, roles and lag from outside.", Panel.WATCH),
    "journey": Entry("ops.journey.command:journey", "Show everything that happened to one order.", Panel.WATCH),
    "topics": Entry("ops.log.topics:topics", "Inspect the topics and their records.", Panel.WATCH),
    "stuck": Entry("ops.health.stuck:stuck", "List what is stuck, with the fix for each.", Panel.WATCH),
    "owed": Entry("ops.health.owed:command", "List what merchants owe, or mark it as settled.", Panel.WATCH),
    "exporter": Entry("ops.health.exporter:exporter", "Serve system-wide metrics to Prometheus.", Panel.WATCH),
    "listen": Entry("ops.webhooks.listen:listen", "Forward signed webhooks to localhost.", Panel.WEBHOOKS),
    "replay": Entry("ops.webhooks.replay:replay", "Replay events from a time range.", Panel.WEBHOOKS),
    "razorpay": Entry("ops.razorpay.command:razorpay", "Serve Razorpay's API locally, for tests.", Panel.WEBHOOKS),
    "dlq": Entry("ops.dead_letters.command:dlq", "List, replay or discard dead letters.", Panel.WEBHOOKS),
    "backup": Entry("ops.backup.backup:backup", "Back up PostgreSQL with the log's positions.", Panel.CHECK),
    "restore": Entry("ops.backup.restore:restore", "Replace the database with a backup.", Panel.CHECK),
    "recover": Entry("ops.audit.recover.command:command", "Bring PostgreSQL up to date with the log.", Panel.CHECK),
    "rebuild": Entry("ops.audit.rebuild.command:command", "Rebuild the state tables from the log.", Panel.CHECK),
    "repair": Entry("ops.audit.repair.command:repair", "Repair what verify found, from what is intact.", Panel.CHECK),
    "republish": Entry(
        "ops.audit.repair.command:republish", "Publish events that are missing on the topic.", Panel.CHECK
    ),
    "settle": Entry("ops.health.settle:settle", "Settle a payment or refund by hand.", Panel.CHECK),
    "recount": Entry("ops.audit.recount:recount", "Recount the analytics from the events.", Panel.CHECK),
    "smoke": Entry("ops.stack.smoke:smoke", "Make one payment and print each step.", Panel.CHECK),
    "install": Entry("ops.stack.install:install", "Install missing programs and packages.", Panel.RUN),
    "prepare": Entry("ops.stack.prepare:prepare", "Migrate, create topics and seed.", Panel.RUN),
    "migrate": Entry("ops.stack.prepare:migrate", "Apply missing database migrations.", Panel.RUN),
    "seed": Entry("ops.stack.prepare:seed", "Create the test merchant (test mode only).", Panel.RUN),
    "restart": Entry("ops.stack.restart:restart", "Restart roles with the code on disk.", Panel.RUN),
    "run": Entry("ops.stack.foreground:run", "Run roles in the foreground, as containers do.", Panel.RUN),
    "erase": Entry("ops.erasure.command:command", "Make a payer's personal data unreadable.", Panel.RUN),
    "keys": Entry("ops.keys.command:keys", "Make and rotate the gateway's own keys.", Panel.RUN),
    "users": Entry("ops.users.command:users", "Let a user set a new password.", Panel.RUN),
    "env": Entry("ops.stack.show_environment:env", "Print the environment of the roles.", Panel.RUN),
    "pages": Entry("ops.stack.pages_build:pages", "Build and test the pages and the SDK.", Panel.RUN),
}
OVERVIEW_ONLY = "gateway.overview_only"
"""In a context's `meta`: the sub-commands are only listed, so none of them is imported."""
ARGUMENTS = "gateway.arguments"
"""In a context's `meta`: the arguments after the name of the sub-command."""


class LazyGroup(TyperGroup):
    """Finds sub-commands in COMMANDS; imports a module when its command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        ctx.meta[ARGUMENTS] = args[1:]
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if ctx.meta.get(OVERVIEW_ONLY):
            return TyperCommand(cmd_name, help=entry.summary, rich_help_panel=entry.panel)
        if found := described(cmd_name, ctx.meta.get(ARGUMENTS, [])):
            return _as_command(found, cmd_name)
        module, _, attribute = entry.target.partition(":")
        return _as_command(getattr(importlib.import_module(module), attribute), cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        ctx.meta[OVERVIEW_ONLY] = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        ctx.meta[OVERVIEW_ONLY] = True
        return super().shell_complete(ctx, incomplete)


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


app = typer.Typer(cls=LazyGroup, invoke_without_command=True, pretty_exceptions_enable=False)


@app.callback(help="Run, watch and check the payment gateway.")
def gateway(ctx: typer.Context) -> None:
    """Without a sub-command: print the first steps."""
    if ctx.invoked_subcommand is None:
        typer.echo(_first_steps())


def _first_steps() -> str:
    first = {name: entry for name, entry in COMMANDS.items() if entry.panel is Panel.START}
    lines = [f"  gateway {name:<9}{entry.summary}" for name, entry in first.items()]
    return "\n".join([f"{Panel.START}:", "", *lines, "", "All commands: gateway --help"])


def main() -> None:
    try:
        app()
    except GatewayError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        _flush()


def _flush() -> None:
    """Flush the last lines while a closed pipe can still be ignored."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
