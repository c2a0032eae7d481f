"""`python -m agents.sweeper`: one sweeper, until SIGTERM. Several do no harm: settling twice changes nothing."""

from __future__ import annotations

from agents.bank.simulated import SimulatedBank
from agents.role import Context, run_role
from agents.sweeper.sweeper import Sweeper


async def _body(context: Context) -> None:
    await Sweeper(context, SimulatedBank(context.settings)).run()


if __name__ == "__main__":
    run_role("sweeper", _body)
