"""`gateway keys`: make a key, list what still needs an older one, and seal everything with the newest.

The order of a rotation is in docs/RUNBOOK.md: the new key joins the ring, becomes its newest, everything is sealed
again, and the old one leaves when nothing needs it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import typer

from ops.console.exit_codes import FOUND
from ops.console.noted import note_command
from ops.console.output import Json, console, print_json, print_table, print_text
from ops.console.pools import run_with_pool
from ops.keys.rotation import API_KEYS, Progress, counts, rotate
from runtime.settings import Settings
from store.driver import Pool
from store.sealed import Count

SECRET_BYTES = 32

keys = typer.Typer(help="Make, inspect and rotate the gateway's own keys.", no_args_is_help=True)


@keys.command("make")
def make() -> None:
    """Print a new random secret for SECRET_KEY or SECRET_KEYS."""
    print_text(secrets.token_urlsafe(SECRET_BYTES))


@keys.command("status")
def status(as_json: Json = False) -> None:
    """Show the ring's ids and what still needs an older key than the newest. Exit code 1: something does."""
    ring, found = run_with_pool(_look)
    outdated = sum(count.outdated for count in found.values())
    if as_json:
        print_json({"keys": ring, "outdated": outdated, "tables": _shape(found)})
    else:
        console.print(f"keys, newest first: {', '.join(ring)}")
        _print_counts(found)
    if outdated:
        raise typer.Exit(FOUND)


@keys.command("rotate")
def rotate_all(as_json: Json = False) -> None:
    """Seal every stored secret with the newest key, while everything runs. Exit code 1: some cannot be opened."""

    async def work(settings: Settings, pool: Pool) -> tuple[dict[str, Progress], dict[str, Count]]:
        await note_command(settings, "keys rotate", {"keys": [key.id for key in settings.keys.keys]}, pool)
        last: dict[str, Progress] = {}
        async for progress in rotate(pool, settings.keys):
            last[progress.table] = progress
            if not as_json:
                console.print(f"{progress.table}: {progress.sealed:,} of {progress.outdated:,} sealed again")
        return last, await counts(pool, settings.keys)

    done, left = run_with_pool(work)
    unreadable = {table: list(progress.unreadable) for table, progress in done.items() if progress.unreadable}
    if as_json:
        sealed = {table: progress.sealed for table, progress in done.items()}
        print_json({"sealed": sealed, "unreadable": unreadable, "left": _shape(left)})
    else:
        _print_end(unreadable, left)
    if unreadable:
        raise typer.Exit(FOUND)


def _print_end(unreadable: Mapping[str, list[str]], left: Mapping[str, Count]) -> None:
    for table, ids in unreadable.items():
        console.print(f"[red]{table}: no key of the ring opens {', '.join(ids)}[/red]")
    hashes = left[API_KEYS].outdated
    if hashes:
        console.print(
            f"{hashes:,} API keys are hashed under an older key, or one that is not known, until their next use"
        )
    elif not any(count.outdated for count in left.values()):
        console.print("nothing needs an older key")


async def _look(settings: Settings, pool: Pool) -> tuple[list[str], dict[str, Count]]:
    return [key.id for key in settings.keys.keys], await counts(pool, settings.keys)


def _shape(found: Mapping[str, Count]) -> dict[str, dict[str, int]]:
    return {table: {"rows": count.rows, "outdated": count.outdated} for table, count in found.items()}


def _print_counts(found: Mapping[str, Count]) -> None:
    rows = [(table, f"{count.rows:,}", f"{count.outdated:,}") for table, count in found.items()]
    print_table(
        ("table", "rows with secrets", "under an older key"), rows, right=("rows with secrets", "under an older key")
    )
