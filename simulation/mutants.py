"""Checks that the simulation finds a defect put into the code: worlds of a changed source, in separate processes.

    hunt((Mutation("store/actor.py", "old text", "new text"),), range(2_000), Plan(0)) -> the first world that breaks

The files on disk are unchanged: a process that runs worlds gets the changed source before its first import of the
product. So this module must not import the product.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.plan import Plan
    from simulation.search import Outcome

ROOT = Path(__file__).parents[1]
AT_ONCE = 8
"""Worlds queued for each process: few of those that are no longer needed run to their end."""


class MutationError(ValueError):
    """The text to be replaced does not occur exactly once in the file."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of one source file: `old` occurs in it exactly once."""

    file: str
    old: str
    new: str

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")

    def applied(self, source: str) -> str:
        """Raises MutationError."""
        if source.count(self.old) != 1:
            raise MutationError(f"{self.file} holds {source.count(self.old)} times: {self.old!r}")
        return source.replace(self.old, self.new)


def mutated(mutations: Sequence[Mutation]) -> dict[str, str]:
    """Module -> its source with all mutations. Raises MutationError."""
    sources: dict[str, str] = {}
    for one in mutations:
        before = sources.get(one.module) or (ROOT / one.file).read_text(encoding="utf-8")
        sources[one.module] = one.applied(before)
    return sources


def hunt(
    mutations: Sequence[Mutation],
    seeds: Iterable[int],
    plan: Plan,
    *,
    promises: Collection[str] = (),
    processes: int | None = None,
) -> Outcome | None:
    """The first world of the mutated code that breaks one of these promises (none named: any); None if none does."""
    sources = mutated(mutations)
    count = processes or os.cpu_count() or 1
    plans = (replace(plan, seed=seed) for seed in seeds)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_install, initargs=(sources,)) as pool:
        while batch := list(islice(plans, AT_ONCE * count)):
            for outcome in pool.map(_run, batch):
                if any(not promises or one.promise in promises for one in outcome.violations):
                    pool.shutdown(cancel_futures=True)
                    return outcome
    return None


def _run(plan: Plan) -> Outcome:
    from simulation.search import run  # noqa: PLC0415  # the product is imported only once the mutation is installed

    return run(plan)


def _install(sources: dict[str, str]) -> None:
    assert not sources.keys() & sys.modules.keys(), "imported before it was mutated"
    sys.meta_path.insert(0, _Finder(sources))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        source = self._sources.get(name)
        if source is None:
            return None
        file = str(ROOT / f"{name.replace('.', '/')}.py")
        return importlib.util.spec_from_file_location(name, file, loader=_Loader(name, file, source))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, file: str, source: str) -> None:
        super().__init__(name, file)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)
