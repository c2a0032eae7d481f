"""A question to the bank about an attempt without an outcome after its deadline, and the time of the next one.

deadline ─► sent at once ─ silence ─► after 2 s ─► 4 s ─► 8 s … every 5 min
                 └─ response ─► the actor is notified; if the attempt is still open after that, another question follows
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.payment import Payment
from domain.refund import Refund

FIRST_WAIT_SECONDS = 2.0
"""A response that was merely lost arrives with the second question."""
WAIT_SECONDS_MAX = 300.0
"""Once the bank responds again, everything is settled within this time; 5,000 silent attempts cost it 17 questions a
second until then."""
EFFECT_SECONDS = 10.0
"""Time for the actor to act on a response before the attempt counts as still open."""


class Kind(StrEnum):
    """The subject: an open payment, an open refund, or a failed payment whose money has not been returned."""

    PAYMENT = "payment"
    REFUND = "refund"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Question:
    """One attempt to query. `asked` counts the questions so far, `answered` the responses that closed nothing.

    `route`: the acquirer's route that the attempt used.
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
        """Distinguishes the command of this response from those of earlier responses, which the inbox already has.

        Empty for the first response: then it is the same command as the processor's, in case that is on its way. A
        return is distinguished by the payment's version: each refusal of the bank creates a new one.
        """
        repeats = f"again{self.answered}" if self.answered else ""
        if self.kind is not Kind.RETURN:
            return repeats
        return "_".join(filter(None, (f"return{self.subject.version}", repeats)))


def wait_seconds(asked: int, *, answered: bool) -> float:
    """Time from question number `asked` to the next: doubles from FIRST_WAIT_SECONDS up to WAIT_SECONDS_MAX."""
    assert asked > 0, asked
    # beyond 2^20 the bound is long reached, and a float would overflow eventually
    wait = min(WAIT_SECONDS_MAX, FIRST_WAIT_SECONDS * 2.0 ** min(asked - 1, 20))
    return max(wait, EFFECT_SECONDS) if answered else wait
