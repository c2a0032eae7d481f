"""`python -m ops.reference`: writes every generated page and diagram of the documentation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ops import endpoint_table
from ops.console.environment import REPOSITORY
from ops.log import topics_page
from ops.reference.cli import cli_page
from ops.reference.command_help import help_file
from ops.reference.decisions import decisions_page
from ops.reference.errors import errors_page
from ops.reference.events import events_page
from ops.reference.flow import flow_diagram
from ops.reference.metrics import metrics_page
from ops.reference.settings import settings_page
from ops.reference.states import state_diagram, states_page

DOCS = Path(REPOSITORY) / "docs"
GENERATED: dict[str, Callable[[], str]] = {
    "../ops/help.json": help_file,
    "reference/CLI.md": cli_page,
    "reference/SETTINGS.md": settings_page,
    "reference/EVENTS.md": events_page,
    "reference/METRICS.md": metrics_page,
    "reference/ERRORS.md": errors_page,
    "reference/STATES.md": states_page,
    "decisions/README.md": decisions_page,
    "TOPICS.md": topics_page.render_page,
    "images/topics.svg": flow_diagram,
    **{f"images/states-{name}.svg": partial(state_diagram, name) for name in ("order", "payment", "refund")},
}
"""File below docs/ -> its text."""


def main() -> None:
    for name, render in GENERATED.items():
        file = DOCS / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(render(), encoding="utf-8")
    endpoint_table.main()


if __name__ == "__main__":
    main()
