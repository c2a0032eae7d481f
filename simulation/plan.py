"""Everything that fixes a world."""

from __future__ import annotations

from dataclasses import dataclass

from simulation.faults import DEFAULT_FAMILIES

Place = tuple[int, int, int]
"""Client, turn, and the index among the requests that it sends at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that fixes a world. `faults`: names of those that may happen; `requests`: (client, turn, index) of
    those that are sent. None: all that the seed draws; shrinking leaves a few."""

    seed: int
    families: frozenset[str] = DEFAULT_FAMILIES
    all_families: bool = False
    clients: int = 6
    turns: int = 12
    webhooks: bool = True
    faults: frozenset[str] | None = None
    requests: frozenset[Place] | None = None
    salt: int = 0
    """Draws other delays for the same requests and faults."""
    history: bool = False

    @property
    def forgets(self) -> bool:
        """Whether the bank soon forgets an attempt that the gateway has settled, as in every fifth world."""
        return self.seed % 5 == 2

    @property
    def seals(self) -> bool:
        """Whether personal fields are sealed, as in every third world."""
        return self.seed % 3 == 0
