"""Round robin: several owners' work in one line, so that none waits for all the work of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from typing import TypeVar

Item = TypeVar("Item")


def in_turn(items: Iterable[Item], owner: Callable[[Item], str]) -> list[Item]:
    """One item of each owner in turn, owners as they first appear; the items of one owner keep their order."""
    lines: dict[str, list[tuple[Item]]] = {}
    for item in items:
        lines.setdefault(owner(item), []).append((item,))
    rounds = zip_longest(*lines.values(), fillvalue=())
    return list(chain.from_iterable(chain.from_iterable(rounds)))
