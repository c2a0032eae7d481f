"""Writes the table of routes in docs/API.md from docs/openapi.json: `python -m ops.endpoint_table`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ops.console.environment import REPOSITORY

METHODS = ("get", "post", "put", "patch", "delete")
BETWEEN = re.compile(r"(<!-- endpoints -->\n).*?(<!-- /endpoints -->)", re.DOTALL)


def main() -> None:
    document = Path(REPOSITORY) / "docs" / "API.md"
    described = json.loads((Path(REPOSITORY) / "docs" / "openapi.json").read_text(encoding="utf-8"))
    document.write_text(with_table(document.read_text(encoding="utf-8"), described["paths"]), encoding="utf-8")


def with_table(text: str, paths: dict[str, dict[str, dict[str, str]]]) -> str:
    """The document with the table of these paths, as openapi.json has them, between its two marks."""
    return BETWEEN.sub(lambda found: f"{found[1]}{_table(paths)}{found[2]}", text)


def _table(paths: dict[str, dict[str, dict[str, str]]]) -> str:
    rows = [
        f"| {method.upper()} | `{path}` | {operations[method].get('summary', '')} |"
        for path, operations in paths.items()
        for method in METHODS
        if method in operations
    ]
    return "\n".join(["", "| | | |", "|---|---|---|", *rows, ""]) + "\n"


if __name__ == "__main__":
    main()
