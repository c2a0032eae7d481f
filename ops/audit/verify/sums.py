"""Events as sums: what topic and table hold is compared without bringing the two in one order.

    ending of the order id (two characters) ─► sum of its events' XXH3 numbers

Two multisets of events are equal where their sums are; where a sum differs, the orders with that ending are compared
one by one. A number has 128 bits, so what was added twice does not vanish as it would with XOR. XXH3 is not a
cryptographic hash: this finds defects and accidents. The seed, new for each audit, makes it harder to prepare two
events of one number, not impossible. An audit with an anchor uses keyed BLAKE2b instead, whose key does not exist
before the audit begins.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xxhash import xxh3_128_intdigest

ENDING_CHARACTERS = 2
"""62² = 3,844 sums: few enough to send, and one wrong event leads to 1/3,844 of the orders."""

Sums = dict[str, int]
NumberOf = Callable[[bytes, int], int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """How an audit numbers events: both sides must do it the same way. Crosses a process boundary."""

    seed: int
    """64 bits."""
    cryptographic: bool = False

    @property
    def number_of(self) -> NumberOf:
        """An event's number, of its bytes and the seed. A plain function: it is called for every event."""
        return _keyed if self.cryptographic else xxh3_128_intdigest


def _keyed(payload: bytes, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(payload, digest_size=32, key=seed.to_bytes(8)).digest())


def empty() -> Sums:
    return defaultdict(int)


def ending(order_id: str) -> str:
    return order_id[-ENDING_CHARACTERS:]


def sum_of(payloads: Sequence[bytes], number_of: NumberOf, seed: int) -> int:
    """Of these events, in any order."""
    total = 0
    for payload in payloads:
        total += number_of(payload, seed)
    return total


def add(total: Sums, more: Sums) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def differing(one: Sums, other: Sums) -> set[str]:
    """Endings whose sums are not the same."""
    return {name for name in one.keys() | other.keys() if one.get(name, 0) != other.get(name, 0)}
