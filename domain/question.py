"""A question to the bank about an attempt that has no outcome past its deadline, and when it is asked again.

deadline ─► asked at once ─ silent ─► after 2 s ─► 4 s ─► 8 s … every 5 min
                 └─ answered ─► the actor is told; an attempt still open after that is asked about again
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.payment import Payment
from domain.refund import Refund

FIRST_WAIT_SECONDS = 2.0
"""An answer that was merely lost is there at the second question."""
WAIT_SECONDS_MAX = 300.0
"""Once the bank speaks again, everything is settled within this time; 5,000 silent attempts cost it 17 questions a
second until then."""
EFFECT_SECONDS = 10.0
"""Time for the actor to act on an answer before the attempt counts as still open."""


class Kind(StrEnum):
    """What is asked about: an open payment, an open refund, or a failed payment whose money has not gone back."""

    PAYMENT = "payment"
    REFUND = "refund"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Question:
    """One attempt to ask about. `asked` counts the questions so far, `answered` the answers that closed nothing.

    `route`: the acquirer's line that the attempt went through.
    """

    kind: Kind
    subject: Payment | Refund
    route: str
    asked: int = 0
    answered: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.subject.id, self.kind

    @property
    def again(self) -> str:
        """Distinguishes the command of this answer from those of earlier answers, which the inbox already knows.

        Empty for the first answer: then it is the same command as the processor's, should that be on its way. A return
        is set apart by the payment's version: each refusal of the bank makes a new one.
        """
        repeats = f"again{self.answered}" if self.answered else ""
        if self.kind is not Kind.RETURN:
            return repeats
        return "_".join(filter(None, (f"return{self.subject.version}", repeats)))


def wait_seconds(asked: int, *, answered: bool) -> float:
    """Time from question number `asked` to the next: doubles from FIRST_WAIT_SECONDS up to WAIT_SECONDS_MAX."""
    assert asked > 0, asked
    # beyond 2^20 the bound is reached by far, and a float would overflow some day
    wait = min(WAIT_SECONDS_MAX, FIRST_WAIT_SECONDS * 2.0 ** min(asked - 1, 20))
    return max(wait, EFFECT_SECONDS) if answered else wait
