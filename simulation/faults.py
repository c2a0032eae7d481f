"""The faults of a world, in families, about half of them drawn for each seed (swarm testing).

    happens("ack_lost")         one occasion: drawn from the process's own randomness, under its own name
    plan(...)                   kills, pauses, stalls, silences and the like at drawn moments

Every fault that happens has a name such as `ack_lost@actor-0.3#2`. A world that is run again with only some names
allowed draws the same numbers, so shrinking removes single faults without affecting the others.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simulation.scheduler import PROCESS
from simulation.trace import Trace

FAMILIES: dict[str, dict[str, float]] = {
    "crashes": {"kill": 0.3},
    "moments": {"dies_sending": 0.004, "dies_writing": 0.004},
    "absences": {"absence": 0.25},
    "evictions": {"eviction": 0.4},
    "pauses": {"pause": 0.08},
    "stalls": {"stall": 0.25},
    "log": {"record_lost": 0.01, "ack_lost": 0.01, "append_late": 0.03, "broker_refuses": 0.05},
    "commits": {"commit_lost": 0.3},
    "database": {"connection_lost": 0.008, "answer_lost": 0.008, "deadlock": 0.004},
    "hanging": {"never_answered": 0.003},
    "redis": {"reply_lost": 0.1, "reply_late": 0.1, "redis_away": 0.02, "flush": 0.05},
    "network": {"request_lost": 0.02, "response_lost": 0.04},
    "bank": {"bank_unasked": 0.05, "bank_silent": 0.1, "bank_twice": 0.1, "bank_late": 0.1},
    "silence": {"silence": 0.2},
    "turning": {"charge_turns": 0.1, "refund_turns": 0.25},
    "receivers": {"webhook_refused": 0.15, "webhook_lost": 0.05, "webhook_slow": 0.05, "webhook_gone": 0.004},
    "outages": {"outage": 0.25},
    "strangers": {"stranger": 0.4},
    "clocks": {},
    "holiday": {},
    "steps": {"payer_steps": 0.3},
}
"""Family -> fault -> chance on each occasion; of those in PLANNED: times a second.

`moments`: a process dies within milliseconds of what it sent or wrote. `absences`: it stays down for a while.
`evictions`: a group evicts a live member. `silence`: the bank does not respond, to all or about one merchant.
`outages`: a receiver refuses everything for a while. `strangers`: foreign records on a topic. `clocks`:
hosts whose clocks are wrong. `holiday`: once all is quiet, days pass and the offsets are lost. `steps`: the bank needs
a step of the payer's before it decides, who may cancel instead.
"""
PLANNED = ("kill", "absence", "eviction", "pause", "stall", "flush", "silence", "outage", "stranger")
MOMENT_SECONDS = 0.005
"""Within this time a process dies of what it has sent or written: before it arrives, before its answer, or after."""
DEFAULT_FAMILIES = frozenset(FAMILIES)
"""The default families that a seed draws from."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A disturbance of the world at `at`. `chance` picks the target; `seconds`: for how long."""

    name: str
    kind: str
    at: float
    chance: float
    seconds: float


class Faults:
    """The faults of one world."""

    def __init__(
        self,
        seed: int,
        families: Iterable[str],
        trace: Trace,
        *,
        all_of_them: bool = False,
        allowed: frozenset[str] | None = None,
    ) -> None:
        draw = random.Random(f"{seed}/faults")
        drawn = {name: all_of_them or draw.random() < 0.5 for name in FAMILIES}
        self.families = [name for name in FAMILIES if name in frozenset(families) and drawn[name]]
        strength = draw.choice((0.5, 1.0, 1.0, 2.0))
        self._rates = {fault: rate * strength for name in self.families for fault, rate in FAMILIES[name].items()}
        self._allowed = allowed
        self._trace = trace
        self._counts: Counter[str] = Counter()
        self._draw = draw
        self.on = True
        self.happened: list[str] = []

    def happens(self, fault: str) -> bool:
        """Whether this fault strikes the process that is running, now."""
        rate = self._rates.get(fault)
        if rate is None:
            return False
        process = PROCESS.get()
        if process.random.random() >= rate or not self.on:
            return False
        place = f"{fault}@{process.name}.{process.number}"
        self._counts[place] += 1
        return self.strikes(f"{place}#{self._counts[place]}")

    def strikes(self, name: str) -> bool:
        """Whether the fault of this name is one that may happen; remembers it."""
        if self._allowed is not None and name not in self._allowed:
            return False
        self.happened.append(name)
        self._trace.note("fault", name)
        return True

    def plan(self, seconds: float) -> list[Planned]:
        """The disturbances within this many seconds, in order."""
        planned = []
        for kind in PLANNED:
            rate, at, number = self._rates.get(kind, 0.0), 0.0, 0
            while rate and (at := at + self._draw.expovariate(rate)) < seconds:
                number += 1
                name = f"{kind}#{number}"
                planned.append(Planned(name, kind, at, self._draw.random(), self._draw.random()))
        return sorted(planned, key=lambda one: one.at)


def delay_seconds() -> float:
    """One way over the network, for the process that is running: mostly a fraction of a millisecond, seldom ten."""
    return 0.0002 + PROCESS.get().random.random() ** 4 * 0.01


def between(low: float, high: float) -> float:
    """A number drawn for the process that is running."""
    return low + (high - low) * PROCESS.get().random.random()
