"""Events as sums: what topic and table hold is compared without bringing the two in one order.

    ending of the order id (two characters) ─► sum of its events' XXH3 numbers

Two multisets of events are equal where their sums are; where a sum differs, the orders with that ending are looked at
one by one. A number has 128 bits, so what was added twice does not vanish as it would with XOR. Its seed is new for
each audit: nobody can prepare two events that have the same number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from xxhash import xxh3_128_intdigest

ENDING_CHARACTERS = 2
"""62² = 3,844 sums: few enough to send, and one wrong event leads to 1/3,844 of the orders."""

Sums = dict[str, int]


def empty() -> Sums:
    return defaultdict(int)


def ending(order_id: str) -> str:
    return order_id[-ENDING_CHARACTERS:]


def sum_of(payloads: Sequence[bytes], seed: int) -> int:
    """Of these events, in any order."""
    total = 0
    for payload in payloads:
        total += xxh3_128_intdigest(payload, seed)
    return total


def add(total: Sums, more: Sums) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def differing(one: Sums, other: Sums) -> set[str]:
    """Endings whose sums are not the same."""
    return {name for name in one.keys() | other.keys() if one.get(name, 0) != other.get(name, 0)}
