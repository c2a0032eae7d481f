"""Output for people and for programs. In a pipe, tables are as wide as necessary: nothing is cut off."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 400


class QuietConsole(Console):
    """Ends the command quietly when the pipe is closed (`| head`); rich's own exits with code 1."""

    def on_broken_pipe(self) -> None:
        end_quietly()


def end_quietly() -> NoReturn:
    """Exit code 0. Buffered output is dropped, or the interpreter would report an error at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


console = QuietConsole(highlight=False, soft_wrap=True)
_piped = QuietConsole(highlight=False, width=PIPE_WIDTH)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Unmask = Annotated[bool, typer.Option("--unmask", help="Show personal data (addresses, notes, tokens).")]


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table without lines. `right`: the titles of numbers."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    (console if console.is_terminal else _piped).print(table)


def print_json(value: object) -> None:
    """Indented JSON on standard output, instants in RFC 3339; what has no JSON form (the driver's UUID) as its text."""
    print_text(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())


def print_json_line(value: object) -> None:
    """One object a line, shown at once: for `--follow`."""
    print_text(orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode())


def print_text(text: str) -> None:
    """As it is, shown at once."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        end_quietly()
