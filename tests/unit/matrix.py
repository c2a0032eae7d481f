"""The table of tests/vectors/order_matrix.txt: one line a cell, state | command | outcome."""

from __future__ import annotations

from pathlib import Path

Cell = tuple[str, str, str]
TABLE = Path(__file__).parent.parent / "vectors" / "order_matrix.txt"


def cells() -> list[Cell]:
    """Every cell of the table, in its order."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            state, command, outcome = line.split(" | ")
            found.append((state, command, outcome))
    return found
