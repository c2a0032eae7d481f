"""The repair of one difference: a step, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One change. `will`: what it does, as a sentence without a subject. `do` returns False if nothing was left to
    do."""

    subject: str
    will: str
    do: Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no repair."""

    subject: str
    why: str


Planned = Step | Refusal
