"""Two hundred worlds of faults keep every promise; each line of the output is a seed that did not.

What a failing seed is: `python -m simulation --seed <n>` looks for the shortest history of it.
"""

from __future__ import annotations

import pytest

from simulation.plan import Plan
from simulation.report import command_of
from simulation.search import search

WORLDS = 200


@pytest.mark.timeout(900)
def test_two_hundred_worlds_keep_every_promise() -> None:
    broken = []
    accepted = faults = deaths = 0
    for outcome in search(range(WORLDS), Plan(0)):
        accepted, faults, deaths = accepted + outcome.accepted, faults + len(outcome.faults), deaths + outcome.deaths
        broken += [f"{command_of(outcome.plan)}: {violation}" for violation in outcome.violations[:1]]
    assert not broken, "\n".join(broken)
    # Nor were they idle.
    assert accepted > 30 * WORLDS and faults > 10 * WORLDS and deaths > 2 * WORLDS
