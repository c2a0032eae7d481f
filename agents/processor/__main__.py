"""`python -m agents.processor`: one processor worker, until SIGTERM."""

from __future__ import annotations

from agents.bank.simulated import SimulatedBank
from agents.processor.processor import Processor
from agents.role import Context, run_role


async def _body(context: Context) -> None:
    await Processor(context, SimulatedBank(context.settings)).run()


if __name__ == "__main__":
    run_role("processor", _body)
