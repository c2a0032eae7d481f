"""One line for each step of a longer command, with the time it took.

    ✓ services        4.1 s  PostgreSQL :5432, Redis :6379, Kafka :9092

On a terminal a spinner turns while a step runs; elsewhere (CI, a pipe) each line is printed once, when it is done.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)


@dataclass(slots=True)
class Step:
    """A running step: its note is printed after its time."""

    title: str
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextlib.contextmanager
def step(title: str) -> Iterator[Step]:
    """Time a step and print its line; a step that raises is printed as failed and the error is raised again."""
    began = time.monotonic()
    current = Step(title)
    try:
        with console.status(f"{title} …") if console.is_terminal else contextlib.nullcontext():
            yield current
    except BaseException:
        _print_line("[red]✗[/red]", current, time.monotonic() - began)
        raise
    _print_line("[green]✓[/green]", current, time.monotonic() - began)


def _print_line(mark: str, current: Step, seconds: float) -> None:
    notes = escape(", ".join(current.notes))
    console.print(f"  {mark} {current.title:<14} {seconds:6.1f} s  {notes}".rstrip())
