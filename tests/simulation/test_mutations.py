"""The simulation finds small changes that break a promise. Three of them in `make test`, all in `make mutations`."""

from __future__ import annotations

import pytest

from simulation.mutants import mutated
from tests.simulation.mutations import SEEDS, Described, find, mutations

FAST = [one for one in mutations() if one.fast]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutation", FAST, ids=lambda one: one.name)
def test_a_mutation_is_found(mutation: Described) -> None:
    assert find(mutation).seed is not None, f"none of {SEEDS} worlds broke a promise"


@pytest.mark.parametrize("mutation", mutations(), ids=lambda one: one.name)
def test_every_mutation_fits_the_code_and_leaves_it_compilable(mutation: Described) -> None:
    for module, source in mutated((mutation.change,)).items():
        compile(source, module, "exec")
