"""Round robin: several owners' work in one queue, so that none waits for all the work of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def in_turn(items: Iterable[Item], owner: Callable[[Item], str]) -> list[Item]:
    """One item of each owner in turn; the items of one owner keep their order."""
    met: dict[str, int] = {}
    rounds: list[list[Item]] = []
    for item in items:
        turn = met[owner(item)] = met.get(owner(item), -1) + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(item)
    return [item for one in rounds for item in one]
