"""docs/decisions/README.md: the decision records by number and title."""

from __future__ import annotations

import re

from ops.console.environment import REPOSITORY
from ops.reference.page import page, table

FOLDER = REPOSITORY / "docs" / "decisions"
TITLE = re.compile(r"# (\d{4}) · (.+)")
TREE = "```{toctree}\n:hidden:\n:glob:\n\n0*\n```"


def decisions_page() -> str:
    """The whole page. Raises ValueError for a record with a malformed title."""
    rows = []
    for record in sorted(FOLDER.glob("0*.md")):
        title = TITLE.match(record.read_text(encoding="utf-8"))
        if title is None:
            raise ValueError(f"{record.name}: the first line must be '# 0001 · Title'")
        rows.append((title[1], f"[{title[2]}]({record.name})"))
    introduction = "What was decided, why, what else was considered, and which check enforces it."
    return page("Decisions", "the titles of the records", introduction, table(("number", "decision"), rows), TREE)
