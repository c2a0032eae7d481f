"""The simulation finds the faults that made it necessary: each is put back into the code, and a world breaks for it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from simulation.mutants import Mutation, MutationError, hunt, mutated
from simulation.plan import Plan

SEEDS = 2_000
NEVER = "if False:  # put back"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the past, and the promises of which it breaks one."""

    name: str
    mutations: tuple[Mutation, ...]
    promises: tuple[str, ...]
    families: frozenset[str] = frozenset()
    all_families: bool = False

    @property
    def plan(self) -> Plan:
        families = self.families or Plan(0).families
        return Plan(0, families=families, all_families=self.all_families, webhooks=False)


PRUNED_BY_THE_CLOCK_ALONE = Mutation(
    "store/retention.py",
    "return None if oldest is None else oldest - timedelta(milliseconds=INBOX_RESERVE_MS)",
    "return None",
)
FAULTS = (
    Fault(
        "a refusal is carried out by its redelivery",
        (
            Mutation(
                "store/actor.py",
                "return self.refused.get((command_id, nonce)) or self.accepted.get(command_id)",
                "return self.accepted.get(command_id)",
            ),
            Mutation(  # the table's key as it was: nothing keeps a second decision of the same request out
                "simulation/statements.py",
                '    _unique(keys, view[table], f"{table}_pkey")\n',
                '    if table != "commands":\n        _unique(keys, view[table], f"{table}_pkey")\n',
            ),
            Mutation(
                "simulation/statements.py",
                "before = view[table].get(key)\n    if before is not None:",
                'before = None if table == "commands" else view[table].get(key)\n    if before is not None:',
            ),
        ),
        ("what was refused had no effect",),
    ),
    Fault(
        "a command of an order that exists is decided without the order",
        (
            Mutation(
                "agents/payments/actor.py",
                " in ORDER_MAKING and inbox.stored_for(one.envelope.id, one.envelope.nonce) is None",
                " in ORDER_MAKING",
            ),
            Mutation(
                "agents/payments/fold.py",
                "elif order is None and isinstance(decided, Rejected) and order_id not in known.orders:",
                "elif False:",
            ),
        ),
        ("what is known is found",),
    ),
    Fault(
        "a settlement about an order that was not read is refused and remembered",
        (
            Mutation(
                "agents/payments/actor.py",
                " in ORDER_MAKING and inbox.stored_for(one.envelope.id, one.envelope.nonce) is None",
                " in ORDER_MAKING",
            ),
            Mutation(
                "agents/payments/fold.py",
                "elif order is None and isinstance(decided, Rejected) and order_id not in known.orders:",
                "elif False:",
            ),
            Mutation(
                "agents/payments/fold.py",
                "if isinstance(decided, Rejected) and isinstance(one.command, BankWord):",
                NEVER,
            ),
            Mutation(
                "domain/question.py", 'repeats = f"again{self.answered}" if self.answered else ""', 'repeats = ""'
            ),
        ),
        ("nothing stays undecided",),
    ),
    Fault(
        "a record that is older than the inbox is decided again",
        (
            Mutation(
                "agents/payments/actor.py",
                "oldest = self._clock.now() - self._decidable_age",
                "oldest = self._clock.now() - 10 * self._decidable_age",
            ),
            Mutation(
                "topics/catalogue.py",
                "return None if self.retention_ms == FOR_EVER else SEGMENT_MS",
                "return None if self.retention_ms == FOR_EVER else 7 * SEGMENT_MS",
            ),
            PRUNED_BY_THE_CLOCK_ALONE,
            Mutation(
                "domain/rules/payments.py",
                "    if made is not None:\n        return Decision((), made)\n    if command.amount not in",
                "    if command.amount not in",
            ),
            Mutation(
                "domain/rules/refunds.py",
                "    if made is not None:\n        return Decision((), made) if made.payment_id == payment.id"
                " else rejection.REFUND_EXISTS\n",
                "",
            ),
        ),
        ("legal history", "legal money", "what was refused had no effect", "state = fold"),
        frozenset({"holiday"}),
        all_families=True,
    ),
    Fault(
        "a refused record that is older than the inbox is decided again",
        (
            Mutation(
                "agents/payments/actor.py",
                "oldest = self._clock.now() - self._decidable_age",
                "oldest = self._clock.now() - 10 * self._decidable_age",
            ),
            Mutation(
                "topics/catalogue.py",
                "return None if self.retention_ms == FOR_EVER else SEGMENT_MS",
                "return None if self.retention_ms == FOR_EVER else 7 * SEGMENT_MS",
            ),
            PRUNED_BY_THE_CLOCK_ALONE,
        ),
        ("what was refused had no effect",),
        frozenset({"holiday"}),
        all_families=True,
    ),
    Fault(
        "an attempt is made again, unasked, when its event is published again days later",
        (
            Mutation(
                "agents/processor/processor.py",
                "return known or instant_of(message.timestamp) - event.at > FIRST_SIGHT_MAX",
                "return False",
            ),
        ),
        ("money moves once",),
        frozenset({"holiday"}),
        all_families=True,
    ),
    Fault(
        "a refund that succeeds after all is ignored",
        (
            Mutation(
                "domain/rules/refunds.py",
                "    known = Word(refund.bank_turn, refund.status is RefundStatus.PROCESSED)\n"
                "    if reported < known:\n",
                "    known = Word(refund.bank_turn, refund.status is RefundStatus.PROCESSED)\n    if True:\n",
            ),
        ),
        ("bank = books", "never more back than paid"),
        frozenset({"turning"}),
        all_families=True,
    ),
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_that_is_put_back_is_found(fault: Fault) -> None:
    found = hunt(fault.mutations, range(SEEDS), fault.plan, promises=fault.promises)
    assert found is not None, f"none of {SEEDS} worlds broke the promise"
    print(f"{fault.name}: seed {found.plan.seed}: {found.violations[0]}")


def test_a_mutation_that_fits_nowhere_is_an_error() -> None:
    with pytest.raises(MutationError, match="0 times"):
        mutated([Mutation("store/actor.py", "no such text", "")])
