"""State × command: every cell of the table, and no cell missing."""

from __future__ import annotations

import pytest

from tests.unit.matrix import cells
from tests.unit.orders import COMMANDS, STATES, after, cell_of


@pytest.mark.parametrize("state", STATES)
def test_every_command_has_the_result_in_the_table(state: str) -> None:
    expected = {command: outcome for of_state, command, outcome in cells() if of_state == state}
    found = {command: cell_of(after(*STATES[state]), COMMANDS[command]) for command in COMMANDS}
    assert found == expected


def test_the_table_has_one_line_for_each_cell() -> None:
    assert [(state, command) for state, command, _ in cells()] == [(s, c) for s in STATES for c in COMMANDS]
