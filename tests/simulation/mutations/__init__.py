"""Small changes that each break a promise, as data: is the simulation able to find them?

    *.toml   name, file, old text, new text, the promises of which a found world breaks one; `fast`: in `make test`
    mutations() -> what the files hold;  find(mutation) -> the first world that breaks, by seed

`make mutations` searches for all of them and writes the table in docs/SIMULATION.md.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulation.mutants import Mutation, hunt
from simulation.plan import Plan

FOLDER = Path(__file__).parent
SEEDS = 2_000


@dataclass(frozen=True, slots=True)
class Described:
    """A mutation, where it stands, and what it must break. `families` empty: drawn by each seed."""

    name: str
    change: Mutation
    breaks: tuple[str, ...]
    families: frozenset[str]
    webhooks: bool
    fast: bool

    @property
    def plan(self) -> Plan:
        families = self.families or Plan(0).families
        return Plan(0, families=families, all_families=bool(self.families), webhooks=self.webhooks)


@dataclass(frozen=True, slots=True)
class Found:
    """`seed` None: no world broke one of the promises."""

    seed: int | None
    promise: str
    seconds: float


def mutations(folder: Path = FOLDER) -> Sequence[Described]:
    """All of them, in the order of files and entries."""
    files = sorted(folder.glob("*.toml"))
    return [
        _described(entry) for file in files for entry in tomllib.loads(file.read_text(encoding="utf-8"))["mutation"]
    ]


def _described(entry: dict[str, object]) -> Described:
    match entry:
        case {"name": str(name), "file": str(file), "old": str(old), "new": str(new), "breaks": list(breaks)}:
            families = entry.get("families", [])
            assert isinstance(families, list)
            return Described(
                name,
                Mutation(file, old, new),
                tuple(breaks),
                frozenset(families),
                bool(entry.get("webhooks", False)),
                bool(entry.get("fast", False)),
            )
    raise ValueError(f"a mutation needs name, file, old, new and breaks: {entry}")


def find(mutation: Described, *, seeds: int = SEEDS, processes: int | None = None) -> Found:
    """Search so many seeds for a world that breaks one of the mutation's promises."""
    began = time.monotonic()
    outcome = hunt((mutation.change,), range(seeds), mutation.plan, promises=mutation.breaks, processes=processes)
    seconds = time.monotonic() - began
    if outcome is None:
        return Found(None, "", seconds)
    promise = next(one.promise for one in outcome.violations if one.promise in mutation.breaks)
    return Found(outcome.plan.seed, promise, seconds)
